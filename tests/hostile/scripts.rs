//! Answers that are written bit by bit, some without end.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Longer than any case.
pub(crate) const EVER: Duration = Duration::from_secs(90);

pub(crate) const EMPTY_LIST: &str =
    r#"{"kind":"CertificateSigningRequestList","metadata":{"resourceVersion":"1"},"items":[]}"#;

pub(crate) fn nested_objects() -> Vec<u8> {
    format!("{}1{}\n", "{\"a\":".repeat(180_000), "}".repeat(180_000)).into_bytes()
}

pub(crate) fn nested_items() -> Vec<u8> {
    let deep = 500_000;
    format!("{{\"items\":{}{}}}\n", "[".repeat(deep), "]".repeat(deep)).into_bytes()
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// Sends `start`, and then `piece` until the other side has enough: fast, but leaving the machine to others.
fn endless(to: &mut dyn Write, start: &str, piece: &str) -> io::Result<()> {
    to.write_all(start.as_bytes())?;
    let many = piece.repeat((32 * 1024 / piece.len()).max(1));
    loop {
        to.write_all(many.as_bytes())?;
        to.flush()?;
        thread::sleep(Duration::from_millis(10));
    }
}

fn silence(to: &mut dyn Write, start: &str) -> io::Result<()> {
    to.write_all(start.as_bytes())?;
    to.flush()?;
    thread::sleep(EVER);
    Ok(())
}

pub(crate) fn half_a_head(to: &mut dyn Write) -> io::Result<()> {
    silence(to, "HTTP/1.1 200 OK\r\nContent-Ty")
}

pub(crate) fn half_a_body(to: &mut dyn Write) -> io::Result<()> {
    silence(
        to,
        &format!("{HEAD}Content-Length: 5000\r\n\r\n{{\"items\":[{{\"meta"),
    )
}

pub(crate) fn endless_header(to: &mut dyn Write) -> io::Result<()> {
    endless(to, "HTTP/1.1 200 OK\r\nX-Long: ", "a")
}

pub(crate) fn endless_headers(to: &mut dyn Write) -> io::Result<()> {
    endless(to, "HTTP/1.1 200 OK\r\n", "X-More: a\r\n")
}

pub(crate) fn endless_continue(to: &mut dyn Write) -> io::Result<()> {
    endless(to, "", "HTTP/1.1 100 Continue\r\n\r\n")
}

/// As fast as it goes: what is kept of it shows in the tool's memory.
pub(crate) fn endless_string(to: &mut dyn Write) -> io::Result<()> {
    write!(to, "{HEAD}\r\n{{\"items\":[{{\"metadata\":{{\"name\":\"")?;
    let piece = vec![b'a'; 1 << 20];
    loop {
        to.write_all(&piece)?;
    }
}

pub(crate) fn endless_space(to: &mut dyn Write) -> io::Result<()> {
    endless(to, &format!("{HEAD}\r\n"), "\n")
}

const ITEM: &str = r#"{"metadata":{"name":"csr-wrong"},"spec":{"signerName":"kubernetes.io/kubelet-serving","username":"system:node:worker-10"}},"#;

pub(crate) fn endless_list(to: &mut dyn Write) -> io::Result<()> {
    let start = format!("{HEAD}\r\n{{\"metadata\":{{\"resourceVersion\":\"1\"}},\"items\":[");
    endless(to, &start, ITEM)
}

pub(crate) fn endless_own(to: &mut dyn Write) -> io::Result<()> {
    write!(
        to,
        "{HEAD}\r\n{{\"metadata\":{{\"resourceVersion\":\"1\"}},\"items\":["
    )?;
    for n in 0.. {
        let item = ITEM.replace("worker-10", "worker-1");
        to.write_all(
            item.replace("csr-wrong", &format!("csr-wrong-{n}"))
                .as_bytes(),
        )?;
        if n % 256 == 0 {
            to.flush()?;
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

pub(crate) fn endless_events(to: &mut dyn Write) -> io::Result<()> {
    let event = format!(
        "{{\"type\":\"MODIFIED\",\"object\":{}}}\n",
        ITEM.trim_end_matches(',')
    );
    let event = event.replace("\"csr-wrong\"", "\"csr-wrong\",\"resourceVersion\":\"1\"");
    endless(to, &format!("{HEAD}\r\n"), &event)
}

pub(crate) fn endless_extension(to: &mut dyn Write) -> io::Result<()> {
    endless(
        to,
        &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1;x="),
        "a",
    )
}

pub(crate) fn endless_trailers(to: &mut dyn Write) -> io::Result<()> {
    endless(
        to,
        &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n0\r\n"),
        "X-More: a\r\n",
    )
}

pub(crate) fn endless_garbage(to: &mut dyn Write) -> io::Result<()> {
    endless(to, "", "\u{1b}[2J\0garbage\r\n")
}

pub(crate) fn trickle(to: &mut dyn Write) -> io::Result<()> {
    for byte in format!("{HEAD}\r\n{EMPTY_LIST}\n").bytes() {
        to.write_all(&[byte])?;
        to.flush()?;
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// A page with a token that no page had before.
pub(crate) fn next_page(to: &mut dyn Write) -> io::Result<()> {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    let page = PAGE.fetch_add(1, Ordering::Relaxed);
    let body = format!(
        "{{\"metadata\":{{\"resourceVersion\":\"1\",\"continue\":\"page-{page}\"}},\"items\":[]}}"
    );
    write!(to, "{HEAD}Content-Length: {}\r\n\r\n{body}", body.len())
}
