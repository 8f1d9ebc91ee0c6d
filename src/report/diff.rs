//! The result of `diff`.

use serde::Serialize;

use super::{EditReport, ResultKind, VerbResult};

/// What `apply` would change. Both fields are absent where nothing could be looked at.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiffResult {
    /// Whether there are differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// The edits, of those files that could be edited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<Vec<EditReport>>,
}

impl VerbResult for DiffResult {
    const KIND: ResultKind = ResultKind::DiffResult;
}
