//! `cluster rollback`, also called `rollback --cluster`: undoes the last `cluster apply` exactly.

use std::time::Instant;

use crate::cli;
use crate::commands::{Ui, admin, selection};
use crate::host::kube::WriteMode;
use crate::kubelet::Settings;
use crate::node::ConfigMap;
use crate::plan::Edit;
use crate::receipt::{ClusterReceipt, ClusterSubject};
use crate::report::{Code, EditReport, Outcome, Problem, RollbackResult};
use crate::text::hint::Command;

use super::decide::Decision;
use super::receipts::ClusterReceipts;
use super::write::{Failure, Writer};
use super::{DEADLINE, LOOK, address, problem};

/// Undoes it, if the text still reads as it left it.
pub(crate) fn run(dry_run: bool, access: &cli::Access, ui: &Ui) -> Outcome<RollbackResult> {
    let undone = undo_last(selection::write_mode(dry_run), access, ui);
    let (edit, ended) = Failure::parted(undone);
    let result = RollbackResult {
        dry_run,
        changed: ended.is_ok() && edit.as_ref().is_some_and(Edit::changes),
        edits: edit.iter().map(EditReport::from).collect(),
        rolled_back: ended.is_ok(),
        ..RollbackResult::default()
    };
    Outcome::new(result, ended)
}

/// Undoes the last `cluster apply`. What undid it; none where nothing was to be undone.
fn undo_last(mode: WriteMode, access: &cli::Access, ui: &Ui) -> Result<Option<Edit>, Failure> {
    let mut receipts = ClusterReceipts::<ClusterSubject>::open(mode, ui)?;
    let Some(receipt) = undoable(&receipts, ui) else {
        return Ok(None);
    };
    let Some((name, _)) = receipt.change() else {
        return Ok(None);
    };
    let admin = admin::open(access)?;
    let end = Instant::now() + DEADLINE;
    let seen = admin
        .configmap(name, end)
        .map_err(|error| problem("get", name, &error))?;
    let Some(seen) = seen else {
        let why = "has no such ConfigMap";
        return Err(elsewhere(&receipt, name, why, &address(&admin)).into());
    };
    let decide = |seen: &ConfigMap| undo(&receipt, seen, &address(&admin));
    let writer = Writer {
        admin: &admin,
        ui,
        mode,
        end,
        look: LOOK,
        made: "restored to the text before the last cluster apply",
    };
    let edit = receipts.undo(&receipt, &writer, seen, decide)?;
    if !edit.changes() {
        ui.say(&format!(
            "{}: unchanged: it reads as before the cluster apply of {}",
            edit.target,
            crate::receipt::to_the_second(&receipt.started)
        ));
    }
    Ok(Some(edit))
}

/// The receipt of a change that can be undone. Otherwise prints why nothing can be.
fn undoable(receipts: &ClusterReceipts<ClusterSubject>, ui: &Ui) -> Option<ClusterReceipt> {
    let store = receipts.store();
    let why = match store.undoable() {
        Ok(receipt) => return Some(receipt.clone()),
        Err(why) => why,
    };
    let never = format!(
        "no cluster apply of this user on this machine has left a {}",
        store.path().display()
    );
    let why = why.reason("cluster apply", &never, "changed nothing");
    ui.say(&format!("nothing to roll back: {why}"));
    None
}

/// The edit that undoes the receipt's.
fn undo(receipt: &ClusterReceipt, seen: &ConfigMap, server: &str) -> Result<Decision, Problem> {
    let Some((_, change)) = receipt.change().filter(|_| receipt.subject.uid == seen.uid) else {
        let why = "has one with another uid";
        return Err(elsewhere(receipt, &seen.name, why, server));
    };
    Decision::undoing(change, seen).ok_or_else(|| edited_since(receipt, seen))
}

/// `kubeadm upgrade apply` writes the text again too, without its comments.
fn edited_since(receipt: &ClusterReceipt, seen: &ConfigMap) -> Problem {
    let text = seen.text.as_deref().unwrap_or_default().as_bytes();
    // The key alone can still be reset, by the opposite edit.
    let reads = Settings::read(text).map(|settings| settings.server_tls_bootstrap);
    let disable = matches!(reads, Ok(Some(true))).then_some("--disable");
    Problem::new(
        Code::Refused,
        format!(
            "cannot roll back {}: its text was edited since the cluster apply of {}",
            seen.target(),
            crate::receipt::to_the_second(&receipt.started)
        ),
    )
    .advise_command(
        "to change only that key, after a look at the diff",
        Command::from("kubelet-tls cluster apply").args(disable),
    )
    .hint(Command::from("kubelet-tls cluster diff").args(disable))
}

/// The ConfigMap is not the one of the receipt.
fn elsewhere(receipt: &ClusterReceipt, name: &str, why: &str, server: &str) -> Problem {
    Problem::new(
        Code::Refused,
        format!(
            "cannot roll back configmap/kube-system/{name}: {server} {why}: the last cluster apply was to another cluster, at {}, or it was recreated since",
            receipt.subject.server
        ),
    )
    .advise("name that cluster's kubeconfig with --kubeconfig; here, cluster apply --disable sets the key to false")
    .hint("kubelet-tls cluster diff --disable")
}
