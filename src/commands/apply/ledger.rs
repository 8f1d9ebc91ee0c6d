//! The receipt of the last run, and what is to be made of one that was cut off.

use std::path::Path;

use crate::commands::{Ui, files};
use crate::host::files::FileError;
use crate::host::state::StateDirectory;
use crate::host::{clock, files as host_files, store};
use crate::kubelet::Bootstrap;
use crate::plan::{Edit, Plan, Target};
use crate::receipt::{Installed, Noted, Probation, Receipt, Standing, State};
use crate::report::Problem;
use crate::yaml::MAX_BYTES;

/// Where receipts are kept, and what the last one says.
pub(in crate::commands) struct Ledger {
    state: StateDirectory,
    receipt: Option<Receipt>,
    pub(super) interrupted: InterruptedRun,
}

/// How the change that the receipt tells of ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum End {
    /// It is made.
    Made,
    /// It is undone: put back, or rolled back.
    Undone,
}

/// What a run that was cut off has left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InterruptedRun {
    /// There was none.
    No,
    /// Its edits are made, and nobody has seen whether the kubelet lives with them.
    Edited(Vec<Edit>),
    /// Some of its edits are made.
    Partly(Vec<Edit>),
    /// Its edits are not made, or undone again; the kubelet may still be down from them.
    Unedited,
}

impl Ledger {
    /// Reads the last receipt and compares it with the files as they are. The node's lock is held, so no other run is
    /// at work.
    ///
    /// # Errors
    /// When the receipt is there and cannot be read.
    pub(in crate::commands) fn open(root: Option<&Path>, ui: &Ui) -> Result<Self, Problem> {
        let state = StateDirectory::of(root);
        let bytes = state.receipt().map_err(|error| files::problem_of(&error))?;
        let receipt = match bytes.map(|bytes| Receipt::parse(&bytes)) {
            Some(Ok(receipt)) => Some(receipt),
            Some(Err(error)) => {
                ui.warn(format!(
                    "{} is of no use: {error}",
                    state.receipt_path().display()
                ));
                None
            }
            None => None,
        };
        let interrupted = match &receipt {
            Some(receipt) if matches!(receipt.state, State::Started | State::RollingBack) => {
                Self::interrupted(receipt, ui)
            }
            _ => InterruptedRun::No,
        };
        Ok(Self {
            state,
            receipt,
            interrupted,
        })
    }

    fn interrupted(receipt: &Receipt, ui: &Ui) -> InterruptedRun {
        let standing = receipt.standing(read);
        let mut made = Vec::new();
        for standing in &standing {
            if let Standing::After(edit) = standing {
                made.push(edit.clone());
            }
        }
        if made.len() == standing.len() {
            match receipt.state {
                // A rollback that was cut off before it undid anything has done nothing.
                State::RollingBack => InterruptedRun::No,
                _ => InterruptedRun::Edited(made),
            }
        } else if standing.iter().all(|one| *one == Standing::Before) {
            InterruptedRun::Unedited
        } else if !standing.contains(&Standing::Other) {
            InterruptedRun::Partly(made)
        } else {
            // What the kubelet's own start has edited, kubeadm may write anew any day.
            if receipt.probation.is_none() {
                ui.warn(format!("a run of {} was cut off, and its files were edited since; they are taken as they are", receipt.started),
                );
            }
            InterruptedRun::No
        }
    }

    /// Looks whether that could be written down, so that a dry run predicts it.
    ///
    /// # Errors
    /// What stands in the way.
    pub(in crate::commands) fn inspect(&self) -> Result<(), Problem> {
        self.state
            .inspect()
            .map_err(|error| files::problem_of(&error))
    }

    /// Writes down what is about to be changed, and to what end; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(super) fn start(
        &mut self,
        plan: &Plan,
        wanted: Bootstrap,
        installed: Option<Installed>,
        trial: Option<Probation>,
    ) -> Result<(), Problem> {
        let mut edits = plan.edits.clone();
        for edit in &mut edits {
            if let Target::File(path) = &mut edit.target {
                // A rollback may be run from anywhere.
                *path = host_files::absolute(path);
            }
        }
        self.interrupted = InterruptedRun::No;
        let left = self
            .receipt
            .as_ref()
            .filter(|receipt| receipt.state == State::Started)
            .and_then(|receipt| receipt.installed.clone());
        let mut receipt = Receipt::started(&edits, clock::timestamp().to_string());
        // A pair that a run has left which was cut off before its edits.
        receipt.installed = installed.or(left);
        receipt.wanted = Some(wanted);
        receipt.probation = trial;
        self.write(receipt)
    }

    /// Removes the pair that a run has left which was cut off while it installed it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn remove_left(&mut self) -> Result<(), FileError> {
        let left = self
            .receipt
            .as_mut()
            .filter(|receipt| receipt.state == State::Started)
            .and_then(|receipt| receipt.installed.take());
        left.map_or(Ok(()), |left| store::remove(&left))
    }

    /// Writes down that a pair is about to be installed for a change that was made before, if that is the last one.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(super) fn start_install(&mut self, installed: &Installed) -> Result<(), Problem> {
        let Some(receipt) = self.receipt.as_ref().filter(|receipt| {
            matches!(receipt.state, State::Started | State::Done)
                && receipt
                    .standing(read)
                    .iter()
                    .all(|one| matches!(one, Standing::After(_)))
        }) else {
            return Ok(());
        };
        let mut receipt = receipt.at(State::Started);
        receipt.installed = Some(installed.clone());
        self.write(receipt)
    }

    /// Writes down that the last change is about to be undone; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(super) fn start_rollback(&mut self) -> Result<(), Problem> {
        self.interrupted = InterruptedRun::No;
        match &self.receipt {
            Some(receipt) => self.write(receipt.at(State::RollingBack)),
            None => Ok(()),
        }
    }

    fn write(&mut self, receipt: Receipt) -> Result<(), Problem> {
        self.state
            .write_receipt(&receipt.to_bytes())
            .map_err(|error| files::problem_of(&error))?;
        self.receipt = Some(receipt);
        Ok(())
    }

    /// Where a key is kept until its request is approved.
    pub(super) fn state(&self) -> &StateDirectory {
        &self.state
    }

    /// The last receipt.
    pub(in crate::commands) fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }

    /// Writes down how the run, begun now or cut off before, ended.
    pub(super) fn end(&mut self, end: End, ui: &Ui) {
        // Of a run that was cut off before its edits, and whose change nobody has made since, nothing stands.
        let end = match self.interrupted {
            InterruptedRun::Unedited => End::Undone,
            _ => end,
        };
        let Some(receipt) = &self.receipt else {
            return;
        };
        let state = match (receipt.state, end) {
            (State::Started | State::RollingBack, End::Made) => State::Done,
            (State::Started, End::Undone) => State::PutBack,
            (State::RollingBack, End::Undone) => State::RolledBack,
            (State::Done | State::PutBack | State::RolledBack, _) => return,
        };
        let mut receipt = receipt.at(state);
        if end == End::Undone
            && let Some(installed) = receipt.installed.take()
            && let Err(error) = store::remove(&installed)
        {
            ui.warn(error.to_string());
            receipt.installed = Some(installed);
        }
        if let Err(error) = self.state.write_receipt(&receipt.to_bytes()) {
            ui.warn(format!(
                "{error}; the next run will take this one for cut off"
            ));
        }
        self.receipt = Some(receipt);
    }

    /// The request that the kubelet of this start was seen to make.
    pub(super) fn noted(&self, invocation_id: &str) -> Option<&str> {
        let noted = self.receipt.as_ref()?.request.as_ref()?;
        (noted.invocation_id == invocation_id).then_some(noted.name.as_str())
    }

    /// Notes the request that the kubelet of this start was seen to make, beside what was changed for it.
    pub(super) fn note(&mut self, name: &str, invocation_id: &str, ui: &Ui) {
        let noted = Noted {
            name: name.to_owned(),
            invocation_id: invocation_id.to_owned(),
        };
        let Some(receipt) = self
            .receipt
            .as_mut()
            .filter(|receipt| receipt.request.as_ref() != Some(&noted))
        else {
            return;
        };
        receipt.request = Some(noted);
        if let Err(error) = self.state.write_receipt(&receipt.to_bytes()) {
            ui.warn(error.to_string());
        }
    }
}

/// What a file reads now; one that cannot be read is none that a run has left.
pub(super) fn read(path: &Path) -> Vec<u8> {
    host_files::read(path, MAX_BYTES as u64).unwrap_or_default()
}
