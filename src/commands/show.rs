//! What is shown of an edit.

use crate::kubelet::Bootstrap;
use crate::plan::Edit;
use crate::report::EditReport;

use super::Ui;

/// Prints one edit's diff, and its target's name where only names are wanted. What was shown is also what is reported: a
/// diff of a long file takes as long as the edit.
pub(crate) fn edit(edit: &Edit, ui: &Ui) -> EditReport {
    let report = EditReport::from(edit);
    if report.changed {
        ui.show(edit, &report.diff);
        ui.bare_name(&report.target);
    } else {
        ui.detail(&format!("{}: nothing to change", report.target));
    }
    report
}

/// Says of an edit that changes nothing why that is.
pub(crate) fn unchanged(edit: &Edit, wanted: Bootstrap, ui: &Ui) {
    let already = match wanted {
        Bootstrap::Enabled => "serverTLSBootstrap is already true",
        Bootstrap::Disabled => "serverTLSBootstrap is already off",
    };
    ui.say(&format!("{}: unchanged: {already}", edit.target));
}

/// Prints one edit's diff alone.
pub(crate) fn text(edit: &Edit, ui: &Ui) {
    if edit.changes() {
        ui.show(edit, &edit.diff());
    }
}
