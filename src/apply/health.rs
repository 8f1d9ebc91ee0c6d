//! The health check: what a healthy kubelet is, and how it is restarted.

use std::time::{Duration, Instant};

use crate::host::healthz::{Healthz, HealthzError};
use crate::host::systemd::{self, SystemdError};
use crate::kubelet::Bootstrap;
use crate::node::{InvalidHealthz, Kubelet, Unit};
use crate::report::{Code, Problem};

/// How long a kubelet may take from its start to its first healthy answer: 0.7 s on 1.36 and 10 s on 1.19 were seen
/// on idle machines, and a node may be busy.
pub const HEALTH_DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks at the kubelet: while it comes up, and once it has settled.
pub(super) const LOOK_AGAIN: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(1));

/// What the kubelet's health is judged by.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// Where it answers /healthz; none where its configuration switches that off.
    pub healthz: Option<Healthz>,
    /// How long it must stay up and answer.
    pub settle: Duration,
    /// What its flags must not contradict; none where that does not matter.
    pub wanted: Option<Bootstrap>,
}

/// Why a kubelet is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthFailure {
    /// What was seen last, as a clause for a message.
    pub reason: String,
    /// The last lines of its journal.
    pub journal: Vec<String>,
    /// Where to look next.
    pub hint: &'static str,
}

/// In what way a kubelet is not healthy now.
#[derive(Debug, thiserror::Error)]
pub enum NotHealthy {
    /// It does not run, or another process of it runs than was looked at: its state by systemd.
    #[error("{unit} is {0}", unit = systemd::KUBELET)]
    NotRunning(String),
    /// It does not answer as a healthy kubelet does.
    #[error(transparent)]
    Healthz(#[from] HealthzError),
    /// systemd does not say whether it runs.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

/// What to do about a kubelet that died.
pub const LOOK_AT_JOURNAL: &str = "journalctl -u kubelet --no-pager -n 50";
/// What to do about one that systemd does not let start, or of which it says nothing.
pub const LOOK_AT_STATUS: &str = "systemctl status kubelet";
/// What to do about a flag against the change: these set it, one of them.
pub const LOOK_AT_FLAGS: &str = "systemctl cat kubelet; grep -n KUBELET /var/lib/kubelet/kubeadm-flags.env \
     /etc/default/kubelet /etc/sysconfig/kubelet";

impl From<InvalidHealthz> for Problem {
    fn from(error: InvalidHealthz) -> Self {
        Self::of(Code::Input, error).context("cannot tell where the kubelet answers /healthz")
    }
}

impl HealthCheck {
    /// The check of `kubelet`, which answers where its flags and files say.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn of(
        kubelet: &Kubelet,
        settle: Duration,
        wanted: Option<Bootstrap>,
    ) -> Result<Self, InvalidHealthz> {
        let healthz = kubelet.healthz()?;
        Ok(Self {
            healthz: healthz.and_then(|(address, port)| Healthz::new(address, port)),
            settle,
            wanted,
        })
    }

    /// Whether the kubelet is healthy now, before anything is touched.
    ///
    /// # Errors
    /// In what way it is not.
    pub fn check(&self, unit: &Unit) -> Result<(), NotHealthy> {
        if !unit.is_running() {
            return Err(NotHealthy::NotRunning(unit.describe()));
        }
        let Some(healthz) = &self.healthz else {
            return Ok(());
        };
        let checked = healthz.check_of(unit.main_pid).or_else(|_| {
            // Once more: one lost answer must not keep an administrator from the change.
            std::thread::sleep(LOOK_AGAIN.1);
            healthz.check_of(unit.main_pid)
        });
        Ok(checked?)
    }

    /// Whether the kubelet is healthy now. One that does not answer yet is waited for as long as `patience`, while it runs
    /// and is not started again; `waiting` is called once before that.
    ///
    /// # Errors
    /// In what way it is not healthy.
    pub fn check_start(
        &self,
        unit: &Unit,
        patience: Duration,
        waiting: impl FnOnce(),
    ) -> Result<(), NotHealthy> {
        let end = Instant::now() + patience;
        let checked = self.check(unit);
        let (Err(_), Some(healthz)) = (&checked, &self.healthz) else {
            return checked;
        };
        let starting = || matches!(healthz.check(), Err(HealthzError::NoAnswer { .. }));
        if !unit.is_running() || Instant::now() >= end || !starting() {
            return checked;
        }
        waiting();
        while Instant::now() < end {
            std::thread::sleep(LOOK_AGAIN.0);
            let now = systemd::show(systemd::KUBELET)?;
            if !now.is_running() || now.incarnation() != unit.incarnation() {
                return Err(NotHealthy::NotRunning(now.describe()));
            }
            if !starting() {
                return self.check(&now);
            }
        }
        checked
    }

    /// The same check, whatever the flags say.
    #[must_use]
    pub fn without_flags(&self) -> Self {
        Self {
            wanted: None,
            ..self.clone()
        }
    }
}
