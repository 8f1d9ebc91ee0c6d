//! systemd, spoken to through `systemctl` and `journalctl`: they work for root without a D-Bus daemon and in early
//! boot. One function calls, one pure `parse_*` reads.

mod failure;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::host::files;
use crate::host::run::{RunError, run};
use crate::host::trace::Call;
use crate::kubelet::unit::{EnvironmentFile, UnknownCommandLine, Word, next_command_line};
use crate::node::{Incarnation, Unit};
use crate::text::harmless;

use failure::{SystemctlFailure, parse_refusal};

/// The kubelet's unit, as every kubeadm package names it.
pub const KUBELET: &str = "kubelet.service";

/// `systemctl show` takes 12 to 17 ms; this much means that systemd does not answer.
const SHOW_DEADLINE: Duration = Duration::from_secs(15);
/// What a restart may take beyond the unit's TimeoutStopSec, which it waits for when the process ignores SIGTERM.
const RESTART_MARGIN: Duration = Duration::from_secs(30);
/// TimeoutStopSec where the unit does not say, as systemd has it.
const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(90);

/// Why systemd gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum SystemdError {
    /// `systemctl` or `journalctl` gave no answer.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Another init system runs, or none, as in a container.
    #[error("systemd does not run on this machine")]
    Absent,
    /// systemd, polkit or the kernel does not let the caller do this: the first line of what systemctl printed.
    #[error("{0}")]
    Denied(String),
    /// Its answer lacks a property.
    #[error("systemctl show gave no {0}")]
    Answer(&'static str),
}

impl SystemdError {
    /// Whether the caller lacks the right.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Denied(_) => true,
            Self::Run(RunError::Run(_, error)) => error.kind() == ErrorKind::PermissionDenied,
            Self::Run(_) | Self::Absent | Self::Answer(_) => false,
        }
    }

    /// Whether no systemd runs here that could be asked.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent | Self::Run(RunError::Missing(_)))
    }
}

/// Asks systemd about `unit`. A unit that does not exist is an answer too: `load_state` says so.
///
/// # Errors
/// When systemd is not installed, or does not answer.
pub fn show(unit: &str) -> Result<Unit, SystemdError> {
    const PROPERTIES: &str = "--property=LoadState,ActiveState,SubState,Result,MainPID,NRestarts,InvocationID,\
        ExecMainStatus,ExecMainStartTimestampMonotonic,NeedDaemonReload,FragmentPath,DropInPaths,ExecStart,ExecStartEx,\
        Environment,EnvironmentFiles,TimeoutStopUSec";
    parse_show(&systemctl("show", &[PROPERTIES, unit], SHOW_DEADLINE)?)
}

/// An environment file is some lines, in bytes.
const ENVIRONMENT_CAP: u64 = 1024 * 1024;

/// Why the command line of a unit's next start cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum NextWordsError {
    /// `EnvironmentFile=` names files by a pattern.
    #[error("{0} is a pattern")]
    Pattern(String),
    /// An environment file is there and cannot be read.
    #[error(transparent)]
    File(#[from] files::FileError),
    /// What systemctl prints cannot be understood.
    #[error(transparent)]
    Unknown(#[from] UnknownCommandLine),
}

/// The words, the program first, that systemd will start `unit` with: environment files are read again at each start.
///
/// # Errors
/// What cannot be understood.
pub fn next_words(unit: &Unit) -> Result<Vec<Word>, NextWordsError> {
    let files = unit.environment_files.iter().map(|(path, optional)| {
        if path.contains(['*', '?', '[']) {
            return Err(NextWordsError::Pattern(path.clone()));
        }
        let content = match files::read(Path::new(path), ENVIRONMENT_CAP) {
            Ok(content) => Some(content),
            Err(error) if error.cause.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
        Ok(EnvironmentFile {
            path: path.clone(),
            optional: *optional,
            content,
        })
    });
    let files = files.collect::<Result<Vec<_>, _>>()?;
    Ok(next_command_line(
        &unit.exec_start,
        &unit.environment,
        &files,
    )?)
}

/// Whether anything that makes the command line was written after `started`.
pub fn changed_since(unit: &Unit, started: std::time::SystemTime) -> bool {
    let root = files::Root::host();
    let environment = unit
        .environment_files
        .iter()
        .map(|(path, _)| Path::new(path));
    let mut all = unit.files.iter().map(PathBuf::as_path).chain(environment);
    unit.need_daemon_reload
        || all.any(|path| root.modified(path).is_ok_and(|modified| modified > started))
}

/// Restarts `unit` and waits for systemd's job. That it returns proves nothing about the process: it is also Ok when
/// the process dies at once, its binary is missing, or a Condition is false.
///
/// # Errors
/// When systemd refuses (masked, unknown, not permitted) or does not finish in time.
pub fn restart(unit: &str, stop_timeout: Option<Duration>) -> Result<(), SystemdError> {
    let deadline = stop_timeout
        .unwrap_or(DEFAULT_STOP_TIMEOUT)
        .saturating_add(RESTART_MARGIN);
    systemctl("restart", &[unit], deadline).map(drop)
}

/// The last `lines` of one start's own words, oldest first; empty where the journal cannot be read.
pub fn journal(start: &Incarnation, lines: usize) -> Vec<String> {
    let count = format!("--lines={lines}");
    // What the process said, and what systemd said of it; and the process by its number, because journald learns of the
    // start too late where it dies within a millisecond.
    let said = format!("_SYSTEMD_INVOCATION_ID={}", start.invocation_id);
    let said_of = format!("INVOCATION_ID={}", start.invocation_id);
    let by = format!("_PID={}", start.main_pid);
    let mut arguments = vec![
        "--output=cat",
        "--no-pager",
        "--quiet",
        "--boot",
        &count,
        &said,
        "+",
        &said_of,
    ];
    if start.main_pid != 0 {
        arguments.extend(["+", &by]);
    }
    run("journalctl", "journal", &arguments, SHOW_DEADLINE)
        .map(|text| parse_journal(&text))
        .unwrap_or_default()
}

fn systemctl(
    what: &'static str,
    arguments: &[&str],
    deadline: Duration,
) -> Result<String, SystemdError> {
    let mut all = vec!["--no-pager", "--no-ask-password", what];
    all.extend_from_slice(arguments);
    // Properties to show make a line of half a page.
    let said = all.iter().filter(|word| !word.starts_with("--property"));
    let _call = Call::begin(|| format!("systemctl {}", Vec::from_iter(said.copied()).join(" ")));
    run("systemctl", what, &all, deadline).map_err(|error| match error {
        RunError::Refused { code, words } => match parse_refusal(&words) {
            SystemctlFailure::Absent => SystemdError::Absent,
            SystemctlFailure::Denied => SystemdError::Denied(words),
            SystemctlFailure::Other => RunError::Refused { code, words }.into(),
        },
        error => error.into(),
    })
}

fn parse_show(text: &str) -> Result<Unit, SystemdError> {
    let mut unit = Unit::default();
    let mut seen = false;
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let owned = || value.to_owned();
        match key {
            "LoadState" => (unit.load_state, seen) = (owned(), true),
            "ActiveState" => unit.active_state = owned(),
            "SubState" => unit.sub_state = owned(),
            "Result" => unit.result = owned(),
            "InvocationID" => unit.invocation_id = owned(),
            "FragmentPath" | "DropInPaths" => unit
                .files
                .extend(value.split_whitespace().map(PathBuf::from)),
            "ExecStart" if unit.exec_start.is_empty() => unit.exec_start = owned(),
            "ExecStartEx" => unit.exec_start = owned(),
            "Environment" => unit.environment = owned(),
            "EnvironmentFiles" => unit.environment_files.extend(parse_environment_file(value)),
            "MainPID" => unit.main_pid = value.parse().unwrap_or(0),
            "NRestarts" => unit.n_restarts = value.parse().unwrap_or(0),
            "ExecMainStatus" => unit.exit_status = value.parse().unwrap_or(0),
            "ExecMainStartTimestampMonotonic" => {
                unit.started_monotonic = value
                    .parse()
                    .ok()
                    .filter(|us| *us > 0)
                    .map(Duration::from_micros);
            }
            "NeedDaemonReload" => unit.need_daemon_reload = value == "yes",
            "TimeoutStopUSec" => unit.stop_timeout = parse_timespan(value),
            _ => {}
        }
    }
    if seen {
        Ok(unit)
    } else {
        Err(SystemdError::Answer("LoadState"))
    }
}

fn parse_environment_file(value: &str) -> Option<(String, bool)> {
    let (path, flags) = value.rsplit_once(" (ignore_errors=")?;
    Some((path.to_owned(), flags.starts_with("yes")))
}

/// Reads systemd's time spans, such as `1min 30s`, `500ms`, `infinity` (none).
fn parse_timespan(text: &str) -> Option<Duration> {
    text.split_whitespace()
        .try_fold(Duration::ZERO, |sum, part| {
            let digits = part.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, unit) = part.split_at(digits);
            let seconds = match unit {
                "us" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "min" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                "w" => 604_800.0,
                _ => return None,
            };
            let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?;
            sum.checked_add(part)
        })
}

/// A journal's words may hold control sequences; a terminal must not obey them.
fn parse_journal(text: &str) -> Vec<String> {
    let harmless = |line: &str| Vec::from_iter(line.split('\t').map(harmless)).join("\t");
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(harmless)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: &str = include_str!("../../testdata/captured/1.36/systemctl-show-kubelet.txt");
    const CRASH_LOOP: &str =
        include_str!("../../testdata/captured/1.36/systemctl-show-crash-loop.txt");

    #[test]
    fn a_healthy_kubelet_as_systemd_252_describes_it() {
        let unit = parse_show(HEALTHY).unwrap();
        assert!(unit.is_running());
        assert_eq!(unit.main_pid, 314);
        assert_eq!(
            unit.started_monotonic,
            Some(Duration::from_micros(4_575_352_278))
        );
        assert_eq!(unit.invocation_id, "7602d058211f41eb848ff87c08456fc9");
        assert_eq!(unit.stop_timeout, Some(Duration::from_secs(90)));
        assert_eq!(
            unit.environment_files,
            [
                ("/var/lib/kubelet/kubeadm-flags.env".to_owned(), true),
                ("/etc/default/kubelet".to_owned(), true)
            ]
        );
        assert!(
            unit.environment
                .contains("--config=/var/lib/kubelet/config.yaml")
        );
        assert!(unit.exec_start.starts_with("{ path=/usr/bin/kubelet ;"));
        assert_eq!(unit.files.len(), 2);
        assert_eq!(
            unit.files[1],
            Path::new("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf")
        );
        assert_eq!(unit.describe(), "active (running)");
    }

    #[test]
    fn a_crash_loop_is_seen_in_every_second_of_it() {
        // One line a second, properties separated by spaces; the first is the moment after `restart` returned 0.
        let seconds: Vec<Unit> = CRASH_LOOP
            .lines()
            .filter(|line| line.starts_with("MainPID="))
            .map(|line| {
                parse_show(&format!("LoadState=loaded\n{}", line.replace(' ', "\n"))).unwrap()
            })
            .collect();
        let baseline = seconds[0].incarnation();
        assert!(
            seconds[0].is_running(),
            "systemd's own word right after the restart"
        );
        for second in &seconds[1..] {
            assert!(!second.is_running() || second.incarnation() != baseline);
        }
        assert_eq!(
            seconds[1].describe(),
            "activating (auto-restart), exit status 1"
        );
    }

    #[test]
    fn time_spans_are_read() {
        assert_eq!(parse_timespan("1min 30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse_timespan("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(
            parse_timespan("1h 1us"),
            Some(Duration::from_secs(3600) + Duration::from_micros(1))
        );
        for none in ["infinity", "5", "s", "1x", "999999999999999999999999w"] {
            assert_eq!(parse_timespan(none), None, "{none}");
        }
    }

    #[test]
    fn an_answer_without_the_properties_is_an_error() {
        assert!(matches!(
            parse_show(""),
            Err(SystemdError::Answer("LoadState"))
        ));
        assert!(matches!(
            parse_show("garbage\n\0"),
            Err(SystemdError::Answer("LoadState"))
        ));
    }

    #[test]
    fn a_journal_cannot_write_to_the_terminal() {
        assert_eq!(parse_journal("a\n\n\u{1b}[2Jb\n"), ["a", "\u{fffd}[2Jb"]);
    }
}
