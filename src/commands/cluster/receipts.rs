//! The receipt of the last `cluster apply`, with what a person is told of it.

use crate::apply::ReceiptStore;
use crate::commands::{Ui, files};
use crate::host::clock;
use crate::host::files::FileError;
use crate::host::kube::WriteMode;
use crate::host::state::StateDirectory;
use crate::node::ConfigMap;
use crate::plan::Edit;
use crate::receipt::{ClusterSubject, FileState, Receipt, ReceiptState, Subject};
use crate::report::{Code, Problem};

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

    /// Writes down what is about to be changed; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(in crate::commands) fn begin(
        &mut self,
        edit: &Edit,
        server: String,
        uid: &str,
    ) -> Result<(), Problem> {
        let subject = ClusterSubject {
            server,
            uid: uid.to_owned(),
        };
        let receipt = Receipt::started([edit], subject.into(), clock::timestamp().to_string());
        self.store
            .begin(receipt)
            .map_err(|error| unwritable(&error))
    }

    /// Writes down that the last change is about to be undone.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(in crate::commands) fn begin_rollback(&mut self) -> Result<(), Problem> {
        self.store
            .begin_rollback()
            .map_err(|error| unwritable(&error))
    }

    /// Writes down how it ended. Not in a dry run.
    pub(in crate::commands) fn end(&mut self, state: ReceiptState, ui: &Ui) {
        if self.mode == WriteMode::Persist
            && let Err(error) = self.store.set_state(state)
        {
            ui.warn(error.to_string());
        }
    }

    /// Writes down that what this run began was not done; what an earlier one has left unclear stays so.
    pub(in crate::commands) fn abandon(&mut self, state: ReceiptState, ui: &Ui) {
        if self.store.has_begun() {
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
    let problem = files::problem_of(error);
    if error.cause.is_permission() {
        problem.advise("XDG_STATE_HOME may name another directory")
    } else {
        problem
    }
}
