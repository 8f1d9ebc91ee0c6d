//! The receipt of the last `api-server apply` on this node, compared with the manifest as it is.

use std::path::Path;

use crate::apply::ReceiptStore;
use crate::commands::Ui;
use crate::edit::api_server::Verification;
use crate::host::clock;
use crate::host::files::Root;
use crate::host::state::StateDirectory;
use crate::plan::{Edit, Target};
use crate::receipt::{
    ApiServerReceipt, ApiServerSubject, FileState, Receipt, ReceiptState, to_the_second,
};
use crate::report::Problem;

/// The receipt of this node's manifest. The node's lock is held by who writes it.
pub(super) struct ManifestReceipts {
    store: ReceiptStore<ApiServerSubject>,
}

/// What an earlier run left when it was interrupted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// No run was interrupted, or the manifest was edited since.
    No,
    /// Its edit is made, and no one has seen whether the API server stays healthy with it.
    Made(Edit),
    /// Its edit is not made, or undone again.
    NotMade,
}

impl Interrupted {
    /// Whether its edit is made.
    pub(super) fn is_made(&self) -> bool {
        matches!(self, Self::Made(_))
    }
}

impl ManifestReceipts {
    /// Reads it.
    ///
    /// # Errors
    /// When it exists and cannot be read.
    pub(super) fn open(ui: &Ui) -> Result<Self, Problem> {
        let directory = StateDirectory::of(&Root::host());
        let store = ReceiptStore::open(directory)?;
        if let Some(warning) = store.unusable() {
            ui.warn(warning);
        }
        Ok(Self { store })
    }

    pub(super) fn store(&self) -> &ReceiptStore<ApiServerSubject> {
        &self.store
    }

    /// What an earlier run has left of the manifest at `path`, which reads `bytes`.
    pub(super) fn interrupted(&self, path: &Path, bytes: &[u8], ui: &Ui) -> Interrupted {
        let Some(receipt) = self.store.receipt() else {
            return Interrupted::No;
        };
        let is_of_it = Root::host()
            .inner(path)
            .is_ok_and(|path| receipt.edits.iter().all(|edit| edit.path() == path));
        if !receipt.state.is_open() || !is_of_it {
            return Interrupted::No;
        }
        let interrupted = left(receipt, path, bytes);
        if interrupted.is_none() {
            ui.warn(format!(
                "a run of {} was interrupted, and {} was edited since; its current content is kept",
                to_the_second(&receipt.started),
                path.display()
            ));
        }
        interrupted.unwrap_or(Interrupted::No)
    }

    /// Writes down what is about to be changed; durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is changed then.
    pub(super) fn begin(&mut self, edit: &Edit, wanted: Verification) -> Result<(), Problem> {
        let mut edit = edit.clone();
        if let Target::File(path) = &mut edit.target {
            *path = Root::host().inner(path)?;
        }
        let now = clock::timestamp().to_string();
        let receipt = Receipt::started([&edit], ApiServerSubject { wanted }, now);
        Ok(self.store.begin(receipt)?)
    }

    /// Writes down that the last change is about to be undone; durable when this returns.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub(super) fn begin_rollback(&mut self) -> Result<(), Problem> {
        Ok(self.store.begin_rollback()?)
    }

    /// Writes down how the run ended.
    pub(super) fn end(&mut self, state: ReceiptState, ui: &Ui) {
        if let Err(error) = self.store.set_state(state) {
            ui.warn(format!(
                "{error}; the next run will treat this one as interrupted"
            ));
        }
    }
}

/// What the run of an open receipt has left; none if the manifest was edited since.
fn left(receipt: &ApiServerReceipt, path: &Path, bytes: &[u8]) -> Option<Interrupted> {
    let change = receipt.edits.first()?;
    match (change.compare(Some(bytes)), receipt.state) {
        (FileState::Edited, _) => None,
        // A rollback that was interrupted before it undid anything has done nothing.
        (FileState::After(_), ReceiptState::RollingBack) => Some(Interrupted::No),
        (FileState::After(edit), _) => Some(Interrupted::Made(Edit {
            target: Target::File(path.to_owned()),
            ..edit
        })),
        (FileState::Before, _) => Some(Interrupted::NotMade),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_is_recognised_by_what_it_left() {
        let path = Path::new("/etc/kubernetes/manifests/kube-apiserver.yaml");
        let edit = Edit::new(Target::File(path.into()), b"a\n".into(), b"a\nb\n".into());
        let subject = ApiServerSubject {
            wanted: Verification::Enabled,
        };
        let receipt = Receipt::started([&edit], subject, "then".to_owned());
        for (state, bytes, expected) in [
            (ReceiptState::Started, "a\n", Some(Interrupted::NotMade)),
            (
                ReceiptState::Started,
                "a\nb\n",
                Some(Interrupted::Made(edit.clone())),
            ),
            (ReceiptState::RollingBack, "a\n", Some(Interrupted::NotMade)),
            (ReceiptState::RollingBack, "a\nb\n", Some(Interrupted::No)),
            (ReceiptState::Started, "c\n", None),
        ] {
            let found = left(&receipt.at(state), path, bytes.as_bytes());
            assert_eq!(found, expected, "{state:?} {bytes:?}");
        }
        let bytes = receipt.to_bytes();
        assert_eq!(Receipt::parse(&bytes).as_ref(), Ok(&receipt));
        let of = |from: &str, to: &str| {
            let text = String::from_utf8(bytes.clone()).unwrap().replace(from, to);
            Receipt::<ApiServerSubject>::parse(text.as_bytes())
        };
        assert!(of("/etc/kubernetes", "etc/kubernetes").is_err());
        assert!(of("/etc/kubernetes", "/etc/../kubernetes").is_err());
        assert!(of("\"sha256Before\"", "\"sha256before\"").is_err());
    }
}
