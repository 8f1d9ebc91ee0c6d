//! The result document of `metrics-server`.

use serde::Serialize;

use crate::metrics_server::check;
use crate::node::conditions::Condition;
use crate::report::{CertificateReport, FileReport, ResultKind, VerbResult};

/// What `metrics-server` wrote, or with `--check` what it saw.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct MetricsServerResult {
    /// Whether a file in the directory is different now; absent with `--check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<bool>,
    /// The serving certificate in the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<CertificateReport>,
    /// What is true of the metrics-server that runs, of `--check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conditions: Option<Vec<Condition<check::MetricsServerConditionType>>>,
    /// The files of the directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) files: Option<Vec<FileReport>>,
}

impl VerbResult for MetricsServerResult {
    const KIND: ResultKind = ResultKind::MetricsServerResult;

    fn has_changed_something(&self) -> bool {
        self.changed == Some(true)
    }
}
