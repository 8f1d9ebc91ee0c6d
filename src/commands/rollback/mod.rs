//! `rollback`: undoes the last `apply` exactly, restarts the kubelet and checks that it is healthy.

mod advice;
mod decide;
mod targets;

use std::path::PathBuf;
use std::time::Duration;

use crate::apply::{HealthCheck, Locks, NodeReceipts, NothingToUndo};
use crate::cli;
use crate::host::files::Root;
use crate::host::signals::Interrupts;
use crate::host::{clock, systemd};
use crate::kubelet::Bootstrap;
use crate::node::Kubelet;
use crate::receipt::NodeReceipt;
use crate::report::{Code, KubeletRestart, Outcome, Problem, RestartReport, RollbackResult};
use crate::yaml::MAX_BYTES;

use self::decide::{Decision, Observed, Undo};
use super::apply::{Direction, NodeRun, RunSpec, dry_run, next, receipts, reports};
use super::node::{self, Need, When};
use super::{Ui, selection, show};

pub(crate) fn run(arguments: &cli::Rollback, ui: &Ui) -> Outcome<RollbackResult> {
    let interrupts = Interrupts::hold();
    let mut result = RollbackResult {
        dry_run: arguments.dry_run,
        kubelet: Some(KubeletRestart::default()),
        ..RollbackResult::default()
    };
    let mut steps = || {
        let Some(site) = RollbackSite::open(arguments, ui)? else {
            result.rolled_back = true;
            return Ok(());
        };
        let undo = match decide::decide(&site.observed, restart(arguments)) {
            Ok(Decision::Undo(undo)) => undo,
            Ok(Decision::Nothing(why)) => {
                tell_nothing(&why, &site.root, ui);
                result.rolled_back = true;
                return Ok(());
            }
            Err(refusal) => return Err(site.refused(&refusal)),
        };
        site.show(&undo)?;
        result.edits = reports(&undo.plan);
        result.kubelet = Some(KubeletRestart {
            restart: RestartReport::planned(&undo.plan, systemd::KUBELET),
        });
        if arguments.dry_run {
            dry_run::tell_restart(&undo.plan, ui);
            result.changed = undo.plan.changes();
            result.rolled_back = true;
            return Ok(());
        }
        let enables = undo.plan.changes() && undo.becomes == Bootstrap::Enabled;
        let executed = site.into_run(undo).execute(&interrupts);
        result.changed = executed.changed;
        result.kubelet = Some(KubeletRestart {
            restart: executed.kubelet.restart,
        });
        result.journal = executed.journal;
        executed.ended?;
        result.rolled_back = true;
        if enables {
            ui.say("the kubelet creates a CSR once it has started: kubelet-tls csr");
        }
        Ok(())
    };
    let ended = steps();
    Outcome::new(result, ended)
}

/// When the kubelet is restarted; never if its files lie under another root.
fn restart(arguments: &cli::Rollback) -> cli::RestartPolicy {
    match arguments.restart {
        _ if arguments.root.is_some() => cli::RestartPolicy::Never,
        restart => restart,
    }
}

fn tell_nothing(why: &NothingToUndo, root: &Root, ui: &Ui) {
    let never = match root.is_image() {
        true => "no apply has changed this image",
        false => "no apply has changed this node",
    };
    let put_back = "was rolled back automatically, because the kubelet did not stay healthy";
    let why = why.reason("apply", never, put_back);
    ui.say(&format!("nothing to roll back: {why}"));
}

/// A node under the locks of one rollback, as far as it was observed.
struct RollbackSite<'a> {
    arguments: &'a cli::Rollback,
    ui: &'a Ui,
    root: Root,
    locks: Locks,
    receipts: NodeReceipts,
    kubelet: Kubelet,
    check: HealthCheck,
    observed: Observed,
}

impl<'a> RollbackSite<'a> {
    /// Locks the node and reads its files; `None` if nothing is to be rolled back, which is said.
    fn open(arguments: &'a cli::Rollback, ui: &'a Ui) -> Result<Option<Self>, Problem> {
        let root = node::root(arguments.root.as_deref())?;
        let need = match restart(arguments) {
            cli::RestartPolicy::Never => Need::File,
            cli::RestartPolicy::Auto | cli::RestartPolicy::Always => Need::Unit,
        };
        // Before the locks, to know what to lock; it is read again under them.
        let first = match receipts::open(&root, ui)?.store().undoable() {
            Ok(first) => first.clone(),
            Err(why) => {
                tell_nothing(&why, &root, ui);
                return Ok(None);
            }
        };
        let located = node::locate(arguments.root.as_deref(), need, When::NextStart)?;
        let mut paths = located.paths()?;
        let named = &arguments.kubeadm_config;
        paths.extend(targets::targets(&first, &root, &paths, named)?);
        let named = paths.iter().map(PathBuf::as_path);
        let locks = Locks::of_node(&root, named, selection::locking(arguments.dry_run))
            .map_err(|error| located.unreadable(&error))?;
        let receipts = receipts::open(&root, ui)?;
        let receipt = receipts.store().undoable().cloned();
        if receipt.as_ref().is_ok_and(|now| now.edits != first.edits) {
            return Err(another_run());
        }
        let receipt = receipt.map(|receipt| targets::shown(receipt, &root));
        let contents = contents(&root, receipt.as_ref().ok())?;
        let kubelet = located.read(ui)?;
        let installed = receipt.as_ref().ok();
        if let Some(installed) = installed.and_then(|receipt| receipt.subject.installed.as_ref()) {
            targets::require_kubelets_store(installed, &kubelet)?;
        }
        let check = HealthCheck::of(&kubelet, arguments.settle, None)?;
        let observed = Observed {
            receipt,
            contents,
            value: kubelet.settings.server_tls_bootstrap,
            is_behind: kubelet.is_behind(clock::now()),
            is_down: is_down(&kubelet, &check),
        };
        Ok(Some(Self {
            arguments,
            ui,
            root,
            locks,
            receipts,
            kubelet,
            check,
            observed,
        }))
    }

    /// Whether the plan can be executed, and what it is.
    fn show(&self, undo: &Undo) -> Result<(), Problem> {
        let plan = &undo.plan;
        if plan.changes() {
            self.receipts.inspect()?;
        }
        self.locks.inspect(plan)?;
        for edit in &plan.edits {
            show::text(edit, self.ui);
            if !edit.changes() {
                self.ui.say(&format!(
                    "{}: unchanged: it reads as before that apply",
                    edit.target
                ));
            }
        }
        let receipt = self.observed.receipt.as_ref().ok();
        if let Some(installed) = receipt.and_then(|receipt| receipt.subject.installed.as_ref()) {
            let dry_run = self.arguments.dry_run;
            targets::tell_removed(installed, &self.root, dry_run, self.ui);
        }
        if undo.outage {
            self.ui.warn(next::outage(self.kubelet.port()));
        }
        Ok(())
    }

    fn into_run(self, undo: Undo) -> NodeRun<'a> {
        let undo_edits = self.apply(undo.becomes == Bootstrap::Enabled, Some("never"));
        NodeRun {
            spec: RunSpec {
                direction: Direction::RollBack,
                wanted: undo.becomes,
                restart: self.arguments.restart,
                wait: cli::Wait::None,
                timeout: Duration::ZERO,
                undo: undo_edits,
            },
            ui: self.ui,
            check: self.check,
            plan: undo.plan,
            completes: false,
            locks: self.locks,
            receipts: self.receipts,
            kubelet: self.kubelet,
            cluster: None,
            ready: None,
            open: None,
        }
    }
}

/// What the files of the receipt's edits read now; `None` for one that does not exist and that the apply had created.
fn contents(root: &Root, receipt: Option<&NodeReceipt>) -> Result<Vec<Option<Vec<u8>>>, Problem> {
    let changes = receipt.iter().flat_map(|receipt| &receipt.edits);
    changes
        .map(|change| match root.read(&change.target, MAX_BYTES as u64) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.cause.is_not_found() && change.sha256_before.is_none() => Ok(None),
            Err(error) => Err(error.into()),
        })
        .collect()
}

fn another_run() -> Problem {
    Problem::new(
        Code::Temporary,
        "cannot roll back the last apply: another apply ran meanwhile",
    )
    .hint("kubelet-tls rollback --dry-run")
}

fn is_down(kubelet: &Kubelet, check: &HealthCheck) -> bool {
    let unit = kubelet.unit.as_ref();
    unit.is_some_and(|unit| check.check(unit).is_err())
}
