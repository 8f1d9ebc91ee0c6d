//! `metrics-server`: writes an overlay that verifies both TLS channels, or examines a metrics-server that runs.

mod ask;
mod check;
mod kubelets;
mod options;
mod result;
mod write;

use crate::cli;
use crate::report::Outcome;

use super::Ui;

pub(crate) use result::MetricsServerResult;

/// Writes the directory, or with `--check` prints conditions.
pub(crate) fn run(arguments: &cli::MetricsServer, ui: &Ui) -> Outcome<MetricsServerResult> {
    match &arguments.dir {
        Some(directory) => write::run(arguments, directory, ui),
        None => check::run(arguments, ui),
    }
}
