//! `rollback`: undoes the last `apply`, byte for byte, with the same check.

use std::path::{Path, PathBuf};

use crate::apply::{HealthCheck, Locks, NodeReceipts, NothingToUndo};
use crate::cli;
use crate::edit::patch;
use crate::host::signals::Interrupts;
use crate::host::{clock, files as host_files, systemd};
use crate::kubelet::Bootstrap;
use crate::node::Kubelet;
use crate::plan::{Edit, Plan, Reason, Restart, Target};
use crate::receipt::{Change, FileState, NodeReceipt};
use crate::report::{Code, Document, Kind, Outcome, Problem, RestartReport};
use crate::text::hint::path_word;
use crate::yaml::MAX_BYTES;

use super::apply::{Direction, Run, RunSpec, receipts, report_edits};
use super::node::{self, Need, When};
use super::{Ui, diff, files};

/// Runs the verb.
pub(crate) fn run(arguments: &cli::Rollback, ui: &Ui) -> Outcome<Document> {
    super::legacy(Kind::RollbackResult, |all| perform(arguments, ui, all))
}

fn perform(arguments: &cli::Rollback, ui: &Ui, document: &mut Document) -> Result<(), Problem> {
    document.changed = Some(false);
    document.dry_run = Some(arguments.dry_run);
    document.edits = Some(Vec::new());
    document.restart = Some(None);
    document.rolled_back = Some(false);
    let interrupts = Interrupts::hold();
    let root = arguments.root.as_deref();
    let restarts = arguments.restart != cli::Restart::Never && root.is_none();
    let need = if restarts { Need::Unit } else { Need::File };
    // Before the locks, to know what to lock; it is read again under them.
    let Some(first) = undoable(&receipts::open(root, ui)?, ui) else {
        document.rolled_back = Some(true);
        return Ok(());
    };
    let located = node::locate(root, need, When::NextStart)?;
    let mut paths = located.paths()?;
    paths.extend(first.edits.iter().map(|change| change.target.clone()));
    let locks = Locks::of(paths.iter().map(PathBuf::as_path))
        .map_err(|error| node::unreadable(&error, located.unit.is_some()))?;
    let receipts = receipts::open(root, ui)?;
    let receipt = match undoable(&receipts, ui) {
        Some(receipt) if receipt.edits == first.edits => receipt,
        Some(_) => return Err(another_run()),
        None => {
            document.rolled_back = Some(true);
            return Ok(());
        }
    };
    let edits = edits(&receipt)?;
    let kubelet = located.read(ui)?;
    let check = HealthCheck::of(&kubelet, arguments.settle, None).map_err(|reason| {
        Problem::new(
            Code::Input,
            format!("cannot tell where the kubelet answers /healthz: {reason}"),
        )
    })?;
    let restart = match arguments.restart {
        _ if !restarts => Restart::No,
        cli::Restart::Always => Restart::Yes(Reason::Asked),
        _ if edits.iter().any(Edit::changes) => Restart::Yes(Reason::Changed),
        _ if kubelet.is_behind(clock::now()) => Restart::Yes(Reason::OlderThanConfig),
        _ if is_down(&kubelet, &check) => Restart::Yes(Reason::CutOff),
        _ => Restart::No,
    };
    let plan = Plan { edits, restart };
    if plan.changes() {
        receipts
            .inspect()
            .map_err(|error| files::problem_of(&error))?;
    }
    locks
        .inspect(&plan)
        .map_err(|error| files::problem_of(&error))?;

    for edit in &plan.edits {
        diff::show_text(edit, ui);
        if !edit.changes() {
            ui.say(&format!(
                "{}: unchanged: it reads as before that apply",
                edit.target
            ));
        }
    }
    report_edits(&plan, document);
    if restart != Restart::No {
        let planned = RestartReport {
            unit: systemd::KUBELET.into(),
            performed: false,
            healthy: None,
            seconds: None,
        };
        document.restart = Some(Some(planned));
    }
    if arguments.dry_run {
        // What would be.
        document.changed = Some(plan.changes());
        document.rolled_back = Some(true);
        return Ok(());
    }
    let spec = spec(arguments, &plan, &kubelet);
    let enables = plan.changes() && spec.wanted == Bootstrap::Enabled;
    let run = Run {
        spec,
        ui,
        check,
        plan,
        made: false,
        locks,
        receipts,
        kubelet,
        cluster: None,
        ready: None,
        open: None,
    };
    run.act(&interrupts, document)?;
    document.rolled_back = Some(true);
    if enables {
        ui.say("the kubelet asks for a certificate when it has started: kubelet-tls csr");
    }
    Ok(())
}

/// The receipt of a change that can be undone; if there is none, that is said.
fn undoable(receipts: &NodeReceipts, ui: &Ui) -> Option<NodeReceipt> {
    let why = match receipts.store().undoable() {
        Ok(receipt) => return Some(receipt.clone()),
        Err(NothingToUndo::NoReceipt) => "no apply has changed this node".to_owned(),
        Err(NothingToUndo::PutBack(started)) => {
            format!("the apply of {started} was put back by itself")
        }
        Err(NothingToUndo::RolledBack(started)) => {
            format!("the apply of {started} is rolled back already")
        }
    };
    ui.say(&format!("nothing to roll back: {why}"));
    None
}

/// The edits that undo `receipt`, the last one first.
///
/// # Errors
/// When a file cannot be read, or was edited since.
fn edits(receipt: &NodeReceipt) -> Result<Vec<Edit>, Problem> {
    let mut edits = Vec::new();
    for change in receipt.edits.iter().rev() {
        let now = match host_files::read(&change.target, MAX_BYTES as u64) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.cause.is_not_found() && change.sha256_before.is_none() => None,
            Err(error) => return Err(files::problem_of(&error)),
        };
        edits.push(match change.compare(now.as_deref()) {
            FileState::After(edit) => edit.inverse(),
            FileState::Before => Edit {
                target: Target::File(change.target.clone()),
                before: now.clone(),
                after: now,
            },
            FileState::Edited => {
                return Err(edited_since(receipt, change, &now.unwrap_or_default()));
            }
        });
    }
    Ok(edits)
}

fn edited_since(receipt: &NodeReceipt, change: &Change, now: &[u8]) -> Problem {
    let path = change.target.display();
    // The change of the key alone can still be taken back, by the same careful edit the other way round.
    let reads = crate::kubelet::Settings::read(now);
    let disable = match reads.map(|settings| settings.server_tls_bootstrap) {
        Ok(Some(true)) => " --disable",
        _ => "",
    };
    Problem::new(
        Code::Refused,
        format!(
            "cannot roll back {path}: it was edited since the apply of {}, which had put {:?} in the place of {:?} at byte {}",
            receipt.started, change.inserted, change.removed, change.offset
        ),
    )
    .advise(format!(
        "to take the key alone back: kubelet-tls apply{disable}, after a look at what that changes"
    ))
    .hint(format!(
        "kubelet-tls diff{disable} {}",
        path_word(&change.target)
    ))
}

fn another_run() -> Problem {
    Problem::new(
        Code::Temporary,
        "cannot roll back the last apply: another apply came between",
    )
    .hint("kubelet-tls rollback --dry-run")
}

fn is_down(kubelet: &Kubelet, check: &HealthCheck) -> bool {
    let unit = kubelet.unit.as_ref();
    unit.is_some_and(|unit| check.check(unit).is_err())
}

fn spec(arguments: &cli::Rollback, plan: &Plan, kubelet: &Kubelet) -> RunSpec {
    // What is set now is what was applied.
    let (wanted, undo) = match kubelet.settings.server_tls_bootstrap {
        Some(true) => (Bootstrap::Disabled, "kubelet-tls apply"),
        _ => (Bootstrap::Enabled, "kubelet-tls apply --disable"),
    };
    let others = plan.edits.iter().filter_map(|edit| match &edit.target {
        Target::File(path) if !is_kubelets(kubelet, path) => {
            let (option, path) = match patch::directory([path.as_path()]) {
                Some(directory) => ("--patches", directory),
                None => ("--kubeadm-config", path.as_path()),
            };
            Some(format!(" {option} {}", path_word(path)))
        }
        _ => None,
    });
    RunSpec {
        direction: Direction::RollBack,
        wanted,
        restart: arguments.restart,
        wait: cli::Wait::None,
        timeout: std::time::Duration::ZERO,
        settle: arguments.settle,
        undo: format!("{undo}{} --restart never", others.collect::<String>()),
    }
}

fn is_kubelets(kubelet: &Kubelet, path: &Path) -> bool {
    kubelet.files.iter().any(|file| file.path == path)
}
