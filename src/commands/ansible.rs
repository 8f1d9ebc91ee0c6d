//! The same verbs as an Ansible module: one argument, the path of a file, and one JSON document as the answer, whatever
//! happens.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Parser as _;
use serde::Serialize;
use serde_json::Value;

use crate::ansible::{self, ModuleCall};
use crate::cli::{ApiServerVerb, Cli, ClusterVerb, Verb};
use crate::host::files as host_files;
use crate::report::{Code, Envelope, NotBegun, Problem, ResultKind};

use super::{Ui, api_server, apply, approve, cluster};

/// Answers Ansible; none where it is not Ansible that calls.
pub(super) fn run(arguments: &[OsString]) -> Option<ExitCode> {
    let name = own_name(arguments)?;
    let call = arguments_file(arguments)?.and_then(|bytes| ModuleCall::parse(&name, &bytes));
    let ui = Ui::silent();
    let (call, document) = match call {
        Ok(call) => {
            let document = caught(|| perform(&call, &ui));
            (Some(call), document)
        }
        Err(problem) => (None, Err(problem)),
    };
    let document = document.unwrap_or_else(|problem| {
        let kind = ResultKind::ApplyResult;
        value(ui.envelope(kind, &NotBegun {}, Some(&problem)))
    });
    let failed = document.get("error").is_some();
    let answer = ansible::answer(document, &ui.shown(), call.as_ref());
    let mut stdout = std::io::stdout().lock();
    let told = writeln!(stdout, "{answer}").and_then(|()| stdout.flush());
    // As a module's own exit_json and fail_json end.
    Some(ExitCode::from(u8::from(failed || told.is_err())))
}

fn value<R: Serialize>(document: Envelope<'_, R>) -> Value {
    serde_json::to_value(document).unwrap_or_default()
}

fn own_name(arguments: &[OsString]) -> Option<Cow<'_, str>> {
    Some(Path::new(arguments.first()?).file_name()?.to_string_lossy())
}

/// The file of arguments; none where it is not Ansible that calls.
///
/// By its own name the program knows; by another one, such as `kubelet-tls`, only a file that Ansible wrote tells: every
/// other path as the only argument is not a command line.
fn arguments_file(arguments: &[OsString]) -> Option<Result<Vec<u8>, Problem>> {
    let name = own_name(arguments)?;
    let copied = name.starts_with(ansible::PREFIX);
    let [_, path] = arguments else {
        return copied.then(|| {
            Err(Problem::new(
                Code::Usage,
                "cannot read the module's arguments: Ansible gives the path of one file",
            ))
        });
    };
    let path = Path::new(path);
    if !copied && !path.is_absolute() {
        return None;
    }
    let read = host_files::read(path, ansible::CAP);
    if copied || name.starts_with(ansible::NAME) {
        return Some(read.map_err(Problem::from));
    }
    read.ok()
        .filter(|bytes| ansible::is_arguments(bytes))
        .map(Ok)
}

/// Runs the verb, and gives its result document.
///
/// # Errors
/// When the arguments make no command line of a verb that is a module.
fn perform(call: &ModuleCall, ui: &Ui) -> Result<Value, Problem> {
    let cli = Cli::try_parse_from(&call.command_line).map_err(|error| {
        // What is wrong, and what would be right.
        let text = error.to_string();
        let lines = text.lines().take_while(|line| !line.trim().is_empty());
        let words: Vec<&str> = lines.map(str::trim).collect();
        let words = words.join(" ");
        let words = words.trim_start_matches("error: ");
        Problem::new(
            Code::Usage,
            format!("cannot use the module's arguments: {words}"),
        )
    })?;
    match &cli.verb {
        Verb::Apply(arguments) => Ok(value(ui.document(&apply::run(arguments, ui)))),
        Verb::Approve(arguments) => Ok(value(ui.document(&approve::run(arguments, ui)))),
        Verb::Cluster(ClusterVerb::Apply(arguments)) => {
            Ok(value(ui.document(&cluster::apply(arguments, ui))))
        }
        Verb::ApiServer(ApiServerVerb::Apply(arguments)) => {
            Ok(value(ui.document(&api_server::apply(arguments, ui))))
        }
        // No module is another verb.
        _ => Err(Problem::new(
            Code::Usage,
            "cannot use the module's arguments",
        )),
    }
}

/// Runs `work`; a panic becomes a problem, and its words go nowhere else.
fn caught<T>(work: impl FnOnce() -> Result<T, Problem>) -> Result<T, Problem> {
    let words = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&words);
    panic::set_hook(Box::new(move |panic| {
        if let Ok(mut words) = heard.lock() {
            *words = panic.to_string().replace('\n', " ");
        }
    }));
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    let _ = panic::take_hook();
    outcome.unwrap_or_else(|_| {
        let words = words.lock().map(|words| words.clone()).unwrap_or_default();
        Err(Problem::new(
            Code::Io,
            format!("cannot continue: an error in kubelet-tls itself: {words}"),
        )
        .advise("report this")
        .hint("kubelet-tls status"))
    })
}

#[cfg(test)]
#[allow(
    clippy::disallowed_methods,
    reason = "a test writes the files that it reads"
)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_failed_task() {
        let problem = caught::<()>(|| panic!("what no one\nexpected")).unwrap_err();
        assert_eq!(problem.code, Code::Io);
        assert!(
            problem.message().contains("what no one expected"),
            "{}",
            problem.message()
        );
    }

    #[test]
    fn a_call_by_ansible_is_recognised_by_the_program_name_or_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.into_os_string()
        };
        let ansibles = file("args", r#"{"_ansible_version": "2.19"}"#);
        let other = file("config.yaml", "kind: KubeletConfiguration");
        let missing = directory.path().join("none").into_os_string();
        let called = |words: &[&OsString]| {
            let words: Vec<OsString> = words.iter().copied().cloned().collect();
            arguments_file(&words).map(|read| read.is_ok())
        };
        let (plain, module, copied) = (
            &"/usr/bin/kubelet-tls".into(),
            &"library/kubelet_tls".into(),
            &"/t/AnsiballZ_x".into(),
        );
        for (words, expected) in [
            (vec![plain, &ansibles], Some(true)),
            (vec![plain, &other], None),
            (vec![plain, &missing], None),
            (vec![plain, &"/dev/zero".into()], None),
            (vec![plain, &"diff".into()], None),
            (vec![plain, &"diff".into(), &ansibles], None),
            (vec![plain], None),
            (vec![module, &ansibles], Some(true)),
            (vec![module, &missing], Some(false)),
            (vec![module, &"/dev/zero".into()], Some(false)),
            (vec![module, &"--version".into()], None),
            (vec![module], None),
            (vec![copied, &ansibles], Some(true)),
            (vec![copied, &missing], Some(false)),
            (vec![copied, &"diff".into()], Some(false)),
            (vec![copied], Some(false)),
            (vec![], None),
        ] {
            assert_eq!(called(&words), expected, "{words:?}");
        }
    }
}
