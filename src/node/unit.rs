//! The kubelet's unit, in systemd's words.

use std::path::PathBuf;
use std::time::Duration;

/// A unit as `systemctl show` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`, …
    pub load_state: String,
    /// `active`, `activating`, `inactive`, `failed`, …
    pub active_state: String,
    /// `running`, `auto-restart`, `dead`, …
    pub sub_state: String,
    /// `success`, `exit-code`, …
    pub result: String,
    /// 0 where no process runs.
    pub main_pid: u32,
    /// Automatic restarts. A manual restart does not always reset it, so only a rise above a baseline means anything.
    pub n_restarts: u64,
    /// Changes with each start.
    pub invocation_id: String,
    /// The main process' last exit status.
    pub exit_status: i32,
    /// When the main process started, on the kernel's CLOCK_MONOTONIC.
    pub started_monotonic: Option<Duration>,
    /// The unit file changed on disk since systemd read it.
    pub need_daemon_reload: bool,
    /// The unit file and its drop-ins.
    pub files: Vec<PathBuf>,
    /// `ExecStartEx`, or `ExecStart` where that is not known yet, as systemd prints it.
    pub exec_start: String,
    /// `Environment` as systemd prints it.
    pub environment: String,
    /// `EnvironmentFiles` in order, and whether each may be missing.
    pub environment_files: Vec<(String, bool)>,
    /// `TimeoutStopUSec`.
    pub stop_timeout: Option<Duration>,
}

/// What identifies one incarnation of a unit's process. Any change means that it died, or was restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// `MainPID`; 0 if no process runs.
    pub main_pid: u32,
    /// systemd's id of this start.
    pub invocation_id: String,
    /// Automatic restarts so far.
    pub n_restarts: u64,
}

impl Unit {
    /// Whether its process runs, as far as systemd can see.
    pub fn is_running(&self) -> bool {
        self.active_state == "active" && self.sub_state == "running" && self.main_pid != 0
    }

    /// Whether systemd is stopping it, to restart it or for good.
    pub fn is_stopping(&self) -> bool {
        self.active_state == "deactivating"
    }

    /// What identifies its running process, to tell a later restart.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation {
            main_pid: self.main_pid,
            invocation_id: self.invocation_id.clone(),
            n_restarts: self.n_restarts,
        }
    }

    /// Its state in systemd's own words, such as `activating (auto-restart), result exit-code`.
    pub fn describe(&self) -> String {
        let state = format!("{} ({})", self.active_state, self.sub_state);
        match self.result.as_str() {
            "success" | "" => state,
            "exit-code" => format!("{state}, exit status {}", self.exit_status),
            result => format!("{state}, result {result}"),
        }
    }
}
