//! What `rollback` does on a node, decided from what was observed: no lock, clock or output.

use crate::apply::NothingToUndo;
use crate::cli;
use crate::kubelet::{Bootstrap, Settings};
use crate::plan::{Edit, Plan, Reason, Restart, Target};
use crate::receipt::{FileState, NodeReceipt};

/// What was observed before anything is touched.
#[derive(Debug)]
pub(super) struct Observed {
    /// The receipt of the last `apply`, or why nothing can be undone.
    pub(super) receipt: Result<NodeReceipt, NothingToUndo>,
    /// What the files of its edits read now, in the receipt's order; `None` for one that does not exist.
    pub(super) contents: Vec<Option<Vec<u8>>>,
    /// What the kubelet's files set `serverTLSBootstrap` to.
    pub(super) value: Option<bool>,
    /// Whether the kubelet runs with older files or flags than those on the disk.
    pub(super) is_behind: bool,
    /// Whether the kubelet is not healthy.
    pub(super) is_down: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Nothing(NothingToUndo),
    /// The inverse of the last apply.
    Undo(Undo),
}

/// The inverse of the last apply.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Undo {
    /// The edits, the last one of the apply first, and the restart.
    pub(super) plan: Plan,
    /// What `serverTLSBootstrap` becomes.
    pub(super) becomes: Bootstrap,
    /// Whether the kubelet's port refuses TLS from the restart until a request is approved.
    pub(super) outage: bool,
}

/// Why the last apply is not undone. Nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The file of this edit of the receipt was edited since.
    EditedSince {
        /// The edit's place in the receipt.
        edit: usize,
        /// What the apply had set `serverTLSBootstrap` to.
        applied: Bootstrap,
        /// Whether the file still has what the apply had set.
        is_left: bool,
    },
}

/// Decides what to do. `restart` is `Never` too if the kubelet's files lie under another root.
///
/// # Errors
/// Why the last apply cannot be undone.
pub(super) fn decide(
    observed: &Observed,
    restart: cli::RestartPolicy,
) -> Result<Decision, Refusal> {
    let receipt = match &observed.receipt {
        Ok(receipt) => receipt,
        Err(nothing) => return Ok(Decision::Nothing(nothing.clone())),
    };
    let applied = applied(receipt, observed.value);
    let plan = Plan {
        edits: edits(receipt, observed, applied)?,
        restart: Restart::No,
    };
    let changes = plan.changes();
    let restart = match restart {
        cli::RestartPolicy::Never => Restart::No,
        cli::RestartPolicy::Always => Restart::Yes(Reason::Asked),
        cli::RestartPolicy::Auto if changes => Restart::Yes(Reason::Changed),
        cli::RestartPolicy::Auto if observed.is_behind => Restart::Yes(Reason::NotRead),
        cli::RestartPolicy::Auto if observed.is_down => Restart::Yes(Reason::CutOff),
        cli::RestartPolicy::Auto => Restart::No,
    };
    let becomes = Bootstrap::of(applied == Bootstrap::Disabled);
    Ok(Decision::Undo(Undo {
        outage: changes && restart != Restart::No && becomes == Bootstrap::Enabled,
        plan: Plan { restart, ..plan },
        becomes,
    }))
}

/// What the apply had set. Early receipts do not say so; the value of now is what was applied then.
fn applied(receipt: &NodeReceipt, value: Option<bool>) -> Bootstrap {
    let now = Bootstrap::of(value == Some(true));
    receipt.subject.wanted.unwrap_or(now)
}

/// The edits that undo the receipt's, the last one first.
fn edits(
    receipt: &NodeReceipt,
    observed: &Observed,
    applied: Bootstrap,
) -> Result<Vec<Edit>, Refusal> {
    let changes = receipt.edits.iter().zip(&observed.contents).enumerate();
    changes
        .rev()
        .map(
            |(edit, (change, now))| match change.compare(now.as_deref()) {
                FileState::After(made) => Ok(made.inverse()),
                FileState::Before => Ok(Edit {
                    target: Target::File(change.target.clone()),
                    before: now.clone(),
                    after: now.clone(),
                }),
                FileState::Edited => Err(Refusal::EditedSince {
                    edit,
                    applied,
                    is_left: is_left(now.as_deref().unwrap_or_default(), applied),
                }),
            },
        )
        .collect()
}

/// Whether a file still has what the apply had set; one that cannot be read as a KubeletConfiguration may.
fn is_left(bytes: &[u8], applied: Bootstrap) -> bool {
    Settings::read(bytes).map_or(true, |settings| {
        (settings.server_tls_bootstrap == Some(true)) == (applied == Bootstrap::Enabled)
    })
}

#[cfg(test)]
mod tests;
