//! One service: its states and how it gets from one to the other, as `Type=simple` goes in systemd 252.

use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::journal::Journal;
use super::timespan::Stamp;
use super::unit::Unit;
use crate::api::random_id;

/// `DefaultTimeoutStopSec`
const TIMEOUT_STOP: Duration = Duration::from_secs(90);
/// `DefaultStartLimitBurst`
const START_LIMIT_BURST: usize = 5;

/// Where a service is; `ActiveState` and `SubState` in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Dead,
    Running,
    StopSigterm,
    StopSigkill,
    AutoRestart,
    Failed,
}

impl State {
    pub(crate) fn active(self) -> &'static str {
        match self {
            Self::Dead => "inactive",
            Self::Running => "active",
            Self::StopSigterm | Self::StopSigkill => "deactivating",
            Self::AutoRestart => "activating",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn sub(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Running => "running",
            Self::StopSigterm => "stop-sigterm",
            Self::StopSigkill => "stop-sigkill",
            Self::AutoRestart => "auto-restart",
            Self::Failed => "failed",
        }
    }
}

/// What `systemctl` wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    Start,
    Stop,
    Restart,
}

/// A loaded service.
pub(crate) struct Service {
    pub(crate) unit: Unit,
    pub(crate) state: State,
    pub(crate) result: &'static str,
    pub(crate) main_pid: u32,
    pub(crate) exec_main_pid: u32,
    /// `CLD_EXITED` is 1, `CLD_KILLED` 2.
    pub(crate) exec_main_code: i32,
    pub(crate) exec_main_status: i32,
    pub(crate) n_restarts: u32,
    /// The counter is shown until the next start, and restarts with it.
    flush_n_restarts: bool,
    pub(crate) starts: u32,
    pub(crate) invocation: String,
    pub(crate) exec_started: Option<Stamp>,
    pub(crate) exec_exited: Option<Stamp>,
    pub(crate) active_entered: Option<Stamp>,
    pub(crate) inactive_entered: Option<Stamp>,
    pub(crate) changed: Stamp,
    /// When the state's own timer fires.
    pub(crate) timer: Option<Instant>,
    pub(crate) job: Option<(u64, Job)>,
    recent_starts: VecDeque<Instant>,
    pub(crate) journal: Journal,
}

/// What the supervisor wakes up for.
pub(crate) enum Wake {
    /// A process has ended.
    Exited(Exit),
    /// There is a new job.
    Job,
}

/// A process has ended.
pub(crate) struct Exit {
    pub(crate) unit: String,
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
}

impl Service {
    pub(crate) fn new(unit: Unit, journal: Journal) -> Self {
        Self {
            unit,
            state: State::Dead,
            result: "success",
            main_pid: 0,
            exec_main_pid: 0,
            exec_main_code: 0,
            exec_main_status: 0,
            n_restarts: 0,
            flush_n_restarts: false,
            starts: 0,
            invocation: String::new(),
            exec_started: None,
            exec_exited: None,
            active_entered: None,
            inactive_entered: None,
            changed: Stamp::now(),
            timer: None,
            job: None,
            recent_starts: VecDeque::new(),
            journal,
        }
    }

    fn log(&self, message: &str) {
        self.journal
            .systemd(&self.unit.name, &self.invocation, message);
    }

    fn described(&self) -> String {
        let description = self.unit.get("Description").unwrap_or(&self.unit.name);
        format!("{} - {description}", self.unit.name)
    }

    fn enter(&mut self, state: State) {
        self.changed = Stamp::now();
        match state {
            State::Running => self.active_entered = Some(self.changed),
            State::Dead | State::Failed | State::AutoRestart => {
                self.inactive_entered = Some(self.changed)
            }
            _ => {}
        }
        self.state = state;
        self.timer = None;
    }

    /// Works on the job. True: it is done.
    pub(crate) fn step(&mut self, exits: &mpsc::Sender<Wake>) -> bool {
        self.fire_timer(exits);
        let Some((_, job)) = self.job else {
            return false;
        };
        match (job, self.state) {
            (_, State::StopSigterm | State::StopSigkill) => false,
            // A start waits for the restart that is under way anyway.
            (Job::Start, State::AutoRestart) => false,
            (Job::Start, State::Running) => true,
            (Job::Start, State::Dead | State::Failed)
            | (Job::Restart, State::Dead | State::Failed) => {
                self.start(exits);
                true
            }
            (Job::Stop | Job::Restart, State::Running) => {
                self.log(&format!("Stopping {}...", self.described()));
                self.signal(Signal::SIGTERM);
                self.enter(State::StopSigterm);
                self.timer =
                    Instant::now().checked_add(self.unit.duration("TimeoutStopSec", TIMEOUT_STOP));
                false
            }
            (Job::Stop | Job::Restart, State::AutoRestart) => {
                // Not a way to reset the counter: seen with 252.
                self.log(&format!("Stopped {}.", self.described()));
                self.enter(State::Dead);
                job == Job::Stop
            }
            (Job::Stop, State::Dead | State::Failed) => true,
        }
    }

    fn fire_timer(&mut self, exits: &mpsc::Sender<Wake>) {
        if self.timer.is_none_or(|at| at > Instant::now()) {
            return;
        }
        self.timer = None;
        match self.state {
            State::AutoRestart => {
                self.n_restarts += 1;
                let name = &self.unit.name;
                self.log(&format!(
                    "{name}: Scheduled restart job, restart counter is at {}.",
                    self.n_restarts
                ));
                self.log(&format!("Stopped {}.", self.described()));
                self.start(exits);
                self.job = self.job.filter(|(_, job)| *job != Job::Start);
            }
            State::StopSigterm => {
                let name = &self.unit.name;
                self.log(&format!("{name}: State 'stop-sigterm' timed out. Killing."));
                self.log(&format!(
                    "{name}: Killing process {} (kubelet) with signal SIGKILL.",
                    self.main_pid
                ));
                self.result = "timeout";
                self.signal(Signal::SIGKILL);
                self.enter(State::StopSigkill);
            }
            _ => {}
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let Ok(pid) = i32::try_from(self.main_pid) else {
            return;
        };
        if pid > 0 {
            let _ = if signal == Signal::SIGKILL {
                killpg(Pid::from_raw(pid), signal)
            } else {
                kill(Pid::from_raw(pid), signal)
            };
        }
    }

    fn start(&mut self, exits: &mpsc::Sender<Wake>) {
        if std::mem::take(&mut self.flush_n_restarts) {
            self.n_restarts = 0;
        }
        let interval = self.unit.start_limit_interval();
        let burst = self
            .unit
            .get("StartLimitBurst")
            .and_then(|b| b.parse().ok())
            .unwrap_or(START_LIMIT_BURST);
        let now = Instant::now();
        self.recent_starts
            .retain(|at| now.duration_since(*at) < interval);
        if !interval.is_zero() && self.recent_starts.len() >= burst {
            self.log(&format!(
                "{}: Start request repeated too quickly.",
                self.unit.name
            ));
            self.log(&format!(
                "{}: Failed with result 'start-limit-hit'.",
                self.unit.name
            ));
            self.result = "start-limit-hit";
            return self.enter(State::Failed);
        }
        self.recent_starts.push_back(now);
        self.starts += 1;
        self.invocation = random_id();
        self.result = "success";
        (self.exec_main_code, self.exec_main_status) = (0, 0);
        (self.exec_started, self.exec_exited) = (Some(Stamp::now()), None);
        match self.spawn(exits) {
            Ok(pid) => {
                (self.main_pid, self.exec_main_pid) = (pid, pid);
                self.enter(State::Running);
                self.log(&format!("Started {}.", self.described()));
            }
            Err(why) => {
                self.log(&format!("Started {}.", self.described()));
                self.log(&format!(
                    "{}: Failed at step EXEC spawning: {why}",
                    self.unit.name
                ));
                self.enter(State::Running);
                // The child that could not become the program exits with this.
                self.ended(ExitStatus::from_raw(203 << 8));
            }
        }
    }

    /// The main process has ended.
    pub(crate) fn exited(&mut self, exit: &Exit) {
        if exit.pid == self.main_pid {
            self.ended(exit.status);
        }
    }

    fn ended(&mut self, status: ExitStatus) {
        self.main_pid = 0;
        self.exec_exited = Some(Stamp::now());
        let stopping = matches!(self.state, State::StopSigterm | State::StopSigkill);
        let name = self.unit.name.clone();
        let failure = match (status.code(), status.signal()) {
            (Some(code), _) => {
                (self.exec_main_code, self.exec_main_status) = (1, code);
                let word = match code {
                    0 => "SUCCESS",
                    1 => "FAILURE",
                    203 => "EXEC",
                    _ => "n/a",
                };
                if code != 0 {
                    self.log(&format!(
                        "{name}: Main process exited, code=exited, status={code}/{word}"
                    ));
                }
                (code != 0).then_some("exit-code")
            }
            (None, signal) => {
                let signal = signal.unwrap_or(0);
                (self.exec_main_code, self.exec_main_status) = (2, signal);
                let word = Signal::try_from(signal)
                    .map_or("n/a", |s| s.as_str().trim_start_matches("SIG"));
                let clean = [
                    Signal::SIGHUP,
                    Signal::SIGINT,
                    Signal::SIGTERM,
                    Signal::SIGPIPE,
                ]
                .map(|s| s as i32);
                if !clean.contains(&signal) {
                    self.log(&format!(
                        "{name}: Main process exited, code=killed, status={signal}/{word}"
                    ));
                }
                (!clean.contains(&signal)).then_some("signal")
            }
        };
        if let Some(failure) = failure.filter(|_| self.result == "success") {
            self.result = failure;
        }
        let ok = self.result == "success";
        match ok {
            true => self.log(&format!("{name}: Deactivated successfully.")),
            false => self.log(&format!("{name}: Failed with result '{}'.", self.result)),
        }
        let restarts = match self.unit.get("Restart") {
            Some("always") => true,
            Some("on-failure") => !ok,
            _ => false,
        };
        if restarts && !stopping {
            self.enter(State::AutoRestart);
            // 100 ms is systemd's default.
            let pause = self.unit.duration("RestartSec", Duration::from_millis(100));
            self.timer = Some(Instant::now() + pause);
            return;
        }
        if stopping {
            self.log(&format!("Stopped {}.", self.described()));
        }
        self.flush_n_restarts = true;
        self.enter(if ok { State::Dead } else { State::Failed });
    }
}
