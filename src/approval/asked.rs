//! A CertificateSigningRequest as the API has it, with all that a judgement needs.

use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde::{Deserialize, Deserializer};

/// A CertificateSigningRequest, whoever the signer; its texts are as their writers wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.creationTimestamp`, to the second.
    pub created: Option<Timestamp>,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// `spec.signerName`.
    pub signer: String,
    /// `spec.username`, which the API server fills in from the credential used.
    pub requestor: String,
    /// `spec.groups`, as well.
    pub groups: Vec<String>,
    /// `spec.usages`.
    pub usages: Vec<String>,
    /// `spec.expirationSeconds`; without it the signer takes its own default, which the API does not tell.
    pub expiration_seconds: Option<i64>,
    /// `spec.request`, PEM.
    pub request: Vec<u8>,
    /// What has been decided, where anything has.
    pub decision: Option<Decision>,
}

/// What has become of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It has the condition Approved and no other.
    Approved,
    /// It has the condition Denied.
    Denied,
    /// It has the condition Failed, or something that no pending request has.
    Failed,
}

impl Decision {
    /// As a condition is called.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Denied => "Denied",
            Self::Failed => "Failed",
        }
    }
}

impl Asked {
    /// The requestor's node; none where it is none's.
    pub fn node(&self) -> Option<&str> {
        self.requestor
            .strip_prefix("system:node:")
            .filter(|node| !node.is_empty())
    }
}

#[derive(Deserialize)]
struct Wire {
    metadata: Meta,
    spec: Spec,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: String,
    creation_timestamp: Option<Timestamp>,
    resource_version: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    request: Option<ByteString>,
    signer_name: Option<String>,
    username: Option<String>,
    groups: Option<Vec<String>>,
    usages: Option<Vec<String>>,
    expiration_seconds: Option<i64>,
}

#[derive(Deserialize)]
struct Status {
    conditions: Option<Vec<Condition>>,
    certificate: Option<ByteString>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
}

impl<'de> Deserialize<'de> for Asked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire {
            metadata,
            spec,
            status,
        } = Wire::deserialize(deserializer)?;
        Ok(Self {
            name: metadata.name,
            created: metadata.creation_timestamp,
            version: metadata.resource_version.unwrap_or_default(),
            signer: spec.signer_name.unwrap_or_default(),
            requestor: spec.username.unwrap_or_default(),
            groups: spec.groups.unwrap_or_default(),
            usages: spec.usages.unwrap_or_default(),
            expiration_seconds: spec.expiration_seconds,
            request: spec.request.unwrap_or_default().0,
            decision: status.and_then(|status| decision(&status)),
        })
    }
}

fn decision(status: &Status) -> Option<Decision> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let has = |kind: &str| conditions.iter().any(|condition| condition.kind == kind);
    let issued = status
        .certificate
        .as_ref()
        .is_some_and(|certificate| !certificate.0.is_empty());
    if has("Denied") {
        Some(Decision::Denied)
    } else if has("Approved") && !has("Failed") {
        Some(Decision::Approved)
    } else {
        // A condition of another kind, or a certificate that nobody approved, is nothing to add an approval to.
        (issued || !conditions.is_empty()).then_some(Decision::Failed)
    }
}
