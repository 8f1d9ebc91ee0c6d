//! The results of `api-server diff` and `api-server status`.

use serde::Serialize;

use super::{EditReport, Kind, VerbResult};
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
    fn kind(&self) -> Kind {
        Kind::ApiServerResult
    }
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
    fn kind(&self) -> Kind {
        Kind::ApiServerStatusResult
    }
}
