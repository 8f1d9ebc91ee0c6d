//! The results of `apply` and `rollback`.

use serde::Serialize;

use crate::plan::{Plan, Restart};

use super::{CertificateReport, CsrReport, EditReport, RestartReport, ResultKind, VerbResult};

/// What `apply` did, or in a dry run would do.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApplyResult {
    /// Whether a file differs from before the run; in a dry run whether one would.
    pub changed: bool,
    /// Whether this was `--dry-run`.
    pub dry_run: bool,
    /// The Node's name, from the kubelet's client certificate; absent where the API was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The planned edits; absent where the run ended before there was a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<Vec<EditReport>>,
    /// What became of this node's kubelet; its fields are absent where FILE was given.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<KubeletOutcome>,
    /// The last log lines of a kubelet that did not come back healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<String>,
}

/// What became of this node's kubelet.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KubeletOutcome {
    /// The kubelet's restart; null where none was planned.
    pub restart: Option<RestartReport>,
    /// The kubelet's CSR; null where none was seen.
    pub csr: Option<CsrReport>,
    /// What the kubelet serves on its port; null where it was not looked at.
    pub certificate: Option<CertificateReport>,
    /// Whether the change was rolled back, because the kubelet did not stay healthy.
    pub rolled_back: bool,
}

/// What `rollback` did, or in a dry run would do.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct RollbackResult {
    /// Whether a file or the ConfigMap differs from before the run; in a dry run whether one would.
    pub changed: bool,
    /// Whether this was `--dry-run`.
    pub dry_run: bool,
    /// The edits of files or of the ConfigMap, in the order in which they are made.
    pub edits: Vec<EditReport>,
    /// The kubelet's restart; absent with `--cluster`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub kubelet: Option<KubeletRestart>,
    /// Whether nothing of the last apply is left.
    pub rolled_back: bool,
    /// The last log lines of a kubelet that did not come back healthy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub journal: Vec<String>,
}

/// The restart of this node's kubelet.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct KubeletRestart {
    /// The kubelet's restart; null where none was planned.
    pub restart: Option<RestartReport>,
}

impl ApplyResult {
    /// The result of an `apply` on a node that has done nothing yet.
    pub(crate) fn of_node(dry_run: bool) -> Self {
        Self {
            dry_run,
            kubelet: Some(KubeletOutcome::default()),
            ..Self::default()
        }
    }
}

impl VerbResult for ApplyResult {
    const KIND: ResultKind = ResultKind::ApplyResult;

    fn has_changed_something(&self) -> bool {
        self.changed && !self.dry_run
    }
}

impl VerbResult for RollbackResult {
    const KIND: ResultKind = ResultKind::RollbackResult;

    fn has_changed_something(&self) -> bool {
        self.changed && !self.dry_run
    }
}

impl RestartReport {
    /// The restart of `unit` that `plan` would bring; none where it plans none.
    pub(crate) fn planned(plan: &Plan, unit: &str) -> Option<Self> {
        (plan.restart != Restart::No).then(|| Self {
            unit: unit.to_owned(),
            performed: false,
            healthy: None,
            seconds: None,
        })
    }
}
