//! What is shown of an edit.

use crate::kubelet::Bootstrap;
use crate::plan::Edit;

use super::Ui;

/// Prints one edit's diff, and its target's name where only names are wanted.
pub(crate) fn edit(edit: &Edit, ui: &Ui) {
    if edit.changes() {
        text(edit, ui);
        ui.bare_name(&edit.target.to_string());
    } else {
        ui.detail(&format!("{}: nothing to change", edit.target));
    }
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
        ui.show(edit);
    }
}
