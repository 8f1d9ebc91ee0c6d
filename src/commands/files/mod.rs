//! The edits of `diff` and `apply`: the bytes, and what the kubelet or kubeadm would make of them.

mod api_server;
mod apply;
pub(crate) mod image;
mod live;
mod patches;
mod problem;

use std::path::Path;

use crate::cli::Selection;
use crate::edit::FileKind;
use crate::edit::patch::PatchType;
use crate::host::files::Root;
use crate::host::{environment, files};
use crate::kubelet::Bootstrap;
use crate::plan::{Edit, Target};
use crate::report::Problem;
use crate::yaml::MAX_BYTES;

pub(crate) use apply::apply;
pub(crate) use patches::{enabling_directory, of_patches, patch_path};
pub(crate) use problem::{edit_failed, refused, unread};

use super::selection::{STANDARD, wanted};
use super::{Ui, show};

/// What to do when an edit is refused because it would have no effect or be fatal: a file by itself is an input that
/// is refused, a node is one that is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Files that were named.
    Files,
    Node,
}

/// The edit of FILE that was asked for.
///
/// # Errors
/// When it cannot be read, or is refused.
pub(crate) fn of_selected(path: &Path, selection: &Selection, ui: &Ui) -> Result<Edit, Problem> {
    if selection.api_server {
        api_server::of_file(path, selection, ui)
    } else {
        of_file(path, wanted(selection.disable), ui)
    }
}

/// Says of an edit that changes nothing why that is.
fn tell_unchanged(edit: &Edit, selection: &Selection, ui: &Ui) {
    if selection.api_server {
        api_server::tell_unchanged(&edit.target, selection, ui);
    } else {
        show::unchanged(edit, wanted(selection.disable), ui);
    }
}

/// The bytes of FILE.
fn read(path: &Path) -> Result<(Target, Vec<u8>), Problem> {
    let (target, bytes) = if path.as_os_str() == STANDARD {
        (Target::Standard, environment::read_stdin(MAX_BYTES as u64))
    } else {
        (
            Target::File(path.to_owned()),
            files::read(path, MAX_BYTES as u64),
        )
    };
    let bytes = bytes.map_err(|error| problem::of_named(&error))?;
    if target == Target::Standard && bytes.trim_ascii().is_empty() {
        return Err(problem::empty_standard());
    }
    Ok((target, bytes))
}

/// The edit of FILE, kubelet's or kubeadm's as its content says.
fn of_file(path: &Path, wanted: Bootstrap, ui: &Ui) -> Result<Edit, Problem> {
    let (target, bytes) = read(path)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let kind = FileKind::of(name.unwrap_or_default(), &bytes);
    if matches!(kind, FileKind::Patch(_)) && PatchType::of_name(name.unwrap_or_default()).is_none()
    {
        ui.warn(format!(
            "{target}: kubeadm does not take a file of this name for a patch: the name must begin with kubeletconfiguration"
        ));
    }
    of_bytes(target, bytes, kind, wanted, Whose::Files, ui)
}

/// The edit of a kubeadm file.
///
/// # Errors
/// When it cannot be read, or is refused.
pub(crate) fn of_kubeadm(
    root: &Root,
    path: &Path,
    wanted: Bootstrap,
    ui: &Ui,
) -> Result<Edit, Problem> {
    let bytes = root.read(path, MAX_BYTES as u64)?;
    of_bytes(
        Target::File(path.to_owned()),
        bytes,
        FileKind::Kubeadm,
        wanted,
        Whose::Files,
        ui,
    )
}

/// The edit of bytes already read.
///
/// # Errors
/// When it is refused.
pub(crate) fn of_bytes(
    target: Target,
    before: Vec<u8>,
    kind: FileKind,
    wanted: Bootstrap,
    whose: Whose,
    ui: &Ui,
) -> Result<Edit, Problem> {
    let edited = crate::edit::edit(&before, kind, wanted)
        .map_err(|refusal| refused(&target, &refusal, whose))?;
    if let Some(refusal) = &edited.without_effect {
        return Err(refused(&target, refusal, whose));
    }
    if let Some(flag) = edited.flag {
        ui.say(&format!(
            "{target}:{}:{}: the flag rotate-server-certificates already enables it",
            flag.line, flag.column
        ));
    }
    for warning in edited.warnings {
        let at = warning
            .position
            .map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
        ui.warn(format!("{target}{at}: {}", warning.message));
    }
    Ok(Edit::new(target, before, edited.after))
}
