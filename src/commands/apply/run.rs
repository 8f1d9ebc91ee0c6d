//! Executes a decided plan on a node: certificate, edits, restart, health check, request; or the rollback.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::apply::{
    HEALTH_DEADLINE, HealthCheck, HealthFailure, HealthWatch, LOOK_AT_STATUS, Locks, NodeReceipts,
    WatchOutcome,
};
use crate::cli;
use crate::commands::{Ui, node};
use crate::host::kube::WatchEvent;
use crate::host::signals::Interrupts;
use crate::host::systemd;
use crate::node::{Kubelet, Unit};
use crate::plan::{Plan, Reason, Restart};
use crate::report::{Code, CsrReport, KubeletOutcome, Problem, RestartReport};

use super::EditStopped;
use super::cluster::{ClusterView, IssuableRequest};
use super::issue::Ready;
use super::receipts;
use super::spec::RunSpec;

/// One run on a node, decided and not yet done.
pub(in crate::commands) struct NodeRun<'a> {
    pub(in crate::commands) spec: RunSpec,
    pub(in crate::commands) ui: &'a Ui,
    pub(in crate::commands) check: HealthCheck,
    pub(in crate::commands) plan: Plan,
    /// Whether an interrupted run has made the edits already.
    pub(in crate::commands) completes: bool,
    pub(in crate::commands) locks: Locks,
    pub(in crate::commands) receipts: NodeReceipts,
    pub(in crate::commands) kubelet: Kubelet,
    pub(in crate::commands) cluster: Option<ClusterView>,
    /// A certificate to put into the kubelet's store before anything else.
    pub(in crate::commands) ready: Option<Box<Ready>>,
    /// The request that the kubelet, which is not restarted, may have made already.
    pub(in crate::commands) open: Option<IssuableRequest>,
}

/// What became of a run.
#[derive(Debug)]
pub(in crate::commands) struct RunOutcome {
    /// Whether a file differs from before.
    pub(in crate::commands) changed: bool,
    /// What became of the kubelet.
    pub(in crate::commands) kubelet: KubeletOutcome,
    /// The last log lines of a kubelet that did not come back healthy.
    pub(in crate::commands) journal: Vec<String>,
    /// How the run ended.
    pub(in crate::commands) ended: Result<(), Problem>,
}

/// What there is to watch after the edits.
enum Started {
    /// A kubelet, restarted or not.
    Watch(Box<HealthWatch>),
    /// No kubelet: its next start reads the change.
    Nothing,
    /// systemd did not restart it.
    Refused(HealthFailure, Code),
}

impl NodeRun<'_> {
    pub(in crate::commands) fn execute(mut self, interrupts: &Interrupts) -> RunOutcome {
        // Until here a signal ends the process, and nothing has happened.
        interrupts.commit();
        if let Err(EditStopped { changed, problem }) = self.write() {
            return self.stopped(changed, Err(problem));
        }
        let changed = self.plan.changes();
        let Some(unit) = self.kubelet.unit.clone() else {
            receipts::resolve(&mut self.receipts, self.spec.direction.succeeded(), self.ui);
            return self.stopped(changed, Ok(()));
        };
        let feed = self.feed(&unit);
        match self.start(&unit) {
            Started::Watch(watch) => {
                let watched = self.watch(*watch, feed.as_ref(), interrupts);
                self.watched(watched, interrupts)
            }
            Started::Nothing => {
                self.leave();
                self.stopped(changed, Ok(()))
            }
            Started::Refused(failure, code) => {
                let put_back = self.put_back(self.planned(), &failure, interrupts);
                RunOutcome {
                    ended: put_back.ended.map_err(|problem| problem.with_code(code)),
                    ..put_back
                }
            }
        }
    }

    /// What the API says of requests from now on. It begins before the restart, so that no request is missed.
    fn feed(&self, unit: &Unit) -> Option<Receiver<WatchEvent>> {
        let longest = HEALTH_DEADLINE + self.check.settle + self.spec.timeout;
        let end = Instant::now() + longest + unit.stop_timeout.unwrap_or_default();
        self.cluster
            .as_ref()
            .map(|cluster| cluster.watch(self.open.as_ref(), end))
    }

    /// Restarts the kubelet if that is planned, and begins to watch it.
    fn start(&self, unit: &Unit) -> Started {
        if let Restart::Yes(reason) = self.plan.restart {
            // what changes, and that the kubelet has not read it, was said before
            let why = match reason {
                Reason::Asked | Reason::CutOff => format!(": {reason}"),
                Reason::Changed | Reason::NotRead => String::new(),
            };
            self.ui
                .say(&format!("restarting {}{why}", systemd::KUBELET));
            self.ui.wait_for(format!("{} to restart", systemd::KUBELET));
            return match self.check.restart(Some(unit)) {
                Ok(watch) => Started::Watch(Box::new(watch)),
                Err(error) => {
                    let code = node::systemd_problem("restart", &error).code;
                    let failure = HealthFailure {
                        reason: error.to_string(),
                        journal: Vec::new(),
                        hint: LOOK_AT_STATUS,
                    };
                    Started::Refused(failure, code)
                }
            };
        }
        let completes = self.completes && unit.is_running();
        if completes || self.cluster.is_some() {
            Started::Watch(Box::new(self.check.watch(unit, !completes)))
        } else {
            Started::Nothing
        }
    }

    /// Ends a run that restarts nothing and waits for nothing.
    fn leave(&mut self) {
        // The edits of an interrupted run stay unproved until a kubelet was seen to be healthy with them.
        if !self.completes {
            receipts::resolve(&mut self.receipts, self.spec.direction.succeeded(), self.ui);
        }
        if self.spec.restart == cli::RestartPolicy::Never && self.plan.changes() {
            self.ui.say("takes effect at the next kubelet restart");
        }
    }

    /// The kubelet was watched: it is healthy, or the rollback.
    fn watched(mut self, watched: WatchOutcome, interrupts: &Interrupts) -> RunOutcome {
        let issued = self.ready.as_ref().map(|ready| &ready.request);
        let csr = watched.request.as_ref().or(issued).map(CsrReport::from);
        let restart = self.restarts().then(|| RestartReport {
            unit: systemd::KUBELET.into(),
            performed: true,
            healthy: Some(watched.health.is_ok()),
            seconds: watched.answered_after.map(hundredths),
        });
        let kubelet = KubeletOutcome {
            restart,
            csr,
            ..KubeletOutcome::default()
        };
        if let Err(failure) = &watched.health {
            return self.put_back(kubelet, failure, interrupts);
        }
        self.record_health(&watched);
        let (certificate, ended) = self.conclude(&watched);
        RunOutcome {
            changed: self.plan.changes(),
            kubelet: KubeletOutcome {
                certificate,
                ..kubelet
            },
            journal: Vec::new(),
            ended,
        }
    }

    /// Says that the kubelet is healthy, and writes it down.
    fn record_health(&mut self, watched: &WatchOutcome) {
        if self.restarts() {
            let settle = self.check.settle.as_secs_f64();
            self.ui.say(&format!(
                "{} is healthy: it stayed up and answered for {settle} s",
                systemd::KUBELET
            ));
        }
        receipts::resolve(&mut self.receipts, self.spec.direction.succeeded(), self.ui);
        // The key of an earlier `--issue-first` that was not waited for has no use any more.
        if let Err(error) = self.receipts.state().remove_key() {
            self.ui.warn(error.to_string());
        }
        if let Some(request) = &watched.request
            && let Err(error) = self.receipts.observe(&request.name, &watched.invocation_id)
        {
            self.ui.warn(error.to_string());
        }
        self.tell_stale(watched);
    }

    fn restarts(&self) -> bool {
        self.plan.restart != Restart::No
    }

    /// The kubelet as it is reported before its restart.
    fn planned(&self) -> KubeletOutcome {
        let issued = self.ready.as_ref().map(|ready| &ready.request);
        KubeletOutcome {
            restart: RestartReport::planned(&self.plan, systemd::KUBELET),
            csr: issued.map(CsrReport::from),
            ..KubeletOutcome::default()
        }
    }

    /// A run that ended before the kubelet was watched.
    fn stopped(&self, changed: bool, ended: Result<(), Problem>) -> RunOutcome {
        RunOutcome {
            changed,
            kubelet: self.planned(),
            journal: Vec::new(),
            ended,
        }
    }
}

/// A duration in seconds, to the hundredth.
fn hundredths(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100.0).round() / 100.0
}
