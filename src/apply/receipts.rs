//! The receipt of the last run as it is kept on disk, of a node or a cluster.

use std::path::PathBuf;

use crate::host::files::{FileError, Lock, Locking};
use crate::host::state::StateDirectory;
use crate::receipt::{Receipt, ReceiptError, ReceiptState, Subject, to_the_second};

/// A receipt is some hundred bytes an edit; one of a created file holds that file.
const CAP: u64 = 1024 * 1024;

/// The receipt of the last run, and where it is kept.
#[derive(Debug)]
pub struct ReceiptStore<S> {
    directory: StateDirectory,
    /// Held from before the receipt was read until this is dropped; `None` in a run that writes nothing.
    _lock: Option<Lock>,
    receipt: Option<Receipt<S>>,
    unusable: Option<ReceiptError>,
    begun: bool,
}

/// Why nothing can be rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NothingToUndo {
    /// No run has left a receipt.
    NoReceipt,
    /// The run that began then was rolled back automatically.
    PutBack(String),
    /// The run that began then was rolled back already.
    RolledBack(String),
}

impl NothingToUndo {
    /// The reason as a clause: what is said where no receipt is (`never`), of a run of `verb` that undid its own change
    /// (`put_back`), or of one that was undone already.
    pub fn reason(&self, verb: &str, never: &str, put_back: &str) -> String {
        match self {
            Self::NoReceipt => never.to_owned(),
            Self::PutBack(started) => {
                format!("the {verb} of {} {put_back}", to_the_second(started))
            }
            Self::RolledBack(started) => {
                let started = to_the_second(started);
                format!("the {verb} of {started} is rolled back already")
            }
        }
    }
}

impl<S: Subject> ReceiptStore<S> {
    /// Reads the receipt.
    ///
    /// # Errors
    /// If it exists and cannot be read.
    pub fn open(directory: StateDirectory) -> Result<Self, FileError> {
        let bytes = directory.read(S::FILE, CAP)?;
        let receipt = bytes.map(|bytes| Receipt::parse(&bytes)).transpose();
        let (receipt, unusable) = match receipt {
            Ok(receipt) => (receipt, None),
            Err(error) => (None, Some(error)),
        };
        Ok(Self {
            directory,
            _lock: None,
            receipt,
            unusable,
            begun: false,
        })
    }

    /// Locks the state directory, without waiting, and then reads the receipt.
    ///
    /// # Errors
    /// If another run holds the lock, or the receipt exists and cannot be read.
    pub fn lock(directory: StateDirectory) -> Result<Self, FileError> {
        let lock = directory.lock(Locking::Needed)?;
        Ok(Self {
            _lock: lock,
            ..Self::open(directory)?
        })
    }

    /// What is in the receipt's place and is not a receipt, for a warning.
    pub fn unusable(&self) -> Option<String> {
        let error = self.unusable.as_ref()?;
        Some(format!("ignoring {}: {error}", self.path().display()))
    }

    /// The receipt of the last run.
    pub fn receipt(&self) -> Option<&Receipt<S>> {
        self.receipt.as_ref()
    }

    /// The receipt of the last run, if its change may still be there.
    ///
    /// # Errors
    /// Why nothing can be rolled back.
    pub fn undoable(&self) -> Result<&Receipt<S>, NothingToUndo> {
        let receipt = self.receipt.as_ref().ok_or(NothingToUndo::NoReceipt)?;
        match receipt.state {
            ReceiptState::Started | ReceiptState::Done | ReceiptState::RollingBack => Ok(receipt),
            ReceiptState::PutBack => Err(NothingToUndo::PutBack(receipt.started.clone())),
            ReceiptState::RolledBack => Err(NothingToUndo::RolledBack(receipt.started.clone())),
        }
    }

    /// Where the receipt is.
    pub fn path(&self) -> PathBuf {
        self.directory.file(S::FILE)
    }

    /// Where else a run keeps something.
    pub fn directory(&self) -> &StateDirectory {
        &self.directory
    }

    /// Looks whether the receipt could be written, so that a dry run predicts it.
    ///
    /// # Errors
    /// Why it could not.
    pub fn inspect(&self) -> Result<(), FileError> {
        self.directory.inspect(S::FILE)
    }

    /// Writes the receipt of what is about to be changed; durable when this returns.
    ///
    /// # Errors
    /// If it cannot be written. Nothing may be changed then.
    pub fn begin(&mut self, receipt: Receipt<S>) -> Result<(), FileError> {
        self.write(receipt)?;
        self.begun = true;
        Ok(())
    }

    /// Writes down that the last change is about to be undone; durable when this returns.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_rollback(&mut self) -> Result<(), FileError> {
        match &self.receipt {
            Some(receipt) => self.begin(receipt.at(ReceiptState::RollingBack)),
            None => Ok(()),
        }
    }

    /// Whether this run has written the receipt.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// Writes down how far the run came.
    ///
    /// # Errors
    /// If it cannot be written: the next run takes this one for interrupted.
    pub fn set_state(&mut self, state: ReceiptState) -> Result<(), FileError> {
        match self.receipt.as_ref().filter(|now| now.state != state) {
            Some(receipt) => self.write(receipt.at(state)),
            None => Ok(()),
        }
    }

    pub(super) fn receipt_mut(&mut self) -> Option<&mut Receipt<S>> {
        self.receipt.as_mut()
    }

    pub(super) fn write(&mut self, receipt: Receipt<S>) -> Result<(), FileError> {
        let written = self.directory.write(S::FILE, &receipt.to_bytes());
        self.receipt = Some(receipt);
        written
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;
    use crate::host::files::Root;
    use crate::receipt::{ClusterSubject, NodeSubject};

    fn node(root: &tempfile::TempDir) -> ReceiptStore<NodeSubject> {
        ReceiptStore::open(StateDirectory::of(&Root::open(Some(root.path())).unwrap())).unwrap()
    }

    fn started(now: &str) -> Receipt<NodeSubject> {
        Receipt::started([], NodeSubject::default(), now.into())
    }

    #[test]
    fn a_receipt_is_kept_through_its_states() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(node(&root).undoable(), Err(NothingToUndo::NoReceipt));
        let mut store = node(&root);
        store.begin(started("then")).unwrap();
        assert_eq!(node(&root).receipt(), store.receipt());
        for (state, undoable) in [
            (ReceiptState::Done, Ok(())),
            (
                ReceiptState::PutBack,
                Err(NothingToUndo::PutBack("then".into())),
            ),
            (ReceiptState::RollingBack, Ok(())),
            (
                ReceiptState::RolledBack,
                Err(NothingToUndo::RolledBack("then".into())),
            ),
        ] {
            store.set_state(state).unwrap();
            assert_eq!(node(&root).undoable().map(|_| ()), undoable);
        }
    }

    #[test]
    fn a_file_that_is_not_a_receipt_is_reported_and_ignored() {
        let root = tempfile::tempdir().unwrap();
        let mut store = node(&root);
        store.begin(started("then")).unwrap();
        std::fs::write(store.path(), "{}").unwrap();
        let store = node(&root);
        assert!(store.receipt().is_none());
        let said = store.unusable().unwrap();
        assert!(said.contains("receipt.json: missing field"), "{said}");
    }

    #[test]
    fn a_node_and_a_cluster_have_separate_receipts() {
        let root = tempfile::tempdir().unwrap();
        let directory = StateDirectory::of(&Root::open(Some(root.path())).unwrap());
        node(&root).begin(started("then")).unwrap();
        let cluster = ReceiptStore::<ClusterSubject>::open(directory).unwrap();
        assert!(cluster.receipt().is_none());
    }
}
