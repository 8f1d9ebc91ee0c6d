//! `--patches DIR`: the directory of patches that `kubeadm --patches` reads.

use std::path::{Path, PathBuf};

use crate::commands::Ui;
use crate::edit::patch::{self, PatchFile, PatchType};
use crate::edit::{self, Change, FileKind};
use crate::host::files::{FileError, Root};
use crate::kubelet::Bootstrap;
use crate::plan::{Edit, Target};
use crate::report::Problem;
use crate::text::hint::Command;
use crate::yaml::MAX_BYTES;

use super::{Whose, of_bytes};

/// The edit of the patch of a KubeletConfiguration in `directory`: of the file that decides the key, or of a new one. None if
/// nothing is to be done, because no patch sets the key and it is to be off.
///
/// # Errors
/// When the directory or a patch in it cannot be read, or the patch is refused.
pub(crate) fn of_patches(
    root: &Root,
    directory: &Path,
    wanted: Bootstrap,
    ui: &Ui,
) -> Result<Option<Edit>, Problem> {
    let patches = read(root, directory).map_err(|error| unreadable(directory, &error))?;
    let edit = match patch::deciding(&patches) {
        Some(found) => {
            let target = Target::File(directory.join(&found.name));
            let bytes = found.bytes.clone();
            let kind = FileKind::Patch(found.patch_type);
            of_bytes(target, bytes, kind, wanted, Whose::Files, ui)?
        }
        None if wanted == Bootstrap::Disabled => return Ok(None),
        None => {
            let path = directory.join(patch::FILE_NAME);
            let target = Target::File(path.clone());
            let kind = FileKind::Patch(PatchType::Merge);
            let edit = of_bytes(target, Vec::new(), kind, wanted, Whose::Files, ui)?;
            Edit::create(path, edit.bytes_after().to_vec())
        }
    };
    if edit.changes() {
        let upgrade = Command::new("kubeadm").args(["upgrade", "node", "--patches"]);
        ui.say(&format!(
            "{} takes effect where kubeadm is given the directory (Kubernetes 1.25 and later): {}",
            edit.target,
            upgrade.arg(directory)
        ));
    }
    Ok(Some(edit))
}

/// The file that [`of_patches`] edits or creates, to know what to lock.
///
/// # Errors
/// As [`of_patches`].
pub(crate) fn patch_path(root: &Root, directory: &Path) -> Result<PathBuf, Problem> {
    let patches = read(root, directory).map_err(|error| unreadable(directory, &error))?;
    let name = patch::deciding(&patches).map_or(patch::FILE_NAME, |patch| &patch.name);
    Ok(directory.join(name))
}

/// The directory of patches among the files that the last run edited, if the patches there still enable the key.
pub(crate) fn enabling_directory<'a>(
    edited: impl IntoIterator<Item = &'a Path>,
) -> Option<PathBuf> {
    let directory = patch::directory(edited)?;
    let patches = read(&Root::host(), directory).ok()?;
    let found = patch::deciding(&patches)?;
    let kind = FileKind::Patch(found.patch_type);
    let edited = edit::edit(&found.bytes, kind, Bootstrap::Enabled).ok()?;
    (edited.change == Change::None).then(|| directory.to_owned())
}

/// The patches of a KubeletConfiguration, in kubeadm's order.
fn read(root: &Root, directory: &Path) -> Result<Vec<PatchFile>, FileError> {
    let names = root.names(directory)?;
    let mut patches = Vec::new();
    for name in names.iter().filter_map(|name| name.to_str()) {
        if let Some(patch_type) = PatchType::of_name(name) {
            patches.push(PatchFile {
                name: name.to_owned(),
                patch_type,
                bytes: root.read(&directory.join(name), MAX_BYTES as u64)?,
            });
        }
    }
    patches.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(patches)
}

fn unreadable(directory: &Path, error: &FileError) -> Problem {
    let problem = Problem::from(error);
    if error.cause.is_not_found() && error.path == directory {
        problem.hint(Command::new("mkdir").arg("-p").arg(directory))
    } else {
        problem
    }
}
