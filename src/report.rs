//! The result documents and how they read as text.
//!
//! Field names and exit codes are a contract with scripts: fields may be added, none is renamed or removed.

mod api_server;
mod apply;
mod approve;
mod certificate;
mod cluster;
mod csr;
mod diff;
mod metrics;
mod problem;
mod status;

use serde::Serialize;

use crate::plan::Edit;
use crate::text::hint::Invocation;

pub use self::api_server::{
    ApiServerApplyResult, ApiServerResult, ApiServerRollbackResult, ApiServerStatusResult,
    InstanceReport, ReachReport,
};
pub use self::apply::{ApplyResult, KubeletOutcome, KubeletRestart, RollbackResult};
pub use self::approve::ApprovalReport;
pub use self::certificate::CertificateReport;
pub use self::cluster::{
    AddressStatus, ClusterResult, ClusterStatusResult, NodeStatus, PendingReport,
};
pub use self::csr::{CsrReport, CsrResult};
pub use self::diff::DiffResult;
pub use self::metrics::{Gauge, exposition};
pub use self::problem::{Code, Ending, Outcome, Problem};
pub use self::status::StatusResult;

/// The result of one verb, which [`Envelope`] completes to a result document.
pub trait VerbResult: Serialize {
    /// The document's `kind`.
    const KIND: ResultKind;

    /// Whether the verb changed the node, the files or the cluster; a dry run changes nothing.
    fn has_changed_something(&self) -> bool {
        false
    }
}

/// The result of a verb that could not begin, because its command line is wrong: a document of its kind without fields.
#[derive(Debug, Serialize)]
pub struct NotBegun {}

/// A result document: the fields that all of them have, around the result of one verb.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Envelope<'a, R> {
    /// Always [`API_VERSION`].
    pub api_version: &'static str,
    /// Which document this is.
    pub kind: ResultKind,
    /// The fields of this verb.
    #[serde(flatten)]
    pub result: &'a R,
    /// What a person should know and is not an error.
    pub warnings: Vec<String>,
    /// Why the run failed; absent if it succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorReport>,
}

/// The version of the result documents.
pub const API_VERSION: &str = "kubelet-tls/v1";

/// The `kind` of a result document, one for each verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[allow(
    clippy::enum_variant_names,
    reason = "these are the documents' own names"
)]
pub enum ResultKind {
    /// of `diff`
    DiffResult,
    /// of `apply`
    ApplyResult,
    /// of `status`
    StatusResult,
    /// of `csr`
    CsrResult,
    /// of `rollback`
    RollbackResult,
    /// of `approve`
    ApproveResult,
    /// of `cluster diff` and `cluster apply`
    ClusterResult,
    /// of `cluster status`
    ClusterStatusResult,
    /// of `api-server diff`
    ApiServerResult,
    /// of `api-server status`
    ApiServerStatusResult,
    /// of `api-server apply`
    ApiServerApplyResult,
    /// of `api-server rollback`
    ApiServerRollbackResult,
    /// of `metrics-server`
    MetricsServerResult,
}

impl std::fmt::Display for ResultKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// One edit as reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EditReport {
    /// A path, or `configmap/kube-system/kubelet-config`.
    pub target: String,
    /// Whether the text differs from before.
    pub changed: bool,
    /// The unified diff; empty where nothing differs.
    pub diff: String,
}

impl From<&Edit> for EditReport {
    fn from(edit: &Edit) -> Self {
        Self {
            target: edit.target.to_string(),
            changed: edit.changes(),
            diff: edit.diff(),
        }
    }
}

/// What the kubelet of one node of the cluster runs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NodeReport {
    /// The name of the Node object.
    pub name: String,
    /// The running kubelet's value; absent where it was not asked or did not answer.
    #[serde(rename = "serverTLSBootstrap", skip_serializing_if = "Option::is_none")]
    pub server_tls_bootstrap: Option<bool>,
}

/// A written file as reported; never with its content, which may be a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileReport {
    /// The path of the file, in the directory that was named.
    pub path: String,
    /// What was done to it.
    pub action: FileAction,
}

/// What was done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum FileAction {
    /// It is new, or says something else now.
    Written,
    /// It said what it was to say.
    Unchanged,
    /// It was ours and is not needed any more.
    Removed,
}

/// The kubelet's restart as reported.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RestartReport {
    /// The kubelet's systemd unit.
    pub unit: String,
    /// Whether it was restarted (false in a dry run).
    pub performed: bool,
    /// Whether it came back and stayed; absent where that was not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy: Option<bool>,
    /// From the restart to the first healthy answer, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// A problem as reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorReport {
    /// The exit code, by the table in the manual.
    pub code: u8,
    /// What happened and why, as one sentence without the hint.
    pub message: String,
    /// The next command to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl ErrorReport {
    /// Reports `problem`, whose hint may repeat `invocation`.
    pub fn new(problem: &Problem, invocation: &Invocation) -> Self {
        Self {
            code: problem.code as u8,
            message: problem.message_after(invocation),
            hint: problem.hint.as_ref().map(|hint| hint.after(invocation)),
        }
    }
}
