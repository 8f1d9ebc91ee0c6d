//! What goes wrong, by name.

use std::time::Duration;

use standins::Fault;

/// Longer than any scene.
const EVER: Duration = Duration::from_secs(60);

/// Answers from which nothing can be learned.
pub(crate) fn useless() -> Vec<(&'static str, Fault)> {
    vec![
        ("closed", Fault::Close),
        ("reset", Fault::Reset),
        ("half a head", Fault::HalfHead),
        ("half a body", Fault::HalfBody),
        ("garbage", Fault::Garbage),
        ("wrong types", Fault::WrongTypes),
        ("a web page", Fault::WebPage),
        ("a megabyte of nesting", Fault::NestedJson),
        ("a list with a next page, always", Fault::EndlessList),
        ("silence", Fault::Silent(EVER)),
        ("an object without end", Fault::Body(endless_object())),
        ("a head without end", Fault::Raw(endless_head())),
        ("an empty body", Fault::Body(Vec::new())),
        ("null", Fault::Body(b"null\n".to_vec())),
        ("a redirect", Fault::Redirect("https://127.0.0.1:1/".into())),
        ("404", Fault::Status(404, None)),
        ("409", Fault::Status(409, None)),
        ("429", Fault::Status(429, None)),
        ("429, in an hour", Fault::Status(429, Some(3600))),
        (
            "429, after the end of time",
            Fault::Raw(never_again("18446744073709551615")),
        ),
        ("429, at no time", Fault::Raw(never_again("-1"))),
        ("500", Fault::Status(500, None)),
        ("503", Fault::Status(503, None)),
    ]
}

/// Answers that say: not you.
pub(crate) fn forbidding() -> Vec<(&'static str, Fault)> {
    vec![
        ("401", Fault::Status(401, None)),
        ("403", Fault::Status(403, None)),
    ]
}

/// More than any object that etcd takes.
fn endless_object() -> Vec<u8> {
    let mut body = br#"{"items":[{"metadata":{"name":""#.to_vec();
    body.resize(6 << 20, b'a');
    body
}

fn endless_head() -> Vec<u8> {
    let mut head = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
    head.resize(4 << 20, b'a');
    head
}

fn never_again(retry_after: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}
