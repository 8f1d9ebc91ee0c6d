//! `apply`: makes the change, restarts the kubelet, checks that it came back healthy, reports the request.

mod cluster;
mod decide;
mod drop_in;
pub(super) mod dry_run;
mod interrupted;
mod issue;
mod issued;
pub(super) mod next;
mod node;
mod observe;
mod outcome;
mod put_back;
pub(super) mod receipts;
mod run;
mod served;
mod spec;
mod watch;
mod write;

use crate::apply::EditFailure;
use crate::cli;
use crate::kubelet::Bootstrap;
use crate::plan::{Plan, Reason, Restart};
use crate::report::{ApplyResult, EditReport, Outcome, Problem};

pub(crate) use self::cluster::PEM_CAP;
pub(super) use self::run::NodeRun;
pub(super) use self::spec::{Direction, RunSpec};

use super::{Ui, files, show};

pub(crate) fn run(arguments: &cli::Apply, ui: &Ui) -> Outcome<ApplyResult> {
    if arguments.selection.files.is_empty() {
        node::run(arguments, ui)
    } else {
        let (applied, ended) = files::apply(arguments, ui);
        let result = ApplyResult {
            changed: applied.changed,
            dry_run: arguments.dry_run,
            edits: applied.edits,
            ..ApplyResult::default()
        };
        Outcome::new(result, ended)
    }
}

fn tell_unchanged(plan: &Plan, wanted: Bootstrap, ui: &Ui) {
    for edit in plan.edits.iter().filter(|edit| !edit.changes()) {
        show::unchanged(edit, wanted, ui);
    }
    if let Restart::Yes(reason @ Reason::NotRead) = plan.restart {
        ui.say(&format!("the kubelet has not read it: {reason}"));
    }
}

/// The edits of `plan`, as reported.
pub(super) fn reports(plan: &Plan) -> Vec<EditReport> {
    plan.edits.iter().map(EditReport::from).collect()
}

/// An edit that failed, and whether an earlier one of the same plan is left.
#[derive(Debug)]
pub(super) struct EditStopped {
    /// Whether a file still differs from before.
    pub(super) changed: bool,
    pub(super) problem: Problem,
}

impl From<EditFailure> for EditStopped {
    fn from(failure: EditFailure) -> Self {
        Self {
            changed: !failure.left.is_empty(),
            problem: files::edit_failed(&failure),
        }
    }
}

impl<E: Into<Problem>> From<E> for EditStopped {
    fn from(error: E) -> Self {
        Self {
            changed: false,
            problem: error.into(),
        }
    }
}
