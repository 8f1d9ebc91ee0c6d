//! One file per verb: look, plan, then apply or print.

mod admin;
mod ansible;
mod api_server;
mod apply;
mod approve;
mod cluster;
mod csr;
mod diff;
mod files;
mod manual;
mod metrics_server;
mod node;
mod preflight;
mod request;
mod rollback;
mod schema;
mod selection;
mod show;
mod status;
mod table;
mod unmanaged;

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{Access, ApiServerVerb, Cli, ClusterVerb, Format, Verb, explain};
use crate::report::{Code, ErrorReport, ResultKind};
use crate::text::hint::Invocation;

pub use crate::ui::Ui;

/// The whole program: reads `arguments`, the first of which is its own name, and runs them.
pub fn main(arguments: &[OsString]) -> ExitCode {
    if let Some(answered) = ansible::run(arguments) {
        return answered;
    }
    ExitCode::from(match crate::cli::parse(arguments) {
        Ok((cli, invocation)) => run(&cli, invocation, arguments),
        Err(error) => usage(&error, arguments),
    })
}

/// Runs the command line, which was typed as `arguments`, and returns the exit code.
fn run(cli: &Cli, invocation: Invocation, arguments: &[OsString]) -> u8 {
    let ui = Ui::new(&cli.global, invocation);
    match &cli.verb {
        Verb::Diff(arguments) => ui.finish(&diff::run(arguments, &ui)),
        Verb::Apply(arguments) => ui.finish(&apply::run(arguments, &ui)),
        Verb::Status(arguments) => ui.finish(&status::run(arguments, &ui)),
        Verb::Csr(arguments) => ui.finish(&csr::run(arguments, &ui)),
        Verb::Rollback(arguments) if arguments.cluster => {
            let access = Access {
                kubeconfig: arguments.kubeconfig.clone(),
                context: arguments.context.clone(),
            };
            ui.finish(&cluster::roll_back(arguments.dry_run, &access, &ui))
        }
        Verb::Rollback(arguments) => ui.finish(&rollback::run(arguments, &ui)),
        Verb::Approve(arguments) if arguments.watch => approve::watch(arguments, &ui),
        Verb::Approve(arguments) => ui.finish(&approve::run(arguments, &ui)),
        Verb::Cluster(verb) => match verb {
            ClusterVerb::Status(arguments) => ui.finish(&cluster::status(arguments, &ui)),
            ClusterVerb::Diff(arguments) => ui.finish(&cluster::diff(arguments, &ui)),
            ClusterVerb::Apply(arguments) => ui.finish(&cluster::apply(arguments, &ui)),
            ClusterVerb::Rollback(arguments) => ui.finish(&cluster::roll_back(
                arguments.dry_run,
                &arguments.access,
                &ui,
            )),
        },
        Verb::ApiServer(verb) => match verb {
            ApiServerVerb::Diff(arguments) => ui.finish(&api_server::diff(arguments, &ui)),
            ApiServerVerb::Status(arguments) => ui.finish(&api_server::status(arguments, &ui)),
            ApiServerVerb::Apply(arguments) => ui.finish(&api_server::apply(arguments, &ui)),
            ApiServerVerb::Rollback(arguments) => ui.finish(&api_server::roll_back(arguments, &ui)),
        },
        Verb::MetricsServer(arguments) => ui.finish(&metrics_server::run(arguments, &ui)),
        // They print no result document.
        Verb::Completions(shell) => manual::ended(manual::completions(shell, arguments, &ui), &ui),
        Verb::Man(arguments) => manual::ended(manual::man(arguments, &ui), &ui),
        Verb::Schema(arguments) => manual::ended(schema::run(arguments, &ui), &ui),
    }
}

/// Reports an error of the command line itself, and the command that was probably meant.
pub fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let _ = error.print();
        return 0;
    }
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let explained = explain(error, arguments);
    if is_help {
        let _ = error.print();
    } else {
        crate::ui::usage(&explained.text);
    }
    // The options were not understood, but a script that asked for a document gets one.
    let Some(format) = format_asked_for(arguments) else {
        return Code::Usage as u8;
    };
    let error = ErrorReport {
        code: Code::Usage as u8,
        message: explained.message,
        hint: Some(explained.hint),
    };
    crate::ui::document_only(format, kind_of_verb(arguments), error);
    Code::Usage as u8
}

/// The kind of document that the words ask for, whether or not they are a command line.
fn format_asked_for(arguments: &[OsString]) -> Option<Format> {
    let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let wants = |format: &str| {
        let (short, long) = (format!("-o{format}"), format!("--output={format}"));
        let mut pairs = words.windows(2);
        pairs.any(|pair| matches!(pair, ["-o" | "--output", value] if *value == format))
            || words.iter().any(|word| *word == short || *word == long)
    };
    let formats = [("json", Format::Json), ("yaml", Format::Yaml)];
    let mut wanted = formats.into_iter().filter(|(name, _)| wants(name));
    wanted.next().map(|(_, format)| format)
}

/// The kind of document that the verb of these words prints.
fn kind_of_verb(arguments: &[OsString]) -> ResultKind {
    let word = |index: usize| arguments.get(index).and_then(|word| word.to_str());
    match (word(1).unwrap_or_default(), word(2).unwrap_or_default()) {
        ("diff", _) => ResultKind::DiffResult,
        ("csr", _) => ResultKind::CsrResult,
        ("approve", _) => ResultKind::ApproveResult,
        ("status", _) => ResultKind::StatusResult,
        ("rollback", _) | ("cluster", "rollback") => ResultKind::RollbackResult,
        ("cluster", "status") => ResultKind::ClusterStatusResult,
        ("cluster", _) => ResultKind::ClusterResult,
        ("api-server", "status") => ResultKind::ApiServerStatusResult,
        ("api-server", "apply") => ResultKind::ApiServerApplyResult,
        ("api-server", "rollback") => ResultKind::ApiServerRollbackResult,
        ("api-server", _) => ResultKind::ApiServerResult,
        ("metrics-server", _) => ResultKind::MetricsServerResult,
        _ => ResultKind::ApplyResult,
    }
}
