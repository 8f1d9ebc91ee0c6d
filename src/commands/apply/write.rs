//! What a run writes before the restart: the receipt, the certificate, the edits.

use crate::host::files::Root;
use crate::host::{clock, store};
use crate::receipt::{Installed, NodeSubject};
use crate::report::Problem;

use super::run::NodeRun;
use super::spec::Direction;
use super::{EditStopped, receipts};

impl NodeRun<'_> {
    /// Makes the receipt durable, then installs the certificate, then makes the edits.
    pub(super) fn write(&mut self) -> Result<(), EditStopped> {
        let installed = self.place()?;
        let changes = self.plan.changes() && !self.completes;
        let begun = match (self.spec.direction, &installed) {
            (Direction::Apply, _) if changes => {
                let subject = NodeSubject {
                    installed: installed.clone(),
                    wanted: Some(self.spec.wanted),
                    ..NodeSubject::default()
                };
                self.receipts.begin(&self.plan, subject)
            }
            (Direction::Apply, Some(installed)) => self.receipts.begin_install(installed),
            (Direction::RollBack, _) if changes => self.receipts.begin_rollback(),
            _ => Ok(()),
        };
        begun?;
        if let Some(installed) = &installed {
            self.install(installed)?;
        }
        if changes && let Err(failure) = self.locks.edit(&self.plan) {
            let stopped = EditStopped::from(failure);
            if !stopped.changed {
                receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            }
            return Err(stopped);
        }
        Ok(())
    }

    /// Where the certificate goes.
    fn place(&mut self) -> Result<Option<Installed>, Problem> {
        if self.ready.is_none() {
            return Ok(None);
        }
        let placed = self.receipts.remove_left().and_then(|()| {
            store::place(
                &Root::host(),
                &self.kubelet.serving_certificate(),
                clock::timestamp(),
            )
            .map(Some)
        });
        Ok(placed?)
    }

    /// Puts the certificate into the kubelet's store, and removes its key from everywhere else.
    fn install(&mut self, installed: &Installed) -> Result<(), Problem> {
        let Some(ready) = &self.ready else {
            return Ok(());
        };
        if let Err(error) = store::install(&Root::host(), installed, &ready.pair) {
            receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            return Err(error.into());
        }
        if let Err(error) = self.receipts.state().remove_key() {
            self.ui.warn(error.to_string());
        }
        self.ui.say(&format!(
            "installed the certificate of {} as {}, valid until {}",
            ready.request.name,
            installed.pair.display(),
            ready.certificate.not_after
        ));
        Ok(())
    }
}
