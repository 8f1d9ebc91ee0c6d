//! The results of `api-server`.

use serde::Serialize;

use super::{EditReport, ResultKind, VerbResult};
use crate::node::api_server::ApiServerKind;
use crate::node::conditions::Condition;

/// What has to change so that this node's API server verifies kubelets, or no longer does. Both fields are absent where
/// nothing could be read.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiServerResult {
    /// Whether there are differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// The edits of the manifest and of `configmap/kube-system/kubeadm-config`, of those that are possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<Vec<EditReport>>,
}

impl VerbResult for ApiServerResult {
    const KIND: ResultKind = ResultKind::ApiServerResult;
}

/// Whether this node's API server verifies kubelets. The conditions are absent where its manifest could not be read.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApiServerStatusResult {
    /// The address at which this API server was asked, such as `10.0.0.1:6443`; absent where it does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Each condition, in the order in which each rests on those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition<ApiServerKind>>>,
}

impl VerbResult for ApiServerStatusResult {
    const KIND: ResultKind = ResultKind::ApiServerStatusResult;
}

/// What `api-server apply` did on this control-plane node, or in a dry run would do.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiServerApplyResult {
    /// Whether the manifest or the ConfigMap differs from before the run; in a dry run whether one would.
    pub changed: bool,
    /// Whether this was `--dry-run`.
    pub dry_run: bool,
    /// The edits of the manifest and of `configmap/kube-system/kubeadm-config`; absent where the run ended before there
    /// was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<Vec<EditReport>>,
    /// What became of this node's API server; absent where it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<InstanceReport>,
    /// The Ready nodes that were asked through this API server; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<ReachReport>>,
    /// Whether the change was rolled back, because the API server or a node did not come back with it.
    pub rolled_back: bool,
}

/// What `api-server rollback` did, or in a dry run would do.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiServerRollbackResult {
    /// Whether the manifest or the ConfigMap differs from before the run; in a dry run whether one would.
    pub changed: bool,
    /// Whether this was `--dry-run`.
    pub dry_run: bool,
    /// The edits of the manifest, of kubeadm's file or of the ConfigMap.
    pub edits: Vec<EditReport>,
    /// What became of this node's API server; absent where it was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_server: Option<InstanceReport>,
    /// The Ready nodes that were asked through this API server; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Vec<ReachReport>>,
    /// Whether nothing of the last apply is left.
    pub rolled_back: bool,
}

/// This node's API server, which the kubelet restarts when its manifest changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct InstanceReport {
    /// Where it was dialled.
    pub address: String,
    /// Whether its manifest was changed, so that it restarted; false in a dry run.
    pub restarted: bool,
    /// Whether it came back and stayed; absent where that was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// From the edit to its first healthy answer, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// For how long it was seen not to answer, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outage_seconds: Option<f64>,
}

/// Whether the kubelet of a node answers through this node's API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReachReport {
    /// The name of the Node object.
    pub name: String,
    /// Whether its kubelet answered through the API server.
    pub reached: bool,
    /// Whether it had answered before the change; absent where nothing was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reached_before: Option<bool>,
    /// Why it did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl VerbResult for ApiServerApplyResult {
    const KIND: ResultKind = ResultKind::ApiServerApplyResult;

    fn has_changed_something(&self) -> bool {
        self.changed && !self.dry_run
    }
}

impl VerbResult for ApiServerRollbackResult {
    const KIND: ResultKind = ResultKind::ApiServerRollbackResult;

    fn has_changed_something(&self) -> bool {
        self.changed && !self.dry_run
    }
}
