//! One question, one answer, read frame by frame with a cap.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;

use crate::csr::{KUBELET_SERVING, Listing};
use crate::host::clock;
use crate::node::Node;
use crate::text::brief;

use super::answers::{parse_date, parse_kubelet_config, parse_node, parse_status};
use super::{ApiError, Unreachable};

/// No single answer or pause between two frames of one takes longer from a server that is well.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// The first pause after a failed attempt, and the longest: pauses double from one to the other.
pub(super) const BACKOFF: (Duration, Duration) =
    (Duration::from_millis(200), Duration::from_secs(5));
/// The largest object that etcd takes is 1.5 MiB; as JSON with base64 it stays well under this, in bytes.
pub(super) const OBJECT_CAP: usize = 4 * 1024 * 1024;
/// How long one that cannot be reached at all, or is something else, is tried: a load balancer may be turning to its next server.
pub(super) const NO_CONNECTION: Duration = Duration::from_secs(5);
/// The longest that a server's Retry-After is obeyed: beyond any deadline, and short enough to reckon with.
pub(super) const RETRY_AFTER_CAP: Duration = Duration::from_secs(3600);
/// The longest list that is read, in bytes: a request is some two or three kilobytes, so this is more than 100,000 of them.
pub(super) const LIST_CAP: usize = 512 * 1024 * 1024;
/// What is kept of an error's body, in bytes.
pub(super) const ERROR_CAP: usize = 16 * 1024;

pub(super) const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

#[derive(Clone)]
pub(super) struct Connection {
    pub(super) config: kube::Config,
    pub(super) server: String,
    pub(super) node: String,
}

impl Connection {
    pub(super) fn unreachable(&self, reason: Unreachable) -> ApiError {
        ApiError::Unreachable {
            server: self.server.clone(),
            reason,
        }
    }

    pub(super) fn invalid(&self, reason: impl Into<String>) -> ApiError {
        ApiError::InvalidResponse {
            server: self.server.clone(),
            // It may quote the answer.
            reason: brief(&reason.into()),
        }
    }

    /// Repeats an attempt while its failure may pass, until `end`.
    pub(super) async fn repeat<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        end: Instant,
        attempt: impl Fn() -> F,
    ) -> Result<T, ApiError> {
        let began = Instant::now();
        let mut pause = BACKOFF.0;
        loop {
            let outcome = match tokio::time::timeout_at(end.into(), attempt()).await {
                Ok(outcome) => outcome,
                Err(_) => return Err(self.unreachable(Unreachable::Timeout)),
            };
            let Err(error) = outcome else { return outcome };
            let wait = error.retry_after().unwrap_or(pause);
            let elsewhere = matches!(
                error,
                ApiError::Unreachable { .. } | ApiError::InvalidResponse { .. }
            );
            let hopeless = elsewhere && began.elapsed() >= NO_CONNECTION;
            if !error.is_transient() || hopeless || Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    pub(super) async fn list(&self, client: &kube::Client) -> Result<Listing, ApiError> {
        let answer = self
            .ask(client, &format!("{REQUESTS}?{}", signer_selector()))
            .await?;
        let date = answer
            .headers()
            .get(http::header::DATE)
            .and_then(|date| date.to_str().ok());
        let clock_ahead = date.and_then(parse_date).map_or(0, |server| {
            server.as_second() - clock::timestamp().as_second()
        });
        let body = answer.into_body();
        let (frames, received) = sync_channel(4);
        let item_bytes = Arc::new(AtomicUsize::new(0));
        let (node, counter) = (self.node.clone(), item_bytes.clone());
        // serde reads from a blocking reader; the frames come to it through a channel of a few.
        let reader = thread::Builder::new().spawn(move || {
            let frames = Frames {
                received,
                current: Vec::new(),
                position: 0,
                item_bytes: counter.clone(),
            };
            Listing::read(std::io::BufReader::new(frames), &node, &|| {
                counter.store(0, Ordering::Relaxed)
            })
        });
        let reader =
            reader.map_err(|error| self.unreachable(Unreachable::Other(error.to_string())))?;
        let sent = self.forward(body, frames).await;
        let listing = reader
            .join()
            .map_err(|_| self.invalid("the list cannot be read"))?;
        // Where both failed, the connection is the cause and the broken list its consequence.
        sent?;
        let listing = listing.map_err(|error| self.invalid(error.to_string()))?;
        Ok(Listing {
            clock_ahead,
            ..listing
        })
    }

    async fn forward(&self, mut body: Body, frames: SyncSender<Vec<u8>>) -> Result<(), ApiError> {
        let mut bytes = 0;
        while let Some(data) = self.frame(&mut body, ANSWER_DEADLINE).await? {
            bytes += data.len();
            if bytes > LIST_CAP {
                return Err(self.invalid("the list never ends"));
            }
            // The reader gave up; it says why.
            if frames.send(data).is_err() {
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn get_node(&self, client: &kube::Client) -> Result<Node, ApiError> {
        let bytes = self
            .object(client, &format!("/api/v1/nodes/{}", self.node))
            .await?;
        parse_node(&bytes).map_err(|error| self.invalid(error.to_string()))
    }

    /// The text under `kubelet` in the ConfigMap `name` of kube-system.
    pub(super) async fn get_kubelet_config(
        &self,
        client: &kube::Client,
        name: &str,
    ) -> Result<String, ApiError> {
        let path = format!("/api/v1/namespaces/kube-system/configmaps/{name}");
        let bytes = self.object(client, &path).await?;
        parse_kubelet_config(&bytes).map_err(|error| self.invalid(error.to_string()))
    }

    /// One object, whole.
    pub(super) async fn object(
        &self,
        client: &kube::Client,
        path: &str,
    ) -> Result<Vec<u8>, ApiError> {
        self.whole(self.get(client, path).await?).await
    }

    /// The body of an answer that is one object.
    pub(super) async fn whole(&self, body: Body) -> Result<Vec<u8>, ApiError> {
        self.capped(body, OBJECT_CAP)
            .await?
            .ok_or_else(|| self.invalid("an object never ends"))
    }

    /// The body of an answer; none when it is longer than `cap` bytes.
    pub(super) async fn capped(
        &self,
        mut body: Body,
        cap: usize,
    ) -> Result<Option<Vec<u8>>, ApiError> {
        let mut bytes = Vec::new();
        while let Some(data) = self.frame(&mut body, ANSWER_DEADLINE).await? {
            bytes.extend_from_slice(&data);
            if bytes.len() > cap {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// Sends a GET and returns the body of a 200.
    pub(super) async fn get(&self, client: &kube::Client, path: &str) -> Result<Body, ApiError> {
        Ok(self.ask(client, path).await?.into_body())
    }

    /// Sends a GET and returns a 200.
    pub(super) async fn ask(
        &self,
        client: &kube::Client,
        path: &str,
    ) -> Result<http::Response<Body>, ApiError> {
        self.send(client, Method::GET, path, &[]).await
    }

    /// Sends `object`, which is JSON or nothing, and returns a 200, or the 201 of what was created.
    pub(super) async fn send(
        &self,
        client: &kube::Client,
        method: Method,
        path: &str,
        object: &[u8],
    ) -> Result<http::Response<Body>, ApiError> {
        let mut request = http::Request::builder().method(method).uri(path);
        if !object.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::USER_AGENT,
                concat!("kubelet-tls/", env!("CARGO_PKG_VERSION")),
            )
            .body(Body::from(object.to_vec()))
            .map_err(|error| self.invalid(error.to_string()))?;
        self.exchange(client, request).await
    }

    /// Sends a request and returns a 200.
    pub(super) async fn exchange(
        &self,
        client: &kube::Client,
        request: http::Request<Body>,
    ) -> Result<http::Response<Body>, ApiError> {
        let answer = tokio::time::timeout(ANSWER_DEADLINE, client.send(request))
            .await
            .map_err(|_| self.unreachable(Unreachable::Timeout))?
            .map_err(|error| self.unreachable(Unreachable::of(&error)))?;
        if matches!(answer.status(), StatusCode::OK | StatusCode::CREATED) {
            return Ok(answer);
        }
        let code = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let retry_after = retry_after
            .and_then(|value| value.parse().ok())
            .map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_CAP));
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while bytes.len() < ERROR_CAP
            && let Ok(Some(data)) = self.frame(&mut body, ANSWER_DEADLINE).await
        {
            bytes.extend_from_slice(&data);
        }
        Err(ApiError::Status {
            server: self.server.clone(),
            code,
            message: parse_status(&bytes),
            retry_after,
        })
    }

    /// The next data of a body; none at its end.
    pub(super) async fn frame(
        &self,
        body: &mut Body,
        silence: Duration,
    ) -> Result<Option<Vec<u8>>, ApiError> {
        loop {
            let frame = tokio::time::timeout(silence, body.frame())
                .await
                .map_err(|_| {
                    self.unreachable(Unreachable::Other(format!("silent for {silence:?}")))
                })?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.unreachable(Unreachable::of(&error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data.to_vec()));
                    }
                }
            }
        }
    }
}

/// Only `metadata.name` and `spec.signerName` can be selected on (pkg/apis/certificates/v1/conversion.go).
pub(super) fn signer_selector() -> String {
    format!(
        "fieldSelector=spec.signerName%3D{}",
        KUBELET_SERVING.replace('/', "%2F")
    )
}

/// The frames of a body as a blocking reader that stops at an item without end.
pub(super) struct Frames {
    received: Receiver<Vec<u8>>,
    current: Vec<u8>,
    position: usize,
    item_bytes: Arc<AtomicUsize>,
}

impl std::io::Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.position == self.current.len() {
            match self.received.recv() {
                Ok(frame) => (self.current, self.position) = (frame, 0),
                Err(_) => return Ok(0),
            }
        }
        let rest = self.current.get(self.position..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if self.item_bytes.fetch_add(count, Ordering::Relaxed) > OBJECT_CAP {
            return Err(std::io::Error::other("an item of the list never ends"));
        }
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.position += count;
        Ok(count)
    }
}
