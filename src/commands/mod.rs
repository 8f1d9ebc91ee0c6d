//! One file per verb: look, plan, then apply or print.

mod admin;
mod ansible;
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
mod status;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Format, Verb};
use crate::report::{Code, Document, Ending, ErrorReport, Kind, Outcome};
use crate::text::hint::Typed;

pub use crate::ui::Ui;

/// The whole program: reads `arguments`, the first of which is its own name, and runs them.
pub fn main(arguments: &[OsString]) -> ExitCode {
    if let Some(answered) = ansible::run(arguments) {
        return answered;
    }
    ExitCode::from(match Cli::try_parse_from(arguments) {
        Ok(cli) => run(&cli, arguments),
        Err(error) => usage(&error, arguments),
    })
}

/// Runs the command line, which was typed as `arguments`, and returns the exit code.
fn run(cli: &Cli, arguments: &[OsString]) -> u8 {
    let ui = Ui::new(&cli.global, Typed::CommandLine(arguments.to_vec()));
    let mut document = Document::new(match &cli.verb {
        // They answer in no document.
        Verb::Completions(arguments) => {
            return manual::ended(manual::completions(arguments, &ui), &ui);
        }
        Verb::Man(arguments) => return manual::ended(manual::man(arguments, &ui), &ui),
        Verb::Schema(arguments) => return manual::ended(schema::run(arguments, &ui), &ui),
        Verb::Diff(_) => Kind::DiffResult,
        Verb::Apply(_) => Kind::ApplyResult,
        Verb::Status(_) => Kind::StatusResult,
        Verb::Csr(_) => Kind::CsrResult,
        Verb::Rollback(_) => Kind::RollbackResult,
        Verb::Approve(_) => Kind::ApproveResult,
        Verb::Cluster(_) => Kind::ClusterResult,
        Verb::MetricsServer(_) => Kind::MetricsServerResult,
    });
    let outcome = match &cli.verb {
        Verb::Diff(arguments) => diff::run(arguments, &ui, &mut document),
        Verb::Apply(arguments) => apply::run(arguments, &ui, &mut document),
        Verb::Status(arguments) => status::run(arguments, &ui, &mut document),
        Verb::Csr(arguments) => csr::run(arguments, &ui, &mut document),
        Verb::Rollback(arguments) if arguments.cluster => {
            cluster::roll_back(arguments, &ui, &mut document)
        }
        Verb::Rollback(arguments) => rollback::run(arguments, &ui, &mut document),
        Verb::Approve(arguments) => approve::run(arguments, &ui, &mut document),
        Verb::Cluster(arguments) => cluster::run(arguments, &ui, &mut document),
        Verb::MetricsServer(arguments) => metrics_server::run(arguments, &ui, &mut document),
        Verb::Completions(_) | Verb::Man(_) | Verb::Schema(_) => Ok(()),
    };
    let ending = match outcome {
        Ok(()) => Ending::Done,
        // Differences, or no request: an answer, not an error.
        Err(problem) if problem.code == Code::Negative => {
            let code = ui.finish(&Outcome {
                result: document,
                ending: Ending::Negative,
            });
            if !problem.message().is_empty() {
                ui.say(&problem.message());
            }
            return code;
        }
        Err(problem) => Ending::Failed(problem),
    };
    ui.finish(&Outcome {
        result: document,
        ending,
    })
}

/// Reports an error of the command line itself: clap's words, this program's exit code.
pub fn usage(error: &clap::Error, arguments: &[OsString]) -> u8 {
    use clap::error::ErrorKind;
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let _ = error.print();
        return 0;
    }
    let _ = error.print();
    // The options were not understood, but a script that asked for a document gets one.
    let wants = |format: &str| {
        let words: Vec<_> = arguments.iter().filter_map(|word| word.to_str()).collect();
        words
            .windows(2)
            .any(|pair| matches!(pair, ["-o" | "--output", value] if *value == format))
            || words
                .iter()
                .any(|word| *word == format!("-o{format}") || *word == format!("--output={format}"))
    };
    let format = if wants("json") {
        Format::Json
    } else if wants("yaml") {
        Format::Yaml
    } else {
        return Code::Usage as u8;
    };
    let text = error.to_string();
    let first = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    let kind = match arguments.get(1).and_then(|verb| verb.to_str()) {
        Some("diff") => Kind::DiffResult,
        Some("csr") => Kind::CsrResult,
        Some("approve") => Kind::ApproveResult,
        Some("status") => Kind::StatusResult,
        Some("rollback") => Kind::RollbackResult,
        Some("cluster") => Kind::ClusterResult,
        Some("metrics-server") => Kind::MetricsServerResult,
        _ => Kind::ApplyResult,
    };
    crate::ui::document_only(
        format,
        &Document::new(kind),
        ErrorReport {
            code: Code::Usage as u8,
            message: first,
            hint: None,
        },
    );
    Code::Usage as u8
}
