//! Executes what was decided: the manifest, the API server's return, the nodes through it; or the rollback.

use crate::apply::{Awaited, CameBack, InstanceFailure};
use crate::commands::api_server::report::{self, ManifestOutcome, Telling};
use crate::commands::files;
use crate::edit::api_server::{FLAG, Verification, last_value};
use crate::host::signals::Interrupts;
use crate::plan::Plan;
use crate::receipt::ReceiptState;
use crate::report::{Code, Problem, ReachReport};

use super::decide::{Act, Decision, refused};
use super::observe::ManifestSite;

impl ManifestSite<'_> {
    /// Executes the decision about the manifest.
    ///
    /// # Errors
    /// Why it did not succeed, with what became of everything.
    pub(super) fn execute(
        &mut self,
        decision: &Decision,
        interrupts: &Interrupts,
    ) -> (ManifestOutcome, Result<(), Problem>) {
        if decision.act == Act::Nothing {
            return (ManifestOutcome::default(), Ok(()));
        }
        // Until here a signal ends the process, and nothing has happened.
        interrupts.commit();
        let before: Vec<_> = match decision.act {
            Act::Switch => self.check().processes(),
            // The process with the flag may run already.
            Act::Nothing | Act::Complete | Act::Await => Vec::new(),
        };
        let before: Vec<_> = before.iter().map(|process| process.id).collect();
        if decision.act == Act::Switch
            && let Err((changed, problem)) = self.write(decision)
        {
            let executed = ManifestOutcome {
                changed,
                ..ManifestOutcome::default()
            };
            return (executed, Err(problem));
        }
        let awaited = Awaited {
            kubelet_ca: self.options().kubelet_ca,
            before: &before,
        };
        let telling = Telling::begin(self.ui, &self.check(), interrupts);
        let came = self
            .check()
            .wait(awaited, |progress| telling.tell(progress));
        self.ui.waited();
        let mut executed = ManifestOutcome {
            changed: decision.act == Act::Switch,
            instance: Some(report::instance(
                &self.check(),
                came.as_ref(),
                decision.edit.changes(),
            )),
            ..ManifestOutcome::default()
        };
        let ended = match came {
            Err(failure) => Err(refused(self.wanted, report::failed(&failure))),
            Ok(came) => self.reach(&came, &mut executed.nodes),
        };
        if let Err(problem) = ended {
            let problem = problem.hint("crictl ps -a --name kube-apiserver");
            let problem = self.put_back(decision, problem, &mut executed);
            return (executed, Err(problem));
        }
        self.receipts.end(ReceiptState::Done, self.ui);
        (executed, Ok(()))
    }

    /// The receipt, then the manifest. On failure, whether the manifest still differs.
    fn write(&mut self, decision: &Decision) -> Result<(), (bool, Problem)> {
        self.receipts
            .begin(&decision.edit, self.wanted)
            .map_err(|problem| (false, problem))?;
        self.locks.edit(&plan(decision)).map_err(|failure| {
            let is_undone = failure.left.is_empty();
            if is_undone {
                self.receipts.end(ReceiptState::PutBack, self.ui);
            }
            (!is_undone, files::edit_failed(&failure))
        })
    }

    /// Every node that answered through this API server before still does.
    fn reach(
        &self,
        came: &CameBack,
        reports: &mut Option<Vec<ReachReport>>,
    ) -> Result<(), Problem> {
        self.ui.say(&report::came_back(came));
        let instance = self
            .check()
            .healthy()
            .and_then(|process| Ok(self.check().dial(&process)?))
            .map_err(|why| refused(self.wanted, why))?;
        let verifies = self.wanted == Verification::Enabled;
        let asked = self
            .nodes
            .after(&instance, verifies, self.waiting.timeout, self.ui);
        let answers = match asked {
            Ok(answers) => answers,
            Err(problem) if verifies => return Err(problem.with_code(Code::Refused)),
            Err(problem) => {
                self.ui.warn(report::not_asked(&problem));
                return Ok(());
            }
        };
        *reports = Some(answers.reports);
        answers
            .lost
            .map_or(Ok(()), |why| Err(refused(self.wanted, why)))
    }

    /// Restores the old bytes from what this run knows, without any API, and checks the API server in the same way.
    fn put_back(
        &mut self,
        decision: &Decision,
        problem: Problem,
        executed: &mut ManifestOutcome,
    ) -> Problem {
        if !decision.edit.changes() {
            return problem
                .advise("the manifest was not changed, so nothing needs to be rolled back");
        }
        self.ui.say("restoring the manifest");
        if let Err(failure) = self.locks.undo(&plan(decision)) {
            executed.changed = true;
            return problem.with_code(Code::Io).advise(format!(
                "and restoring the manifest failed: {}",
                files::edit_failed(&failure).message()
            ));
        }
        executed.changed = false;
        executed.rolled_back = true;
        let again = self.wait_for_old(decision);
        self.receipts.end(ReceiptState::PutBack, self.ui);
        match again {
            Ok(_) => problem
                .advise("the manifest was restored, and the API server is healthy again"),
            Err(again) => problem.advise(format!(
                "the manifest was restored, and the API server is not healthy with it either: {again}"
            )),
        }
    }

    fn wait_for_old(&self, decision: &Decision) -> Result<CameBack, InstanceFailure> {
        let flags = crate::edit::api_server::flags(decision.edit.bytes_before());
        let flags = flags.unwrap_or_default();
        let awaited = Awaited {
            kubelet_ca: last_value(&flags, FLAG).filter(|value| !value.is_empty()),
            before: &[],
        };
        self.ui.wait_for("the API server to answer again");
        let again = self.check().wait(awaited, |_| {});
        self.ui.waited();
        again
    }
}

fn plan(decision: &Decision) -> Plan {
    Plan::of(vec![decision.edit.clone()])
}
