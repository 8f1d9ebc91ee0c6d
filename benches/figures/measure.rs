//! Processes, timed and weighed.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

/// The word that makes this executable print its child's peak memory.
pub(crate) const PEAK: &str = "peak-of";

/// A command and what it is called in the output.
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    /// It takes part in every so many rounds: what is slow needs fewer.
    pub(crate) every: usize,
    times: Vec<Duration>,
}

impl Contender {
    pub(crate) fn new(name: &str, command: &[&str], every: usize) -> Self {
        Self {
            name: name.to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            every,
            times: Vec::new(),
        }
    }

    pub(crate) fn median(&self) -> Duration {
        median(&self.times)
    }
}

/// The tool in this build.
pub(crate) fn tool() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_kubelet-tls"))
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Runs all of them in turn, round after round, so that a busy moment of the machine hits all alike.
pub(crate) fn interleave(contenders: &mut [Contender], rounds: usize) {
    for round in 0..rounds {
        for contender in contenders.iter_mut().filter(|c| round % c.every == 0) {
            contender.times.push(time(&contender.command));
        }
    }
}

/// From before the spawn to after the wait.
fn time(words: &[String]) -> Duration {
    let started = Instant::now();
    let status = quiet(words)
        .status()
        .unwrap_or_else(|error| panic!("{words:?}: {error}"));
    let took = started.elapsed();
    // diff exits 1 for a difference.
    assert!(matches!(status.code(), Some(0 | 1)), "{words:?}: {status}");
    took
}

fn quiet(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Whether the program is there and answers `--version` with something that contains `mark`.
pub(crate) fn is_installed(program: &str, mark: &str) -> bool {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    output.is_ok_and(|output| {
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains(mark)
    })
}

/// What a run of a command costs.
pub(crate) struct Cost {
    /// The most memory that it had resident, in kibibytes.
    pub(crate) peak: u64,
    /// In user and kernel mode, on all cores.
    pub(crate) cpu: Duration,
}

/// The most memory that a run of `words` had resident, in kibibytes.
pub(crate) fn peak(words: &[String]) -> u64 {
    cost(words).peak
}

/// What a run of `words` costs. A child starts with the peak of its parent, so a small process of its own stands between.
pub(crate) fn cost(words: &[String]) -> Cost {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(PEAK)
        .args(words)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let (peak, micros) = text.trim().split_once(' ').unwrap();
    Cost {
        peak: peak.parse().unwrap(),
        cpu: Duration::from_micros(micros.parse().unwrap()),
    }
}

/// The process that stands between.
pub(crate) fn print_peak(words: &[String]) {
    quiet(words).status().unwrap();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
    println!(
        "{} {}",
        usage.max_rss(),
        micros(usage.user_time()) + micros(usage.system_time())
    );
}
