//! The receipt of the last run, and what is to be made of one that was cut off.

use std::path::Path;

use crate::commands::{Console, files};
use crate::host::state::StateDirectory;
use crate::host::{clock, files as host_files};
use crate::plan::{Edit, Plan};
use crate::receipt::{Noted, Receipt, Standing, State};
use crate::report::{Document, Problem};
use crate::yaml::MAX_BYTES;

/// Where receipts are kept, and what the last one says.
pub(super) struct Ledger {
    state: StateDirectory,
    receipt: Option<Receipt>,
    pub(super) cut_off: CutOff,
}

/// What a run that was cut off has left.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CutOff {
    /// There was none.
    No,
    /// Its edits are made, and nobody has seen whether the kubelet lives with them.
    Edited(Vec<Edit>),
    /// Its edits are not made, or undone again; the kubelet may still be down from them.
    Unedited,
}

impl Ledger {
    /// Reads the last receipt and compares it with the files as they are. The node's lock is held, so no other run is
    /// at work.
    ///
    /// # Errors
    /// When the receipt is there and cannot be read.
    pub(super) fn open(
        root: Option<&Path>,
        console: &Console,
        document: &mut Document,
    ) -> Result<Self, Problem> {
        let state = StateDirectory::of(root);
        let bytes = state.receipt().map_err(|error| files::problem_of(&error))?;
        let receipt = match bytes.map(|bytes| Receipt::parse(&bytes)) {
            Some(Ok(receipt)) => Some(receipt),
            Some(Err(error)) => {
                console.warn(
                    document,
                    format!("{} is of no use: {error}", state.receipt_path().display()),
                );
                None
            }
            None => None,
        };
        let cut_off = match &receipt {
            Some(receipt) if receipt.state == State::Started => {
                Self::standing(receipt, console, document)
            }
            _ => CutOff::No,
        };
        Ok(Self {
            state,
            receipt,
            cut_off,
        })
    }

    fn standing(receipt: &Receipt, console: &Console, document: &mut Document) -> CutOff {
        let mut made = Vec::new();
        let mut before = 0;
        for change in &receipt.edits {
            let now = host_files::read(&change.target, MAX_BYTES as u64).unwrap_or_default();
            match change.standing(&now) {
                Standing::Before => before += 1,
                Standing::After(edit) => made.push(edit),
                Standing::Other => {}
            }
        }
        if made.len() == receipt.edits.len() {
            CutOff::Edited(made)
        } else if before == receipt.edits.len() {
            CutOff::Unedited
        } else {
            console.warn(
                document,
                format!("a run of {} was cut off, and its files were edited since; they are taken as they are", receipt.started),
            );
            CutOff::No
        }
    }

    /// Looks whether that could be written down, so that a dry run predicts it.
    ///
    /// # Errors
    /// What stands in the way.
    pub(super) fn inspect(&self) -> Result<(), Problem> {
        self.state
            .inspect()
            .map_err(|error| files::problem_of(&error))
    }

    /// Writes down what is about to be changed; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(super) fn start(&mut self, plan: &Plan) -> Result<(), Problem> {
        let receipt = Receipt::started(&plan.edits, clock::timestamp().to_string());
        self.state
            .write_receipt(&receipt.to_bytes())
            .map_err(|error| files::problem_of(&error))?;
        self.receipt = Some(receipt);
        Ok(())
    }

    /// Writes down how the run, begun now or cut off before, ended.
    pub(super) fn end(&mut self, end: State, console: &Console, document: &mut Document) {
        let Some(receipt) = self
            .receipt
            .as_ref()
            .filter(|receipt| receipt.state == State::Started)
        else {
            return;
        };
        let receipt = receipt.at(end);
        if let Err(error) = self.state.write_receipt(&receipt.to_bytes()) {
            console.warn(
                document,
                format!("{error}; the next run will take this one for cut off"),
            );
        }
        self.receipt = Some(receipt);
    }

    /// The request that the kubelet of this start was seen to make.
    pub(super) fn noted(&self, invocation_id: &str) -> Option<&str> {
        let noted = self.receipt.as_ref()?.request.as_ref()?;
        (noted.invocation_id == invocation_id).then_some(noted.name.as_str())
    }

    /// Notes the request that the kubelet of this start was seen to make, beside what was changed for it.
    pub(super) fn note(
        &mut self,
        name: &str,
        invocation_id: &str,
        console: &Console,
        document: &mut Document,
    ) {
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
            console.warn(document, error.to_string());
        }
    }
}
