//! The receipt of the last `cluster apply`, with what a person is told of it.

use crate::apply::ReceiptStore;
use crate::commands::Ui;
use crate::host::clock;
use crate::host::files::FileError;
use crate::host::kube::WriteMode;
use crate::host::state::StateDirectory;
use crate::node::ConfigMap;
use crate::plan::Edit;
use crate::receipt::{ClusterSubject, FileState, Receipt, ReceiptState, Subject};
use crate::report::{Code, Problem};

use super::{Decision, Failure, Writer, address};

/// Where the receipt is kept, and what it says.
pub(in crate::commands) struct ClusterReceipts<S> {
    store: ReceiptStore<S>,
    mode: WriteMode,
}

impl<S: Subject + From<ClusterSubject> + AsRef<ClusterSubject>> ClusterReceipts<S> {
    /// Reads the last receipt, and locks it if it is to be written.
    ///
    /// # Errors
    /// When it could not be written, or another run is at work.
    pub(in crate::commands) fn open(mode: WriteMode, ui: &Ui) -> Result<Self, Problem> {
        let Some(directory) = StateDirectory::of_clusters() else {
            return Err(Problem::new(
                Code::Io,
                "cannot write a receipt: neither XDG_STATE_HOME nor HOME names a directory",
            )
            .hint("export HOME=~"));
        };
        let store = match mode {
            WriteMode::Persist => ReceiptStore::lock(directory),
            WriteMode::DryRun => ReceiptStore::open(directory),
        };
        let store = store.map_err(|error| unwritable(&error))?;
        store.inspect().map_err(|error| unwritable(&error))?;
        if let Some(warning) = store.unusable() {
            ui.warn(warning);
        }
        Ok(Self { store, mode })
    }

    /// The receipt as it is kept.
    pub(in crate::commands) fn store(&self) -> &ReceiptStore<S> {
        &self.store
    }

    /// Makes an edit, which is written down before and after; one that changes nothing where nothing is to be done.
    ///
    /// # Errors
    /// As [`Writer::write`], and when it cannot be written down. Nothing is changed then.
    pub(in crate::commands) fn change(
        &mut self,
        writer: &Writer<'_>,
        seen: ConfigMap,
        decide: impl Fn(&ConfigMap) -> Result<Decision, Problem>,
    ) -> Result<Edit, Failure> {
        let mut record = |seen: &ConfigMap, edit: &Edit| {
            let subject = ClusterSubject {
                server: address(writer.admin),
                uid: seen.uid.clone(),
            };
            let started = clock::timestamp().to_string();
            let begun = self
                .store
                .begin(Receipt::started([edit], subject.into(), started));
            begun.map_err(|error| unwritable(&error))
        };
        let written = writer.write(seen, decide, &mut record);
        match &written {
            Ok((_, edit)) if edit.changes() => self.conclude(ReceiptState::Done, edit, writer),
            Ok((seen, _)) => self.settle(seen, writer.ui),
            Err(failure) => self.abandon(failure, ReceiptState::PutBack, writer.ui),
        }
        written.map(|(_, edit)| edit)
    }

    /// Undoes the edit of `receipt`, which is written down before and after.
    ///
    /// # Errors
    /// As [`Self::change`].
    pub(in crate::commands) fn undo(
        &mut self,
        receipt: &Receipt<S>,
        writer: &Writer<'_>,
        seen: ConfigMap,
        decide: impl Fn(&ConfigMap) -> Result<Decision, Problem>,
    ) -> Result<Edit, Failure> {
        let mut record = |_: &ConfigMap, _: &Edit| {
            let begun = self.store.begin_rollback();
            begun.map_err(|error| unwritable(&error))
        };
        let written = writer.write(seen, decide, &mut record);
        match &written {
            Ok((_, edit)) if edit.changes() => {
                self.conclude(ReceiptState::RolledBack, edit, writer);
            }
            Ok(_) => self.end(receipt.undone(), writer.ui),
            Err(failure) => self.abandon(failure, receipt.state, writer.ui),
        }
        written.map(|(_, edit)| edit)
    }

    /// Writes down that `edit` was made, and says it.
    fn conclude(&mut self, state: ReceiptState, edit: &Edit, writer: &Writer<'_>) {
        self.end(state, writer.ui);
        writer.tell(edit);
    }

    /// Writes down how it ended. Not in a dry run.
    fn end(&mut self, state: ReceiptState, ui: &Ui) {
        if self.mode == WriteMode::Persist
            && let Err(error) = self.store.set_state(state)
        {
            ui.warn(error.to_string());
        }
    }

    /// Writes down that what this run began was not done; what an earlier one has left unclear stays so.
    fn abandon(&mut self, failure: &Failure, state: ReceiptState, ui: &Ui) {
        if !failure.unsure && self.store.has_begun() {
            self.end(state, ui);
        }
    }

    /// Nothing was to be changed: if a run was interrupted after its change was made, that change is done now.
    pub(in crate::commands) fn settle(&mut self, seen: &ConfigMap, ui: &Ui) {
        let text = seen.text.as_deref().unwrap_or_default().as_bytes();
        let is_made = |receipt: &Receipt<S>| {
            receipt.state.is_open()
                && receipt.subject.as_ref().uid == seen.uid
                && receipt
                    .edits
                    .first()
                    .is_some_and(|change| matches!(change.compare(Some(text)), FileState::After(_)))
        };
        if self.store.receipt().is_some_and(is_made) {
            self.end(ReceiptState::Done, ui);
        }
    }
}

fn unwritable(error: &FileError) -> Problem {
    let problem = Problem::from(error);
    if error.cause.is_permission() {
        problem.advise("XDG_STATE_HOME may name another directory")
    } else {
        problem
    }
}
