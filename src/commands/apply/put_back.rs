//! The kubelet did not come back healthy: the old bytes, another restart, the same health check.

use crate::apply::{HealthFailure, LOOK_AT_STATUS};
use crate::host::signals::Interrupts;
use crate::host::systemd;
use crate::report::{Code, Problem};

use super::run::NodeRun;
use super::spec::Direction;
use super::{EditStopped, receipts};

/// What became of the change.
pub(super) struct PutBack {
    /// Whether a file still differs from before the run.
    pub(super) changed: bool,
    /// Whether the change of an `apply` was undone.
    pub(super) rolled_back: bool,
    /// The last log lines of the kubelet.
    pub(super) journal: Vec<String>,
    /// What the run ends with.
    pub(super) problem: Problem,
}

impl NodeRun<'_> {
    /// Restores every file and restarts the kubelet.
    pub(super) fn put_back(&mut self, failure: &HealthFailure, interrupts: &Interrupts) -> PutBack {
        self.ui.waited();
        self.tell_journal(failure);
        let unchanged = PutBack {
            changed: false,
            rolled_back: false,
            journal: failure.journal.clone(),
            problem: self.refused(failure),
        };
        if !self.plan.changes() {
            return PutBack {
                problem: unchanged
                    .problem
                    .advise("no file was changed, so nothing needs to be rolled back"),
                ..unchanged
            };
        }
        self.ui.say("rolling back");
        if let Err(left) = self.locks.undo(&self.plan) {
            let left = EditStopped::from(left).problem.message();
            let undo = self.spec.undo.clone();
            return PutBack {
                changed: true,
                problem: unchanged
                    .problem
                    .with_code(Code::Io)
                    .advise(format!("and the rollback failed: {left}"))
                    .hint(undo.and("systemctl restart kubelet")),
                ..unchanged
            };
        }
        let undone = PutBack {
            rolled_back: self.spec.direction == Direction::Apply,
            ..unchanged
        };
        if self.was_left_running() {
            receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            return PutBack {
                problem: undone
                    .problem
                    .advise("the file was restored, and the kubelet was not restarted"),
                ..undone
            };
        }
        self.restart_with_old_files(undone, interrupts)
    }

    /// The kubelet has to come back with the old files.
    fn restart_with_old_files(&mut self, undone: PutBack, interrupts: &Interrupts) -> PutBack {
        let unit = self.kubelet.unit.clone().unwrap_or_default();
        self.ui
            .wait_for(format!("{} to answer again", systemd::KUBELET));
        let again = self
            .check
            .without_flags()
            .restart_and_watch(&unit, interrupts);
        self.ui.waited();
        receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
        let Err(again) = again else {
            return PutBack {
                problem: undone
                    .problem
                    .advise("the change was rolled back, and the kubelet is healthy again"),
                ..undone
            };
        };
        self.tell_journal(&again);
        let mut journal = undone.journal;
        journal.extend(again.journal);
        let advice = format!(
            "the change was rolled back, and the kubelet is not healthy with the old file either: {}",
            again.reason
        );
        PutBack {
            journal,
            problem: undone.problem.advise(advice).hint(LOOK_AT_STATUS),
            ..undone
        }
    }

    fn refused(&self, failure: &HealthFailure) -> Problem {
        let what = self.spec.describe();
        Problem::new(Code::Refused, format!("cannot {what}: {}", failure.reason)).hint(failure.hint)
    }

    /// Whether the kubelet of before still runs: systemd refused to restart it.
    fn was_left_running(&self) -> bool {
        let before = self.kubelet.unit.as_ref();
        systemd::show(systemd::KUBELET)
            .is_ok_and(|now| before.is_some_and(|before| before.incarnation() == now.incarnation()))
    }

    fn tell_journal(&self, failure: &HealthFailure) {
        if !failure.journal.is_empty() {
            self.ui
                .say(&format!("last log lines of {}:", systemd::KUBELET));
            for line in &failure.journal {
                self.ui.say(&format!("  {line}"));
            }
        }
    }
}
