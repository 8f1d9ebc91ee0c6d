//! `diff`: what `apply` would change.

use crate::cli::{self, Selection};
use crate::kubelet::Bootstrap;
use crate::plan::Edit;
use crate::report::{DiffResult, EditReport, Ending, Outcome, Problem};

use super::{Ui, files, node, selection, show};

/// Prints the differences: of this node's files, or of those that were named. What could not be read or is refused of
/// several files is an error; the others are shown nevertheless.
pub(crate) fn run(arguments: &cli::Diff, ui: &Ui) -> Outcome<DiffResult> {
    let chosen = &arguments.selection;
    if let Err(problem) = selection::at_most_one_standard(&chosen.files) {
        return Outcome::failed(DiffResult::default(), problem);
    }
    let mut edits = Vec::new();
    let mut worst: Option<Problem> = None;
    for planned in plan(chosen, ui) {
        match planned {
            Ok(edit) => edits.push(edit),
            Err(problem) => {
                // The earlier of several errors is told now, the last one at the end.
                if let Some(earlier) = worst.replace(problem) {
                    ui.error(&earlier);
                }
            }
        }
    }
    let reports: Vec<EditReport> = edits.iter().map(|edit| show::edit(edit, ui)).collect();
    let changed = reports.iter().any(|report| report.changed);
    let result = DiffResult {
        changed: Some(changed),
        edits: Some(reports),
    };
    let ending = match worst {
        Some(problem) => Ending::Failed(problem),
        None if changed => Ending::Negative(None),
        None => Ending::Done,
    };
    Outcome { result, ending }
}

/// What `apply` would do to each file.
fn plan(chosen: &Selection, ui: &Ui) -> Vec<Result<Edit, Problem>> {
    let wanted = selection::wanted(chosen.disable);
    if !chosen.files.is_empty() {
        let files = chosen.files.iter();
        return files
            .map(|path| files::of_selected(path, chosen, ui))
            .collect();
    }
    let need = (node::Need::File, node::When::NextStart);
    let located = match node::locate(chosen.root.as_deref(), need.0, need.1) {
        Ok(located) => located,
        Err(problem) => return vec![Err(problem)],
    };
    let root = located.root.clone();
    let kubelet = of_node(located, wanted, ui);
    let kubeadm = chosen.kubeadm_config.iter();
    let kubeadm = kubeadm.map(|path| files::of_kubeadm(&root, path, wanted, ui));
    let patches = chosen.patches.iter();
    let patches = patches.filter_map(|path| files::of_patches(&root, path, wanted, ui).transpose());
    std::iter::once(kubelet)
        .chain(kubeadm)
        .chain(patches)
        .collect()
}

fn of_node(located: node::Located, wanted: Bootstrap, ui: &Ui) -> Result<Edit, Problem> {
    if located.root.is_image() {
        files::image::check(&located.root, &located.path)?;
        files::image::warn(&located.root, wanted, ui);
    }
    let kubelet = located.read(ui)?;
    node::edit(&kubelet, wanted, ui)
}
