//! One question, one answer, read frame by frame with a cap.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use http_body_util::BodyExt as _;

use crate::csr::KUBELET_SERVING;
use crate::host::trace::Call;
use crate::text::brief;

use super::answers::parse_status;
use super::client::{Body, Client, Sent};
use super::kubeconfig::Config;
use super::{Api, ApiError, Unreachable, chain, escaped};

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
/// What is kept of an error's body, in bytes.
pub(super) const ERROR_CAP: usize = 16 * 1024;

/// Where the API has CertificateSigningRequests.
pub(super) const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// Where the API server tells its version.
pub(super) const VERSION: &str = "/version";

/// One API server, with connections to it that belong to one runtime.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) config: Config,
    pub(super) server: String,
    pub(super) node: String,
}

impl Connection {
    /// The same with a runtime and connections of its own, for another thread.
    pub(super) fn again(&self) -> Result<Api, ApiError> {
        Api::new(self.config.clone(), self.server.clone(), self.node.clone())
            .map_err(|error| self.unreachable(Unreachable::Other(chain(&error))))
    }

    pub(super) fn unreachable(&self, reason: Unreachable) -> ApiError {
        ApiError::Unreachable {
            server: self.server.clone(),
            reason,
        }
    }

    pub(super) fn invalid(&self, reason: impl Display) -> ApiError {
        ApiError::InvalidResponse {
            server: self.server.clone(),
            // It may quote the answer.
            reason: brief(&reason.to_string()),
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
            let outcome = self.once(end, attempt()).await;
            let Err(error) = outcome else { return outcome };
            if Instant::now() >= end {
                return Err(error);
            }
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

    /// Makes one attempt, which ends at `end`.
    pub(super) async fn once<T>(
        &self,
        end: Instant,
        attempt: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        tokio::time::timeout_at(end.into(), attempt)
            .await
            .unwrap_or_else(|_| Err(self.unreachable(Unreachable::Timeout)))
    }

    /// One object, read and understood.
    pub(super) async fn parsed<T>(
        &self,
        path: &str,
        parse: fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ApiError> {
        let bytes = self.object(path).await?;
        parse(&bytes).map_err(|error| self.invalid(error))
    }

    pub(super) async fn object(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        self.whole(self.get(path).await?).await
    }

    /// The body of an answer that is one object.
    async fn whole(&self, body: Body) -> Result<Vec<u8>, ApiError> {
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
    pub(super) async fn get(&self, path: &str) -> Result<Body, ApiError> {
        Ok(self.ask(path).await?.into_body())
    }

    /// Sends a GET and returns a 200.
    pub(super) async fn ask(&self, path: &str) -> Result<http::Response<Body>, ApiError> {
        self.send(Method::GET, path, &[]).await
    }

    /// Sends `object` once, as [`Self::send`] does, and returns what the server answers.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        object: &[u8],
    ) -> Result<Vec<u8>, ApiError> {
        let answer = self.send(method, path, object).await?;
        self.whole(answer.into_body()).await
    }

    /// Sends `object`, which is JSON or nothing and for a PATCH a merge patch, and returns a 200, or the 201 of what was
    /// created.
    async fn send(
        &self,
        method: Method,
        path: &str,
        object: &[u8],
    ) -> Result<http::Response<Body>, ApiError> {
        let content = match method {
            Method::PATCH => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = http::Request::builder().method(method).uri(path);
        if !object.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, content);
        }
        let request = request
            .header(http::header::ACCEPT, "application/json")
            .header(
                http::header::USER_AGENT,
                concat!("kubelet-tls/", env!("CARGO_PKG_VERSION")),
            )
            .body(Sent::from(object.to_vec()))
            .map_err(|error| self.invalid(error))?;
        let mut call = Call::begin(|| format!("{} {}", request.method(), request.uri()));
        let answer = tokio::time::timeout(ANSWER_DEADLINE, self.client.send(request))
            .await
            .map_err(|_| self.unreachable(Unreachable::Timeout))?
            .map_err(|error| self.unreachable(Unreachable::of(error.as_ref())))?;
        call.came(answer.status());
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
                .map_err(|_| self.unreachable(Unreachable::Silent(silence)))?;
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

/// The list of the kubelet-serving CSRs. Of a CSR only `metadata.name` and `spec.signerName` can be selected on
/// (pkg/apis/certificates/v1/conversion.go).
pub(crate) fn serving_requests() -> String {
    let selector = escaped(&format!("spec.signerName={KUBELET_SERVING}"));
    format!("{REQUESTS}?fieldSelector={selector}")
}

/// `path`, which may have a query, with `parameters` added to its query.
pub(super) fn with_query(path: &str, parameters: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{parameters}")
}
