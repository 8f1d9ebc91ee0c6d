//! What an interrupted run has left is put right before anything else.

use crate::apply::{InterruptedRun, Locks, NodeReceipts};
use crate::cli;
use crate::commands::Ui;
use crate::host::signals::Interrupts;
use crate::plan::Plan;
use crate::receipt::Resolution;

use super::{EditStopped, receipts};

/// Undoes the edits of a run that was interrupted between two of them, so that this one begins at the beginning and its
/// receipt tells of all edits.
pub(super) fn undo_part(
    locks: &Locks,
    receipts: &mut NodeReceipts,
    arguments: &cli::Apply,
    ui: &Ui,
    interrupts: &Interrupts,
) -> Result<(), EditStopped> {
    let InterruptedRun::Partly(edits) = &receipts.interrupted else {
        return Ok(());
    };
    if arguments.dry_run {
        ui.say("an earlier run was interrupted between two edits; the first would be undone before anything else");
        return Ok(());
    }
    ui.say(
        "an earlier run was interrupted between two edits; undoing the first before anything else",
    );
    interrupts.commit();
    let made = Plan::of(edits.clone());
    locks.edit(&made.inverse())?;
    receipts::resolve(receipts, Resolution::Undone, ui);
    receipts.interrupted = InterruptedRun::No;
    Ok(())
}
