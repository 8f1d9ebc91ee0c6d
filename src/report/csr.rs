//! The result of `csr`, and a CSR as other results report it.

use serde::Serialize;

use super::{ResultKind, VerbResult};
use crate::approval::Check;
use crate::csr::Request;

/// This node's newest kubelet-serving CSR.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CsrResult {
    /// The node's name, from the kubelet's client certificate; absent where the kubeconfig cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The CSR; null where none was found.
    pub csr: Option<CsrReport>,
    /// What the node itself says about its request, of `--check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Vec<Check>>,
}

impl VerbResult for CsrResult {
    const KIND: ResultKind = ResultKind::CsrResult;
}

/// A CertificateSigningRequest as reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CsrReport {
    /// `metadata.name` of the CSR.
    pub name: String,
    /// `Pending`, `Approved`, `Issued`, `Denied` or `Failed`.
    pub state: &'static str,
    /// What the API says about its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it was created, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// `spec.username`.
    pub requestor: String,
    /// DNS names asked for.
    pub dns_names: Vec<String>,
    /// IP addresses asked for.
    pub ip_addresses: Vec<String>,
}

impl From<&Request> for CsrReport {
    fn from(request: &Request) -> Self {
        Self {
            name: request.name.clone(),
            state: request.state.as_str(),
            message: request.message.clone(),
            created: request.created.map(|time| time.to_string()),
            requestor: request.requestor.clone(),
            dns_names: request.names.dns.clone(),
            ip_addresses: request.names.ips.iter().map(ToString::to_string).collect(),
        }
    }
}
