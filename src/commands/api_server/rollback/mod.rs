//! `api-server rollback`: undoes the last `api-server apply` on this node exactly, with the manifest first, because
//! the API server may not run.

mod configuration;
mod undoing;

use crate::apply::{Awaited, Locks};
use crate::cli;
use crate::commands::cluster::Failure;
use crate::commands::{Ui, admin, files, selection, show};
use crate::host::files::Root;
use crate::host::kube::Admin;
use crate::host::signals::Interrupts;
use crate::plan::{Edit, Plan};
use crate::receipt::{ApiServerReceipt, ReceiptState};
use crate::report::{ApiServerRollbackResult, Code, EditReport, Outcome, Problem};

use self::undoing::{tell_nothing, undoing};
use super::execute::{ManifestOutcome, ManifestRun, Purpose, kubelet_ca};
use super::nodes::AskedNodes;
use super::receipts::ManifestReceipts;
use super::{after_the_manifest, observe};

pub(crate) fn run(arguments: &cli::ApiServerRollback, ui: &Ui) -> Outcome<ApiServerRollbackResult> {
    let interrupts = Interrupts::hold();
    let dry_run = arguments.waiting.dry_run;
    let mut result = ApiServerRollbackResult {
        dry_run,
        ..ApiServerRollbackResult::default()
    };
    let mut steps = || {
        // Before the API server is needed: where nothing is to be undone, no kubeconfig is needed either.
        let manifest = undoable_manifest(ui)?;
        if manifest.is_none() && !configuration::is_undoable(dry_run, ui)? {
            return Ok(());
        }
        let mut admin = admin::open(&arguments.access)?;
        if let Some(receipt) = manifest {
            let (mut run, edit) = open(&receipt, arguments, admin, ui)?;
            result.edits.push(show::edit(&edit, ui));
            let ended = undo(&mut run, &edit, &interrupts);
            result.changed = run.outcome.changed;
            result.api_server = run.outcome.instance;
            result.nodes = run.outcome.nodes;
            ended?;
            admin = run.admin;
        }
        let (edit, ended) = Failure::parted(configuration::undo(&admin, dry_run, ui));
        result.edits.extend(edit.as_ref().map(EditReport::from));
        ended.map_err(|problem| match result.changed {
            true => after_the_manifest(problem),
            false => problem,
        })?;
        result.changed |= edit.is_some_and(|edit| edit.changes());
        Ok(())
    };
    let ended = steps();
    result.rolled_back = ended.is_ok() && !dry_run;
    Outcome::new(result, ended)
}

/// The receipt of the last `api-server apply` on this node; `None` if nothing of it is to be rolled back, which is said.
fn undoable_manifest(ui: &Ui) -> Result<Option<ApiServerReceipt>, Problem> {
    let receipts = ManifestReceipts::open(ui)?;
    match receipts.store().undoable() {
        Ok(receipt) => Ok(Some(receipt.clone())),
        Err(why) => {
            tell_nothing(&why, ui);
            Ok(None)
        }
    }
}

/// Locks the node and reads the manifest of the receipt, `first`. Also the edit that undoes the apply's.
fn open<'a>(
    first: &ApiServerReceipt,
    arguments: &'a cli::ApiServerRollback,
    admin: Admin,
    ui: &'a Ui,
) -> Result<(ManifestRun<'a>, Edit), Problem> {
    // It was read before the locks, to know what to lock, and is read again under them.
    let paths = first.edits.iter().map(|edit| edit.path());
    let locking = selection::locking(arguments.waiting.dry_run);
    let locks = Locks::of_node(&Root::host(), paths, locking)?;
    let receipts = ManifestReceipts::open(ui)?;
    if receipts.store().receipt() != Some(first) {
        return Err(Problem::new(
            Code::Temporary,
            "cannot roll back the last api-server apply: another one came between",
        )
        .rerun());
    }
    let edit = undoing(first)?;
    let run = ManifestRun {
        ui,
        waiting: &arguments.waiting,
        admin,
        purpose: Purpose::RollBack,
        locks,
        receipts,
        flags: observe::flags(&edit)?,
        nodes: AskedNodes::default(),
        outcome: ManifestOutcome::default(),
    };
    Ok((run, edit))
}

/// Makes `edit`, watches the API server's return, and asks the nodes through it. Where that fails, an API server that was
/// healthy before gets the change again; one that was not keeps the old bytes.
fn undo(run: &mut ManifestRun<'_>, edit: &Edit, interrupts: &Interrupts) -> Result<(), Problem> {
    run.outcome.instance = Some(run.report(false, None));
    let plan = Plan::of(vec![edit.clone()]);
    if run.waiting.dry_run {
        run.outcome.changed = edit.changes();
        let inspected = run.locks.inspect(&plan);
        run.ui
            .say("(dry run) nothing was changed; the kubelet would restart the API server");
        return Ok(inspected?);
    }
    let process = run.check().healthy().ok();
    let was_healthy = edit.changes() && process.is_some();
    if let Some(process) = process
        && let Ok(ready) = AskedNodes::list(&run.admin)
    {
        run.ask_before(&process, ready);
    }
    // Until here a signal ends the process, and nothing has happened.
    interrupts.commit();
    let before = run.receipts.store().receipt().map(|receipt| receipt.state);
    run.receipts.begin_rollback()?;
    if let Err(failure) = run.locks.edit(&plan) {
        let state = before.unwrap_or(ReceiptState::Done);
        run.receipts.end(state, run.ui);
        return Err(files::edit_failed(&failure));
    }
    run.outcome.changed = edit.changes();
    let flags = run.flags.1.clone();
    let awaited = Awaited {
        kubelet_ca: kubelet_ca(&flags),
        before: &[],
    };
    let ended = run.watch(edit, awaited, interrupts);
    match ended {
        Err(problem) if was_healthy => return Err(run.restore(edit, problem)),
        _ => run.receipts.end(ReceiptState::RolledBack, run.ui),
    }
    ended.map_err(|problem| {
        problem.advise("it was not healthy before either; the manifest reads as before the apply")
    })
}
