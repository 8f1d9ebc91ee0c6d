//! The receipt of the last `cluster apply`.

use crate::commands::{Ui, files};
use crate::host::clock;
use crate::host::kube::Keep;
use crate::host::state::{StateDirectory, StateLock};
use crate::node::KubeletConfigMap;
use crate::plan::Edit;
use crate::receipt::{ClusterReceipt, Standing, State};
use crate::report::{Code, Document, Problem};

/// Where the receipt is kept, and what it says.
pub(super) struct Ledger {
    state: StateDirectory,
    /// None in a dry run, which writes nothing.
    lock: Option<StateLock>,
    receipt: Option<ClusterReceipt>,
    /// Whether this run has written it.
    begun: bool,
}

impl Ledger {
    /// Reads the last receipt, and locks it where it is to be written.
    ///
    /// # Errors
    /// When it could not be written, or another run is at work.
    pub(super) fn open(keep: Keep, ui: &Ui, document: &mut Document) -> Result<Self, Problem> {
        let Some(state) = StateDirectory::of_clusters() else {
            return Err(Problem::new(
                Code::Io,
                "cannot write a receipt: neither XDG_STATE_HOME nor HOME names a directory",
            )
            .hint("export HOME=~"));
        };
        let lock = match keep {
            Keep::Yes => Some(state.lock()),
            Keep::No => None,
        };
        let lock = lock.transpose().map_err(|error| unwritable(&error))?;
        state.inspect().map_err(|error| unwritable(&error))?;
        let bytes = state.receipt().map_err(|error| files::problem_of(&error))?;
        let receipt = match bytes.map(|bytes| ClusterReceipt::parse(&bytes)) {
            Some(Ok(receipt)) => Some(receipt),
            Some(Err(error)) => {
                let path = state.receipt_path();
                ui.warn(format!("{} is of no use: {error}", path.display()));
                None
            }
            None => None,
        };
        Ok(Self {
            state,
            lock,
            receipt,
            begun: false,
        })
    }

    /// What it says.
    pub(super) fn receipt(&self) -> Option<&ClusterReceipt> {
        self.receipt.as_ref()
    }

    /// Where it is.
    pub(super) fn path(&self) -> String {
        self.state.receipt_path().display().to_string()
    }

    /// Writes down what is about to be changed; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(super) fn start(&mut self, edit: &Edit, server: String, uid: &str) -> Result<(), Problem> {
        let now = clock::timestamp().to_string();
        self.write(ClusterReceipt::started(edit, server, uid.to_owned(), now))
    }

    /// Writes down that the last change is about to be undone.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) fn start_rollback(&mut self) -> Result<(), Problem> {
        match &self.receipt {
            Some(receipt) => self.write(receipt.at(State::RollingBack)),
            None => Ok(()),
        }
    }

    fn write(&mut self, receipt: ClusterReceipt) -> Result<(), Problem> {
        self.state
            .write_receipt(&receipt.to_bytes())
            .map_err(|error| unwritable(&error))?;
        self.receipt = Some(receipt);
        self.begun = true;
        Ok(())
    }

    /// Writes down how it ended. Not in a dry run.
    pub(super) fn end(&mut self, state: State, ui: &Ui, document: &mut Document) {
        let other = self
            .receipt
            .as_ref()
            .filter(|receipt| receipt.state != state);
        let (Some(_), Some(receipt)) = (&self.lock, other) else {
            return;
        };
        let receipt = receipt.at(state);
        if let Err(problem) = self.write(receipt) {
            ui.warn(problem.message());
        }
    }

    /// Writes down that what this run began was not done; what an earlier one has left unclear stays so.
    pub(super) fn abandon(&mut self, state: State, ui: &Ui, document: &mut Document) {
        if self.begun {
            self.end(state, ui, document);
        }
    }

    /// Nothing was to be changed: if a run was cut off after its change was made, that change is done now.
    pub(super) fn settle(&mut self, seen: &KubeletConfigMap, ui: &Ui, document: &mut Document) {
        let text = seen.text.as_deref().unwrap_or_default().as_bytes();
        let made = self.receipt.as_ref().is_some_and(|receipt| {
            let change = receipt.change();
            matches!(receipt.state, State::Started | State::RollingBack)
                && receipt.uid == seen.uid
                && change
                    .is_some_and(|(_, change)| matches!(change.standing(text), Standing::After(_)))
        });
        if made {
            self.end(State::Done, ui, document);
        }
    }
}

fn unwritable(error: &crate::host::files::FileError) -> Problem {
    let problem = files::problem_of(error);
    if error.cause.is_permission() {
        problem.advise("XDG_STATE_HOME may name another directory")
    } else {
        problem
    }
}
