//! `api-server rollback`: undoes the last `api-server apply` on this node exactly, with the manifest first, because
//! the API server may not run.

mod configuration;
mod undoing;

use crate::apply::{Awaited, CameBack, InstanceCheck, InstanceFailure, Locks};
use crate::cli;
use crate::commands::{Ui, admin, files, selection, show};
use crate::edit::api_server::{FLAG, last_value};
use crate::host::files::Root;
use crate::host::kube::Admin;
use crate::host::signals::Interrupts;
use crate::node::ApiServerProcess;
use crate::plan::{Edit, Plan};
use crate::receipt::{ApiServerReceipt, ReceiptState};
use crate::report::{ApiServerRollbackResult, Code, EditReport, Outcome, Problem, ReachReport};

use self::undoing::{tell_nothing, undoing};
use super::after_the_manifest;
use super::nodes::AskedNodes;
use super::observe;
use super::receipts::ManifestReceipts;
use super::report::{self, ManifestOutcome, Telling};

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
            result.rolled_back = !dry_run;
            return Ok(());
        }
        let admin = admin::open(&arguments.access)?;
        if let Some(receipt) = manifest {
            let mut site = ManifestRollbackSite::open(receipt, arguments, &admin, ui)?;
            result.edits.push(EditReport::from(&site.edit));
            let (executed, ended) = site.execute(&interrupts);
            result.changed = executed.changed;
            result.api_server = executed.instance;
            result.nodes = executed.nodes;
            ended?;
        }
        let undone = configuration::undo(&admin, dry_run, ui);
        let (undone, ended) = match undone {
            Ok(undone) => (undone, Ok(())),
            Err(failure) => (
                failure.shown.map(|edit| (*edit, false)),
                Err(match result.changed {
                    true => after_the_manifest(failure.problem),
                    false => failure.problem,
                }),
            ),
        };
        if let Some((edit, changed)) = undone {
            result.edits.push(EditReport::from(&edit));
            result.changed |= changed;
        }
        ended?;
        result.rolled_back = !dry_run;
        Ok(())
    };
    let ended = steps();
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

/// A control-plane node under the locks of one rollback.
struct ManifestRollbackSite<'a> {
    ui: &'a Ui,
    waiting: &'a cli::Waiting,
    admin: &'a Admin,
    locks: Locks,
    receipts: ManifestReceipts,
    /// The edit that undoes the apply's.
    edit: Edit,
    /// The flags of the manifest as it is, and as it will be.
    flags: (Vec<String>, Vec<String>),
}

impl<'a> ManifestRollbackSite<'a> {
    /// Locks the node and reads the manifest of the receipt, `first`.
    fn open(
        first: ApiServerReceipt,
        arguments: &'a cli::ApiServerRollback,
        admin: &'a Admin,
        ui: &'a Ui,
    ) -> Result<Self, Problem> {
        // It was read before the locks, to know what to lock, and is read again under them.
        let paths = first.edits.iter().map(|edit| edit.path());
        let locking = selection::locking(arguments.waiting.dry_run);
        let locks = Locks::of_node(&Root::host(), paths, locking)?;
        let receipts = ManifestReceipts::open(ui)?;
        if receipts.store().receipt() != Some(&first) {
            return Err(Problem::new(
                Code::Temporary,
                "cannot roll back the last api-server apply: another one came between",
            )
            .rerun());
        }
        let edit = undoing(&first)?;
        let flags = observe::flags(&edit)?;
        Ok(Self {
            ui,
            waiting: &arguments.waiting,
            admin,
            locks,
            receipts,
            edit,
            flags,
        })
    }

    fn check(&self) -> InstanceCheck<'_> {
        InstanceCheck {
            admin: self.admin,
            flags: &self.flags.0,
            settle: self.waiting.settle,
            timeout: self.waiting.timeout,
        }
    }

    fn execute(&mut self, interrupts: &Interrupts) -> (ManifestOutcome, Result<(), Problem>) {
        let mut executed = ManifestOutcome {
            instance: Some(report::planned(&self.check())),
            ..ManifestOutcome::default()
        };
        show::edit(&self.edit, self.ui);
        let plan = Plan::of(vec![self.edit.clone()]);
        if self.waiting.dry_run {
            executed.changed = self.edit.changes();
            let inspected = self.locks.inspect(&plan);
            self.ui
                .say("(dry run) nothing was changed; the kubelet would restart the API server");
            return (executed, inspected.map_err(Problem::from));
        }
        let process = self.check().healthy().ok();
        let was_healthy = self.edit.changes() && process.is_some();
        let nodes = self.ask_before(process.as_ref());
        // Until here a signal ends the process, and nothing has happened.
        interrupts.commit();
        let before = self.receipts.store().receipt().map(|receipt| receipt.state);
        if let Err(problem) = self.receipts.begin_rollback() {
            return (executed, Err(problem));
        }
        if let Err(failure) = self.locks.edit(&plan) {
            self.receipts
                .end(before.unwrap_or(ReceiptState::Done), self.ui);
            return (executed, Err(files::edit_failed(&failure)));
        }
        executed.changed = self.edit.changes();
        let telling = Telling::begin(self.ui, &self.check(), interrupts);
        let came = self.wait(&self.flags.1, |progress| telling.tell(progress));
        self.ui.waited();
        executed.instance = Some(report::instance(
            &self.check(),
            came.as_ref(),
            self.edit.changes(),
        ));
        let failure = match came {
            Ok(came) => {
                self.ui.say(&report::came_back(&came));
                self.ask_after(&nodes, &mut executed.nodes)
            }
            Err(failure) => Some(report::failed(&failure)),
        };
        match failure {
            None => {
                self.receipts.end(ReceiptState::RolledBack, self.ui);
                (executed, Ok(()))
            }
            Some(why) => {
                let problem = self.failed(&why, was_healthy, &plan, &mut executed.changed);
                (executed, Err(problem))
            }
        }
    }

    /// Asks the Ready nodes through the API server as it is, if that is healthy.
    fn ask_before(&self, process: Option<&ApiServerProcess>) -> AskedNodes {
        let ready = process.and_then(|process| Some((process, AskedNodes::list(self.admin).ok()?)));
        match ready {
            Some((process, ready)) => AskedNodes::before(&self.check(), process, ready, Vec::new()),
            None => AskedNodes::unasked(Vec::new()),
        }
    }

    /// Asks them through the API server that has come back. Returns why the rollback cannot stand, if it cannot: where the
    /// API server verifies kubelets, because the apply had removed the flag, a node that no longer answers is a reason.
    fn ask_after(
        &self,
        nodes: &AskedNodes,
        reports: &mut Option<Vec<ReachReport>>,
    ) -> Option<String> {
        let verifies = kubelet_ca(&self.flags.1).is_some();
        let healthy = self.check().healthy();
        let instance = match healthy.and_then(|process| Ok(self.check().dial(&process)?)) {
            Ok(instance) => instance,
            Err(why) => return Some(format!("the API server did not stay healthy: {why}")),
        };
        match nodes.after(&instance, verifies, self.waiting.timeout, self.ui) {
            Ok(answers) => {
                *reports = Some(answers.reports);
                answers.lost
            }
            Err(problem) => {
                self.ui.warn(report::not_asked(&problem));
                None
            }
        }
    }

    fn wait(
        &self,
        flags: &[String],
        notify: impl FnMut(crate::apply::InstanceProgress),
    ) -> Result<CameBack, InstanceFailure> {
        let awaited = Awaited {
            kubelet_ca: kubelet_ca(flags),
            before: &[],
        };
        self.check().wait(awaited, notify)
    }

    /// An API server that was healthy before gets the change again; one that was not keeps the old bytes.
    fn failed(&mut self, why: &str, was_healthy: bool, plan: &Plan, changed: &mut bool) -> Problem {
        let problem = Problem::new(
            Code::Refused,
            format!("cannot roll back the last api-server apply: {why}"),
        )
        .hint("crictl ps -a --name kube-apiserver");
        if !was_healthy {
            self.receipts.end(ReceiptState::RolledBack, self.ui);
            return problem.advise(
                "it was not healthy before either; the manifest reads as before the apply",
            );
        }
        self.ui.say("restoring the change");
        if let Err(left) = self.locks.undo(plan) {
            let left = files::edit_failed(&left).message();
            return problem
                .with_code(Code::Io)
                .advise(format!("and restoring the change failed: {left}"));
        }
        *changed = false;
        let again = self.wait(&self.flags.0, |_| {});
        self.receipts.end(ReceiptState::Done, self.ui);
        problem.advise(match again {
            Ok(_) => "the change was restored, and the API server is healthy again".to_owned(),
            Err(again) => format!(
                "the change was restored, and the API server is not healthy with it either: {again}"
            ),
        })
    }
}

/// The CA with which an API server of these flags verifies kubelets; `None` if it verifies none.
fn kubelet_ca(flags: &[String]) -> Option<&str> {
    last_value(flags, FLAG).filter(|value| !value.is_empty())
}
