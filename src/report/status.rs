//! The result of `status`.

use serde::Serialize;

use super::{ResultKind, VerbResult};
use crate::node::conditions::Condition;

/// What is true of this node. Both fields are absent where the kubelet's configuration could not be found.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatusResult {
    /// The node's name, from the kubelet's client certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Each condition, in the order in which each rests on those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}

impl VerbResult for StatusResult {
    const KIND: ResultKind = ResultKind::StatusResult;
}
