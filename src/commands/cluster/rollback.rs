//! `rollback --cluster`: undoes the last `cluster apply`, byte for byte.

use std::time::Instant;

use crate::apply::NothingToUndo;
use crate::cli;
use crate::commands::{Ui, admin};
use crate::kubelet::Settings;
use crate::node::KubeletConfigMap;
use crate::plan::Edit;
use crate::receipt::{ClusterReceipt, FileState, State};
use crate::report::{Code, Document, Problem};

use super::receipts::Receipts;
use super::write::{Outcome, Writer};
use super::{DEADLINE, address, keep, problem, tell_written, writable};

/// Undoes it, if the text still reads as it left it.
///
/// # Errors
/// [`Code::Refused`] when there is nothing that could be undone; else what kept it from its end.
pub(crate) fn run(
    arguments: &cli::Rollback,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    document.changed = Some(false);
    document.dry_run = Some(arguments.dry_run);
    document.edits = Some(Vec::new());
    document.rolled_back = Some(false);
    let keep = keep(arguments.dry_run);
    let mut receipts = Receipts::open(keep, ui)?;
    let Some(receipt) = undoable(&receipts, ui) else {
        document.rolled_back = Some(true);
        return Ok(());
    };
    let Some((name, _)) = receipt.change() else {
        return Ok(());
    };
    let admin = admin::open(&cli::Access {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
    })?;
    let end = Instant::now() + DEADLINE;
    let seen = admin
        .kubelet_configmap(name, end)
        .map_err(|error| problem("get", name, &error))?;
    let Some(seen) = seen else {
        return Err(elsewhere(
            &receipt,
            name,
            "has no such ConfigMap",
            &address(&admin),
        ));
    };
    let decide = |seen: &KubeletConfigMap, _: &mut Document| {
        let edit = undo(&receipt, seen, &address(&admin))?;
        if edit.changes() {
            writable(seen)?;
        }
        Ok(edit)
    };
    let writer = Writer {
        admin: &admin,
        ui,
        keep,
        end,
    };
    let written = writer.write(
        seen,
        decide,
        &mut |_, _| receipts.begin_rollback(),
        document,
    );
    match written {
        Ok(Outcome::Written(edit)) => {
            receipts.end(State::RolledBack, ui);
            document.changed = Some(true);
            tell_written(&edit, keep, ui);
        }
        Ok(Outcome::Unchanged(_, edit)) => {
            receipts.end(receipt.undone(), ui);
            super::report(&edit, document);
            ui.say(&format!(
                "{}: unchanged: it reads as before the cluster apply of {}",
                edit.target, receipt.started
            ));
        }
        Err(failure) => {
            if !failure.unsure {
                receipts.abandon(receipt.state, ui);
            }
            return Err(failure.problem);
        }
    }
    document.rolled_back = Some(true);
    Ok(())
}

/// The receipt of a change that can be undone; if there is none, that is said.
fn undoable(receipts: &Receipts, ui: &Ui) -> Option<ClusterReceipt> {
    let store = receipts.store();
    let why = match store.undoable() {
        Ok(receipt) => return Some(receipt.clone()),
        Err(NothingToUndo::NoReceipt) => format!(
            "no cluster apply of this user on this machine has left a {}",
            store.path().display()
        ),
        Err(NothingToUndo::PutBack(started)) => {
            format!("the cluster apply of {started} changed nothing")
        }
        Err(NothingToUndo::RolledBack(started)) => {
            format!("the cluster apply of {started} is rolled back already")
        }
    };
    ui.say(&format!("nothing to roll back: {why}"));
    None
}

/// The edit that undoes the receipt's; one that changes nothing where that was never made, or is undone.
fn undo(receipt: &ClusterReceipt, seen: &KubeletConfigMap, server: &str) -> Result<Edit, Problem> {
    let Some((_, change)) = receipt.change().filter(|_| receipt.subject.uid == seen.uid) else {
        let why = "has one with another uid";
        return Err(elsewhere(receipt, &seen.name, why, server));
    };
    let text = seen.text.clone().unwrap_or_default().into_bytes();
    match change.compare(Some(&text)) {
        FileState::Before => Ok(Edit::new(seen.target(), text.clone(), text)),
        FileState::After(edit) => Ok(Edit {
            target: seen.target(),
            ..edit.inverse()
        }),
        FileState::Edited => Err(edited_since(receipt, seen, &text)),
    }
}

/// `kubeadm upgrade apply` writes the text anew too, without its comments.
fn edited_since(receipt: &ClusterReceipt, seen: &KubeletConfigMap, text: &[u8]) -> Problem {
    // The change of the key alone can still be taken back, by the same careful edit the other way round.
    let reads = Settings::read(text).map(|settings| settings.server_tls_bootstrap);
    let disable = match reads {
        Ok(Some(true)) => " --disable",
        _ => "",
    };
    Problem::new(
        Code::Refused,
        format!(
            "cannot roll back {}: its text was edited since the cluster apply of {}",
            seen.target(),
            receipt.started
        ),
    )
    .advise(format!(
        "to take the key alone back: kubelet-tls cluster apply{disable}, after a look at what that changes"
    ))
    .hint(format!("kubelet-tls cluster diff{disable}"))
}

/// The ConfigMap is not the one of the receipt.
fn elsewhere(receipt: &ClusterReceipt, name: &str, why: &str, server: &str) -> Problem {
    Problem::new(
        Code::Refused,
        format!(
            "cannot roll back configmap/kube-system/{name}: {server} {why}: the last cluster apply was to another cluster, at {}, or it was made anew since",
            receipt.subject.server
        ),
    )
    .advise("name that cluster's kubeconfig with --kubeconfig; in this one the key is taken out by cluster apply --disable")
    .hint("kubelet-tls cluster diff --disable")
}
