//! The node as seen once: what systemd, the process table, the files and the API said, as values.

pub mod api_server;
pub mod approvers;
pub mod conditions;
mod configmap;
mod control_plane;
mod dialled;
mod explanation;
mod fleet;
mod instance;
mod kubelet;
mod object;
mod obstacle;
mod serving;
mod unit;
mod verification;
pub mod version;

pub use configmap::ConfigMap;
pub use control_plane::{ControlPlane, OtherControlPlanes};
pub use dialled::{AddressPreference, NodeSurvey, SurveyedNode};
pub use explanation::{Explanation, UnreadConfig};
pub use fleet::{
    Listed, ListedNode, MalformedNode, NodeRemedy, NotConfigured, PendingRequest, ProbedNode,
    Security,
};
pub use instance::{ApiServerProcess, InstanceAddress, ProcessId, address as instance_address};
pub use kubelet::{ConfigFile, DEFAULT_KUBECONFIG, InvalidHealthz, Kubelet, kubeconfig};
pub use object::Node;
pub use obstacle::Obstacle;
pub use serving::{Flaw, FlawKind, flaw};
pub use unit::{Incarnation, Unit};
pub use verification::own_process;

use crate::x509::Certificate;

/// What a TLS server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The server's own certificate, the first of the chain.
    pub certificate: Certificate,
    /// Whether it verifies against the cluster's CA for the address dialled, and why not.
    pub verified: Result<(), Unverified>,
}

/// Why a certificate that was presented does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Another CA, or the kubelet itself, signed it.
    #[error("the cluster's CA did not sign it")]
    UnknownAuthority,
    /// It is expired, or not valid yet.
    #[error("it is not valid now")]
    Expired,
    /// The address dialled is not among its names.
    #[error("it is not for this address")]
    WrongName,
    /// A reason that none of the others names, as rustls words it.
    #[error("{0}")]
    Other(String),
}

/// Why no certificate was presented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// Nothing listens on that port.
    #[error("connection refused")]
    Refused,
    /// The server has no certificate yet: a kubelet that waits for its certificate ends every handshake so.
    #[error("remote error: tls: internal error; it has no certificate")]
    NoCertificate,
    /// No answer in time.
    #[error("no answer in time")]
    Silent,
    /// A failure that none of the others names, as the system words it.
    #[error("{0}")]
    Other(String),
}
