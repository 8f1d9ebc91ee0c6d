//! The other edit of a FILE: the flag by which the API server verifies kubelets.

use std::path::Path;

use crate::cli::Selection;
use crate::commands::Ui;
use crate::commands::selection::verification;
use crate::edit::api_server::{self, Verification};
use crate::plan::{Edit, Target};
use crate::report::Problem;

use super::{Whose, read, refused};

/// The edit of a kube-apiserver manifest or of kubeadm's file.
///
/// # Errors
/// When it cannot be read, or is refused.
pub(super) fn of_file(path: &Path, selection: &Selection, ui: &Ui) -> Result<Edit, Problem> {
    let (target, bytes) = read(path)?;
    let edited = api_server::edit(&bytes, verification(selection.disable))
        .map_err(|refusal| refused(&target, &refusal, Whose::Files))?;
    let edit = Edit::new(target, bytes, edited.after);
    if edit.changes() && is_static_pod(path) {
        ui.warn(format!(
            "{}: the kubelet restarts the API server when this file changes, and a node whose kubelet has no certificate \
             from the cluster's CA is then without logs, exec and port-forward",
            edit.target
        ));
    }
    Ok(edit)
}

/// The file is in kubeadm's directory of static Pods, as far as its name says.
fn is_static_pod(path: &Path) -> bool {
    path.parent()
        .is_some_and(|directory| directory.ends_with("kubernetes/manifests"))
}

/// Says of an edit that changes nothing why that is.
pub(super) fn tell_unchanged(target: &Target, selection: &Selection, ui: &Ui) {
    let already = match verification(selection.disable) {
        Verification::Enabled => "is already set",
        Verification::Disabled => "is not set",
    };
    ui.say(&format!(
        "{target}: unchanged: {} {already}",
        api_server::FLAG
    ));
}
