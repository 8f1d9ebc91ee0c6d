//! Executes what was decided about the manifest.

use crate::apply::Awaited;
use crate::commands::files;
use crate::host::signals::Interrupts;
use crate::plan::{Edit, Plan};
use crate::receipt::ReceiptState;
use crate::report::Problem;

use super::decide::{Act, Decision};
use super::observe::ManifestSite;

impl ManifestSite<'_> {
    /// Executes the decision about the manifest: writes it, watches the API server's return, asks the nodes through it; or
    /// restores it.
    ///
    /// # Errors
    /// Why it did not succeed, with what became of everything.
    pub(super) fn execute(
        &mut self,
        decision: &Decision,
        interrupts: &Interrupts,
    ) -> Result<(), Problem> {
        if decision.act == Act::Nothing {
            return Ok(());
        }
        // Until here a signal ends the process, and nothing has happened.
        interrupts.commit();
        let mut before = Vec::new();
        // Without an edit the process with the flag may run already.
        if decision.act == Act::Switch {
            let processes = self.run.check().processes();
            before.extend(processes.iter().map(|process| process.id));
            self.write(&decision.edit)?;
        }
        let awaited = Awaited {
            kubelet_ca: self.kubelet_ca.as_deref(),
            before: &before,
        };
        match self.run.watch(&decision.edit, awaited, interrupts) {
            Ok(()) => {
                self.run.receipts.end(ReceiptState::Done, self.run.ui);
                Ok(())
            }
            Err(problem) if decision.edit.changes() => {
                Err(self.run.restore(&decision.edit, problem))
            }
            Err(problem) => {
                Err(problem
                    .advise("the manifest was not changed, so nothing needs to be rolled back"))
            }
        }
    }

    /// The receipt, then the manifest.
    fn write(&mut self, edit: &Edit) -> Result<(), Problem> {
        let run = &mut self.run;
        run.receipts.begin(edit, self.wanted)?;
        let written = run.locks.edit(&Plan::of(vec![edit.clone()]));
        run.outcome.changed = true;
        written.map_err(|failure| {
            if failure.left.is_empty() {
                run.outcome.changed = false;
                run.receipts.end(ReceiptState::PutBack, run.ui);
            }
            files::edit_failed(&failure)
        })
    }
}
