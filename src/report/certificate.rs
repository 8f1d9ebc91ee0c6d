//! A serving certificate as results report it.

use serde::Serialize;

use crate::x509::Certificate;

/// What the kubelet serves on :10250.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CertificateReport {
    /// The issuer's distinguished name.
    pub issuer: String,
    /// The end of its validity, RFC 3339.
    pub not_after: String,
    /// DNS names it is good for.
    pub dns_names: Vec<String>,
    /// IP addresses it is good for.
    pub ip_addresses: Vec<String>,
    /// Whether it verified against the cluster's CA for the address dialled.
    pub verified: bool,
}

impl CertificateReport {
    /// The certificate as JSON shows it; `verified` says whether it verified for the address dialled.
    pub fn new(certificate: &Certificate, verified: bool) -> Self {
        Self {
            issuer: certificate.issuer.clone(),
            not_after: certificate.not_after.to_string(),
            dns_names: certificate.names.dns.clone(),
            ip_addresses: certificate
                .names
                .ips
                .iter()
                .map(ToString::to_string)
                .collect(),
            verified,
        }
    }
}
