//! Faults to inject: an API server on a bad day.

use std::io::{self, Write};
use std::time::Duration;

use super::http::{Conn, Request, Response, chunk};
use super::status::Status;

/// Which requests a fault is for. Without conditions: every one.
///
/// ```
/// use kubelet_tls_standins::Matcher;
/// let second_list = Matcher::new().path("certificatesigningrequests").list().skip(1).once();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Matcher {
    method: Option<String>,
    path: Option<String>,
    user: Option<String>,
    agent: Option<String>,
    watch: Option<bool>,
    skip: usize,
    times: Option<usize>,
}

impl Matcher {
    /// Every request, always.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Only requests whose path and query, as sent, contain this.
    #[must_use]
    pub fn path(mut self, part: &str) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Only requests of this user, such as `system:node:worker-1`.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.user = Some(name.into());
        self
    }

    /// Only requests of a program that calls itself so, up to what follows: `kubelet-tls/`.
    #[must_use]
    pub fn agent(mut self, start: &str) -> Self {
        self.agent = Some(start.into());
        self
    }

    /// Only watches.
    #[must_use]
    pub fn watch(mut self) -> Self {
        self.watch = Some(true);
        self
    }

    /// Only what is not a watch, and a GET.
    #[must_use]
    pub fn list(mut self) -> Self {
        self.watch = Some(false);
        self.method("GET")
    }

    /// Not the first `n` that match.
    #[must_use]
    pub fn skip(mut self, n: usize) -> Self {
        self.skip = n;
        self
    }

    /// Only the `n`th that matches, from 1.
    #[must_use]
    pub fn nth(self, n: usize) -> Self {
        self.skip(n - 1).once()
    }

    /// Only once.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only `n` times.
    #[must_use]
    pub fn times(mut self, n: usize) -> Self {
        self.times = Some(n);
        self
    }

    fn matches(&self, request: &Request, user: &str) -> bool {
        self.method.as_ref().is_none_or(|m| *m == request.method)
            && self
                .path
                .as_ref()
                .is_none_or(|p| request.target.contains(p))
            && self.user.as_ref().is_none_or(|u| u == user)
            && self.agent.as_ref().is_none_or(|a| {
                let agent = request.header("user-agent");
                agent.is_some_and(|agent| agent.starts_with(a.as_str()))
            })
            && self.watch.is_none_or(|w| w == request.is_watch())
    }

    /// Whether this request is to fail, counting it.
    pub(crate) fn takes(&mut self, request: &Request, user: &str) -> bool {
        if self.times == Some(0) || !self.matches(request, user) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if let Some(times) = &mut self.times {
            *times -= 1;
        }
        true
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection closes without a byte.
    Close,
    /// The connection is reset without a byte.
    Reset,
    /// Half of the answer's head, then the connection closes.
    HalfHead,
    /// The head and half of the body it announces, then the connection closes.
    HalfBody,
    /// Bytes that are not HTTP.
    Garbage,
    /// 200 with JSON whose fields have the wrong types.
    WrongTypes,
    /// 200 with a web page, as a captive portal answers.
    WebPage,
    /// An error of the API, perhaps with Retry-After in seconds.
    Status(u16, Option<u32>),
    /// 307 to this URL.
    Redirect(String),
    /// 200 with a megabyte of nested arrays.
    NestedJson,
    /// Every page of the list has a next one.
    EndlessList,
    /// Nothing for that long, then the connection closes.
    Silent(Duration),
    /// It is done, and the connection closes without a byte of the answer.
    Lost,
    /// The right answer, but that much later.
    Delay(Duration),
    /// The right answer, a byte at a time with this pause in between.
    Trickle(Duration),
    /// These bytes for head and body, then the connection closes.
    Raw(Vec<u8>),
    /// Whatever this writes for head and body, be it without end, then the connection closes.
    Script(fn(&mut dyn Write) -> io::Result<()>),
    /// 200 with this body, such as a captured one.
    Body(Vec<u8>),
    /// A watch: the connection is reset after so many events.
    ResetAfter(usize),
    /// A watch: the connection closes after so many events.
    DropAfter(usize),
    /// A watch: begins with a BOOKMARK, whose request is null.
    Bookmark,
    /// A watch: 410 Gone as an ERROR event.
    Gone,
}

/// The faults a watch has while it runs.
#[derive(Debug, Default)]
pub(crate) struct WatchFault {
    end_after: Option<usize>,
    pub(crate) reset: bool,
    pub(crate) trickle: Option<Duration>,
    pub(crate) null_bookmark: bool,
    pub(crate) gone: bool,
}

impl WatchFault {
    pub(crate) fn of(fault: Option<&Fault>) -> Self {
        let mut this = Self::default();
        match fault {
            Some(Fault::ResetAfter(n)) => (this.end_after, this.reset) = (Some(*n), true),
            Some(Fault::DropAfter(n)) => this.end_after = Some(*n),
            Some(Fault::Trickle(pause)) => this.trickle = Some(*pause),
            Some(Fault::Bookmark) => this.null_bookmark = true,
            Some(Fault::Gone) => this.gone = true,
            _ => {}
        }
        this
    }

    pub(crate) fn ends_after(&self, sent: usize) -> bool {
        self.end_after.is_some_and(|n| sent >= n)
    }

    /// Whether the connection ends with the watch.
    pub(crate) fn ends_connection(&self) -> bool {
        self.end_after.is_some()
    }
}

/// What remains to be done after a fault.
pub(crate) enum Then {
    /// The right answer.
    Answer,
    /// The next request.
    KeepAlive,
    /// The connection closes, with a TLS goodbye or without.
    Close,
    /// The connection is cut.
    Cut,
}

impl Fault {
    /// Does what can be done without knowing the right answer.
    pub(crate) fn before(&self, conn: &mut Conn, request: &Request) -> io::Result<Then> {
        let whole = |response: Response| response.bytes();
        let then = match self {
            Self::Close => Then::Cut,
            Self::Reset => {
                conn.reset_on_close();
                Then::Cut
            }
            Self::HalfHead => {
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Type: applica")?;
                Then::Cut
            }
            Self::HalfBody => {
                let half = r#"{"kind":"CertificateSigningRequestList","apiVersion":"certificates.k8s.io/v1","meta"#;
                let framing = format!("Content-Length: {}", half.len() * 2);
                conn.send(Response::json(String::new()).head(&framing).as_bytes())?;
                conn.send(half.as_bytes())?;
                Then::Cut
            }
            Self::Garbage => {
                conn.send(b"\x00\xff\x16\x03SSH-2.0-OpenSSH_9.2\r\n\r\n\x80garbage\r\n")?;
                Then::Close
            }
            Self::WrongTypes => {
                conn.send(&whole(Response::json(WRONG_TYPES.into())))?;
                Then::KeepAlive
            }
            Self::WebPage => {
                let page = "<!DOCTYPE html><html><body>Please log in</body></html>";
                let headers = vec![("Content-Type", "text/html".to_owned())];
                conn.send(
                    &Response {
                        headers,
                        ..Response::text(200, page)
                    }
                    .bytes(),
                )?;
                Then::KeepAlive
            }
            Self::Status(code, retry_after) => {
                let mut response = Response::from(Status::of_code(*code, *retry_after));
                response
                    .headers
                    .extend(retry_after.map(|s| ("Retry-After", s.to_string())));
                conn.send(&response.bytes())?;
                Then::KeepAlive
            }
            Self::Redirect(url) => {
                let headers = vec![("Location", url.clone())];
                conn.send(
                    &Response {
                        headers,
                        ..Response::text(307, "")
                    }
                    .bytes(),
                )?;
                Then::KeepAlive
            }
            Self::NestedJson => {
                let deep = 512 << 10;
                conn.send(&whole(Response::json(format!(
                    "{}{}",
                    "[".repeat(deep),
                    "]".repeat(deep)
                ))))?;
                Then::KeepAlive
            }
            Self::EndlessList => {
                conn.send(&whole(Response::json(ENDLESS_PAGE.into())))?;
                Then::KeepAlive
            }
            Self::Silent(duration) => {
                wait(conn, *duration);
                Then::Close
            }
            Self::Delay(duration) => {
                wait(conn, *duration);
                Then::Answer
            }
            Self::Raw(bytes) => {
                conn.send(bytes)?;
                Then::Close
            }
            Self::Script(script) => {
                script(&mut conn.tls)?;
                conn.tls.flush()?;
                Then::Close
            }
            Self::Body(body) if request.is_watch() => {
                conn.send(
                    Response::json(String::new())
                        .head("Transfer-Encoding: chunked")
                        .as_bytes(),
                )?;
                for line in body.split_inclusive(|b| *b == b'\n') {
                    conn.send(&chunk(line))?;
                }
                conn.send(&chunk(b""))?;
                Then::KeepAlive
            }
            Self::Body(body) => {
                conn.send(
                    &Response {
                        body: body.clone(),
                        ..Response::json(String::new())
                    }
                    .bytes(),
                )?;
                Then::KeepAlive
            }
            Self::Trickle(_)
            | Self::Lost
            | Self::ResetAfter(_)
            | Self::DropAfter(_)
            | Self::Bookmark
            | Self::Gone => Then::Answer,
        };
        Ok(then)
    }
}

const WRONG_TYPES: &str = r#"{"kind":"CertificateSigningRequestList","apiVersion":"certificates.k8s.io/v1","metadata":{"resourceVersion":17},"items":[{"metadata":{"name":["csr-1"],"creationTimestamp":1},"spec":{"request":{},"signerName":7,"usages":"all","username":null},"status":[]}],"data":[],"status":"none","spec":3}"#;

const ENDLESS_PAGE: &str = r#"{"kind":"CertificateSigningRequestList","apiVersion":"certificates.k8s.io/v1","metadata":{"resourceVersion":"501","continue":"ZW5kbGVzcw==","remainingItemCount":1},"items":[]}"#;

/// Waits, but no longer than the client does.
fn wait(conn: &Conn, duration: Duration) {
    let until = std::time::Instant::now() + duration;
    while std::time::Instant::now() < until && !conn.is_closed() {
        std::thread::sleep(Duration::from_millis(10).min(duration));
    }
}
