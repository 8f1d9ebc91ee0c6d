//! What a receipt may name: the kubelet's and kubeadm's files, and the kubelet's own store of certificates. That of an image
//! was possibly written by someone else.

use std::path::{Path, PathBuf};

use crate::commands::Ui;
use crate::edit::FileKind;
use crate::host::files::Root;
use crate::node::Kubelet;
use crate::receipt::{Installed, NodeReceipt};
use crate::report::{Code, Problem};
use crate::text::hint::Command;
use crate::yaml::MAX_BYTES;

/// The receipt with its files by their paths as people write them.
pub(super) fn shown(mut receipt: NodeReceipt, root: &Root) -> NodeReceipt {
    for change in &mut receipt.edits {
        change.target = root.path(&change.target);
    }
    receipt
}

/// The files of `receipt`, by their paths as people write them: the kubelet's own, and kubeadm's. Of an image, whose
/// receipt may say anything, kubeadm's files must be named on the command line.
///
/// # Errors
/// When the receipt names another file.
pub(super) fn targets(
    receipt: &NodeReceipt,
    root: &Root,
    kubelets: &[PathBuf],
    named: &[PathBuf],
) -> Result<Vec<PathBuf>, Problem> {
    let known = kubelets.iter().chain(named).map(|path| root.inner(path));
    let known = known.collect::<Result<Vec<_>, _>>()?;
    let mut targets = Vec::new();
    for change in &receipt.edits {
        let path = root.path(&change.target);
        let is_known = known.contains(&change.target);
        if !is_known && (root.is_image() || !is_kubeadms(&path, root)) {
            return Err(foreign(&path, root));
        }
        targets.push(path);
    }
    Ok(targets)
}

/// Whether kubeadm reads a file of this name and content, or would, if it does not exist.
fn is_kubeadms(path: &Path, root: &Root) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let bytes = root.read(path, MAX_BYTES as u64).unwrap_or_default();
    matches!(
        FileKind::of(name.unwrap_or_default(), &bytes),
        FileKind::Kubeadm | FileKind::Patch(_)
    )
}

fn foreign(path: &Path, root: &Root) -> Problem {
    let problem = Problem::new(
        Code::Refused,
        format!(
            "cannot roll back {}: the receipt names it, and it is neither the kubelet's nor kubeadm's",
            path.display()
        ),
    );
    if root.is_image() {
        problem
            .advise("if it is a kubeadm file that was edited with the image, name it with --kubeadm-config")
            .hint(Command::new("ls").arg("-l").arg(path))
    } else {
        problem.hint(Command::new("kubelet-tls").arg("diff"))
    }
}

/// A receipt names no other certificate than one in the kubelet's own store.
pub(super) fn require_kubelets_store(
    installed: &Installed,
    kubelet: &Kubelet,
) -> Result<(), Problem> {
    let store = kubelet.serving_certificate();
    if store.parent() == Some(installed.directory()) {
        return Ok(());
    }
    Err(Problem::new(
        Code::Refused,
        format!(
            "cannot roll back the certificate {}: it is not in {}, where this kubelet keeps its own",
            installed.pair.display(),
            store.parent().unwrap_or(&store).display()
        ),
    )
    .hint(Command::new("ls").arg("-l").arg(&installed.link)))
}

/// Says what is done with the installed certificate, because no diff shows it.
pub(super) fn tell_removed(installed: &Installed, root: &Root, dry_run: bool, ui: &Ui) {
    let removes = match dry_run {
        true => "(dry run) would remove",
        false => "removes",
    };
    let (link, pair) = (root.path(&installed.link), root.path(&installed.pair));
    ui.say(&format!(
        "{removes} the certificate that the apply installed: {}",
        pair.display()
    ));
    // One that the kubelet has turned to a renewed certificate stays as it is.
    if root.link(&link).as_ref() == Some(&installed.pair) {
        let link = link.display();
        ui.say(&match (&installed.replaced, dry_run) {
            (Some(replaced), true) => {
                format!(
                    "(dry run) would point {link} to {} again",
                    replaced.display()
                )
            }
            (Some(replaced), false) => format!("points {link} to {} again", replaced.display()),
            (None, _) => format!("{removes} the symlink to it: {link}"),
        });
    }
}
