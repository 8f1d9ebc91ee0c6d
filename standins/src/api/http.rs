//! HTTP/1.1 by hand, so that every byte of an answer can be what a test wants.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ServerConnection, StreamOwned};

use crate::clock;

/// Bodies beyond this are refused, as by the real server.
const MAX_BODY: usize = 3 << 20;

/// The socket, shared so that the server can shut it down.
pub(crate) struct Socket(pub(crate) Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }
}

impl Write for Socket {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// One TLS connection.
pub(crate) struct Conn {
    pub(crate) tls: StreamOwned<ServerConnection, Socket>,
    /// Read, but not yet part of a request.
    buffer: Vec<u8>,
}

/// A request.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query, as sent.
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// What RBAC calls a change of an object: `update` for a PUT, else `patch`.
    pub(crate) fn verb_of_update(&self) -> &'static str {
        match self.method.as_str() {
            "PUT" => "update",
            _ => "patch",
        }
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    pub(crate) fn is_watch(&self) -> bool {
        matches!(self.param("watch"), Some("true" | "1" | ""))
    }

    pub(crate) fn keeps_alive(&self) -> bool {
        !self
            .header("connection")
            .is_some_and(|v| v.eq_ignore_ascii_case("close"))
    }
}

/// An answer with a whole body.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) code: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// 200 with a JSON body and the newline that Go's encoder ends it with.
    pub(crate) fn json(body: String) -> Self {
        let mut body = body.into_bytes();
        body.push(b'\n');
        Self {
            code: 200,
            headers: vec![("Content-Type", "application/json".into())],
            body,
        }
    }

    pub(crate) fn text(code: u16, body: &str) -> Self {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".into())];
        Self {
            code,
            headers,
            body: body.into(),
        }
    }

    pub(crate) fn head(&self, framing: &str) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.code, reason(self.code));
        let _ = write!(
            head,
            "Audit-Id: {}\r\nCache-Control: no-cache, private\r\n",
            super::random_uid()
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Date: {}\r\n{framing}\r\n\r\n", clock::http_date());
        head
    }

    /// Head and body: small ones with their length, larger ones chunked, as Go's server does.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        if self.body.len() <= 2048 {
            let mut bytes = self
                .head(&format!("Content-Length: {}", self.body.len()))
                .into_bytes();
            bytes.extend(&self.body);
            return bytes;
        }
        let mut bytes = self.head("Transfer-Encoding: chunked").into_bytes();
        for part in self.body.chunks(32 << 10) {
            bytes.extend(chunk(part));
        }
        bytes.extend(chunk(b""));
        bytes
    }
}

/// One chunk of a chunked body; an empty one ends it.
pub(crate) fn chunk(part: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", part.len()).into_bytes();
    bytes.extend(part);
    bytes.extend(b"\r\n");
    bytes
}

impl Conn {
    pub(crate) fn new(tls: StreamOwned<ServerConnection, Socket>) -> Self {
        Self {
            tls,
            buffer: Vec::new(),
        }
    }

    pub(crate) fn socket(&self) -> &Arc<TcpStream> {
        &self.tls.sock.0
    }

    /// The next request, or None when the client is done.
    pub(crate) fn read(&mut self) -> io::Result<Option<Request>> {
        loop {
            if let Some((mut request, head, length)) = parse(&self.buffer)? {
                while self.buffer.len() < head + length {
                    if self.fill()? == 0 {
                        return Ok(None);
                    }
                }
                request.body = self.buffer[head..head + length].to_vec();
                self.buffer.drain(..head + length);
                return Ok(Some(request));
            }
            if self.fill()? == 0 {
                return Ok(None);
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        let mut part = [0; 16 << 10];
        let n = self.tls.read(&mut part)?;
        self.buffer.extend(&part[..n]);
        Ok(n)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.write_all(bytes)?;
        self.tls.flush()
    }

    /// Says goodbye in TLS, so that the client sees an orderly end.
    pub(crate) fn close(&mut self) {
        self.tls.conn.send_close_notify();
        let _ = self.tls.flush();
    }

    /// Whether the client has gone, or has said something it should not say during an answer.
    pub(crate) fn is_closed(&self) -> bool {
        let socket = self.socket();
        let _ = socket.set_nonblocking(true);
        let gone = match socket.peek(&mut [0]) {
            Ok(_) => true,
            Err(e) => e.kind() != io::ErrorKind::WouldBlock,
        };
        let _ = socket.set_nonblocking(false);
        gone
    }

    /// Makes closing the connection send RST instead of FIN.
    pub(crate) fn reset_on_close(&self) {
        let _ =
            rustix::net::sockopt::set_socket_linger(self.socket(), Some(std::time::Duration::ZERO));
    }
}

/// The request, the length of its head and of its body, once the head is there.
fn parse(buffer: &[u8]) -> io::Result<Option<(Request, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let status = head
        .parse(buffer)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let httparse::Status::Complete(length) = status else {
        return Ok(None);
    };
    let target = head.path.unwrap_or("/").to_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let request = Request {
        method: head.method.unwrap_or("GET").to_owned(),
        path: decode(path, false),
        query: pairs(query),
        headers: head
            .headers
            .iter()
            .map(|h| {
                (
                    h.name.to_owned(),
                    String::from_utf8_lossy(h.value).into_owned(),
                )
            })
            .collect(),
        target: target.clone(),
        body: Vec::new(),
    };
    let body = request
        .header("content-length")
        .and_then(|v| v.parse().ok())
        .unwrap_or(0);
    if body > MAX_BODY {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "body too large"));
    }
    Ok(Some((request, length, body)))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name, true), decode(value, true))
    };
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(pair)
        .collect()
}

fn decode(text: &str, plus_is_space: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let hex = || u8::from_str_radix(std::str::from_utf8(tail.get(..2)?).ok()?, 16).ok();
        match first {
            b'+' if plus_is_space => bytes.push(b' '),
            b'%' => match hex() {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => bytes.push(b'%'),
            },
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        201 => "Created",
        302 => "Found",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unknown",
    }
}
