//! `metrics-server`: writes what it takes, or examines one that runs.

mod check;
mod write;

use crate::cli;
use crate::report::{Document, Problem};

use super::Console;

/// Writes, or checks.
///
/// # Errors
/// As [`write::run`] and [`check::run`].
pub(crate) fn run(
    arguments: &cli::MetricsServer,
    console: &Console,
    document: &mut Document,
) -> Result<(), Problem> {
    match &arguments.out {
        Some(out) => write::run(arguments, out, console, document),
        None => check::run(arguments, console, document),
    }
}
