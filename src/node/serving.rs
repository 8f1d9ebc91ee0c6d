//! What is wrong with what an address of a kubelet serves: one rule for this node's conditions and for the whole cluster.

use std::fmt::Display;

use super::{NotServed, Served, Unverified};
use crate::csr::requestor_of;

/// A serving certificate that clients do not accept, or a missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What kind of flaw it is.
    pub kind: FlawKind,
    /// The address and the evidence, for people.
    pub message: String,
}

/// The kinds of flaws; their names are the reasons of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind {
    /// The kubelet waits for its certificate and ends every handshake.
    NoCertificate,
    /// The kubelet made its certificate itself.
    SelfSigned,
    /// A CA that is not the cluster's signed it.
    UnknownAuthority,
    /// It is expired, or not valid yet.
    Expired,
    /// It is not for the address that was dialled.
    NameMissing,
    /// It is the certificate of another node, or of something that is not a kubelet.
    OtherNode,
    /// It does not verify for another reason.
    Unverified,
}

impl FlawKind {
    /// The reason of a condition that is False because of it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoCertificate => "NoCertificate",
            Self::SelfSigned => "SelfSigned",
            Self::UnknownAuthority => "UnknownAuthority",
            Self::Expired => "Expired",
            Self::NameMissing => "NameMissing",
            Self::OtherNode => "OtherNode",
            Self::Unverified => "Unverified",
        }
    }
}

/// The flaw of what the kubelet of `node` serves at `address`; none where it is good, and none where nothing answers,
/// because an address may be out of reach from where it was dialled.
pub fn flaw(
    node: Option<&str>,
    address: impl Display,
    served: &Result<Served, NotServed>,
) -> Option<Flaw> {
    let (kind, message) = match served {
        Err(NotServed::NoCertificate) => (
            FlawKind::NoCertificate,
            format!("{address}: {}", NotServed::NoCertificate),
        ),
        Err(_) => return None,
        Ok(Served {
            certificate,
            verified: Err(why),
        }) => {
            let by = &certificate.issuer;
            match why {
                Unverified::UnknownAuthority if certificate.is_kubelets_own() => (
                    FlawKind::SelfSigned,
                    format!("{address} serves the kubelet's own certificate, of {by}"),
                ),
                Unverified::UnknownAuthority => (
                    FlawKind::UnknownAuthority,
                    format!(
                        "{address} serves a certificate of {by}, which is not the cluster's CA"
                    ),
                ),
                Unverified::Expired => (
                    FlawKind::Expired,
                    format!(
                        "{address} serves a certificate that is not valid now: until {}",
                        certificate.not_after
                    ),
                ),
                Unverified::WrongName => (
                    FlawKind::NameMissing,
                    format!(
                        "{address} serves a certificate that is not for this address: {}",
                        certificate.names.describe()
                    ),
                ),
                Unverified::Other(why) => (FlawKind::Unverified, format!("{address}: {why}")),
            }
        }
        Ok(Served { certificate, .. }) => {
            let subject = certificate.common_name.as_deref().unwrap_or_default();
            let is_of = |other: &str| subject.strip_prefix("system:node:") == Some(other);
            match node {
                // A static certificate may have any subject; one of another node's kubelet is another node's.
                Some(node) if subject.starts_with("system:node:") && !is_of(node) => (
                    FlawKind::OtherNode,
                    format!(
                        "{address} serves the certificate of {subject}, not of {}",
                        requestor_of(node)
                    ),
                ),
                _ => return None,
            }
        }
    };
    Some(Flaw { kind, message })
}
