//! `apply`: makes the change, restarts the kubelet, proves that it came back, reports the request.

mod cluster;
mod drop_in;
mod issue;
mod outcome;
pub(super) mod receipts;
mod run;
mod spec;

use std::path::PathBuf;

use crate::apply::{
    EditFailure, HealthCheck, InterruptedRun, LOOK_AT_JOURNAL, LOOK_AT_STATUS, Locks, NodeReceipts,
};
use crate::cli;
use crate::host::signals::Interrupts;
use crate::host::{clock, systemd};
use crate::kubelet::Bootstrap;
use crate::node::Kubelet;
use crate::plan::{Edit, Plan, Reason, Restart};
use crate::receipt::Resolution;
use crate::report::{Code, Document, EditReport, Kind, Outcome, Problem, RestartReport};

pub(crate) use self::cluster::PEM_CAP;
pub(super) use self::run::Run;
pub(super) use self::spec::{Direction, RunSpec};

use self::cluster::Cluster;
use super::node::{self, Need, When};
use super::{Ui, diff, files};

/// Runs the verb.
pub(crate) fn run(arguments: &cli::Apply, ui: &Ui) -> Outcome<Document> {
    super::legacy(Kind::ApplyResult, |all| perform(arguments, ui, all))
}

fn perform(arguments: &cli::Apply, ui: &Ui, document: &mut Document) -> Result<(), Problem> {
    document.changed = Some(false);
    document.dry_run = Some(arguments.dry_run);
    if arguments.selection.files.is_empty() {
        document.restart = Some(None);
        document.csr = Some(None);
        document.certificate = Some(None);
        document.rolled_back = Some(false);
        run_node(arguments, ui, document)
    } else {
        run_files(arguments, ui, document)
    }
}

/// Files alone: no systemd, no API, no root.
fn run_files(arguments: &cli::Apply, ui: &Ui, document: &mut Document) -> Result<(), Problem> {
    let (applied, ended) = files::apply(arguments, ui);
    document.changed = Some(applied.changed);
    document.edits = applied.edits;
    ended
}

/// This node.
fn run_node(arguments: &cli::Apply, ui: &Ui, document: &mut Document) -> Result<(), Problem> {
    if arguments.selection.root.is_none() && drop_in::is_kubelets_start() {
        return drop_in::run(arguments, ui, document);
    }
    let interrupts = Interrupts::hold();
    let selection = &arguments.selection;
    let rooted = selection.root.is_some();
    let restarts = arguments.restart != cli::Restart::Never && !rooted;
    if arguments.issue_first && !restarts {
        return Err(Problem::new(
            Code::Usage,
            "cannot use --issue-first with --restart never: the certificate is for the restart",
        )
        .hint("kubelet-tls apply --issue-first"));
    }
    let need = if restarts { Need::Unit } else { Need::File };
    let root = selection.root.as_deref();
    let located = node::locate(root, need, When::NextStart)?;
    if let Some(root) = root {
        files::image::check(root, &located.path)?;
    }
    let paths = located.paths()?;
    let patch = selection.patches.as_deref();
    let patch = patch.map(files::patch_path).transpose()?;
    let paths = paths.iter().chain(&selection.kubeadm_config).chain(&patch);
    let locks = Locks::of(paths.map(PathBuf::as_path))
        .map_err(|error| node::unreadable(&error, located.unit.is_some()))?;

    let mut receipts = receipts::open(root, ui)?;
    if drop_in::is_unwanted_service(&receipts, node::wanted(selection), ui) {
        return Ok(());
    }
    if let InterruptedRun::Partly(edits) = &receipts.interrupted {
        let edits = edits.clone();
        if !arguments.dry_run {
            interrupts.commit();
        }
        undo_part(edits, &locks, &mut receipts, arguments, ui, document)?;
    }
    // Looked at again under the lock: what another run did meanwhile is seen, and done no second time.
    let kubelet = node::locate(root, need, When::NextStart)?.read(ui)?;
    let wanted = node::wanted(selection);
    if let Some(root) = root {
        files::image::warn(root, wanted, ui);
    }
    let mut edits = vec![node::edit(&kubelet, wanted, ui)?];
    for path in &selection.kubeadm_config {
        edits.push(files::of_kubeadm(path, wanted, ui)?);
    }
    if let Some(patches) = &selection.patches {
        edits.extend(files::of_patches(patches, wanted, ui)?);
    }
    let made = !edits.iter().any(Edit::changes)
        && matches!(receipts.interrupted, InterruptedRun::Edited(_));
    if made && let InterruptedRun::Edited(interrupted) = &receipts.interrupted {
        ui.say(
            match receipts
                .receipt()
                .and_then(|receipt| receipt.subject.probation)
            {
                Some(_) => "the kubelet's own start has made this change; proving it",
                None => "an earlier run was cut off after it had made this change; completing it",
            },
        );
        edits.clone_from(interrupted);
    }
    let node_changes = edits.iter().take(1).any(Edit::changes) && !made;
    let stale = kubelet.is_behind(clock::now());
    let asks = (arguments.wait() != cli::Wait::None || arguments.issue_first)
        && wanted == Bootstrap::Enabled
        && !rooted;
    // Without a restart a change is read at the next start, and until then no request can come.
    let asks = asks && (restarts || (!node_changes && !stale && kubelet.started.is_some()));
    let mut cluster = if asks {
        Some(Cluster::ask(arguments, &kubelet, ui, document)?)
    } else {
        None
    };
    let noted = kubelet
        .unit
        .as_ref()
        .and_then(|unit| receipts.observed(&unit.invocation_id));
    let open = cluster
        .as_ref()
        .and_then(|cluster| cluster.open_request(noted));
    let restart = match arguments.restart {
        _ if rooted => Restart::No,
        cli::Restart::Never => Restart::No,
        cli::Restart::Always => Restart::Yes(Reason::Asked),
        cli::Restart::Auto if node_changes => Restart::Yes(Reason::Changed),
        cli::Restart::Auto if made && kubelet.started.is_none() => Restart::Yes(Reason::CutOff),
        // A kubelet that has surely asked since it started has read the key; a restart would orphan its request.
        cli::Restart::Auto if stale && !open.as_ref().is_some_and(|open| open.sure) => {
            Restart::Yes(Reason::OlderThanConfig)
        }
        cli::Restart::Auto => Restart::No,
    };
    let plan = Plan { edits, restart };
    let check = HealthCheck::of(&kubelet, arguments.settle, Some(wanted)).map_err(|reason| {
        Problem::new(
            Code::Input,
            format!("cannot tell where the kubelet answers /healthz: {reason}"),
        )
    })?;
    if restart != Restart::No && !made {
        healthy_before(
            &check,
            &kubelet,
            &mut receipts,
            arguments,
            &interrupts,
            ui,
            document,
        )?;
    }
    if plan.changes() {
        receipts
            .inspect()
            .map_err(|error| files::problem_of(&error))?;
    }
    locks
        .inspect(&plan)
        .map_err(|error| files::problem_of(&error))?;

    plan.edits.iter().for_each(|edit| diff::show_text(edit, ui));
    tell_unchanged(&plan, wanted, ui);
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
        return Ok(());
    }
    let mut ready = None;
    let begins = matches!(
        restart,
        Restart::Yes(Reason::Changed | Reason::OlderThanConfig)
    );
    if let Some(cluster) = cluster
        .as_mut()
        .filter(|cluster| arguments.issue_first && begins && cluster.kept.is_none())
    {
        let issue = issue::Issue {
            cluster,
            state: receipts.state(),
            arguments,
            ui,
        };
        match issue.run(&interrupts, document)? {
            issue::Issued::Waiting => return Ok(()),
            issue::Issued::Ready(issued) => {
                cluster.kept = Some(issued.certificate.clone());
                ready = Some(issued);
            }
        }
    }
    let run = Run {
        spec: RunSpec::of(arguments),
        ui,
        check,
        plan,
        made,
        locks,
        receipts,
        kubelet,
        cluster,
        ready,
        open: open.filter(|_| restart == Restart::No),
    };
    run.act(&interrupts, document)
}

/// A run that was cut off between two edits: what it made is undone, so that this one begins at the beginning and its
/// receipt tells of all edits.
fn undo_part(
    edits: Vec<Edit>,
    locks: &Locks,
    receipts: &mut NodeReceipts,
    arguments: &cli::Apply,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    if arguments.dry_run {
        ui.say("an earlier run was cut off between two edits; its first is undone before anything else");
        return Ok(());
    }
    ui.say("an earlier run was cut off between two edits; undoing the first, to begin anew");
    let made = Plan {
        edits,
        restart: Restart::No,
    };
    locks
        .edit(&made.inverse())
        .map_err(|failure| edit_problem(&failure, document))?;
    receipts::resolve(receipts, Resolution::Undone, ui);
    receipts.interrupted = InterruptedRun::No;
    Ok(())
}

/// A kubelet that is not healthy is not touched: nobody could tell afterwards what broke it. One that an earlier run
/// left down while it put everything back is helped up first.
fn healthy_before(
    check: &HealthCheck,
    kubelet: &Kubelet,
    receipts: &mut NodeReceipts,
    arguments: &cli::Apply,
    interrupts: &Interrupts,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    let Some(unit) = &kubelet.unit else {
        return Ok(());
    };
    let Err(reason) = check.check(unit) else {
        return Ok(());
    };
    let problem = Problem::new(
        Code::Refused,
        format!(
            "cannot restart {}: it was not healthy before: {reason}; nothing was changed",
            systemd::KUBELET
        ),
    );
    Err(match receipts.interrupted {
        InterruptedRun::Unedited if !arguments.dry_run => {
            interrupts.commit();
            if check.without_flags().prove_anew(unit, interrupts).is_ok() {
                receipts::resolve(receipts, Resolution::Undone, ui);
                return Err(Problem::new(
                    Code::Refused,
                    "cannot change serverTLSBootstrap: an earlier run was cut off while it put everything back; that is completed, and the kubelet is healthy again",
                )
                .hint(LOOK_AT_JOURNAL));
            }
            problem.hint(LOOK_AT_STATUS)
        }
        InterruptedRun::Edited(_) => problem
            .advise("an earlier run was cut off after it had edited the file, and a rollback undoes that")
            .hint("kubelet-tls rollback"),
        _ => problem
            .advise(format!(
                "mend it first, or edit alone: {}",
                arguments.again(arguments.selection.disable, "--restart never")
            ))
            .hint(LOOK_AT_JOURNAL),
    })
}

fn tell_unchanged(plan: &Plan, wanted: Bootstrap, ui: &Ui) {
    for edit in plan.edits.iter().filter(|edit| !edit.changes()) {
        diff::tell_unchanged(edit, wanted, ui);
    }
    if plan.restart == Restart::Yes(Reason::OlderThanConfig) {
        ui.say(
            "the kubelet started before its configuration was last written, so it has not read it",
        );
    }
}

pub(super) fn report_edits(plan: &Plan, document: &mut Document) {
    document.edits = Some(plan.edits.iter().map(EditReport::from).collect());
}

pub(super) fn edit_problem(failure: &EditFailure, document: &mut Document) -> Problem {
    document.changed = Some(!failure.left.is_empty());
    let mut problem = files::problem_of(&failure.cause);
    for left in &failure.left {
        problem = problem.advise(format!("and an earlier edit could not be undone: {left}"));
    }
    problem
}
