//! The kubelet did not come back healthy: the old bytes, another restart, the same health check.

use crate::apply::{HealthFailure, LOOK_AT_STATUS};
use crate::host::signals::Interrupts;
use crate::host::systemd;
use crate::report::{Code, KubeletOutcome, Problem};

use super::run::{NodeRun, RunOutcome};
use super::spec::Direction;
use super::{EditStopped, receipts};

impl NodeRun<'_> {
    /// Restores every file and restarts the kubelet; `kubelet` is what is known of it so far.
    pub(super) fn put_back(
        &mut self,
        mut kubelet: KubeletOutcome,
        failure: &HealthFailure,
        interrupts: &Interrupts,
    ) -> RunOutcome {
        self.ui.waited();
        self.tell_journal(failure);
        let refused = self.refused(failure);
        let mut journal = failure.journal.clone();
        let (changed, problem) = if self.plan.changes() {
            self.ui.say("rolling back");
            match self.locks.undo(&self.plan) {
                Ok(()) => {
                    kubelet.rolled_back = self.spec.direction == Direction::Apply;
                    let (problem, again) = self.restart_with_old_files(refused, interrupts);
                    journal.extend(again);
                    (false, problem)
                }
                Err(left) => {
                    let left = EditStopped::from(left).problem.message();
                    let undo = self.spec.undo.clone();
                    let problem = refused
                        .with_code(Code::Io)
                        .advise(format!("and the rollback failed: {left}"))
                        .hint(undo.and("systemctl restart kubelet"));
                    (true, problem)
                }
            }
        } else {
            let advice = "no file was changed, so nothing needs to be rolled back";
            (false, refused.advise(advice))
        };
        RunOutcome {
            changed,
            kubelet,
            journal,
            ended: Err(problem),
        }
    }

    /// The kubelet has to come back with the old files. Returns what `refused` comes to with that, and the last log lines
    /// of a kubelet that did not.
    fn restart_with_old_files(
        &mut self,
        refused: Problem,
        interrupts: &Interrupts,
    ) -> (Problem, Vec<String>) {
        if self.was_left_running() {
            receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            let advice = "the file was restored, and the kubelet was not restarted";
            return (refused.advise(advice), Vec::new());
        }
        let unit = self.kubelet.unit.clone().unwrap_or_default();
        self.ui
            .wait_for(format!("{} to answer again", systemd::KUBELET));
        let check = self.check.without_flags();
        let again = check.restart_and_watch(&unit, interrupts);
        self.ui.waited();
        receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
        let Err(again) = again else {
            let advice = "the change was rolled back, and the kubelet is healthy again";
            return (refused.advise(advice), Vec::new());
        };
        self.tell_journal(&again);
        let advice = format!(
            "the change was rolled back, and the kubelet is not healthy with the old file either: {}",
            again.reason
        );
        let problem = refused.advise(advice).hint(LOOK_AT_STATUS);
        (problem, again.journal)
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
