//! `--root DIR`: the files of an image or a chroot, in which no kubelet runs.

use std::path::Path;

use crate::commands::Ui;
use crate::host::files::{self, Root};
use crate::kubelet::Bootstrap;
use crate::kubelet::image::{DEFAULT_CONFIG, EXTRA_FLAGS, KUBEADM_FLAGS, warnings};
use crate::kubelet::unit::EnvironmentFile;
use crate::report::{Code, Problem};
use crate::text::hint::Command;

use super::problem_of;

/// An environment file is a few lines.
const CAP: u64 = 1 << 16;

/// Warns of flags in the image's files that override the key, or with which the kubelet does not start.
pub(crate) fn warn(root: &Root, wanted: Bootstrap, ui: &Ui) {
    let read = |name: &str| {
        let path = root.path(Path::new(name));
        let content = root.read(&path, CAP).ok()?;
        Some(EnvironmentFile {
            path: path.display().to_string(),
            optional: true,
            content: Some(content),
        })
    };
    let extra = EXTRA_FLAGS.into_iter().filter_map(read).collect();
    let config = DEFAULT_CONFIG;
    for warning in warnings(read(KUBEADM_FLAGS), extra, config, wanted) {
        ui.warn(warning);
    }
}

/// The image and the kubelet's configuration in it exist.
///
/// # Errors
/// Which of the two does not, and where to look.
pub(crate) fn check(root: &Root, config: &Path) -> Result<(), Problem> {
    match root.modified(config) {
        Err(error) if error.cause.is_not_found() => {
            Err(missing(&root.path(Path::new("/")), &error))
        }
        _ => Ok(()),
    }
}

/// The image cannot be entered.
pub(crate) fn no_root(root: &Path, error: &files::FileError) -> Problem {
    if error.cause.is_permission() {
        return problem_of(error);
    }
    let parent = root
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let cause = format!("cannot use --root {}: no such directory", root.display());
    let list = Command::new("ls").arg("-l");
    Problem::new(Code::Io, cause).hint(list.arg(parent.unwrap_or(Path::new("."))))
}

fn missing(root: &Path, error: &files::FileError) -> Problem {
    let search = ["-path", "*/kubelet/*", "-name", "config.yaml"];
    problem_of(error)
        .advise(
            "this image has no kubelet configuration yet: kubeadm writes it when the node joins",
        )
        .hint(Command::new("find").arg(root).args(search))
}
