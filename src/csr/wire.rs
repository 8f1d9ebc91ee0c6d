//! The API's JSON, as much of it as matters; managedFields and the like cost no memory.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde::Deserialize;

use super::{FetchedRequest, KUBELET_SERVING, Request, State};
use crate::text::brief;
use crate::text::names::is_csr_name;
use crate::x509::requested;

#[derive(Deserialize)]
pub(super) struct Wire {
    pub(super) metadata: WireMeta,
    pub(super) spec: WireSpec,
    pub(super) status: Option<WireStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireMeta {
    name: String,
    uid: Option<String>,
    creation_timestamp: Option<Timestamp>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireSpec {
    request: Option<ByteString>,
    signer_name: Option<String>,
    pub(super) username: Option<String>,
    groups: Option<Vec<String>>,
    usages: Option<Vec<String>>,
    expiration_seconds: Option<i64>,
}

#[derive(Default, Deserialize)]
pub(super) struct WireStatus {
    conditions: Option<Vec<WireCondition>>,
    certificate: Option<ByteString>,
}

#[derive(Deserialize)]
pub(super) struct WireCondition {
    #[serde(rename = "type")]
    kind: String,
    reason: Option<String>,
    message: Option<String>,
}

impl WireStatus {
    fn conditions(&self) -> &[WireCondition] {
        self.conditions.as_deref().unwrap_or_default()
    }

    fn condition(&self, kind: &str) -> Option<&WireCondition> {
        let mut conditions = self.conditions().iter();
        conditions.find(|condition| condition.kind == kind)
    }

    fn is_issued(&self) -> bool {
        let certificate = self.certificate.as_ref();
        certificate.is_some_and(|certificate| !certificate.0.is_empty())
    }

    /// The state, and the condition that says so.
    fn state(&self) -> (State, Option<&WireCondition>) {
        let [denied, failed, approved] =
            ["Denied", "Failed", "Approved"].map(|kind| self.condition(kind));
        match (denied, failed, approved) {
            (Some(denied), _, _) => (State::Denied, Some(denied)),
            (None, Some(failed), _) => (State::Failed, Some(failed)),
            (None, None, Some(approved)) if self.is_issued() => (State::Issued, Some(approved)),
            (None, None, Some(approved)) => (State::Approved, Some(approved)),
            (None, None, None) => (State::Pending, None),
        }
    }
}

impl WireCondition {
    /// Its message. Of a refusal its reason too: a person has to find out who decided, and why.
    fn described(&self) -> Option<String> {
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (said(&self.reason), said(&self.message)) {
            (Some(reason), Some(message)) if self.kind != "Approved" => {
                Some(format!("{reason}: {message}"))
            }
            (reason, message) => message.or(reason),
        }
    }
}

impl Wire {
    /// Whether it was approved or denied; none where it is pending, or failed without either.
    pub(super) fn decision(&self) -> Option<bool> {
        let status = self.status.as_ref()?;
        if status.condition("Denied").is_some() {
            Some(false)
        } else {
            status.condition("Approved").map(|_| true)
        }
    }

    pub(super) fn into_fetched(self) -> Option<FetchedRequest> {
        let status = self.status.as_ref();
        let certificate = status.and_then(|status| status.certificate.clone());
        Some(FetchedRequest {
            request: self.into_kubelet_serving()?,
            certificate: certificate.unwrap_or_default().0,
        })
    }

    /// None where the signer is another one, or the name is one that no kubelet's request has: any client that may create
    /// requests may call one `--all`, or put line ends and escape sequences into its name.
    pub(super) fn into_kubelet_serving(self) -> Option<Request> {
        let request = Request::from(self);
        let good = request.signer == KUBELET_SERVING && is_csr_name(&request.name);
        good.then_some(request)
    }
}

impl From<Wire> for Request {
    fn from(wire: Wire) -> Self {
        let status = wire.status.unwrap_or_default();
        let (state, why) = status.state();
        let odd =
            state == State::Pending && (status.is_issued() || !status.conditions().is_empty());
        let pem = wire.spec.request.unwrap_or_default().0;
        let (subject, names) = requested(&pem).unwrap_or_default();
        Self {
            name: wire.metadata.name,
            uid: wire.metadata.uid.unwrap_or_default(),
            created: wire.metadata.creation_timestamp,
            resource_version: wire.metadata.resource_version.unwrap_or_default(),
            signer: wire.spec.signer_name.unwrap_or_default(),
            requestor: wire.spec.username.unwrap_or_default(),
            groups: wire.spec.groups.unwrap_or_default(),
            usages: wire.spec.usages.unwrap_or_default(),
            expiration_seconds: wire.spec.expiration_seconds,
            message: why
                .and_then(WireCondition::described)
                .map(|text| brief(&text)),
            state,
            odd,
            names,
            subject,
            pem,
        }
    }
}
