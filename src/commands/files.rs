//! The edits of `diff` and `apply`: the bytes, and what the kubelet or kubeadm would make of them.

use std::path::Path;

use crate::edit::FileKind;
use crate::edit::patch::PatchType;
use crate::host::{environment, files};
use crate::kubelet::{Bootstrap, Cause, Effect, Refusal, RefusalClass, Shape};
use crate::plan::{Edit, Target};
use crate::report::{Code, Document, Problem};
use crate::text::hint::{self, Command, path_word};
use crate::yaml::MAX_BYTES;

use super::Ui;

/// Standard input and output as a FILE.
pub(crate) const STANDARD: &str = "-";

/// What to do when an edit is refused because it would have no effect or be fatal: a file by itself is an input that
/// is refused, a node is one that is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Files that were named.
    Files,
    /// This node's.
    Node,
}

/// The edit of FILE, kubelet's or kubeadm's as its content says.
///
/// # Errors
/// When it cannot be read, or is refused.
pub(crate) fn of_file(
    path: &Path,
    wanted: Bootstrap,
    ui: &Ui,
    document: &mut Document,
) -> Result<Edit, Problem> {
    let (target, bytes) = if path.as_os_str() == STANDARD {
        (Target::Standard, environment::read_stdin(MAX_BYTES as u64))
    } else {
        (
            Target::File(path.to_owned()),
            files::read(path, MAX_BYTES as u64),
        )
    };
    let bytes = bytes.map_err(|error| problem_of(&error))?;
    let name = path.file_name().and_then(|name| name.to_str());
    let kind = FileKind::of(name.unwrap_or_default(), &bytes);
    if matches!(kind, FileKind::Patch(_)) && PatchType::of_name(name.unwrap_or_default()).is_none()
    {
        ui.warn(format!(
            "{target}: kubeadm does not take a file of this name for a patch: the name must begin with kubeletconfiguration"
        ));
    }
    of_bytes(target, bytes, kind, wanted, Whose::Files, ui, document)
}

/// The edit of a kubeadm file.
///
/// # Errors
/// When it cannot be read, or is refused.
pub(crate) fn of_kubeadm(
    path: &Path,
    wanted: Bootstrap,
    ui: &Ui,
    document: &mut Document,
) -> Result<Edit, Problem> {
    let bytes = files::read(path, MAX_BYTES as u64).map_err(|error| problem_of(&error))?;
    of_bytes(
        Target::File(path.to_owned()),
        bytes,
        FileKind::Kubeadm,
        wanted,
        Whose::Files,
        ui,
        document,
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
    document: &mut Document,
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

/// A refusal as a problem, with its place.
pub(crate) fn refused(target: &Target, refusal: &Refusal, whose: Whose) -> Problem {
    let at = refusal
        .position
        .map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
    let code = match (refusal.class(), whose) {
        (RefusalClass::Effect, Whose::Node) => Code::Refused,
        _ => Code::Input,
    };
    let problem = Problem::new(
        code,
        format!("cannot edit {target}{at}: {}", refusal.reason()),
    )
    .advise(refusal.advice());
    match next_command(target, refusal) {
        Some(command) => problem.hint(command),
        None => problem,
    }
}

/// What to type after a refusal: for another tool's file a command of that tool's, else an editor.
fn next_command(target: &Target, refusal: &Refusal) -> Option<Command> {
    let path = match target {
        Target::File(path) => Some(path.as_path()),
        Target::Standard | Target::ConfigMap { .. } => None,
    };
    match (&refusal.cause, target) {
        (Cause::Foreign(foreign), _) => foreign.command(path),
        (Cause::Effect(Effect::Join | Effect::BesideJoin), _) => {
            Some("kubelet-tls cluster apply".into())
        }
        (Cause::Shape(Shape::Binary), _) => Some("kubelet-tls diff --help".into()),
        (_, Target::File(path)) => {
            let line = refusal.position.map(|position| position.line);
            Some(hint::edit(path, line))
        }
        (_, Target::ConfigMap { namespace, name }) => {
            let words = ["-n", namespace, "edit", "configmap", name];
            Some(Command::new("kubectl").args(words))
        }
        (_, Target::Standard) => None,
    }
}

/// A file that cannot be read or written, as a problem.
pub(crate) fn problem_of(error: &files::FileError) -> Problem {
    use files::FileCause;
    let path = path_word(&error.path);
    let code = match &error.cause {
        cause if cause.is_permission() => Code::Permission,
        FileCause::TooLarge(_) => Code::Input,
        FileCause::Changed | FileCause::Locked(_) => Code::Temporary,
        FileCause::Untrusted { .. } => Code::Refused,
        _ => Code::Io,
    };
    let problem = Problem::new(code, error.to_string());
    match &error.cause {
        cause if cause.is_permission() => problem.as_root(),
        FileCause::Immutable(path) => {
            problem.hint(format!("lsattr -d {0}; chattr -i {0}", path_word(path)))
        }
        FileCause::AppendOnly(path) => {
            problem.hint(format!("lsattr -d {0}; chattr -a {0}", path_word(path)))
        }
        FileCause::MountPoint => problem
            .advise("run it where the file itself lies")
            .hint(format!("findmnt {path}")),
        FileCause::NotSymlink => problem
            .advise("the kubelet makes it anew when it next gets a certificate")
            .hint(hint::move_away(&error.path)),
        FileCause::HardLinks(_) => problem.hint(format!("find / -xdev -samefile {path}")),
        FileCause::NoSpace { .. } => problem.hint(format!("df -h {path}")),
        FileCause::Untrusted { path, .. } => problem
            .advise("the directory and its parents must belong to you or root, and only their owner may write to them")
            .hint(format!("ls -ld {}", path_word(path))),
        FileCause::Changed => problem.again(),
        FileCause::Locked(_) => problem.advise("wait for it to end").again(),
        FileCause::TooLarge(_) => problem
            .advise("a configuration of that size is none")
            .hint(format!("ls -l {path}")),
        FileCause::Io(io) if io.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
            problem.hint(format!("findmnt --target {path}"))
        }
        _ => problem,
    }
}
