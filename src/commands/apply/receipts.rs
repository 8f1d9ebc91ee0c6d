//! The node's receipts, with what a person is told of them.

use crate::apply::NodeReceipts;
use crate::commands::Ui;
use crate::host::files::Root;
use crate::receipt::Resolution;
use crate::report::Problem;

/// Reads the last receipt; the node's lock is held.
///
/// # Errors
/// When the receipt exists and cannot be read.
pub(in crate::commands) fn open(root: &Root, ui: &Ui) -> Result<NodeReceipts, Problem> {
    let receipts = NodeReceipts::open(root)?;
    receipts
        .warnings
        .iter()
        .for_each(|warning| ui.warn(warning.as_str()));
    Ok(receipts)
}

/// Writes down how the run ended.
pub(super) fn resolve(receipts: &mut NodeReceipts, resolution: Resolution, ui: &Ui) {
    for trouble in receipts.resolve(resolution) {
        ui.warn(trouble);
    }
}
