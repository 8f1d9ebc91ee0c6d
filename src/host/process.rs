//! The process table: what a running kubelet was started with, and when.
#![expect(clippy::disallowed_methods, reason = "this is where /proc is read")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::clock;
use super::files::Root;
use crate::node::{ApiServerProcess, ProcessId};

/// Kernel clock ticks a second in /proc/PID/stat. USER_HZ is 100 on every architecture that Kubernetes supports
/// (include/asm-generic/param.h).
const TICKS_A_SECOND: f64 = 100.0;

/// For how long a process that systemd has just started may still be a copy of systemd: less than a millisecond, unless
/// the machine is busy.
const BECOMES_ITSELF: (Duration, Duration) = (Duration::from_millis(5), Duration::from_secs(5));

/// The command line of process `pid`, the program first. `monotonic` is when systemd started the process that it means:
/// the number may be another process's by now.
///
/// # Errors
/// When the process does not exist, or is not the one that systemd means.
pub fn command_line(pid: u32, monotonic: Option<Duration>) -> io::Result<Vec<String>> {
    let end = Instant::now() + BECOMES_ITSELF.1;
    loop {
        let before = Identity::of(pid)?;
        let words = parse_command_line(&fs::read(format!("/proc/{pid}/cmdline"))?);
        let program = |pid: &str| fs::read_link(format!("/proc/{pid}/exe")).ok();
        let copy =
            program("1").is_some_and(|init| pid != 1 && program(&pid.to_string()) == Some(init));
        // systemd moves its child into the unit's control group before that becomes the program.
        let changed = Identity::of(pid)? != before;
        if Instant::now() < end && (copy || changed || is_of_systemd(&words)) {
            std::thread::sleep(BECOMES_ITSELF.0);
            continue;
        }
        let is_later = monotonic
            .zip(age(before.start)?)
            .is_some_and(|(start, age)| is_younger(age, clock::monotonic().checked_sub(start)));
        return if changed || is_later {
            Err(io::Error::other(format!(
                "process {pid} is no longer the one that systemd started"
            )))
        } else {
            Ok(words)
        };
    }
}

/// What tells a process from a later one with the same number.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    /// Field 22 of proc_pid_stat(5), in clock ticks since boot.
    start: Option<u64>,
    cgroup: String,
}

impl Identity {
    fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            start: parse_ticks(&fs::read_to_string(format!("/proc/{pid}/stat"))?),
            cgroup: fs::read_to_string(format!("/proc/{pid}/cgroup"))?,
        })
    }
}

/// How long ago a process began that started at `start`, in clock ticks since boot.
fn age(start: Option<u64>) -> io::Result<Option<Duration>> {
    let up = parse_uptime(&fs::read_to_string("/proc/uptime")?);
    let start = start.map(seconds);
    let age = start.zip(up).map(|(start, up)| (up - start).max(0.0));
    Ok(age.and_then(|age| Duration::try_from_secs_f64(age).ok()))
}

/// Whether a process of this `age` started after the one that systemd started that long ago. It cannot be older: while
/// the machine is suspended only the process's age grows.
fn is_younger(age: Duration, of_systemd: Option<Duration>) -> bool {
    of_systemd.is_some_and(|expected| age + SUSPENDED < expected)
}

/// The command lines of all processes that run a program of this name; those that cannot be read are left out.
pub fn named(name: &str) -> Vec<Vec<String>> {
    all_named(name)
        .filter_map(|process| fs::read(process.join("cmdline")).ok())
        .map(|bytes| parse_command_line(&bytes))
        .collect()
}

/// The processes of this PID namespace that run kube-apiserver; those that cannot be read, as one that ends meanwhile,
/// are left out.
pub fn api_servers() -> Vec<ApiServerProcess> {
    all_named(API_SERVER)
        .filter_map(|process| {
            let pid = process.file_name()?.to_str()?.parse().ok()?;
            let start = || parse_ticks(&fs::read_to_string(process.join("stat")).ok()?);
            let before = start()?;
            let words = parse_command_line(&fs::read(process.join("cmdline")).ok()?);
            // A process that has ended and waits for its parent has no command line.
            (start()? == before && !words.is_empty()).then(|| ApiServerProcess {
                id: ProcessId { pid, start: before },
                words: words.into_iter().skip(1).collect(),
            })
        })
        .collect()
}

/// What the process of an API server is called.
const API_SERVER: &str = "kube-apiserver";

/// The directories in /proc of all processes that run a program of this name.
fn all_named(name: &str) -> impl Iterator<Item = PathBuf> + use<'_> {
    let names = Root::host().names(Path::new("/proc")).unwrap_or_default();
    let processes = names.into_iter().map(|name| Path::new("/proc").join(name));
    processes.filter(move |process| {
        let called = fs::read_to_string(process.join("comm"));
        called.is_ok_and(|called| called.trim_end() == name)
    })
}

/// Whether that is what systemd's child is called before it becomes the unit's program: `(kubelet)`, and from 255 on
/// `systemd-executor` before that (exec_spawn and rename_process in src/core/execute.c and src/basic/process-util.c).
fn is_of_systemd(words: &[String]) -> bool {
    let program = words.first().map_or("", String::as_str);
    program.starts_with('(') || program.rsplit('/').next() == Some("systemd-executor")
}

/// Whether this process is part of systemd's `unit`, by its control group.
///
/// # Errors
/// When the control group cannot be read.
pub fn is_part_of(unit: &str) -> io::Result<bool> {
    fs::read_to_string("/proc/self/cgroup").map(|text| is_in_unit(&text, unit))
}

/// When process `pid` started. `monotonic` is systemd's word for it, exact to the microsecond; the process table's is
/// exact to about 20 ms, and decides where the machine was suspended since, which CLOCK_MONOTONIC does not count.
///
/// # Errors
/// When the process does not exist, or /proc is not what it should be.
pub fn started(pid: u32, monotonic: Option<Duration>) -> io::Result<SystemTime> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let age = age(parse_ticks(&stat))?
        .ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not as expected")))?;
    let exact = monotonic.and_then(|start| clock::monotonic().checked_sub(start));
    let age = exact
        .filter(|exact| exact.abs_diff(age) < SUSPENDED)
        .unwrap_or(age);
    clock::now()
        .checked_sub(age)
        .ok_or_else(|| io::Error::other("the system clock is set before 1970"))
}

/// Two ages that differ by less tell of the same start.
const SUSPENDED: Duration = Duration::from_millis(500);

/// A real kubelet says its version in some 100 ms.
const VERSION_DEADLINE: Duration = Duration::from_secs(10);

/// The version of a kubelet's executable, such as `v1.36.2`; none where it does not say.
pub fn version(program: &str) -> Option<String> {
    super::run::run(program, "--version", &["--version"], VERSION_DEADLINE)
        .ok()
        .and_then(|text| parse_version(&text))
}

fn parse_version(text: &str) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix("Kubernetes "))
        .map(|version| version.trim().to_owned())
}

/// Of systemd's own hierarchy alone: `0::` with version 2 control groups, `name=systemd` with version 1, both where they
/// are mixed. A unit that delegates has its control processes in a group below its own, named `.control`, once `control`
/// (exec_params_get_cgroup_path in src/core/execute.c).
fn is_in_unit(cgroups: &str, unit: &str) -> bool {
    let ours = cgroups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (hierarchy, path) = rest.split_once(':')?;
        matches!(hierarchy, "" | "name=systemd").then_some(path)
    });
    ours.map(|path| {
        path.strip_suffix("/.control")
            .or_else(|| path.strip_suffix("/control"))
            .unwrap_or(path)
    })
    .any(|path| path.rsplit('/').next() == Some(unit))
}

fn parse_command_line(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_suffix('\0').unwrap_or(&text);
    if text.is_empty() {
        Vec::new()
    } else {
        text.split('\0').map(str::to_owned).collect()
    }
}

/// Clock ticks from boot to the start: field 22 of proc_pid_stat(5). The command name before it may hold spaces and `)`.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 ticks are three million years"
)]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_A_SECOND
}

fn parse_uptime(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_split_at_nul_and_keeps_empty_arguments() {
        assert_eq!(
            parse_command_line(b"/usr/bin/kubelet\0--a=b c\0\0"),
            ["/usr/bin/kubelet", "--a=b c", ""]
        );
        assert!(parse_command_line(b"").is_empty());
    }

    #[test]
    fn a_process_that_is_about_to_become_the_kubelet_is_not_taken_for_it() {
        let of_systemd = |program: &str| is_of_systemd(&[program.to_owned(), "--x".to_owned()]);
        assert!(of_systemd("(kubelet)") && of_systemd("/usr/lib/systemd/systemd-executor"));
        assert!(!of_systemd("/usr/bin/kubelet") && !of_systemd("kubelet"));
        assert!(!is_of_systemd(&[]));
    }

    #[test]
    fn a_start_time_is_found_behind_any_command_name() {
        let stat = "12 (a) b (c) S 1 12 12 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123450 1 2";
        let parse_start = |stat| parse_ticks(stat).map(seconds);
        assert_eq!(parse_start(stat), Some(1234.5));
        assert_eq!(parse_start("12 (kubelet"), None);
        assert_eq!(parse_start("12 (kubelet) S 1"), None);
    }

    #[test]
    fn the_unit_of_a_process_is_known_by_its_control_group() {
        for part in [
            "0::/system.slice/kubelet.service\n",
            "0::/system.slice/kubelet.service/.control\n",
            "12:pids:/x\n1:name=systemd:/system.slice/kubelet.service\n0::/\n",
            "1:name=systemd:/machine/system.slice/kubelet.service/control\n",
        ] {
            assert!(is_in_unit(part, "kubelet.service"), "{part}");
        }
        for other in [
            "",
            "0::/",
            "0::/user.slice/user-0.slice/session-1.scope",
            "0::/system.slice/kubelet-tls.service",
            "0::/system.slice/my-kubelet.service",
            "0::/system.slice/kubelet.service/pod1",
            "4:memory:/system.slice/kubelet.service",
            "kubelet.service",
        ] {
            assert!(!is_in_unit(other, "kubelet.service"), "{other}");
        }
    }

    #[test]
    fn the_version_of_a_kubelet_is_read_from_its_output() {
        assert_eq!(
            parse_version("Kubernetes v1.36.2\n").as_deref(),
            Some("v1.36.2")
        );
        assert_eq!(parse_version("no\n"), None);
    }

    #[test]
    fn the_start_time_of_this_process_is_recent() {
        let age = clock::now()
            .duration_since(started(std::process::id(), None).unwrap())
            .unwrap();
        assert!(age < Duration::from_secs(600), "{age:?}");
        assert!(command_line(std::process::id(), None).unwrap()[0].contains("kubelet"));
    }

    #[test]
    fn a_number_that_was_given_to_a_later_process_is_not_taken_for_the_kubelet() {
        let mut later = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = later.id();
        // `spawn` returns before the kernel has laid down the arguments of the new program.
        let arguments = format!("/proc/{pid}/cmdline");
        while fs::read(&arguments).unwrap().is_empty() {
            std::thread::yield_now();
        }
        let long_ago = clock::monotonic().checked_sub(Duration::from_secs(10));
        let error = command_line(pid, long_ago).unwrap_err();
        assert!(error.to_string().contains("no longer the one"), "{error}");
        let words = command_line(pid, Some(clock::monotonic())).unwrap();
        assert_eq!(words, ["sleep", "60"]);
        later.kill().unwrap();
        later.wait().unwrap();
        let (old, young) = (Duration::from_secs(100), Duration::from_secs(1));
        assert!(is_younger(young, Some(old)) && !is_younger(old, Some(young)));
        assert!(!is_younger(young, Some(young)) && !is_younger(young, None));
    }
}
