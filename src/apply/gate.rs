//! The gate: whether a restarted kubelet came back, and stays.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crate::csr::Request;
use crate::host::healthz::Healthz;
use crate::host::kube::{ApiError, Sight};
use crate::host::process;
use crate::host::signals::Interrupts;
use crate::host::systemd::{self, SystemdError};
use crate::kubelet::{Bootstrap, Flags};
use crate::node::{Incarnation, Kubelet, Unit};

use super::news::{News, Notice};

/// How long a kubelet may take from its start to its first healthy answer: 0.7 s on 1.36 and 10 s on 1.19 were seen
/// on idle machines, and a node may be busy.
pub const HEALTH_DEADLINE: Duration = Duration::from_secs(60);
/// How long a kubelet that has settled may fail to answer before that counts as its death.
const HEALTH_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at the kubelet: while it comes up, and once it has settled.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// How often somebody else may restart it while it is watched: a run that was killed has asked for one.
const RESTARTS_BY_OTHERS: u32 = 1;
/// How much of its journal is shown when it did not come back.
const JOURNAL_LINES: usize = 15;

/// What the kubelet's health is judged by.
#[derive(Debug, Clone)]
pub struct Gate {
    /// The unit.
    pub unit: &'static str,
    /// Where it answers /healthz; none where its configuration switches that off.
    pub healthz: Option<Healthz>,
    /// How long it must stay up and answer.
    pub settle: Duration,
    /// What its flags must not contradict; none where that does not matter.
    pub wanted: Option<Bootstrap>,
}

/// What came of watching over a restarted kubelet.
#[derive(Debug)]
pub struct Watched {
    /// Whether it is healthy, or what it died of.
    pub health: Result<(), Death>,
    /// systemd's id of the start that was watched.
    pub invocation_id: String,
    /// From the restart to its first healthy answer.
    pub answered_after: Option<Duration>,
    /// The newest request of this node that was seen.
    pub request: Option<Request>,
    /// What is wrong with the API, at the end.
    pub trouble: Option<ApiError>,
    /// A signal ended the wait.
    pub interrupted: bool,
}

/// Why a kubelet is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// For people.
    pub reason: String,
    /// The last words of its journal.
    pub journal: Vec<String>,
    /// Where to look next.
    pub hint: &'static str,
}

/// What to do about a kubelet that died.
pub const LOOK_AT_JOURNAL: &str = "journalctl -u kubelet --no-pager -n 50";
/// What to do about one that systemd does not let start, or of which it says nothing.
pub const LOOK_AT_STATUS: &str = "systemctl status kubelet";
/// What to do about a flag against the change: these set it, one of them.
pub const LOOK_AT_FLAGS: &str = "systemctl cat kubelet; grep -n KUBELET /var/lib/kubelet/kubeadm-flags.env \
     /etc/default/kubelet /etc/sysconfig/kubelet";

impl Gate {
    /// The gate of `kubelet`, which answers where its flags and files say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(
        kubelet: &Kubelet,
        settle: Duration,
        wanted: Option<Bootstrap>,
    ) -> Result<Self, String> {
        let healthz = kubelet.healthz()?;
        Ok(Self {
            unit: systemd::KUBELET,
            healthz: healthz.and_then(|(address, port)| Healthz::new(address, port)),
            settle,
            wanted,
        })
    }

    /// Whether the kubelet is healthy now, before anything is touched.
    ///
    /// # Errors
    /// In what way it is not.
    pub fn check(&self, unit: &Unit) -> Result<(), String> {
        if !unit.is_running() {
            return Err(format!("{} is {}", self.unit, unit.describe()));
        }
        let Some(healthz) = &self.healthz else {
            return Ok(());
        };
        healthz.check().or_else(|_| {
            // Once more: one lost answer must not keep an administrator from the change.
            std::thread::sleep(LOOK_AGAIN.1);
            healthz.check()
        })
    }

    /// Restarts the kubelet and begins to watch over it.
    ///
    /// # Errors
    /// When systemd refuses or does not answer.
    pub fn restart(&self, before: Option<&Unit>) -> Result<Vigil, SystemdError> {
        let began = Instant::now();
        systemd::restart(self.unit, before.and_then(|unit| unit.stop_timeout))?;
        let unit = systemd::show(self.unit)?;
        Ok(self.vigil(&unit, began, false))
    }

    /// Watches over a kubelet that has been healthy for a while.
    pub fn resume(&self, unit: &Unit) -> Vigil {
        self.vigil(unit, Instant::now(), true)
    }

    /// Watches over a kubelet that somebody else has restarted, from now on.
    pub fn begin(&self, unit: &Unit) -> Vigil {
        self.vigil(unit, Instant::now(), false)
    }

    /// The same gate, whatever the flags say.
    #[must_use]
    pub fn without_flags(&self) -> Self {
        Self {
            wanted: None,
            ..self.clone()
        }
    }

    /// Restarts the kubelet and watches until it has settled.
    ///
    /// # Errors
    /// Why it did not.
    pub fn prove_anew(&self, before: &Unit, interrupts: &Interrupts) -> Result<(), Death> {
        let vigil = self.restart(Some(before)).map_err(|error| Death {
            reason: error.to_string(),
            journal: Vec::new(),
            hint: LOOK_AT_STATUS,
        })?;
        let watched = vigil.keep(None, None, Instant::now(), interrupts, |_| {}, |_| true);
        watched.health
    }

    fn vigil(&self, unit: &Unit, began: Instant, settled: bool) -> Vigil {
        Vigil {
            gate: self.clone(),
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
}

/// A request that was there before the watch.
#[derive(Debug)]
pub struct Known {
    /// The request.
    pub request: Request,
    /// When it counts, if no newer one has come by then.
    pub from: Instant,
}

/// A watch over one incarnation of the kubelet.
#[derive(Debug)]
pub struct Vigil {
    gate: Gate,
    baseline: Incarnation,
    /// Before the restart was asked for.
    began: Instant,
    /// After it was done: the old process may have taken its whole TimeoutStopSec to end.
    watched_from: Instant,
    answered_after: Option<Duration>,
    answering_since: Option<Instant>,
    last_answer: Instant,
    settled: bool,
    /// Nobody has restarted it.
    resumed: bool,
    /// How many restarts by others are still put up with.
    restarts_by_others: u32,
}

impl Vigil {
    /// Whether there is nothing left to prove.
    pub fn has_settled(&self) -> bool {
        self.settled
    }

    /// Watches until the kubelet has settled and `enough` holds for the newest request, or until the kubelet dies, or,
    /// once it has settled, until `end` or a signal. `known` is a request already there;
    /// `notify` is told of each new or changed one at once.
    pub fn keep(
        mut self,
        sights: Option<&Receiver<Sight>>,
        mut known: Option<Known>,
        end: Instant,
        interrupts: &Interrupts,
        mut notify: impl FnMut(Notice<'_>),
        enough: impl Fn(Option<&Request>) -> bool,
    ) -> Watched {
        let mut news = News::default();
        let mut told = (false, false);
        let mut told_settled = self.settled;
        loop {
            if let Err((reason, hint)) = self.look() {
                // The id first: the next automatic restart changes it.
                let journal = systemd::journal(&self.baseline, JOURNAL_LINES);
                return self.watched(
                    Err(Death {
                        reason,
                        journal,
                        hint,
                    }),
                    news,
                    false,
                );
            }
            if let (Some(after), false) = (self.answered_after, told.0) {
                told.0 = true;
                if !self.resumed && self.gate.healthz.is_some() {
                    notify(Notice::Answers(after));
                }
            }
            if self.settled && !told_settled {
                told_settled = true;
                notify(Notice::Settled);
            }
            if let Some(due) = known.take_if(|known| known.from <= Instant::now())
                && news.request.is_none()
            {
                news.take(due.request, &mut notify);
            }
            let interrupted = interrupts.received().is_some();
            if self.settled
                && (interrupted || Instant::now() >= end || enough(news.request.as_ref()))
            {
                return self.watched(Ok(()), news, interrupted);
            }
            if interrupted && !told.1 {
                told.1 = true;
                notify(Notice::Interrupted);
            }
            let pause = if self.settled {
                LOOK_AGAIN.1
            } else {
                LOOK_AGAIN.0
            };
            news.wait(sights, Instant::now() + pause, &mut notify, |request| {
                self.settled && enough(request)
            });
        }
    }

    /// One look: is it still the same process, and does it answer?
    fn look(&mut self) -> Result<(), (String, &'static str)> {
        let unit = match systemd::show(self.gate.unit) {
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
                format!("{} did not stay up: {died}", self.gate.unit),
                LOOK_AT_JOURNAL,
            ));
        }
        let now = Instant::now();
        match self.gate.healthz.as_ref().map_or(Ok(()), Healthz::check) {
            Ok(()) => {
                self.last_answer = now;
                if self.answered_after.is_none() {
                    self.answered_after = Some(self.began.elapsed());
                    self.flags_agree()
                        .map_err(|reason| (reason, LOOK_AT_FLAGS))?;
                }
                let since = *self.answering_since.get_or_insert(now);
                self.settled |= since.elapsed() >= self.gate.settle;
                Ok(())
            }
            Err(_) if self.settled && self.last_answer.elapsed() < HEALTH_PATIENCE => Ok(()),
            Err(_)
                if !self.settled
                    && self.watched_from.elapsed() < HEALTH_DEADLINE + self.gate.settle =>
            {
                self.answering_since = None;
                Ok(())
            }
            Err(reason) => Err((
                format!("{} runs, but {reason}", self.gate.unit),
                LOOK_AT_JOURNAL,
            )),
        }
    }

    /// Whether somebody else restarts it, which is no death: `systemctl restart` outlives a run that is killed, and may
    /// come to it only while the next run watches. What systemd itself restarts after a death, it counts.
    fn restarted_by_another(&mut self, unit: &Unit) -> bool {
        let anew = unit.is_running() && unit.incarnation() != self.baseline;
        let restarted = unit.n_restarts <= self.baseline.n_restarts && self.restarts_by_others > 0;
        if !restarted || !(anew || unit.is_stopping()) {
            return false;
        }
        if anew {
            self.restarts_by_others -= 1;
            self.baseline = unit.incarnation();
            self.watched_from = Instant::now();
        }
        (self.settled, self.answering_since) = (false, None);
        true
    }

    /// A restart may bring a flag that was written down since the last start, and a flag beats every file.
    fn flags_agree(&self) -> Result<(), String> {
        let words = process::command_line(self.baseline.main_pid).unwrap_or_default();
        let flag = Flags::parse(words.into_iter().skip(1)).boolean("rotate-server-certificates");
        match (self.gate.wanted, flag) {
            (Some(wanted), Some(flag)) if flag != (wanted == Bootstrap::Enabled) => Err(format!(
                "{} now runs with --rotate-server-certificates={flag}, which is the same field and beats every file",
                self.gate.unit
            )),
            _ => Ok(()),
        }
    }

    fn watched(self, health: Result<(), Death>, news: News, interrupted: bool) -> Watched {
        Watched {
            health,
            invocation_id: self.baseline.invocation_id,
            answered_after: self.answered_after,
            request: news.request,
            trouble: news.trouble,
            interrupted,
        }
    }
}
