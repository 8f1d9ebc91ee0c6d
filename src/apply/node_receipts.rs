//! The receipt of the last run on a node, and what an interrupted run has left.

use crate::host::files::{FileError, Root};
use crate::host::state::StateDirectory;
use crate::host::{clock, store};
use crate::plan::{Edit, Plan, Target};
use crate::receipt::{
    FileState, Installed, NodeReceipt, NodeSubject, ObservedRequest, Receipt, ReceiptState,
    RecordedChange, Resolution,
};
use crate::yaml::MAX_BYTES;

use super::ReceiptStore;

/// The receipt of the last run on a node, compared with the files as they are.
#[derive(Debug)]
pub struct NodeReceipts {
    root: Root,
    store: ReceiptStore<NodeSubject>,
    /// What an interrupted run has left.
    pub interrupted: InterruptedRun,
    /// What a person should know of how it was read.
    pub warnings: Vec<String>,
}

/// What an interrupted run has left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InterruptedRun {
    /// No run was interrupted.
    No,
    /// Its edits are made, and no one has seen whether the kubelet stays healthy with them.
    Edited(Vec<Edit>),
    /// Some of its edits are made.
    Partly(Vec<Edit>),
    /// Its edits are not made, or undone again; the kubelet may still be down from them.
    Unedited,
}

impl NodeReceipts {
    /// Reads the last receipt and compares it with the files as they are. The node's lock is held, so no other run is
    /// at work.
    ///
    /// # Errors
    /// When the receipt is there and cannot be read.
    pub fn open(root: &Root) -> Result<Self, FileError> {
        let store = ReceiptStore::open(StateDirectory::of(root))?;
        let mut warnings = Vec::from_iter(store.unusable());
        let open = store.receipt().filter(|receipt| receipt.state.is_open());
        let interrupted = open.map_or(InterruptedRun::No, |receipt| {
            let states = states(root, receipt);
            // What the kubelet's own start has edited, kubeadm may rewrite any day.
            if states.contains(&FileState::Edited) && receipt.subject.probation.is_none() {
                warnings.push(format!(
                    "a run of {} was interrupted, and its files were edited since; their current content is kept",
                    crate::receipt::to_the_second(&receipt.started)
                ));
            }
            InterruptedRun::of(receipt.state, states)
        });
        Ok(Self {
            root: root.clone(),
            store,
            interrupted,
            warnings,
        })
    }

    /// The receipt as it is kept.
    pub fn store(&self) -> &ReceiptStore<NodeSubject> {
        &self.store
    }

    /// Where a key is kept until its request is approved.
    pub fn state(&self) -> &StateDirectory {
        self.store.directory()
    }

    /// The receipt of the most recent operation; `None` if this node has no receipt.
    pub fn receipt(&self) -> Option<&NodeReceipt> {
        self.store.receipt()
    }

    /// Looks whether the receipt could be written, so that a dry run predicts it.
    ///
    /// # Errors
    /// Why it could not.
    pub fn inspect(&self) -> Result<(), FileError> {
        self.store.inspect()
    }

    /// Writes down what is about to be changed, and to what end; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub fn begin(&mut self, plan: &Plan, mut subject: NodeSubject) -> Result<(), FileError> {
        let mut edits = plan.edits.clone();
        for edit in &mut edits {
            if let Target::File(path) = &mut edit.target {
                // A rollback may be run from anywhere, and an image lie elsewhere then.
                *path = self.root.inner(path)?;
            }
        }
        self.interrupted = InterruptedRun::No;
        // A pair that an interrupted run has left before its edits.
        subject.installed = subject.installed.or(self.left());
        let now = clock::timestamp().to_string();
        self.store.begin(Receipt::started(&edits, subject, now))
    }

    /// Writes down that a pair is about to be installed for a change that was made before, if that is the last one.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_install(&mut self, installed: &Installed) -> Result<(), FileError> {
        let is_made = |receipt: &&NodeReceipt| {
            let mut states = states(&self.root, receipt).into_iter();
            matches!(receipt.state, ReceiptState::Started | ReceiptState::Done)
                && states.all(|state| matches!(state, FileState::After(_)))
        };
        let Some(receipt) = self.store.receipt().filter(is_made) else {
            return Ok(());
        };
        let mut receipt = receipt.at(ReceiptState::Started);
        receipt.subject.installed = Some(installed.clone());
        self.store.begin(receipt)
    }

    /// Writes down that the last change is about to be undone; durable when this returns.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub fn begin_rollback(&mut self) -> Result<(), FileError> {
        self.interrupted = InterruptedRun::No;
        self.store.begin_rollback()
    }

    /// Removes the pair that an interrupted run has left while it installed it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove_left(&mut self) -> Result<(), FileError> {
        if let Some(left) = self.left() {
            store::remove(&self.root, &left)?;
            if let Some(receipt) = self.store.receipt_mut() {
                receipt.subject.installed = None;
            }
        }
        Ok(())
    }

    /// The pair of a run that is not known to have ended.
    fn left(&self) -> Option<Installed> {
        let receipt = self.receipt()?;
        let installed = receipt.subject.installed.clone();
        installed.filter(|_| receipt.state == ReceiptState::Started)
    }

    /// Writes down how the run, begun now or interrupted before, ended, and removes the pair of a change that is undone.
    /// What could not be done is returned: the run is over.
    pub fn resolve(&mut self, resolution: Resolution) -> Vec<String> {
        // If a run was interrupted before its edits, and no run has made them since, nothing is applied.
        let resolution = match self.interrupted {
            InterruptedRun::Unedited => Resolution::Undone,
            _ => resolution,
        };
        let mut troubles = Vec::new();
        let resolved =
            |receipt: &NodeReceipt| Some(receipt.at(receipt.state.resolved(resolution)?));
        let Some(mut receipt) = self.receipt().and_then(resolved) else {
            return troubles;
        };
        if resolution == Resolution::Undone
            && let Some(installed) = receipt.subject.installed.take()
            && let Err(error) = store::remove(&self.root, &installed)
        {
            troubles.push(error.to_string());
            receipt.subject.installed = Some(installed);
        }
        if let Err(error) = self.store.write(receipt) {
            troubles.push(format!(
                "{error}; the next run will treat this one as interrupted"
            ));
        }
        troubles
    }

    /// The request that the kubelet of this start was seen to create.
    pub fn observed(&self, invocation_id: &str) -> Option<&str> {
        let observed = self.receipt()?.subject.request.as_ref()?;
        (observed.invocation_id == invocation_id).then_some(observed.name.as_str())
    }

    /// Notes the request that the kubelet of this start was seen to create, beside what was changed for it.
    ///
    /// # Errors
    /// If it cannot be written down; the next run then has to find the request again.
    pub fn observe(&mut self, name: &str, invocation_id: &str) -> Result<(), FileError> {
        let observed = Some(ObservedRequest {
            name: name.to_owned(),
            invocation_id: invocation_id.to_owned(),
        });
        match self.receipt() {
            Some(receipt) if receipt.subject.request != observed => {
                let mut receipt = receipt.clone();
                receipt.subject.request = observed;
                self.store.write(receipt)
            }
            _ => Ok(()),
        }
    }
}

impl InterruptedRun {
    fn of(state: ReceiptState, states: Vec<FileState>) -> Self {
        let (edits, unmade) = (states.len(), states.contains(&FileState::Before));
        let edited = states.contains(&FileState::Edited);
        let made: Vec<Edit> = states
            .into_iter()
            .filter_map(|state| match state {
                FileState::After(edit) => Some(edit),
                FileState::Before | FileState::Edited => None,
            })
            .collect();
        match (made.len() == edits, state) {
            // A rollback that was interrupted before it undid anything has done nothing.
            (true, ReceiptState::RollingBack) => Self::No,
            (true, _) => Self::Edited(made),
            (false, _) if edited => Self::No,
            (false, _) if made.is_empty() && unmade => Self::Unedited,
            (false, _) => Self::Partly(made),
        }
    }
}

/// What the files of `receipt` read now, compared with its changes. The edits are of files by their paths as people write
/// them.
pub fn states(root: &Root, receipt: &NodeReceipt) -> Vec<FileState> {
    let compare = |change: &RecordedChange| {
        let path = root.path(&change.target);
        let state = match root.read(&path, MAX_BYTES as u64) {
            Ok(bytes) => change.compare(Some(&bytes)),
            Err(error) if error.cause.is_not_found() => change.compare(None),
            // What cannot be read is not what a run has left.
            Err(_) => FileState::Edited,
        };
        match state {
            FileState::After(edit) => FileState::After(Edit {
                target: Target::File(path),
                ..edit
            }),
            other => other,
        }
    };
    receipt.edits.iter().map(compare).collect()
}
