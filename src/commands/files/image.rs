//! `--root DIR`: the files of an image or a chroot, in which no kubelet runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::commands::Ui;
use crate::host::files::{self, Root};
use crate::kubelet::Bootstrap;
use crate::kubelet::image::{
    DEFAULT_CONFIG, DROP_INS, EXTRA_FLAGS, KUBEADM_FLAGS, variables, warnings,
};
use crate::kubelet::unit::EnvironmentFile;
use crate::report::{Code, Problem};
use crate::text::hint::Command;

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
    let units = unit_variables(root);
    for warning in warnings(&units, read(KUBEADM_FLAGS), extra, config, wanted) {
        ui.warn(warning);
    }
}

/// What drop-ins of the image's kubelet.service assign, in the order in which systemd reads them.
fn unit_variables(root: &Root) -> Vec<EnvironmentFile> {
    let mut drop_ins = BTreeMap::new();
    for directory in DROP_INS {
        let directory = root.path(Path::new(directory));
        for name in root.names(&directory).unwrap_or_default() {
            drop_ins.insert(name.clone(), directory.join(name));
        }
    }
    let is_drop_in = |path: &&PathBuf| path.extension().is_some_and(|end| end == "conf");
    let paths = drop_ins.values().filter(is_drop_in);
    paths
        .filter_map(|path| Some((path, root.read(path, CAP).ok()?)))
        .flat_map(|(path, content)| variables(&path.display().to_string(), &content))
        .collect()
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
        return Problem::from(error);
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
    Problem::from(error)
        .advise(
            "this image has no kubelet configuration yet: kubeadm writes it when the node joins",
        )
        .hint(Command::new("find").arg(root).args(search))
}
