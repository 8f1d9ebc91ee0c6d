//! Runs a program to its end, with a deadline and a cap.
#![expect(clippy::disallowed_methods, reason = "this is where programs are run")]

use std::io::{self, PipeWriter, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Output beyond this is cut, in bytes: no answer of systemctl's and no credential is near it.
const OUTPUT_CAP: u64 = 1024 * 1024;
/// What a program said is there when it ends, unless another process holds its pipes open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a program gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It is not installed.
    #[error("{0} is not installed on this machine")]
    Missing(String),
    /// It could not be run.
    #[error("cannot run {0}: {1}")]
    Run(String, io::Error),
    /// It did not end in time: what was asked of which program.
    #[error("{0} {1} did not answer within {2:?}")]
    Deadline(String, &'static str, Duration),
    #[error("{words}")]
    Refused {
        code: i32,
        /// The first line of what it said on standard error.
        words: String,
    },
}

/// Runs `program` and returns what it said on standard output.
///
/// # Errors
/// When it is not installed, does not end in time, or fails.
pub(super) fn run(
    program: &str,
    what: &'static str,
    arguments: &[&str],
    deadline: Duration,
) -> Result<String, RunError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => RunError::Missing(program.to_owned()),
        _ => RunError::Run(program.to_owned(), error),
    };
    // Before the child, so that nothing was started if no thread can be.
    let (stdout, output) = drain().map_err(failed)?;
    let (stderr, words) = drain().map_err(failed)?;
    let mut child = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("SYSTEMD_COLORS", "0")
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        // A process group of its own: Ctrl-C on our terminal must not stop a restart half-way.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let end = Instant::now() + deadline;
    let late = || RunError::Deadline(program.to_owned(), what, deadline);
    let Some(status) = wait(&mut child, end).map_err(failed)? else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(late());
    };
    // Whatever it has left behind may hold the pipes open.
    let text = |said: &Receiver<io::Result<Vec<u8>>>| {
        let left = end.saturating_duration_since(Instant::now());
        let said = said.recv_timeout(left.max(LAST_WORDS));
        let bytes = said.map_err(|_| late())?.map_err(failed)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (output, words) = (text(&output)?, text(&words)?);
    if status.success() {
        return Ok(output);
    }
    // The first line is the cause; what follows is the next layer's opinion of it.
    let words = words
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map(str::to_owned);
    let words = words.unwrap_or_else(|| format!("{program} {what} failed: {status}"));
    Err(RunError::Refused {
        code: status.code().unwrap_or(-1),
        words,
    })
}

/// How `child` ended; none where it has not by `end`.
pub(super) fn wait(child: &mut Child, end: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        match child.try_wait()? {
            None if Instant::now() < end => thread::sleep(Duration::from_millis(2)),
            ended => return Ok(ended),
        }
    }
}

/// A pipe to write to, and the beginning of what was written, once no one can write to it any more.
pub(super) fn drain() -> io::Result<(PipeWriter, Receiver<io::Result<Vec<u8>>>)> {
    let (reader, writer) = io::pipe()?;
    let (sender, said) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        let read = reader.take(OUTPUT_CAP).read_to_end(&mut bytes);
        let _ = sender.send(read.map(|_| bytes));
    })?;
    Ok((writer, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended_and_a_missing_one_is_an_error() {
        let started = Instant::now();
        let hung = run("sleep", "test", &["60"], Duration::from_millis(50));
        assert!(matches!(hung, Err(RunError::Deadline(_, "test", _))));
        assert!(started.elapsed() < Duration::from_secs(10));
        assert!(matches!(
            run("no-such-program", "test", &[], Duration::from_secs(15)),
            Err(RunError::Missing(_))
        ));
        let started = Instant::now();
        let left_behind = run(
            "sh",
            "test",
            &["-c", "sleep 3 & echo started"],
            Duration::from_millis(50),
        );
        assert!(matches!(left_behind, Err(RunError::Deadline(_, "test", _))));
        assert!(started.elapsed() < Duration::from_secs(10));
        let refused = run(
            "sh",
            "test",
            &["-c", "echo why >&2; exit 5"],
            Duration::from_secs(15),
        );
        assert!(matches!(refused, Err(RunError::Refused { code: 5, words }) if words == "why"));
    }
}
