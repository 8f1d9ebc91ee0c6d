//! `metrics-server`: writes what it takes, or examines one that runs.

mod check;
mod write;

use crate::cli;
use crate::report::{Document, Problem};

use super::Ui;

/// Writes, or checks.
///
/// # Errors
/// As [`write::run`] and [`check::run`].
pub(crate) fn run(
    arguments: &cli::MetricsServer,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    match &arguments.out {
        Some(out) => write::run(arguments, out, ui, document),
        None => check::run(arguments, ui, document),
    }
}
