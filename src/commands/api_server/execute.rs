//! What `api-server apply` and `api-server rollback` do with the manifest of a control-plane node.

use std::time::Duration;

use crate::apply::{
    Awaited, CameBack, InstanceCheck, InstanceFailure, InstanceProgress, Locks, NotReady,
};
use crate::cli::Waiting;
use crate::commands::{Ui, files};
use crate::edit::api_server::{self, FLAG, Verification, last_value};
use crate::host::kube::Admin;
use crate::host::signals::Interrupts;
use crate::node::ApiServerProcess;
use crate::plan::{Edit, Plan};
use crate::receipt::ReceiptState;
use crate::report::{Code, InstanceReport, Problem, ReachReport};

use super::nodes::AskedNodes;
use super::receipts::ManifestReceipts;

/// Why the manifest is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// `api-server apply` changes it.
    Apply(Verification),
    /// `api-server rollback` undoes that.
    RollBack,
}

impl Purpose {
    /// What cannot be done, and why.
    pub(super) fn refused(self, why: impl std::fmt::Display) -> Problem {
        let what = match self {
            Self::Apply(Verification::Enabled) => "have the API server verify kubelets",
            Self::Apply(Verification::Disabled) => "have the API server verify kubelets no longer",
            Self::RollBack => "roll back the last api-server apply",
        };
        Problem::new(Code::Refused, format!("cannot {what}: {why}"))
    }
}

/// What became of the manifest and the API server.
#[derive(Debug, Default)]
pub(super) struct ManifestOutcome {
    /// Whether the manifest differs from before the run.
    pub(super) changed: bool,
    /// Whether it was rolled back.
    pub(super) rolled_back: bool,
    pub(super) instance: Option<InstanceReport>,
    pub(super) nodes: Option<Vec<ReachReport>>,
}

/// A control-plane node under the locks of one run that changes its manifest.
pub(super) struct ManifestRun<'a> {
    pub(super) ui: &'a Ui,
    pub(super) waiting: &'a Waiting,
    pub(super) admin: Admin,
    pub(super) purpose: Purpose,
    pub(super) locks: Locks,
    pub(super) receipts: ManifestReceipts,
    /// The flags of the manifest as it is, and as it will be.
    pub(super) flags: (Vec<String>, Vec<String>),
    /// The Ready nodes, asked through this API server before the change.
    pub(super) nodes: AskedNodes,
    /// What the run has done so far.
    pub(super) outcome: ManifestOutcome,
}

impl ManifestRun<'_> {
    /// How this node's API server is watched.
    pub(super) fn check(&self) -> InstanceCheck<'_> {
        InstanceCheck {
            admin: &self.admin,
            flags: &self.flags.0,
            settle: self.waiting.settle,
            timeout: self.waiting.timeout,
        }
    }

    /// The API server as reported, whose watch has come to an end, if there was one.
    pub(super) fn report(
        &self,
        restarted: bool,
        watch: Option<&Result<CameBack, InstanceFailure>>,
    ) -> InstanceReport {
        let hundredths = |duration: Duration| (duration.as_secs_f64() * 100.0).round() / 100.0;
        let came = watch.and_then(|watch| watch.as_ref().ok());
        InstanceReport {
            address: self.check().address().to_string(),
            restarted,
            healthy: watch.map(Result::is_ok),
            seconds: came.map(|came| hundredths(came.after)),
            outage_seconds: came.map(|came| hundredths(came.outage)),
        }
    }

    /// Asks each of the `ready` nodes through the API server of `process`, before the change.
    pub(super) fn ask_before(&mut self, process: &ApiServerProcess, ready: Vec<String>) {
        let instance = self.check().dial(process).ok();
        self.nodes.ask(instance.as_ref(), ready);
    }

    /// Watches the API server, whose manifest was changed by `edit`, until it is back as `awaited`, and asks the nodes through
    /// it.
    ///
    /// # Errors
    /// Why the change cannot stay.
    pub(super) fn watch(
        &mut self,
        edit: &Edit,
        awaited: Awaited<'_>,
        interrupts: &Interrupts,
    ) -> Result<(), Problem> {
        self.ui.wait_for("the kubelet to restart the API server");
        let notify = |progress| self.tell(progress, interrupts);
        let watch = self.check().wait(awaited, notify);
        self.ui.waited();
        self.outcome.instance = Some(self.report(edit.changes(), Some(&watch)));
        let reached = match watch {
            Ok(came) => self.reach(&came, awaited.kubelet_ca.is_some()),
            Err(why) => {
                let why = format!("the API server did not come back healthy: {why}");
                Err(self.purpose.refused(why))
            }
        };
        reached.map_err(|problem| problem.hint("crictl ps -a --name kube-apiserver"))
    }

    /// Says what happens to the API server while it is watched.
    fn tell(&self, progress: InstanceProgress, interrupts: &Interrupts) {
        match progress {
            InstanceProgress::Down => self.ui.wait_for("the API server to answer"),
            InstanceProgress::Answers(after) => {
                let seconds = after.as_secs_f64();
                self.ui
                    .say(&format!("the API server answers after {seconds:.1} s"));
                self.ui.wait_for(format!(
                    "the API server to stay healthy for {} s",
                    self.waiting.settle.as_secs_f64()
                ));
            }
        }
        if interrupts.received().is_some() {
            self.ui
                .say("interrupted; completing the check of the API server first");
        }
    }

    /// Every node that answered through this API server before still does, if it `verifies` kubelets.
    fn reach(&mut self, came: &CameBack, verifies: bool) -> Result<(), Problem> {
        self.ui.say(&format!(
            "the API server is healthy; it was unavailable for {:.1} s",
            came.outage.as_secs_f64()
        ));
        let unhealthy = |why: NotReady| match self.purpose {
            Purpose::Apply(_) => self.purpose.refused(why),
            Purpose::RollBack => self
                .purpose
                .refused(format!("the API server did not stay healthy: {why}")),
        };
        let check = self.check();
        let instance = check
            .healthy()
            .and_then(|process| Ok(check.dial(&process)?))
            .map_err(unhealthy)?;
        let asked = self
            .nodes
            .after(&instance, verifies, self.waiting.timeout, self.ui);
        match (asked, self.purpose) {
            (Ok(answers), purpose) => {
                self.outcome.nodes = Some(answers.reports);
                answers.lost.map_or(Ok(()), |why| Err(purpose.refused(why)))
            }
            (Err(problem), Purpose::Apply(Verification::Enabled)) => {
                Err(problem.with_code(Code::Refused))
            }
            (Err(problem), _) => {
                self.ui.warn(format!(
                    "the nodes were not asked through this API server: {problem}"
                ));
                Ok(())
            }
        }
    }

    /// Undoes `edit` because of `problem`, from what this run knows, without any API, and checks the API server in the same
    /// way. The problem, with what became of that.
    pub(super) fn restore(&mut self, edit: &Edit, problem: Problem) -> Problem {
        let (what, state) = match self.purpose {
            Purpose::Apply(_) => ("manifest", ReceiptState::PutBack),
            Purpose::RollBack => ("change", ReceiptState::Done),
        };
        self.ui.say(&format!("restoring the {what}"));
        if let Err(failure) = self.locks.undo(&Plan::of(vec![edit.clone()])) {
            self.outcome.changed = true;
            let left = files::edit_failed(&failure).message();
            return problem
                .with_code(Code::Io)
                .advise(format!("and restoring the {what} failed: {left}"));
        }
        self.outcome.changed = false;
        self.outcome.rolled_back = true;
        let flags = api_server::flags(edit.bytes_before()).unwrap_or_default();
        let awaited = Awaited {
            kubelet_ca: kubelet_ca(&flags),
            before: &[],
        };
        self.ui.wait_for("the API server to answer again");
        let again = self.check().wait(awaited, |_| {});
        self.ui.waited();
        self.receipts.end(state, self.ui);
        problem.advise(match again {
            Ok(_) => format!("the {what} was restored, and the API server is healthy again"),
            Err(again) => format!(
                "the {what} was restored, and the API server is not healthy with it either: {again}"
            ),
        })
    }
}

/// The CA with which an API server of these flags verifies kubelets; `None` if it verifies none.
pub(super) fn kubelet_ca(flags: &[String]) -> Option<&str> {
    last_value(flags, FLAG).filter(|value| !value.is_empty())
}
