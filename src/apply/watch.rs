//! The watch over a kubelet: whether it comes up, stays up and answers, and what the API says meanwhile.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::csr::Request;
use crate::host::healthz::Healthz;
use crate::host::kube::{ApiError, WatchEvent};
use crate::host::process;
use crate::host::signals::Interrupts;
use crate::host::systemd::{self, SystemdError};
use crate::kubelet::{Bootstrap, Flags};
use crate::node::{Incarnation, Unit};

use super::feed::{Progress, RequestFeed};
use super::health::{
    HEALTH_DEADLINE, HealthCheck, HealthFailure, LOOK_AGAIN, LOOK_AT_FLAGS, LOOK_AT_JOURNAL,
    LOOK_AT_STATUS,
};

/// How long a kubelet that has settled may fail to answer before that counts as its failure.
const HEALTH_PATIENCE: Duration = Duration::from_secs(20);
/// How often another process may restart it while it is watched: a run that was killed has asked for one.
const RESTARTS_BY_OTHERS: u32 = 1;
/// How much of its journal is shown when it did not come back.
const JOURNAL_LINES: usize = 15;

/// What came of watching over a restarted kubelet.
#[derive(Debug)]
pub struct WatchOutcome {
    /// Whether it is healthy, or what it died of.
    pub health: Result<(), HealthFailure>,
    /// systemd's id of the start that was watched.
    pub invocation_id: String,
    /// From the restart to its first healthy answer.
    pub answered_after: Option<Duration>,
    /// The newest request of this node that was seen.
    pub request: Option<Request>,
    /// What is wrong with the API, at the end.
    pub degraded: Option<ApiError>,
    /// A signal ended the wait.
    pub interrupted: bool,
}

/// A request that was there before the watch.
#[derive(Debug)]
pub struct KnownRequest {
    /// The CSR, as it was listed.
    pub request: Request,
    /// When it counts, if no newer one has come by then.
    pub from: Instant,
}

/// A watch over one incarnation of the kubelet.
#[derive(Debug)]
pub struct HealthWatch {
    check: HealthCheck,
    baseline: Incarnation,
    /// Before the restart was asked for.
    began: Instant,
    /// After it was done: the old process may have taken its whole TimeoutStopSec to end.
    watched_from: Instant,
    answered_after: Option<Duration>,
    answering_since: Option<Instant>,
    last_answer: Instant,
    settled: bool,
    /// No one has restarted it.
    resumed: bool,
    /// How many restarts by others are still put up with.
    restarts_by_others: u32,
}

impl HealthCheck {
    /// Restarts the kubelet and begins to watch over it.
    ///
    /// # Errors
    /// When systemd refuses or does not answer.
    pub fn restart(&self, before: Option<&Unit>) -> Result<HealthWatch, SystemdError> {
        let began = Instant::now();
        let patience = before.and_then(|unit| unit.stop_timeout);
        systemd::restart(systemd::KUBELET, patience)?;
        let unit = systemd::show(systemd::KUBELET)?;
        Ok(HealthWatch::new(self, &unit, began, false))
    }

    /// Watches over a kubelet that this run does not restart, from now on: one that is `settled` has been healthy for a
    /// while, any other was restarted by another process.
    pub fn watch(&self, unit: &Unit, settled: bool) -> HealthWatch {
        HealthWatch::new(self, unit, Instant::now(), settled)
    }

    /// Restarts the kubelet and watches until it has settled.
    ///
    /// # Errors
    /// Why it did not.
    pub fn restart_and_watch(
        &self,
        before: &Unit,
        interrupts: &Interrupts,
    ) -> Result<(), HealthFailure> {
        let watch = self.restart(Some(before)).map_err(|error| HealthFailure {
            reason: error.to_string(),
            journal: Vec::new(),
            hint: LOOK_AT_STATUS,
        })?;
        let watched = watch.run(None, None, Instant::now(), interrupts, |_| {}, |_| true);
        watched.health
    }
}

impl HealthWatch {
    fn new(check: &HealthCheck, unit: &Unit, began: Instant, settled: bool) -> Self {
        Self {
            check: check.clone(),
            baseline: unit.incarnation(),
            began,
            watched_from: Instant::now(),
            answered_after: None,
            answering_since: None,
            last_answer: Instant::now(),
            settled,
            resumed: settled,
            restarts_by_others: RESTARTS_BY_OTHERS,
        }
    }
    /// Whether the kubelet has stayed healthy for the settle time.
    pub fn has_settled(&self) -> bool {
        self.settled
    }

    /// Watches until the kubelet has settled and `enough` holds for the newest request, or until the kubelet dies, or,
    /// once it has settled, until `end` or a signal. `known` is a request already there;
    /// `notify` is told of each new or changed one at once.
    pub fn run(
        mut self,
        events: Option<&Receiver<WatchEvent>>,
        mut known: Option<KnownRequest>,
        end: Instant,
        interrupts: &Interrupts,
        mut notify: impl FnMut(Progress<'_>),
        enough: impl Fn(Option<&Request>) -> bool,
    ) -> WatchOutcome {
        let mut feed = RequestFeed::default();
        let mut told = (false, false);
        let mut told_settled = self.settled;
        loop {
            if let Err((reason, hint)) = self.look() {
                // The id first: the next automatic restart changes it.
                let journal = systemd::journal(&self.baseline, JOURNAL_LINES);
                let failure = HealthFailure {
                    reason,
                    journal,
                    hint,
                };
                return self.watched(Err(failure), feed, false);
            }
            if let (Some(after), false) = (self.answered_after, told.0) {
                told.0 = true;
                if !self.resumed && self.check.healthz.is_some() {
                    notify(Progress::Answers(after));
                }
            }
            if self.settled && !told_settled {
                told_settled = true;
                notify(Progress::Settled);
            }
            if let Some(due) = known.take_if(|known| known.from <= Instant::now())
                && feed.request.is_none()
            {
                feed.take(due.request, &mut notify);
            }
            let interrupted = interrupts.received().is_some();
            if self.settled
                && (interrupted || Instant::now() >= end || enough(feed.request.as_ref()))
            {
                return self.watched(Ok(()), feed, interrupted);
            }
            if interrupted && !told.1 {
                told.1 = true;
                notify(Progress::Interrupted);
            }
            let pause = if self.settled {
                LOOK_AGAIN.1
            } else {
                LOOK_AGAIN.0
            };
            feed.wait(events, Instant::now() + pause, &mut notify, |request| {
                self.settled && enough(request)
            });
        }
    }

    /// One look: is it still the same process, and does it answer?
    fn look(&mut self) -> Result<(), (String, &'static str)> {
        let unit = match systemd::show(systemd::KUBELET) {
            Ok(unit) => unit,
            // systemd may be re-executing itself.
            Err(_) if self.last_answer.elapsed() < HEALTH_PATIENCE => return Ok(()),
            Err(error) => return Err((error.to_string(), LOOK_AT_STATUS)),
        };
        if self.restarted_by_another(&unit) {
            return Ok(());
        }
        if !unit.is_running() || unit.incarnation() != self.baseline {
            let died = if unit.is_running() {
                "its process was replaced".to_owned()
            } else {
                unit.describe()
            };
            return Err((
                format!("{} did not stay up: {died}", systemd::KUBELET),
                LOOK_AT_JOURNAL,
            ));
        }
        let now = Instant::now();
        // Whose answer it is, is looked at once in a row of them.
        let ask = |healthz: &Healthz| match self.answering_since {
            None => healthz.check_of(self.baseline.main_pid),
            Some(_) => healthz.check(),
        };
        match self.check.healthz.as_ref().map_or(Ok(()), ask) {
            Ok(()) => {
                self.last_answer = now;
                if self.answered_after.is_none() {
                    self.answered_after = Some(self.began.elapsed());
                    if let Some(reason) = self.flag_against_change() {
                        return Err((reason, LOOK_AT_FLAGS));
                    }
                }
                let since = *self.answering_since.get_or_insert(now);
                self.settled |= since.elapsed() >= self.check.settle;
                Ok(())
            }
            Err(_) if self.settled && self.last_answer.elapsed() < HEALTH_PATIENCE => Ok(()),
            Err(_)
                if !self.settled
                    && self.watched_from.elapsed() < HEALTH_DEADLINE + self.check.settle =>
            {
                self.answering_since = None;
                Ok(())
            }
            Err(reason) => Err((
                format!("{} is running, but {reason}", systemd::KUBELET),
                LOOK_AT_JOURNAL,
            )),
        }
    }

    /// Whether another process restarts it, which does not count as a failure: `systemctl restart` outlives a run that is killed, and may
    /// come to it only while the next run watches. What systemd itself restarts after a failure, it counts.
    fn restarted_by_another(&mut self, unit: &Unit) -> bool {
        let started_again = unit.is_running() && unit.incarnation() != self.baseline;
        let restarted = unit.n_restarts <= self.baseline.n_restarts && self.restarts_by_others > 0;
        if !restarted || !(started_again || unit.is_stopping()) {
            return false;
        }
        if started_again {
            self.restarts_by_others -= 1;
            self.baseline = unit.incarnation();
            self.watched_from = Instant::now();
        }
        (self.settled, self.answering_since) = (false, None);
        true
    }

    /// The flag of the new process that contradicts the change: a flag beats every file.
    fn flag_against_change(&self) -> Option<String> {
        let words = process::command_line(self.baseline.main_pid, None).unwrap_or_default();
        let flag = Flags::parse(words.into_iter().skip(1)).boolean("rotate-server-certificates");
        match (self.check.wanted, flag) {
            (Some(wanted), Some(flag)) if flag != (wanted == Bootstrap::Enabled) => Some(format!(
                "{} now runs with --rotate-server-certificates={flag}, which sets the same field and overrides every file",
                systemd::KUBELET
            )),
            _ => None,
        }
    }

    fn watched(
        self,
        health: Result<(), HealthFailure>,
        feed: RequestFeed,
        interrupted: bool,
    ) -> WatchOutcome {
        WatchOutcome {
            health,
            invocation_id: self.baseline.invocation_id,
            answered_after: self.answered_after,
            request: feed.request,
            degraded: feed.degraded,
            interrupted,
        }
    }
}
