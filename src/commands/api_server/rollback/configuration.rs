//! kubeadm's configuration of the cluster is restored, if this node's run had changed it.

use std::time::Instant;

use crate::apply::ReceiptStore;
use crate::commands::api_server::{DEADLINE, LOOK, observe};
use crate::commands::cluster::{ClusterReceipts, Decision, Failure, Writer};
use crate::commands::{Ui, selection};
use crate::host::files::Locking;
use crate::host::kube::Admin;
use crate::host::state::StateDirectory;
use crate::node::ConfigMap;
use crate::plan::Edit;
use crate::receipt::{KubeadmConfigReceipt, KubeadmConfigSubject, to_the_second};
use crate::report::{Code, Problem};

/// Whether this node's run changed the ConfigMap and that is not undone yet. Nothing need be writable for this; where it
/// is, what a killed run left beside its receipt is removed.
///
/// # Errors
/// When the receipt cannot be read.
pub(super) fn is_undoable(dry_run: bool, ui: &Ui) -> Result<bool, Problem> {
    let Some(directory) = StateDirectory::of_clusters() else {
        return Ok(false);
    };
    let store = ReceiptStore::<KubeadmConfigSubject>::open(directory.clone())?;
    if let Some(warning) = store.unusable() {
        ui.warn(warning);
    }
    let is_undoable = store.undoable().is_ok();
    if !dry_run && !is_undoable && store.receipt().is_some() {
        // A run that could not remove it has no other harm from it.
        let _ = directory.lock(Locking::Needed);
    }
    Ok(is_undoable)
}

/// Restores the ConfigMap exactly. The edit, if there is one.
///
/// # Errors
/// Why it was not restored.
pub(super) fn undo(admin: &Admin, dry_run: bool, ui: &Ui) -> Result<Option<Edit>, Failure> {
    let mode = selection::write_mode(dry_run);
    let mut receipts = ClusterReceipts::<KubeadmConfigSubject>::open(mode, ui)?;
    let Ok(receipt) = receipts.store().undoable().cloned() else {
        return Ok(None);
    };
    let end = Instant::now() + DEADLINE;
    let seen = observe::kubeadm_config(admin, end)?.ok_or_else(observe::no_kubeadm_config)?;
    let decide = |seen: &ConfigMap| undoing(&receipt, seen);
    let writer = Writer {
        admin,
        ui,
        mode,
        end,
        look: LOOK,
        made: "restored to the text before the last api-server apply",
    };
    receipts.undo(&receipt, &writer, seen, decide).map(Some)
}

fn undoing(receipt: &KubeadmConfigReceipt, seen: &ConfigMap) -> Result<Decision, Problem> {
    let refused = |why: &str| {
        Problem::new(
            Code::Refused,
            format!("cannot roll back {}: {why}", seen.target()),
        )
        .hint(LOOK)
    };
    let subject = &receipt.subject.0;
    let Some(change) = receipt.change().filter(|_| subject.uid == seen.uid) else {
        return Err(refused(&format!(
            "it has another uid: the api-server apply of {} was to another cluster, at {}, or it was recreated since",
            to_the_second(&receipt.started),
            subject.server
        )));
    };
    Decision::undoing(change, seen).ok_or_else(|| {
        refused(&format!(
            "its text was edited since the api-server apply of {}",
            to_the_second(&receipt.started)
        ))
    })
}
