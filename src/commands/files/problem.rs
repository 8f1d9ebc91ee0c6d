//! What keeps a file from being edited, read or written, as a problem with its exit code and the next command.

use std::path::Path;

use crate::apply::EditFailure;
use crate::host::files;
use crate::kubelet::{ApiServerCause, Cause, Effect, Refusal, RefusalClass, Shape};
use crate::node::UnreadConfig;
use crate::plan::Target;
use crate::report::{Code, Problem};
use crate::text::hint::{self, Command};
use crate::yaml;

use super::Whose;

/// A refusal as a problem, with its place.
pub(crate) fn refused(target: &Target, refusal: &Refusal, whose: Whose) -> Problem {
    let code = match (refusal.class(), whose) {
        (RefusalClass::Effect, Whose::Node) => Code::Refused,
        _ => Code::Input,
    };
    let problem = Problem::new(code, cannot("edit", target, refusal)).advise(refusal.advice());
    match next_command(target, refusal) {
        Some(command) => problem.hint(command),
        None => problem,
    }
}

/// The same in words, and what to type, for a verb that edits nothing.
pub(crate) fn unread(target: &Target, refusal: &Refusal) -> UnreadConfig {
    UnreadConfig {
        message: format!("{}; {}", cannot("read", target, refusal), refusal.advice()),
        next: next_command(target, refusal),
    }
}

fn cannot(verb: &str, target: &Target, refusal: &Refusal) -> String {
    let at = refusal
        .position
        .map_or_else(String::new, |at| format!(":{}:{}", at.line, at.column));
    format!("cannot {verb} {target}{at}: {}", refusal.reason())
}

/// What to type after a refusal: for another tool's file a command of that tool's, else an editor.
fn next_command(target: &Target, refusal: &Refusal) -> Option<Command> {
    let path = match target {
        Target::File(path) => Some(path.as_path()),
        Target::Standard | Target::ConfigMap { .. } => None,
    };
    match (&refusal.cause, target) {
        // Whatever is in the text, it is edited there.
        (_, Target::ConfigMap { namespace, name }) => {
            let words = ["-n", namespace, "edit", "configmap", name];
            Some(Command::new("kubectl").args(words))
        }
        (Cause::Foreign(foreign), _) => foreign.command(path),
        (Cause::Effect(Effect::Join | Effect::BesideJoin), _) => {
            Some("kubelet-tls cluster apply".into())
        }
        (Cause::Yaml(error), Target::File(path)) if error.cause == yaml::YamlCause::Utf16 => {
            Some(Command::from("iconv -f UTF-16 -t UTF-8").arg(path))
        }
        (Cause::Shape(Shape::Binary | Shape::Object(_)), _)
        | (Cause::ApiServer(ApiServerCause::OtherFile | ApiServerCause::NoContainer), _) => {
            Some("kubelet-tls diff --help".into())
        }
        (_, Target::File(path)) => {
            let line = refusal.position.map(|position| position.line);
            Some(hint::edit(path, line))
        }
        (_, Target::Standard) => None,
    }
}

/// A FILE that cannot be read or locked: what a path of that kind is usually meant for.
pub(super) fn of_named(error: &files::FileError) -> Problem {
    let problem = Problem::from(error);
    let path = error.path.as_path();
    let is_bare = path.components().count() == 1 && path.extension().is_none();
    match &error.cause {
        files::FileCause::NotRegular => problem
            .advise("a pipe or a device is read as standard input")
            .hint(Command::new("cat").arg(path).pipe("kubelet-tls diff -")),
        cause if cause.is_not_found() && files::is_symlink(path) == Some(true) => problem
            .advise("it is a symbolic link to a file that does not exist")
            .hint(Command::from("ls -l").arg(path)),
        cause if cause.is_not_found() && is_bare => {
            problem.advise("to change a node of that name, run kubelet-tls apply on that node")
        }
        _ => problem,
    }
}

/// Standard input ended before it held anything.
pub(super) fn empty_standard() -> Problem {
    Problem::new(Code::Input, "cannot edit -: standard input is empty")
        .advise("run the command before the pipe alone, to see why it prints nothing")
        .hint("kubelet-tls diff --help")
}

impl From<files::FileError> for Problem {
    fn from(error: files::FileError) -> Self {
        (&error).into()
    }
}

impl From<&files::FileError> for Problem {
    /// A file that cannot be read or written.
    fn from(error: &files::FileError) -> Self {
        use files::FileCause;
        let path = error.path.as_path();
        let on = |program| Command::new(program).arg(path);
        let code = match &error.cause {
            cause if cause.is_permission() => Code::Permission,
            FileCause::TooLarge(_) => Code::Input,
            FileCause::Changed | FileCause::Locked(_) => Code::Temporary,
            FileCause::Untrusted { .. } => Code::Refused,
            _ => Code::Io,
        };
        let problem = Problem::new(code, error.to_string());
        match &error.cause {
            cause if cause.is_permission() => problem.only_root(),
            FileCause::Immutable(path) => {
                problem.hint(without_attribute("-i", path))
            }
            FileCause::AppendOnly(path) => {
                problem.hint(without_attribute("-a", path))
            }
            FileCause::MountPoint => problem
                .advise("run kubelet-tls outside of the container, where the file is not a mount point")
                .hint(on("findmnt")),
            FileCause::NotSymlink => problem
                .advise("the kubelet recreates it when it next gets a certificate")
                .hint(hint::move_away(&error.path)),
            FileCause::HardLinks(_) => {
                problem.hint(Command::from("find / -xdev -samefile").arg(path))
            },
            FileCause::NoSpace { .. } => problem.hint(Command::from("df -h").arg(path)),
            FileCause::Untrusted { path, .. } => problem
                .advise("the directory and its parents must belong to you or root, and only their owner may write to them")
                .hint(Command::from("ls -ld").arg(path)),
            FileCause::Changed => problem.rerun(),
            FileCause::Locked(_) => problem.advise("wait for it to end").rerun(),
            FileCause::TooLarge(_) => problem
                .advise("a kubelet or kubeadm configuration is far smaller")
                .hint(Command::from("ls -l").arg(path)),
            FileCause::Io(io) if io.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                problem.hint(Command::from("findmnt --target").arg(path))
            }
            FileCause::Directory => problem
                .advise("name a file in it")
                .hint(on("ls")),
            cause if cause.is_circle() => problem
                .advise("a symbolic link leads back to itself")
                .hint(Command::from("ls -ld").arg(path)),
            FileCause::NotRegular => problem.hint(Command::from("ls -ld").arg(path)),
            cause if cause.is_missing() => match hint::download(path) {
                Some(command) => problem
                    .advise("kubelet-tls reads local files and standard input")
                    .hint(command),
                None => problem.hint(hint::list_beside(path)),
            },
            _ => problem,
        }
    }
}

/// Shows the attributes of a file and removes one of them.
fn without_attribute(option: &str, path: &Path) -> Command {
    let remove = Command::new("chattr").arg(option).arg(path);
    Command::from("lsattr -d").arg(path).then(remove)
}

/// Edits that failed. All of them are undone, except those named.
pub(crate) fn edit_failed(failure: &EditFailure) -> Problem {
    let problem = Problem::from(&failure.cause);
    failure.left.iter().fold(problem, |problem, left| {
        problem.advise(format!("and an earlier edit could not be undone: {left}"))
    })
}
