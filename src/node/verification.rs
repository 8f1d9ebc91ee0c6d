//! What the flag by which an API server verifies kubelets comes to: its values, and the process that has it.

use super::ApiServerProcess;
use crate::edit::api_server::{FLAG, Manifest};
use crate::text::shown;

/// Shows what the container runtime runs.
pub(super) const PROCESSES: &str = "crictl ps --name kube-apiserver";
/// The reason of a condition where the running process does not have what its manifest says.
pub(super) const OLDER: &str = "OlderThanManifest";

/// Why it is not known what the API server of a manifest runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoProcess {
    /// No process has the manifest's address.
    #[error("no kube-apiserver of this manifest runs, or its command line cannot be read")]
    NotRunning,
    /// So many have it.
    #[error("{0} kube-apiservers have the manifest's address")]
    Several(usize),
}

impl NoProcess {
    /// The reason of a condition that is Unknown because of it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotRunning => "NotRunning",
            Self::Several(_) => "SeveralProcesses",
        }
    }
}

/// The process that this manifest started: a machine may run API servers of other clusters too, in containers.
///
/// # Errors
/// When it cannot be told.
pub fn own_process<'p>(
    manifest: &Manifest,
    processes: &'p [ApiServerProcess],
) -> Result<&'p ApiServerProcess, NoProcess> {
    let mut own = processes
        .iter()
        .filter(|process| process.is_of(&manifest.flags));
    match (own.next(), own.count()) {
        (None, _) => Err(NoProcess::NotRunning),
        (Some(process), 0) => Ok(process),
        (Some(_), others) => Err(NoProcess::Several(others + 1)),
    }
}

/// An empty value turns verification off (docs/api-server-facts.md).
pub(super) fn is_set(value: Option<&str>) -> bool {
    value.is_some_and(|value| !value.is_empty())
}

pub(super) fn described(value: Option<&str>) -> String {
    match value {
        None => format!("{FLAG} is not set"),
        Some("") => format!("{FLAG} is empty"),
        Some(ca) => format!("{FLAG} is {}", shown(ca)),
    }
}

pub(super) fn older(running: Option<&str>) -> String {
    format!(
        "the running API server does not have the manifest's flag: {}",
        described(running)
    )
}
