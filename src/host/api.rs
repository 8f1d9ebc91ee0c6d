//! The API server, spoken to with the kubelet's own credential.
//!
//! kube brings the kubeconfig, TLS and HTTP; answers are read frame by frame here, because a server that never ends
//! one must cost neither memory nor time beyond the deadline.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use k8s_openapi::ByteString;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::certificate::Certificate;
use crate::csr::{KUBELET_SERVING, Listing, Request};
use crate::observed::Node;

/// No single answer or pause between two frames of one takes longer from a server that is well.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// A watch is silent for about a minute between bookmarks; the connection behind one silent for this long may be dead.
const WATCH_SILENCE: Duration = Duration::from_secs(75);
/// The first pause after a failed attempt, and the longest: pauses double from one to the other.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// The largest object that etcd takes is 1.5 MiB; as JSON with base64 it stays well under this, in bytes.
const OBJECT_CAP: usize = 4 * 1024 * 1024;
/// What is kept of an error's body, in bytes.
const ERROR_CAP: usize = 16 * 1024;

const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// Why the API server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The kubeconfig cannot be used.
    #[error("{}: {reason}", path.display())]
    Kubeconfig {
        /// The kubeconfig.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No connection, no TLS, no HTTP.
    #[error("{server} cannot be reached: {reason}")]
    Unreachable {
        /// The API server's address.
        server: String,
        /// Why.
        reason: String,
    },
    /// It said no.
    #[error("{server} answers {code}{}", said(.message))]
    Status {
        /// The API server's address.
        server: String,
        /// The HTTP status.
        code: u16,
        /// Its words.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Its answer is not what the API answers.
    #[error("{server} answers nonsense: {reason}")]
    Nonsense {
        /// The API server's address.
        server: String,
        /// What was wrong.
        reason: String,
    },
}

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

impl ApiError {
    /// Whether the credential is not good enough; asking again does not help.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Status {
                code: 401 | 403,
                ..
            }
        )
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Status { code: 410, .. })
    }

    /// Whether the same question may be answered in a moment.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Nonsense { .. } => true,
            Self::Status { code, .. } => matches!(code, 408 | 410 | 429 | 500..=599),
            Self::Kubeconfig { .. } => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self {
            *retry_after
        } else {
            None
        }
    }
}

/// What a watch saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// A request of this node that was not in the list, or a change of one.
    Request(Request),
    /// The server did not answer as it should; the watch goes on.
    Trouble(ApiError),
}

/// The API server with one node's credential.
pub struct Api {
    connection: Connection,
    runtime: Runtime,
    client: kube::Client,
}

#[derive(Clone)]
struct Connection {
    config: kube::Config,
    server: String,
    node: String,
}

impl Api {
    /// Reads `kubeconfig` and prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// When the kubeconfig is not a kubelet's: without a client certificate of a node, or with verification off.
    pub fn open(kubeconfig: &Path) -> Result<Self, ApiError> {
        let wrong = |reason: String| ApiError::Kubeconfig {
            path: kubeconfig.to_owned(),
            reason,
        };
        let runtime = runtime().map_err(|error| wrong(error.to_string()))?;
        // Read here first, for the cause in plain words and with a cap.
        super::files::read(kubeconfig, OBJECT_CAP as u64)
            .map_err(|error| wrong(error.cause.to_string()))?;
        let file = Kubeconfig::read_from(kubeconfig).map_err(|error| wrong(chain(&error)))?;
        let options = KubeConfigOptions::default();
        let mut config = runtime
            .block_on(kube::Config::from_custom_kubeconfig(file, &options))
            .map_err(|error| wrong(chain(&error)))?;
        if config.accept_invalid_certs {
            return Err(wrong("insecure-skip-tls-verify is set, and what an unverified server says is not believed".into()));
        }
        if config.cluster_url.scheme_str() != Some("https") {
            return Err(wrong("the server's address is not https".into()));
        }
        config.connect_timeout = Some(ANSWER_DEADLINE);
        // Attempts are counted and timed here.
        config.default_retry = false;
        config.read_timeout = None;
        let node = node_of(&config.auth_info).map_err(wrong)?;
        let server = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let client = client(&runtime, config.clone()).map_err(|error| wrong(chain(&error)))?;
        Ok(Self {
            connection: Connection {
                config,
                server,
                node,
            },
            runtime,
            client,
        })
    }

    /// The node's name, from the common name of the client certificate.
    pub fn node_name(&self) -> &str {
        &self.connection.node
    }

    /// The cluster's CA certificates in DER, from the kubeconfig.
    pub fn roots(&self) -> &[Vec<u8>] {
        self.connection
            .config
            .root_cert
            .as_deref()
            .unwrap_or_default()
    }

    /// The kubelet-serving requests in the cluster, as one list; failed attempts are repeated until `end`.
    ///
    /// # Errors
    /// The last attempt's, or the first that asking again does not mend.
    pub fn requests(&self, end: Instant) -> Result<Listing, ApiError> {
        self.runtime.block_on(
            self.connection
                .repeat(end, || self.connection.list(&self.client)),
        )
    }

    /// This node's Node object; failed attempts are repeated until `end`.
    ///
    /// # Errors
    /// As [`Self::requests`].
    pub fn node(&self, end: Instant) -> Result<Node, ApiError> {
        self.runtime.block_on(
            self.connection
                .repeat(end, || self.connection.get_node(&self.client)),
        )
    }

    /// Watches for this node's requests that are not `known`, from where `listing` ends, on a thread of its own, until
    /// `end` or until nobody listens. A dropped watch is taken up again, and an expired one begins with a new list.
    pub fn watch(&self, listing: &Listing, end: Instant) -> Receiver<Sight> {
        let (sights, receiver) = channel();
        let watch = Watch {
            connection: self.connection.clone(),
            from: listing.resource_version.clone(),
            known: listing.known.clone(),
            end,
            sights,
        };
        thread::spawn(move || watch.run());
        receiver
    }
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn client(runtime: &Runtime, config: kube::Config) -> Result<kube::Client, kube::Error> {
    let _entered = runtime.enter();
    kube::Client::try_from(config)
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text.replace(['\n', '\r'], " ")
}

/// The API server authenticates a kubelet by the common name of its client certificate, not by the host's name.
fn node_of(user: &kube::config::AuthInfo) -> Result<String, String> {
    let pem = match (&user.client_certificate_data, &user.client_certificate) {
        (Some(data), _) => {
            serde_json::from_value::<ByteString>(data.as_str().into())
                .map_err(|error| format!("client-certificate-data: {error}"))?
                .0
        }
        (None, Some(path)) => super::files::read(Path::new(path), OBJECT_CAP as u64)
            .map_err(|error| error.to_string())?,
        (None, None) => {
            return Err("it has no client certificate, so it is not a kubelet's".to_owned());
        }
    };
    let certificate = Certificate::from_pem(&pem)
        .map_err(|error| format!("its client certificate is {error}"))?;
    let name = certificate.common_name.unwrap_or_default();
    name.strip_prefix("system:node:")
        .filter(|node| !node.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| format!("its client certificate is for {name:?}, not for a node"))
}

impl Connection {
    fn unreachable(&self, reason: impl Into<String>) -> ApiError {
        ApiError::Unreachable {
            server: self.server.clone(),
            reason: reason.into(),
        }
    }

    fn nonsense(&self, reason: impl Into<String>) -> ApiError {
        ApiError::Nonsense {
            server: self.server.clone(),
            reason: reason.into(),
        }
    }

    /// Repeats an attempt while its failure may pass, until `end`.
    async fn repeat<T, F: Future<Output = Result<T, ApiError>>>(
        &self,
        end: Instant,
        attempt: impl Fn() -> F,
    ) -> Result<T, ApiError> {
        let mut pause = BACKOFF.0;
        loop {
            let outcome = match tokio::time::timeout_at(end.into(), attempt()).await {
                Ok(outcome) => outcome,
                Err(_) => return Err(self.unreachable("it does not answer in time")),
            };
            let Err(error) = outcome else { return outcome };
            let wait = error.retry_after().unwrap_or(pause);
            if !error.is_passing() || Instant::now() + wait >= end {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    async fn list(&self, client: &kube::Client) -> Result<Listing, ApiError> {
        let body = self
            .get(client, &format!("{REQUESTS}?{}", signer_selector()))
            .await?;
        let (frames, received) = sync_channel(4);
        let item_bytes = Arc::new(AtomicUsize::new(0));
        let (node, counter) = (self.node.clone(), item_bytes.clone());
        // serde reads from a blocking reader; the frames come to it through a channel of a few.
        let reader = thread::spawn(move || {
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
        let sent = self.forward(body, frames).await;
        let listing = reader
            .join()
            .map_err(|_| self.nonsense("the list cannot be read"))?;
        // Where both failed, the connection is the cause and the broken list its consequence.
        sent?;
        listing.map_err(|error| self.nonsense(error.to_string()))
    }

    async fn forward(&self, mut body: Body, frames: SyncSender<Vec<u8>>) -> Result<(), ApiError> {
        while let Some(data) = self.frame(&mut body, ANSWER_DEADLINE).await? {
            // The reader gave up; it says why.
            if frames.send(data).is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn get_node(&self, client: &kube::Client) -> Result<Node, ApiError> {
        let mut body = self
            .get(client, &format!("/api/v1/nodes/{}", self.node))
            .await?;
        let mut bytes = Vec::new();
        while let Some(data) = self.frame(&mut body, ANSWER_DEADLINE).await? {
            bytes.extend_from_slice(&data);
            if bytes.len() > OBJECT_CAP {
                return Err(self.nonsense("the Node never ends"));
            }
        }
        parse_node(&bytes).map_err(|error| self.nonsense(error.to_string()))
    }

    /// Sends a GET and returns the body of a 200.
    async fn get(&self, client: &kube::Client, path: &str) -> Result<Body, ApiError> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(path)
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::USER_AGENT,
                concat!("kubelet-tls/", env!("CARGO_PKG_VERSION")),
            )
            .body(Body::empty())
            .map_err(|error| self.nonsense(error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER_DEADLINE, client.send(request))
            .await
            .map_err(|_| self.unreachable(format!("no answer within {ANSWER_DEADLINE:?}")))?
            .map_err(|error| self.unreachable(chain(&error)))?;
        if answer.status() == StatusCode::OK {
            return Ok(answer.into_body());
        }
        let code = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        let retry_after = retry_after
            .and_then(|value| value.parse().ok())
            .map(Duration::from_secs);
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
    async fn frame(&self, body: &mut Body, silence: Duration) -> Result<Option<Vec<u8>>, ApiError> {
        loop {
            let frame = tokio::time::timeout(silence, body.frame())
                .await
                .map_err(|_| self.unreachable(format!("silent for {silence:?}")))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.unreachable(chain(&error))),
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
fn signer_selector() -> String {
    format!(
        "fieldSelector=spec.signerName%3D{}",
        KUBELET_SERVING.replace('/', "%2F")
    )
}

/// The frames of a body as a blocking reader that stops at an item without end.
struct Frames {
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

struct Watch {
    connection: Connection,
    from: String,
    known: std::collections::BTreeSet<String>,
    end: Instant,
    sights: Sender<Sight>,
}

/// Why a watch's stream ended.
enum Ended {
    /// The server closed it, as it does after a while.
    Closed,
    /// It failed.
    Failed(ApiError),
    /// Nobody listens any more.
    Unwanted,
}

impl Watch {
    fn run(mut self) {
        let started = runtime().and_then(|runtime| {
            client(&runtime, self.connection.config.clone())
                .map(|client| (runtime, client))
                .map_err(std::io::Error::other)
        });
        match started {
            Ok((runtime, client)) => runtime.block_on(self.follow(&client)),
            Err(error) => drop(self.sights.send(Sight::Trouble(
                self.connection.unreachable(error.to_string()),
            ))),
        }
    }

    async fn follow(&mut self, client: &kube::Client) {
        let mut pause = BACKOFF.0;
        while Instant::now() < self.end {
            let began = Instant::now();
            let ended = match tokio::time::timeout_at(self.end.into(), self.stream(client)).await {
                Ok(ended) => ended,
                Err(_) => return,
            };
            let wait = match ended {
                Ended::Unwanted => return,
                Ended::Closed => pause,
                Ended::Failed(error) => {
                    let wait = error.retry_after().unwrap_or(pause);
                    let gone = error.is_gone();
                    if self.sights.send(Sight::Trouble(error)).is_err() {
                        return;
                    }
                    if gone && !self.begin_anew(client).await {
                        return;
                    }
                    wait
                }
            };
            // A watch that held for a while was well; its successor may begin at once.
            pause = if began.elapsed() > BACKOFF.1 {
                BACKOFF.0
            } else {
                (pause * 2).min(BACKOFF.1)
            };
            tokio::time::sleep_until((Instant::now() + wait).min(self.end).into()).await;
        }
    }

    /// Lists again after the history that the watch needed is gone. False when nobody listens any more.
    async fn begin_anew(&mut self, client: &kube::Client) -> bool {
        let listed = self
            .connection
            .repeat(self.end, || self.connection.list(client))
            .await;
        match listed {
            Ok(listing) => {
                self.from = listing.resource_version;
                match listing
                    .newest
                    .filter(|request| !self.known.contains(&request.name))
                {
                    Some(request) => self.sights.send(Sight::Request(request)).is_ok(),
                    None => true,
                }
            }
            Err(error) => self.sights.send(Sight::Trouble(error)).is_ok(),
        }
    }

    async fn stream(&mut self, client: &kube::Client) -> Ended {
        let seconds = self
            .end
            .saturating_duration_since(Instant::now())
            .as_secs()
            .max(1);
        let path = format!(
            "{REQUESTS}?{}&watch=true&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={seconds}",
            signer_selector(),
            self.from
        );
        let mut body = match self.connection.get(client, &path).await {
            Ok(body) => body,
            Err(error) => return Ended::Failed(error),
        };
        let mut line = Vec::new();
        loop {
            let data = match self.connection.frame(&mut body, WATCH_SILENCE).await {
                Ok(Some(data)) => data,
                Ok(None) => return Ended::Closed,
                Err(error) => return Ended::Failed(error),
            };
            for piece in data.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(piece);
                if line.len() > OBJECT_CAP {
                    return Ended::Failed(self.connection.nonsense("a watch event never ends"));
                }
                if line.ends_with(b"\n") {
                    if let Some(ended) = self.event(&line) {
                        return ended;
                    }
                    line.clear();
                }
            }
        }
    }

    /// Takes one event in; what ends the stream is returned.
    fn event(&mut self, line: &[u8]) -> Option<Ended> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return None;
        }
        match parse_event(line) {
            Ok(Event::Changed { request, revision }) => {
                self.from = revision;
                let ours = request.filter(|request| {
                    request.requestor == crate::csr::requestor_of(&self.connection.node)
                        && !self.known.contains(&request.name)
                });
                let sent = ours.map(|request| self.sights.send(Sight::Request(request)));
                sent.and_then(|sent| sent.err()).map(|_| Ended::Unwanted)
            }
            Ok(Event::Passed { revision }) => {
                self.from = revision;
                None
            }
            Ok(Event::Error { code, message }) => Some(Ended::Failed(ApiError::Status {
                server: self.connection.server.clone(),
                code,
                message,
                retry_after: None,
            })),
            Err(error) => Some(Ended::Failed(self.connection.nonsense(error.to_string()))),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Event {
    /// A request was added or changed.
    Changed {
        request: Option<Request>,
        revision: String,
    },
    /// Time passed: a bookmark, or a request was deleted.
    Passed { revision: String },
    /// The server ends the watch.
    Error { code: u16, message: String },
}

fn parse_event(line: &[u8]) -> Result<Event, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "type")]
        kind: String,
        object: serde_json::Value,
    }
    let wire: Wire = serde_json::from_slice(line)?;
    if wire.kind == "ERROR" {
        let code = wire
            .object
            .get("code")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(500);
        let code = u16::try_from(code).unwrap_or(500);
        return Ok(Event::Error {
            code,
            message: status_message(&wire.object),
        });
    }
    let revision = wire
        .object
        .pointer("/metadata/resourceVersion")
        .and_then(serde_json::Value::as_str);
    let revision = revision
        .filter(|revision| {
            !revision.is_empty() && revision.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        .ok_or_else(|| serde::de::Error::custom("an event without resourceVersion"))?
        .to_owned();
    Ok(match wire.kind.as_str() {
        "ADDED" | "MODIFIED" => Event::Changed {
            request: Request::from_json(wire.object)?,
            revision,
        },
        _ => Event::Passed { revision },
    })
}

fn parse_node(bytes: &[u8]) -> Result<Node, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        spec: Option<Spec>,
        status: Option<Status>,
    }
    #[derive(Deserialize)]
    struct Spec {
        taints: Option<Vec<Taint>>,
    }
    #[derive(Deserialize)]
    struct Taint {
        key: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        addresses: Option<Vec<Address>>,
        node_info: Option<Info>,
    }
    #[derive(Deserialize)]
    struct Address {
        #[serde(rename = "type")]
        kind: String,
        address: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        kubelet_version: String,
    }
    let wire: Wire = serde_json::from_slice(bytes)?;
    let taints = wire.spec.and_then(|spec| spec.taints).unwrap_or_default();
    let status = wire.status.unwrap_or(Status {
        addresses: None,
        node_info: None,
    });
    Ok(Node {
        addresses: status
            .addresses
            .unwrap_or_default()
            .into_iter()
            .map(|a| (a.kind, a.address))
            .collect(),
        taints: taints.into_iter().map(|taint| taint.key).collect(),
        kubelet_version: status
            .node_info
            .map(|info| info.kubelet_version)
            .unwrap_or_default(),
    })
}

/// The message of a `Status` object, or the beginning of whatever else was said.
fn parse_status(bytes: &[u8]) -> String {
    let text = match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(status) => status_message(&status),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    crate::certificate::harmless(text.trim())
        .chars()
        .take(300)
        .collect()
}

fn status_message(status: &serde_json::Value) -> String {
    status
        .get("message")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_of_a_real_watch() {
        let lines = include_str!("../../testdata/captured/1.36/csr-watch-restart-approve.jsonl");
        let events: Vec<Event> = lines
            .lines()
            .map(|line| parse_event(line.as_bytes()).unwrap())
            .collect();
        let seen: Vec<String> = events
            .iter()
            .map(|event| match event {
                Event::Changed {
                    request: Some(request),
                    revision,
                } => {
                    format!("{} {} {revision}", request.name, request.state)
                }
                Event::Changed { request: None, .. } => "not ours".into(),
                Event::Passed { revision } => format!("passed {revision}"),
                Event::Error { code, .. } => format!("error {code}"),
            })
            .collect();
        assert_eq!(
            seen,
            [
                "csr-mlf85 Pending 542",
                "csr-mlf85 Approved 545",
                "csr-mlf85 Issued 546",
                "csr-5wmhs Pending 549",
                "csr-5wmhs Denied 559",
                "csr-b7vfl Pending 560",
                "passed 560",
                "passed 560",
            ]
        );
    }

    #[test]
    fn an_expired_watch_and_other_events_that_end_one() {
        let expired = br#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}}"#;
        assert_eq!(
            parse_event(expired).unwrap(),
            Event::Error {
                code: 410,
                message: "too old resource version: 1 (2)".into()
            }
        );
        for odd in [
            &b"{"[..],
            b"null",
            b"{\"type\":\"ADDED\"}",
            b"{\"type\":\"ADDED\",\"object\":{}}",
            b"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"\"}}}",
            b"{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"1&x=y\"}}}",
            b"{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":1,\"resourceVersion\":\"1\"}}}",
        ] {
            assert!(parse_event(odd).is_err(), "{}", String::from_utf8_lossy(odd));
        }
    }

    #[test]
    fn the_real_nodes() {
        let node = parse_node(include_bytes!("../../testdata/captured/1.36/node.json")).unwrap();
        assert_eq!(node.kubelet_version, "v1.36.2");
        assert_eq!(node.taints, ["node.kubernetes.io/not-ready"]);
        assert_eq!(
            node.addresses[0],
            ("InternalIP".into(), "10.77.0.21".into())
        );
        let node = parse_node(include_bytes!("../../testdata/captured/1.19/node.json")).unwrap();
        assert_eq!(node.addresses[1], ("Hostname".into(), "node1".into()));
        assert_eq!(parse_node(b"{}").unwrap(), Node::default());
        assert!(parse_node(b"[]").is_err());
    }

    #[test]
    fn an_error_says_what_the_server_said() {
        let forbidden = br#"{"kind":"Status","status":"Failure","message":"nodes \"x\" is forbidden","code":403}"#;
        assert_eq!(parse_status(forbidden), "nodes \"x\" is forbidden");
        assert_eq!(parse_status(b"<html>\x1b[2J"), "<html>\u{fffd}[2J");
        let error = ApiError::Status {
            server: "https://a".into(),
            code: 403,
            message: "no".into(),
            retry_after: None,
        };
        assert_eq!(error.to_string(), "https://a answers 403: no");
        assert!(error.is_forbidden() && !error.is_passing());
    }
}
