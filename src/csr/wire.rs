//! The API's JSON, as much of it as matters; managedFields and the like cost no memory.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde::Deserialize;

use super::{Held, KUBELET_SERVING, Request, State};
use crate::text::names::is_csr_name;
use crate::text::{brief, harmless};
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
    creation_timestamp: Option<Timestamp>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireSpec {
    pub(super) request: Option<ByteString>,
    pub(super) signer_name: Option<String>,
    pub(super) username: Option<String>,
}

#[derive(Deserialize)]
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

impl Wire {
    /// Whether somebody has decided about it, and how.
    pub(super) fn decision(&self) -> Option<bool> {
        let conditions = self
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default();
        let has = |kind: &str| conditions.iter().any(|condition| condition.kind == kind);
        if has("Denied") {
            Some(false)
        } else {
            has("Approved").then_some(true)
        }
    }

    pub(super) fn into_held(self) -> Option<Held> {
        let asked = self.spec.request.clone().unwrap_or_default().0;
        let certificate = self
            .status
            .as_ref()
            .and_then(|status| status.certificate.clone());
        Some(Held {
            request: self.into_request()?,
            asked,
            certificate: certificate.unwrap_or_default().0,
        })
    }

    pub(super) fn into_request(self) -> Option<Request> {
        if self.spec.signer_name.as_deref() != Some(KUBELET_SERVING) {
            return None;
        }
        // Anybody who may create requests may call one `--all`, or put line ends and escape sequences into its name: the
        // API server takes whatever is one segment of a path. The kubelet's own are `csr-` and a few letters.
        if !is_csr_name(&self.metadata.name) {
            return None;
        }
        let status = self.status.unwrap_or(WireStatus {
            conditions: None,
            certificate: None,
        });
        let conditions = status.conditions.unwrap_or_default();
        let condition = |kind: &str| conditions.iter().find(|condition| condition.kind == kind);
        let issued = status
            .certificate
            .is_some_and(|certificate| !certificate.0.is_empty());
        let (state, why) = match (
            condition("Denied"),
            condition("Failed"),
            condition("Approved"),
        ) {
            (Some(denied), _, _) => (State::Denied, Some(denied)),
            (None, Some(failed), _) => (State::Failed, Some(failed)),
            (None, None, Some(approved)) if issued => (State::Issued, Some(approved)),
            (None, None, Some(approved)) => (State::Approved, Some(approved)),
            (None, None, None) => (State::Pending, None),
        };
        let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let message = why.and_then(|why| said(&why.message).or_else(|| said(&why.reason)));
        let pem = self.spec.request.unwrap_or_default();
        let (subject, names) = requested(&pem.0).unwrap_or_default();
        Some(Request {
            name: self.metadata.name,
            created: self.metadata.creation_timestamp,
            requestor: harmless(&self.spec.username.unwrap_or_default()),
            state,
            message: message.map(|text| brief(&text)),
            names,
            subject,
            revision: self
                .metadata
                .resource_version
                .and_then(|version| version.parse().ok())
                .unwrap_or(0),
        })
    }
}
