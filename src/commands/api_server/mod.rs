//! `api-server`: whether and how this control-plane node's API server verifies kubelets.

mod apply;
mod approver;
mod decide;
mod execute;
mod nodes;
mod observe;
mod receipts;
mod rollback;
mod status;
mod survey;

use std::time::{Duration, Instant};

use crate::cli;
use crate::commands::selection;
use crate::report::{ApiServerResult, Code, Ending, Outcome, Problem};

use self::decide::{configuration, manifest};
use super::cluster::Decision;
use super::{Ui, admin};

pub(crate) use self::status::run as status;
pub(crate) use apply::run as apply;
pub(crate) use rollback::run as roll_back;

/// The command that shows the differences.
const LOOK: &str = "kubelet-tls api-server diff";
/// How long kubeadm's configuration of the cluster may take to be read and written, however often that is tried.
const DEADLINE: Duration = Duration::from_secs(30);

/// `api-server diff`: shows both edits. What cannot be read or is refused is an error; the other edit is shown
/// nevertheless. Exit 1 when there are differences.
pub(crate) fn diff(arguments: &cli::ApiServerDiff, ui: &Ui) -> Outcome<ApiServerResult> {
    let wanted = selection::verification(arguments.disable);
    let seen = observe::manifest(&arguments.manifest);
    let ca = seen.as_ref().ok().and_then(decide::expected_ca);
    let of_manifest = seen.and_then(|seen| manifest(&seen, wanted));
    let of_configuration = admin::open(&arguments.access)
        .and_then(|admin| observe::kubeadm_config(&admin, Instant::now() + DEADLINE))
        .and_then(|seen| seen.ok_or_else(observe::no_kubeadm_config))
        .and_then(|seen| configuration(&seen, ca.as_deref(), wanted));
    let mut edits = Vec::new();
    let mut last: Option<Problem> = None;
    for decided in [of_manifest, of_configuration] {
        match decided {
            Ok(Decision { edit, warnings, .. }) => {
                edits.push(super::show::edit(&edit, ui));
                warnings
                    .iter()
                    .for_each(|warning| ui.warn(warning.as_str()));
            }
            Err(problem) => {
                // The earlier of two errors is told now, the last one at the end.
                if let Some(earlier) = last.replace(problem) {
                    ui.error(&earlier);
                }
            }
        }
    }
    let changed = edits.iter().any(|edit| edit.changed);
    let is_known = !edits.is_empty();
    Outcome {
        result: ApiServerResult {
            changed: is_known.then_some(changed),
            edits: is_known.then_some(edits),
        },
        ending: match last {
            Some(problem) => Ending::Failed(problem),
            None if changed => Ending::Negative(None),
            None => Ending::Done,
        },
    }
}

/// Why kubeadm's configuration was not changed after the manifest was. The code for a file that cannot be read or written
/// would say that nothing is changed.
fn after_the_manifest(mut problem: Problem) -> Problem {
    if problem.code == Code::Io {
        problem.code = Code::Temporary;
    }
    problem
}
