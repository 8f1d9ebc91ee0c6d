//! `diff`: what `apply` would change.

use crate::cli;
use crate::kubelet::Bootstrap;
use crate::plan::Edit;
use crate::report::{Code, Document, EditReport, Problem};

use super::{Ui, files, node};

/// Prints the differences.
///
/// # Errors
/// [`Code::Negative`] when there are some; else what could not be read or is refused. Of several files the others are
/// shown all the same.
pub(crate) fn run(arguments: &cli::Diff, ui: &Ui, document: &mut Document) -> Result<(), Problem> {
    let selection = &arguments.selection;
    let wanted = node::wanted(selection);
    let mut edits = Vec::new();
    let mut worst: Option<Problem> = None;
    let mut keep = |edit: Result<Edit, Problem>| match edit {
        Ok(edit) => edits.push(edit),
        Err(problem) => {
            // The earlier of several errors is told now, the last one at the end.
            if let Some(earlier) = worst.replace(problem) {
                ui.error(&earlier);
            }
        }
    };
    if selection.files.is_empty() {
        let located = node::locate(
            selection.root.as_deref(),
            node::Need::File,
            node::When::NextStart,
        );
        let kubelet = located.and_then(|located| located.read(ui, document));
        keep(kubelet.and_then(|kubelet| node::edit(&kubelet, wanted, ui, document)));
        for path in &selection.kubeadm_config {
            keep(files::of_kubeadm(path, wanted, ui, document));
        }
    } else {
        node::at_most_one_standard(&selection.files)?;
        for path in &selection.files {
            keep(files::of_file(path, wanted, ui, document));
        }
    }
    let changed = edits.iter().any(Edit::changes);
    for edit in &edits {
        show(edit, ui);
    }
    document.changed = Some(changed);
    document.edits = Some(edits.iter().map(EditReport::from).collect());
    match worst {
        Some(problem) => Err(problem),
        None if changed => Err(Problem::new(Code::Negative, "")),
        None => Ok(()),
    }
}

/// Prints one edit's diff, and its target's name where only names are wanted.
pub(crate) fn show(edit: &Edit, ui: &Ui) {
    if edit.changes() {
        show_text(edit, ui);
        ui.bare_name(&edit.target.to_string());
    } else {
        ui.detail(&format!("{}: nothing to change", edit.target));
    }
}

/// Says of an edit that changes nothing why that is.
pub(crate) fn tell_unchanged(edit: &Edit, wanted: Bootstrap, ui: &Ui) {
    let already = match wanted {
        Bootstrap::Enabled => "serverTLSBootstrap is already true",
        Bootstrap::Disabled => "serverTLSBootstrap is already off",
    };
    ui.say(&format!("{}: unchanged: {already}", edit.target));
}

/// Prints one edit's diff alone.
pub(crate) fn show_text(edit: &Edit, ui: &Ui) {
    if edit.changes() {
        ui.show(edit);
    }
}
