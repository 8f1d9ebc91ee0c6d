//! What to do instead of a rollback that is refused: it follows what the apply was for, and is about the same files.

use std::path::Path;

use crate::edit::patch;
use crate::kubelet::Bootstrap;
use crate::node::Kubelet;
use crate::receipt::{RecordedChange, to_the_second};
use crate::report::{Code, Problem};
use crate::text::hint::Command;

use super::decide::Refusal;
use super::{RollbackSite, another_run};

impl RollbackSite<'_> {
    /// A refusal as a problem: what to do instead follows what the apply was for.
    pub(super) fn refused(&self, refusal: &Refusal) -> Problem {
        let Refusal::EditedSince {
            edit,
            applied,
            is_left,
        } = refusal;
        let receipt = self.observed.receipt.as_ref().ok();
        let Some((receipt, change)) =
            receipt.and_then(|receipt| Some((receipt, receipt.edits.get(*edit)?)))
        else {
            return another_run();
        };
        let path = change.target.display();
        let problem = Problem::new(
            Code::Refused,
            format!(
                "cannot roll back {path}: it was edited after the apply of {} ({})",
                to_the_second(&receipt.started),
                described(change)
            ),
        );
        if !is_left {
            return problem.advise(match applied {
                Bootstrap::Enabled => {
                    "it no longer sets serverTLSBootstrap: true, so nothing is left to undo"
                }
                Bootstrap::Disabled => {
                    "it sets serverTLSBootstrap: true again, so nothing is left to undo"
                }
            });
        }
        let disables = *applied == Bootstrap::Enabled;
        let look = Command::new("kubelet-tls")
            .arg("diff")
            .args(disables.then_some("--disable"))
            .arg(&change.target);
        problem
            .advise_command("to change only that key", self.apply(disables, None))
            .hint(look)
    }

    /// An `apply` of the same files to this node.
    pub(super) fn apply(&self, disable: bool, restart: Option<&str>) -> Command {
        let command = Command::new("kubelet-tls")
            .arg("apply")
            .args(disable.then_some("--disable"));
        let edits = self.observed.receipt.iter().flat_map(|all| &all.edits);
        let others = edits.filter(|change| !is_kubelets(&self.kubelet, &change.target));
        let named = |command: Command, change: &RecordedChange| match patch::directory([change
            .target
            .as_path()])
        {
            Some(directory) => command.arg("--patches").arg(directory),
            None => command.arg("--kubeadm-config").arg(&change.target),
        };
        others
            .fold(command, named)
            .options("--root", &self.arguments.root)
            .options("--restart", restart)
    }
}

fn is_kubelets(kubelet: &Kubelet, path: &Path) -> bool {
    kubelet.files.iter().any(|file| file.path == path)
}

/// A change in a few words.
fn described(change: &RecordedChange) -> String {
    let (removed, inserted) = (change.removed.trim(), change.inserted.trim());
    match (removed, inserted) {
        ("", inserted) => format!("added {inserted:?}"),
        (removed, "") => format!("removed {removed:?}"),
        (removed, inserted) => format!("replaced {removed:?} with {inserted:?}"),
    }
}
