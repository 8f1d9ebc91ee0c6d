//! What a hostile server answers, by name, and how much harm that is to do.

use std::net::TcpListener;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use standins::Fault;

use super::scripts::{
    EMPTY_LIST, EVER, endless_continue, endless_events, endless_extension, endless_garbage,
    endless_header, endless_headers, endless_list, endless_own, endless_space, endless_string,
    endless_trailers, half_a_body, half_a_head, nested_items, nested_objects, next_page, trickle,
};

/// What happens to a run that gets such an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It is answered well, late or in an odd way.
    None,
    /// Nothing can be learned from it.
    Useless,
    /// The same, and each attempt takes long, or longer than a second try is worth.
    Lasting,
    /// It says: not you.
    Forbidding,
    /// One or the other; what must never happen must not happen here either.
    Some,
}

/// A list or an object whose fields are not what they should be.
const WRONG: [(&str, &str); 12] = [
    (
        "items is a string",
        r#"{"metadata":{"resourceVersion":"1"},"items":"csr-wrong"}"#,
    ),
    (
        "items is an object",
        r#"{"metadata":{"resourceVersion":"1"},"items":{"name":"csr-wrong"}}"#,
    ),
    (
        "metadata is null",
        r#"{"metadata":null,"items":[],"type":"ADDED","object":{"metadata":null}}"#,
    ),
    (
        "metadata is a list",
        r#"{"metadata":[],"items":[],"spec":[],"status":[],"data":[]}"#,
    ),
    (
        "an item is null",
        r#"{"metadata":{"resourceVersion":"1"},"items":[null],"data":null}"#,
    ),
    (
        "an item is a number",
        r#"{"metadata":{"resourceVersion":"1"},"items":[1],"data":1}"#,
    ),
    (
        "a name is a number",
        r#"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":1},"spec":{}}],"spec":{"taints":[{"key":1}]},"data":{"kubelet":1}}"#,
    ),
    (
        "a name is null",
        r#"{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":null},"spec":{}}],"data":{"kubelet":null}}"#,
    ),
    (
        "a revision is a number",
        r#"{"metadata":{"resourceVersion":1},"items":[],"data":{}}"#,
    ),
    (
        "a Status where a list belongs",
        r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":200}"#,
    ),
    ("a list in a list", "[[]]"),
    (
        "half a surrogate and a zero byte",
        "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[{\"metadata\":{\"name\":\"\\ud800\\u0000\"},\"spec\":{}}]}",
    ),
];

const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x0d\xcb\x21\x0e\x80\x30\x10\x04\x40\xcf\x33\x56\x63\xb0\xb5\x58\x14\x24\x18\x82\x68\xda\x85\x5c\x08\x6d\xe8\x5d\x55\xc3\xdf\x61\xfc\x34\x5c\x92\x22\x1c\x46\x16\x93\x43\x82\x37\x2e\x72\x26\x49\xe7\xcc\xa7\x52\x6d\x12\x35\xf4\xb8\x69\x3e\x7a\xf3\x70\x0d\x85\x9a\x6b\x09\x5c\x59\x54\x72\xfa\xf7\x80\xb7\x87\x18\x6f\x85\xdb\xf6\xb7\xfb\x00\xd5\x7d\xef\x59\x57\x00\x00\x00";

/// For every question.
#[rustfmt::skip]
pub(crate) fn answers() -> Vec<(String, Harm, Fault)> {
    let mut all: Vec<(&str, Harm, Fault)> = vec![
        ("nothing", Harm::Lasting, Fault::Silent(EVER)),
        ("closed", Harm::Useless, Fault::Close),
        ("reset", Harm::Useless, Fault::Reset),
        ("half a head", Harm::Useless, Fault::HalfHead),
        ("half a head and silence", Harm::Lasting, Fault::Script(half_a_head)),
        ("a head without end", Harm::Lasting, Fault::Script(endless_header)),
        ("headers without end", Harm::Lasting, Fault::Script(endless_headers)),
        ("100 Continue without end", Harm::Lasting, Fault::Script(endless_continue)),
        ("a byte a second", Harm::Lasting, Fault::Script(trickle)),
        ("half a body", Harm::Useless, Fault::HalfBody),
        ("half a body and silence", Harm::Lasting, Fault::Script(half_a_body)),
        ("an empty body", Harm::Useless, Fault::Body(Vec::new())),
        ("a string without end", Harm::Lasting, Fault::Script(endless_string)),
        ("white space without end", Harm::Lasting, Fault::Script(endless_space)),
        ("a list without end", Harm::Lasting, Fault::Script(endless_list)),
        ("requests of this node without end", Harm::Lasting, Fault::Script(endless_own)),
        ("events without end", Harm::Lasting, Fault::Script(endless_events)),
        ("a chunk extension without end", Harm::Lasting, Fault::Script(endless_extension)),
        ("trailers without end", Harm::Lasting, Fault::Script(endless_trailers)),
        ("garbage", Harm::Useless, Fault::Garbage),
        ("garbage without end", Harm::Lasting, Fault::Script(endless_garbage)),
        ("null", Harm::Useless, Fault::Body(b"null\n".to_vec())),
        ("wrong types", Harm::Useless, Fault::WrongTypes),
        ("a web page", Harm::Useless, Fault::WebPage),
        ("a megabyte of arrays", Harm::Useless, Fault::NestedJson),
        ("a megabyte of objects", Harm::Useless, Fault::Body(nested_objects())),
        ("a megabyte of arrays in items", Harm::Useless, Fault::Body(nested_items())),
        ("the same page without end", Harm::Useless, Fault::EndlessList),
        ("a new page without end", Harm::Useless, Fault::Script(next_page)),
        ("401", Harm::Forbidding, Fault::Status(401, None)),
        ("403", Harm::Forbidding, Fault::Status(403, None)),
        ("404", Harm::Useless, Fault::Status(404, None)),
        ("409", Harm::Useless, Fault::Status(409, None)),
        ("410", Harm::Some, Fault::Status(410, None)),
        ("429", Harm::Useless, Fault::Status(429, None)),
        ("429, in an hour", Harm::Lasting, Fault::Status(429, Some(3600))),
        ("500", Harm::Useless, Fault::Status(500, None)),
        ("503", Harm::Useless, Fault::Status(503, None)),
        ("503, in a day", Harm::Lasting, Fault::Status(503, Some(86_400))),
        ("a redirect to itself", Harm::Useless, raw("307 Temporary Redirect", "Location: /apis/certificates.k8s.io/v1/certificatesigningrequests\r\nContent-Length: 0", "")),
        ("a gzip body", Harm::Useless, Fault::Raw([&b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 102\r\n\r\n"[..], GZIP].concat())),
        ("a redirect elsewhere", Harm::Useless, redirect("307 Temporary Redirect", "https")),
        ("late", Harm::None, Fault::Delay(Duration::from_millis(300))),
    ];
    for (name, text) in WRONG {
        all.push((
            name,
            Harm::Useless,
            Fault::Body(format!("{text}\n").into_bytes()),
        ));
    }
    named(all)
}

/// What goes wrong in HTTP alone, whatever was asked.
#[rustfmt::skip]
pub(crate) fn of_http() -> Vec<(String, Harm, Fault)> {
    let mut all = named(vec![
        ("a shorter length", Harm::Useless, raw("200 OK", "Content-Length: 3", EMPTY_LIST)),
        ("a longer length", Harm::Useless, raw("200 OK", "Content-Length: 18446744073709551615", EMPTY_LIST)),
        ("a length beyond any number", Harm::Useless, raw("200 OK", "Content-Length: 99999999999999999999999", EMPTY_LIST)),
        ("a negative length", Harm::Useless, raw("200 OK", "Content-Length: -1", EMPTY_LIST)),
        ("two lengths", Harm::Useless, raw("200 OK", "Content-Length: 2\r\nContent-Length: 78", EMPTY_LIST)),
        ("a chunk of all memory", Harm::Useless, raw("200 OK", "Transfer-Encoding: chunked", "ffffffffffffffff\r\n{}")),
        ("a chunk beyond any number", Harm::Useless, raw("200 OK", "Transfer-Encoding: chunked", "fffffffffffffffff\r\n{}")),
        ("a chunk of no number", Harm::Useless, raw("200 OK", "Transfer-Encoding: chunked", "-2\r\n{}\r\n0\r\n\r\n")),
        ("no content", Harm::Useless, raw("204 No Content", "X: y", "")),
        ("a part", Harm::Useless, raw("206 Partial Content", "Content-Length: 2", "{}")),
        ("not modified", Harm::Useless, raw("304 Not Modified", "X: y", "")),
        ("another protocol", Harm::Useless, raw("101 Switching Protocols", "Upgrade: h2c\r\nConnection: upgrade", "PRI * HTTP/2.0")),
        ("HTTP/2", Harm::Useless, Fault::Raw(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\x04\0\x10\0\0".to_vec())),
        ("status 999", Harm::Useless, raw("999 \x1b[2J", "Content-Length: 0", "")),
        ("status 1000", Harm::Useless, raw("1000 X", "Content-Length: 0", "")),
        ("an error in escape sequences", Harm::Useless, raw("500 X", "Content-Length: 12", "\x1b]0;csr-wrong")),
    ]);
    for when in [
        "99999",
        "soon",
        "-1",
        "18446744073709551615",
        "1e9",
        "Mon, 23 Nov 2099 07:16:56 GMT",
    ] {
        // A wait that is not a number of seconds is ignored.
        let harm = match when.parse::<u64>() {
            Ok(_) => Harm::Lasting,
            Err(_) => Harm::Useless,
        };
        let head = format!("Retry-After: {when}\r\nContent-Length: 0");
        let answer = raw("429 Too Many Requests", &head, "");
        all.push((format!("429, Retry-After: {when}"), harm, answer));
    }
    for code in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        for scheme in ["http", "https"] {
            let name = format!("{code}, elsewhere, {scheme}");
            all.push((name, Harm::Useless, redirect(code, scheme)));
        }
    }
    all
}

fn named(all: Vec<(&str, Harm, Fault)>) -> Vec<(String, Harm, Fault)> {
    let owned = |(name, harm, fault): (&str, _, _)| (name.to_owned(), harm, fault);
    all.into_iter().map(owned).collect()
}

/// What only a watch can do.
#[rustfmt::skip]
pub(crate) fn of_watches() -> Vec<(String, Harm, Fault)> {
    let lines = |lines: &[&str]| Fault::Body(lines.concat().into_bytes());
    named(vec![
        ("a bookmark without a request", Harm::None, Fault::Bookmark),
        ("an event, then a reset, always", Harm::None, Fault::ResetAfter(1)),
        ("an event, then the end, always", Harm::None, Fault::DropAfter(1)),
        ("410 as an event", Harm::None, Fault::Gone),
        ("an event a byte a second", Harm::Lasting, Fault::Trickle(Duration::from_secs(1))),
        ("a bookmark that is null", Harm::Useless, lines(&["{\"type\":\"BOOKMARK\",\"object\":null}\n"])),
        ("an event that is null", Harm::Useless, lines(&["{\"type\":\"ADDED\",\"object\":null}\n"])),
        ("an event of no type", Harm::Useless, lines(&["{\"type\":null,\"object\":{}}\n"])),
        ("an ERROR whose code is a string", Harm::Useless, lines(&["{\"type\":\"ERROR\",\"object\":{\"code\":\"410\"}}\n"])),
        ("an ERROR of 65535", Harm::Useless, lines(&["{\"type\":\"ERROR\",\"object\":{\"code\":65535,\"message\":\"\\u001b[2J\"}}\n"])),
        ("a revision that is a query", Harm::Useless, lines(&["{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1&watch=false\"}}}\n"])),
        ("an event without a line's end", Harm::Useless, lines(&["{\"type\":\"BOOKMARK\",\"object\":{}}"])),
        ("an unknown type", Harm::Useless, lines(&["{\"type\":\"csr-wrong\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\n"])),
    ])
}

fn redirect(status: &str, scheme: &str) -> Fault {
    let port = recorder();
    raw(
        status,
        &format!("Location: {scheme}://127.0.0.1:{port}/apis\r\nContent-Length: 0"),
        "",
    )
}

fn raw(status: &str, head: &str, body: &str) -> Fault {
    Fault::Raw(format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}").into_bytes())
}

/// The port of a server to which nothing may ever come.
fn recorder() -> u16 {
    static PORT: OnceLock<u16> = OnceLock::new();
    *PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for _ in listener.incoming() {
                STRAYED.fetch_add(1, Ordering::Relaxed);
            }
        });
        port
    })
}

static STRAYED: AtomicUsize = AtomicUsize::new(0);

/// How many connections a redirect has led elsewhere.
pub(crate) fn strayed() -> usize {
    STRAYED.load(Ordering::Relaxed)
}
