//! `apply FILE`: files alone, no systemd, no API, no root.

use std::path::PathBuf;

use crate::apply::Locks;
use crate::cli;
use crate::commands::selection::{STANDARD, at_most_one_standard, locking, wanted};
use crate::commands::{Ui, show};

use crate::host::signals::Interrupts;
use crate::plan::{Plan, Restart, Target};
use crate::report::{Code, EditReport, Problem};

use super::{live, of_selected, problem, tell_unchanged};

/// What became of the files.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Whether one of them differs from before; in a dry run whether one would.
    pub(crate) changed: bool,
    /// The edits, where all of them could be planned.
    pub(crate) edits: Option<Vec<EditReport>>,
}

/// Edits the files that were named: all of them or none.
///
/// The second value is what kept it from its end.
pub(crate) fn apply(arguments: &cli::Apply, ui: &Ui) -> (Applied, Result<(), Problem>) {
    let interrupts = Interrupts::hold();
    let (locks, plan) = match plan(arguments, ui) {
        Ok(planned) => planned,
        Err(problem) => return (Applied::default(), Err(problem)),
    };
    let edits = Some(show(&plan, arguments, ui));
    if !arguments.dry_run {
        interrupts.commit();
        if let Err(failure) = locks.edit(&plan) {
            let changed = !failure.left.is_empty();
            let problem = problem::edit_failed(&failure);
            return (Applied { changed, edits }, Err(problem));
        }
    }
    let changed = plan.changes();
    (Applied { changed, edits }, print(&plan, arguments, ui))
}

fn plan(arguments: &cli::Apply, ui: &Ui) -> Result<(Locks, Plan), Problem> {
    let paths = &arguments.selection.files;
    at_most_one_standard(paths)?;
    if is_piped(arguments) && ui.wants_document() {
        let cause = "cannot print a document: standard output holds the result of -";
        return Err(Problem::new(Code::Usage, cause).hint("kubelet-tls diff - -o json"));
    }
    let named = paths.iter().map(PathBuf::as_path);
    let named = named.filter(|path| path.as_os_str() != STANDARD);
    let locking = locking(arguments.dry_run);
    let locks = Locks::of(named.clone(), locking).map_err(|error| problem::of_named(&error))?;
    let selection = &arguments.selection;
    let edits = paths.iter().map(|path| of_selected(path, selection, ui));
    let plan = Plan {
        edits: edits.collect::<Result<_, _>>()?,
        restart: Restart::No,
    };
    locks.inspect(&plan)?;
    live::warn(named, wanted(selection.disable), ui);
    Ok((locks, plan))
}

fn is_piped(arguments: &cli::Apply) -> bool {
    let mut paths = arguments.selection.files.iter();
    paths.any(|path| path.as_os_str() == STANDARD)
}

fn show(plan: &Plan, arguments: &cli::Apply, ui: &Ui) -> Vec<EditReport> {
    let shown = plan.edits.iter().map(|edit| {
        if !is_piped(arguments) {
            return show::edit(edit, ui);
        }
        let report = EditReport::from(edit);
        ui.diff_aside(&report.diff);
        report
    });
    let reports = shown.collect();
    for edit in plan.edits.iter().filter(|edit| !edit.changes()) {
        tell_unchanged(edit, &arguments.selection, ui);
    }
    if arguments.dry_run && plan.changes() {
        ui.say("(dry run) nothing was changed");
    }
    reports
}

/// The result of standard input; in a dry run the input itself.
fn print(plan: &Plan, arguments: &cli::Apply, ui: &Ui) -> Result<(), Problem> {
    let edits = plan.edits.iter();
    for edit in edits.filter(|edit| edit.target == Target::Standard) {
        let bytes = if arguments.dry_run {
            edit.bytes_before()
        } else {
            edit.bytes_after()
        };
        ui.result(bytes)
            .map_err(|error| Problem::new(Code::Io, format!("cannot write -: {error}")))?;
    }
    Ok(())
}
