//! The results of `cluster diff`, `cluster apply` and `cluster status`.

use serde::Serialize;

use super::{CertificateReport, EditReport, NodeReport, ResultKind, VerbResult};
use crate::node::conditions::ConditionStatus;
use crate::text::hint::Command;

/// What `cluster apply` did to the kubelets' configuration in the cluster, or would do.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterResult {
    /// Whether the ConfigMap differs from before the run; in a dry run and for `cluster diff` whether it would.
    pub changed: bool,
    /// Whether this was `--dry-run`; absent for `cluster diff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// The edit of the ConfigMap; absent where the run ended before there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<Vec<EditReport>>,
    /// What the cluster's kubelets run with; absent where the Nodes could not be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<NodeReport>>,
}

impl VerbResult for ClusterResult {
    const KIND: ResultKind = ResultKind::ClusterResult;

    fn has_changed_something(&self) -> bool {
        self.changed && self.dry_run == Some(false)
    }
}

/// Whether each node of the cluster is secured.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterStatusResult {
    /// Each node, by name; absent where the Nodes could not be listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<NodeStatus>>,
}

impl VerbResult for ClusterStatusResult {
    const KIND: ResultKind = ResultKind::ClusterStatusResult;
}

/// Whether one node is secured, with what was seen of its kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The name of the Node object.
    pub name: String,
    /// Whether it has the label of a control-plane node.
    pub control_plane: bool,
    /// Whether its kubelet serves a certificate of the cluster's CA for its own addresses.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    pub reason: &'static str,
    /// The evidence, for people.
    pub message: String,
    /// What to do about it; on the node, unless it is `kubelet-tls approve` or `kubectl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub hint: Option<Command>,
    /// The running kubelet's value; absent where it was not asked or did not answer.
    #[serde(rename = "serverTLSBootstrap", skip_serializing_if = "Option::is_none")]
    pub server_tls_bootstrap: Option<bool>,
    /// What it serves at each IP address of its Node.
    pub addresses: Vec<AddressStatus>,
    /// When the certificate ends that ends first, of those that verify; RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// Its newest request, where that is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingReport>,
}

/// What a kubelet serves at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddressStatus {
    /// IP address and port.
    pub address: String,
    /// `Verified`, the kind of flaw, or `Unreachable`.
    pub reason: &'static str,
    /// What was presented; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateReport>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A pending request of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PendingReport {
    /// `metadata.name` of the CSR.
    pub name: String,
    /// When it was created, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}
