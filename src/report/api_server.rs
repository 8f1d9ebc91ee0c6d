//! The result of `api-server diff`.

use serde::Serialize;

use super::{EditReport, Kind, VerbResult};

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
    fn kind(&self) -> Kind {
        Kind::ApiServerResult
    }
}
