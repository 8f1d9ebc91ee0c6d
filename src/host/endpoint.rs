//! A small HTTP server for `/metrics` and health checks: GET alone, no bodies in requests, one answer per path.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

/// A client that takes longer for its request's head, or for all of its connection, is not waited for.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
const CONNECTION_DEADLINE: Duration = Duration::from_secs(30);
/// More clients at once than any set of probes and scrapers.
const CONNECTIONS: usize = 64;

/// The answer to one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 200, 404 or 503.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body, sent whole with its length.
    pub body: String,
}

impl Answer {
    /// An answer for people, such as why a health check fails.
    pub fn plain(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }
}

/// Answers requests at `address` on a thread of its own, for the rest of the process' life, with what `answer` makes of
/// their path. Returns the address, whose port the kernel chose where `address` has port 0.
///
/// # Errors
/// When the address cannot be listened at, or no thread can be started.
pub fn serve(
    address: SocketAddr,
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().spawn(move || {
        let answer = Arc::new(answer);
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                return;
            };
            let places = Arc::new(Semaphore::new(CONNECTIONS));
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let Ok((stream, _)) = listener.accept().await else {
                    // No descriptors for a moment.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                };
                let answer = Arc::clone(&answer);
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let response = respond(&request, answer.as_ref());
                        async move { Ok::<_, Infallible>(response) }
                    });
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(HEAD_DEADLINE)
                        .serve_connection(TokioIo::new(stream), service);
                    // A client that fails is its own affair.
                    let _ = tokio::time::timeout(CONNECTION_DEADLINE, connection).await;
                    drop(place);
                });
            }
        });
    })?;
    Ok(bound)
}

fn respond(
    request: &Request<Incoming>,
    answer: &(impl Fn(&str) -> Answer + ?Sized),
) -> Response<Full<Bytes>> {
    let is_get = matches!(*request.method(), Method::GET | Method::HEAD);
    let answer = match is_get {
        true => answer(request.uri().path()),
        false => Answer::plain(405, "only GET is answered\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = header::HeaderValue::from_static(answer.content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}
