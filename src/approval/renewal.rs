//! `--renewals`: a request for no more than what the node serves already.

use std::net::IpAddr;

use super::names::canonical;
use super::policy::Approval;
use super::rule::{Rule, Violation};
use crate::x509::Certificate;

/// Why no certificate was seen that verifies, fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotVerified {
    /// No handshake got as far as a certificate; why not.
    #[error("the kubelet serves no certificate: {0}")]
    NotServed(String),
    /// One was presented that does not verify.
    #[error("the certificate does not verify: {0}")]
    Unverified(String),
}

/// What was presented at one address of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAt {
    /// The address that was dialled.
    pub address: IpAddr,
    /// The certificate, which verifies for the address against the cluster's CA; or why none was seen.
    pub certificate: Result<Certificate, NotVerified>,
}

/// Whether what is approved is a renewal: at every address of the request the node serves, with a certificate that is
/// its own and verifies, every name of the request. Pure; `served` is what was seen after the request was read.
///
/// # Errors
/// [`Rule::NamesAreServed`].
pub fn judge_renewal(approval: &Approval, served: &[ServedAt]) -> Result<(), Violation> {
    let broken = |message: String| Err(Violation::new(Rule::NamesAreServed, message));
    if approval.names.ips.is_empty() {
        return broken(
            "it does not ask for any address, so that no one can be asked what the node serves"
                .into(),
        );
    }
    for ip in &approval.names.ips {
        let Some(served) = served.iter().find(|served| served.address == *ip) else {
            return broken(format!("IP {ip} was not dialled"));
        };
        let certificate = match &served.certificate {
            Ok(certificate) => certificate,
            Err(why) => return broken(format!("at {ip}: {why}")),
        };
        let requestor = crate::csr::requestor_of(&approval.node);
        if certificate.common_name.as_deref() != Some(requestor.as_str())
            || certificate.organizations != ["system:nodes"]
        {
            return broken(format!("at {ip}: the certificate is not for {requestor}"));
        }
        let missing_ip = approval
            .names
            .ips
            .iter()
            .find(|asked| !certificate.names.ips.contains(asked))
            .map(|asked| format!("IP {asked}"));
        let has_dns = |asked: &str| {
            let mut dns = certificate.names.dns.iter();
            dns.any(|name| canonical(name) == canonical(asked))
        };
        let missing_dns = approval.names.dns.iter().find(|asked| !has_dns(asked));
        let missing = missing_ip.or(missing_dns.map(|asked| format!("DNS {}", canonical(asked))));
        if let Some(missing) = missing {
            return broken(format!("at {ip}: {missing} is not in the certificate"));
        }
    }
    Ok(())
}
