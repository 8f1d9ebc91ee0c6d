//! One run on a node: the edits, the restart, the proof, the request; or everything put back.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::apply::{
    HEALTH_DEADLINE, HealthCheck, HealthFailure, HealthWatch, Known, LOOK_AT_STATUS, Locks,
    NodeReceipts, Progress, WatchOutcome,
};
use crate::cli;
use crate::commands::{Ui, files, node, request};
use crate::csr::{Request, State};
use crate::host::kube::Sight;
use crate::host::signals::Interrupts;
use crate::host::{clock, store, systemd};
use crate::kubelet::Bootstrap;
use crate::node::Kubelet;
use crate::plan::{Plan, Reason, Restart};
use crate::receipt::{Installed, NodeSubject};
use crate::report::{Code, CsrReport, Document, Problem, RestartReport};

use super::cluster::{Cluster, Open};
use super::edit_problem;
use super::issue::Ready;
use super::receipts;
use super::spec::{Direction, RunSpec};

/// How long a kubelet takes at most from its start to its request, where all is well: 1 to 10 s (kubelet-facts).
const TIME_TO_ASK: Duration = Duration::from_secs(15);

/// One run of `apply` on a node, decided and not yet done.
pub(in crate::commands) struct Run<'a> {
    pub(in crate::commands) spec: RunSpec,
    pub(in crate::commands) ui: &'a Ui,
    pub(in crate::commands) check: HealthCheck,
    pub(in crate::commands) plan: Plan,
    /// Its edits were made by an earlier run that was cut off.
    pub(in crate::commands) made: bool,
    pub(in crate::commands) locks: Locks,
    pub(in crate::commands) receipts: NodeReceipts,
    pub(in crate::commands) kubelet: Kubelet,
    pub(in crate::commands) cluster: Option<Cluster>,
    /// A certificate to put into the kubelet's store before anything else.
    pub(in crate::commands) ready: Option<Box<Ready>>,
    /// The request that the kubelet, which is not restarted, may have made already.
    pub(in crate::commands) open: Option<Open>,
}

impl Run<'_> {
    pub(in crate::commands) fn act(
        mut self,
        interrupts: &Interrupts,
        document: &mut Document,
    ) -> Result<(), Problem> {
        self.tell_outage(document);
        // Until here a signal has ended the run, and nothing had happened.
        interrupts.commit();
        // Also where this run has nothing to write.
        self.receipts.state().sweep();
        let installed = self.place()?;
        let changes = self.plan.changes() && !self.made;
        let begun = match (self.spec.direction, &installed) {
            (Direction::Apply, _) if changes => {
                let subject = NodeSubject {
                    installed: installed.clone(),
                    wanted: Some(self.spec.wanted),
                    ..NodeSubject::default()
                };
                self.receipts.begin(&self.plan, subject)
            }
            (Direction::Apply, Some(installed)) => self.receipts.begin_install(installed),
            (Direction::RollBack, _) if changes => self.receipts.begin_rollback(),
            _ => Ok(()),
        };
        begun.map_err(|error| files::problem_of(&error))?;
        if let Some(installed) = &installed {
            self.install(installed, document)?;
        }
        if changes && let Err(failure) = self.locks.edit(&self.plan) {
            if failure.left.is_empty() {
                receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            }
            return Err(edit_problem(&failure, document));
        }
        document.changed = Some(self.plan.changes());
        let Some(unit) = self.kubelet.unit.clone() else {
            receipts::resolve(&mut self.receipts, self.spec.direction.succeeded(), self.ui);
            return Ok(());
        };
        let far = Instant::now() + HEALTH_DEADLINE + self.spec.settle + self.spec.timeout;
        let restarts = self.plan.restart != Restart::No;
        let sights = self.cluster.as_ref().map(|cluster| {
            cluster.watch(
                self.open.as_ref(),
                far + unit.stop_timeout.unwrap_or_default(),
            )
        });
        let watch = if restarts {
            self.ui.say(&format!("restarting {}", systemd::KUBELET));
            self.ui.wait_for(format!("{} to restart", systemd::KUBELET));
            match self.check.restart(Some(&unit)) {
                Ok(watch) => watch,
                Err(error) => {
                    let failure = HealthFailure {
                        reason: error.to_string(),
                        journal: Vec::new(),
                        hint: LOOK_AT_STATUS,
                    };
                    let problem = node::systemd_problem("restart", &error);
                    return Err(self
                        .put_back(&failure, interrupts, document)
                        .with_code(problem.code));
                }
            }
        } else if self.made && unit.is_running() {
            self.check.begin(&unit)
        } else if self.cluster.is_some() {
            self.check.resume(&unit)
        } else {
            // What an earlier run has left unproved stays so.
            if !self.made {
                receipts::resolve(&mut self.receipts, self.spec.direction.succeeded(), self.ui);
            }
            self.tell_pending_restart();
            return Ok(());
        };
        let watched = self.watch(watch, sights.as_ref(), interrupts);
        if restarts {
            document.restart = Some(Some(RestartReport {
                unit: systemd::KUBELET.into(),
                performed: true,
                healthy: Some(watched.health.is_ok()),
                seconds: watched
                    .answered_after
                    .map(|after| (after.as_secs_f64() * 100.0).round() / 100.0),
            }));
        }
        let issued = self.ready.as_ref().map(|ready| &ready.request);
        document.csr = Some(watched.request.as_ref().or(issued).map(CsrReport::from));
        if let Err(failure) = &watched.health {
            return Err(self.put_back(failure, interrupts, document));
        }
        if restarts {
            let settle = self.spec.settle.as_secs_f64();
            self.ui.say(&format!(
                "{} is healthy: it stayed up and answered for {settle} s",
                systemd::KUBELET
            ));
        }
        receipts::resolve(&mut self.receipts, self.spec.direction.succeeded(), self.ui);
        // A request of an earlier `--issue-first` that was not waited for is of no more use.
        if let Err(error) = self.receipts.state().remove_key() {
            self.ui.warn(error.to_string());
        }
        if let Some(request) = &watched.request
            && let Err(error) = self.receipts.observe(&request.name, &watched.invocation_id)
        {
            self.ui.warn(error.to_string());
        }
        self.tell_stale(&watched, document);
        self.conclude(&watched, document)
    }

    /// Where the certificate goes.
    fn place(&mut self) -> Result<Option<Installed>, Problem> {
        if self.ready.is_none() {
            return Ok(None);
        }
        let placed = self.receipts.remove_left().and_then(|()| {
            store::place(&self.kubelet.serving_certificate(), clock::timestamp()).map(Some)
        });
        placed.map_err(|error| files::problem_of(&error))
    }

    /// Puts the certificate into the kubelet's store; its key is kept nowhere else from then on.
    fn install(&mut self, installed: &Installed, document: &mut Document) -> Result<(), Problem> {
        let Some(ready) = &self.ready else {
            return Ok(());
        };
        if let Err(error) = store::install(installed, &ready.pair) {
            receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            return Err(files::problem_of(&error));
        }
        if let Err(error) = self.receipts.state().remove_key() {
            self.ui.warn(error.to_string());
        }
        self.ui.say(&format!(
            "installed the certificate of {} as {}, valid until {}",
            ready.request.name,
            installed.pair.display(),
            ready.certificate.not_after
        ));
        Ok(())
    }

    /// Watches over the kubelet until it has settled and the request, or its certificate, is there.
    pub(super) fn watch(
        &mut self,
        watch: HealthWatch,
        sights: Option<&Receiver<Sight>>,
        interrupts: &Interrupts,
    ) -> WatchOutcome {
        let ui = self.ui;
        let wait = self.spec.wait;
        let port = self.kubelet.port();
        let tell = |request: &Request| {
            if request.state == State::Pending {
                ui.name(&request.name);
            }
            ui.say(&request::describe(request));
            if let Some((why, command)) = request::next_step(request) {
                ui.say(&format!("{why}: {command}"));
            }
        };
        let age = self
            .cluster
            .as_ref()
            .map_or(Duration::MAX, Cluster::kubelet_age);
        // One that may be of the kubelet before counts when this one has had its time and made none.
        let known = self.open.take().map(|open| Known {
            from: Instant::now()
                + if open.sure {
                    Duration::ZERO
                } else {
                    TIME_TO_ASK.saturating_sub(age)
                },
            request: open.request,
        });
        let cluster = std::cell::RefCell::new(self.cluster.as_mut());
        let enough = |request: Option<&Request>| {
            let mut borrowed = cluster.borrow_mut();
            let Some(cluster) = borrowed.as_mut() else {
                return true;
            };
            match wait {
                cli::Wait::None => true,
                cli::Wait::Csr => {
                    cluster.kept.is_some() || request.is_some_and(|request| !is_lost(request))
                }
                cli::Wait::Issued => {
                    (cluster.kept.is_some()
                        || request.is_some_and(|request| request.state == State::Issued))
                        && cluster
                            .served(request, port)
                            .is_ok_and(|served| served.verified.is_ok())
                }
            }
        };
        let settle = self.spec.settle.as_secs_f64();
        // What is shown on a terminal: the kubelet's health first, then what its request still lacks.
        let settled = std::cell::Cell::new(watch.has_settled());
        let lacking = std::cell::RefCell::new("the kubelet's request".to_owned());
        let notify = |progress: Progress<'_>| {
            match progress {
                Progress::Answers(after) => {
                    ui.say(&format!(
                        "{} answers after {:.1} s",
                        systemd::KUBELET,
                        after.as_secs_f64()
                    ));
                    ui.wait_for(format!(
                        "{} to stay healthy for {settle} s",
                        systemd::KUBELET
                    ));
                }
                Progress::Settled => settled.set(true),
                Progress::Request(request) => {
                    tell(request);
                    *lacking.borrow_mut() = request::lacking(request);
                }
                Progress::Interrupted => {
                    ui.say("interrupted: completing the restart and its proof first")
                }
            }
            if settled.get() && wait != cli::Wait::None {
                ui.wait_for(lacking.borrow().clone());
            }
        };
        if settled.get() {
            ui.wait_for(lacking.borrow().clone());
        } else {
            ui.wait_for(format!("{} to answer", systemd::KUBELET));
        }
        let end = Instant::now() + self.spec.timeout;
        let watched = watch.run(sights, known, end, interrupts, notify, enough);
        ui.waited();
        watched
    }

    /// The kubelet is not healthy: the old bytes, a restart, the same proof.
    fn put_back(
        &mut self,
        failure: &HealthFailure,
        interrupts: &Interrupts,
        document: &mut Document,
    ) -> Problem {
        self.ui.waited();
        self.tell_last_words(failure, document);
        let task = self.spec.describe();
        let refused = |rest: &str| {
            Problem::new(
                Code::Refused,
                format!("cannot {task}: {}; {rest}", failure.reason),
            )
            .hint(failure.hint)
        };
        if !self.plan.changes() {
            return refused("no file was changed, so there is nothing to put back");
        }
        self.ui.say("putting everything back");
        if let Err(failure) = self.locks.undo(&self.plan) {
            let problem = edit_problem(&failure, document);
            document.changed = Some(true);
            let undo = &self.spec.undo;
            return refused(&format!("and putting back failed: {}", problem.message()))
                .with_code(Code::Io)
                .hint(format!("{undo} && systemctl restart kubelet"));
        }
        document.changed = Some(false);
        document.rolled_back = Some(self.spec.direction == Direction::Apply);
        // A restart that systemd refused has left the old kubelet running.
        let untouched = systemd::show(systemd::KUBELET).is_ok_and(|now| {
            self.kubelet
                .unit
                .as_ref()
                .is_some_and(|was| was.incarnation() == now.incarnation())
        });
        if untouched {
            receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
            return refused("the file was put back, and the kubelet was not touched");
        }
        let unit = self.kubelet.unit.clone().unwrap_or_default();
        self.ui
            .wait_for(format!("{} to answer again", systemd::KUBELET));
        let again = self.check.without_flags().prove_anew(&unit, interrupts);
        self.ui.waited();
        receipts::resolve(&mut self.receipts, self.spec.direction.failed(), self.ui);
        match again {
            Ok(()) => refused("everything was put back, and the kubelet is healthy again"),
            Err(again) => {
                self.tell_last_words(&again, document);
                refused(&format!(
                    "everything was put back, and the kubelet is not healthy with the old file either: {}",
                    again.reason
                ))
                .hint(LOOK_AT_STATUS)
            }
        }
    }

    fn tell_last_words(&self, failure: &HealthFailure, document: &mut Document) {
        if !failure.journal.is_empty() {
            self.ui.say("the kubelet's last words:");
            for line in &failure.journal {
                self.ui.say(&format!("  {line}"));
            }
            document.journal.extend_from_slice(&failure.journal);
        }
    }

    /// Before the restart that begins it.
    fn tell_outage(&self, document: &mut Document) {
        let enabling = self.spec.wanted == Bootstrap::Enabled;
        let kept = self
            .cluster
            .as_ref()
            .and_then(|cluster| cluster.kept.as_ref());
        // One that was only asked for brings nothing new.
        let begins = !matches!(self.plan.restart, Restart::No | Restart::Yes(Reason::Asked))
            || self.plan.changes();
        let outage = self.plan.restart != Restart::No && begins && enabling && kept.is_none();
        if outage {
            self.ui.warn(format!(
                    "from the restart until the request is approved, port {} of this node refuses TLS: no logs, exec, port-forward or metrics; pods run on and the Node stays Ready (not so with --issue-first)",
                    self.kubelet.port()
                ),
            );
        }
    }

    fn tell_pending_restart(&self) {
        if self.spec.restart == cli::Restart::Never && self.plan.changes() {
            self.ui.say("the kubelet reads it when it next starts");
        }
    }
}

pub(super) fn is_lost(request: &Request) -> bool {
    matches!(request.state, State::Denied | State::Failed)
}
