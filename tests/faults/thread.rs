//! A run of which strace gets one thread alone, from that thread's birth on.
//!
//! `strace -f` counts the calls of each thread by itself, so its `when=N` would hit the Nth call of every thread: of the
//! main thread long before the first write. So the thread is caught at its birth, with all others stopped, and handed to
//! a strace that knows no other.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use standins::pace;

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use standins::Output;

/// Between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Has a command stop before its program runs, until it is told to continue.
pub const STOPPED: [&str; 4] = ["sh", "-c", "kill -STOP $$; exec \"$@\"", "sh"];

/// Runs `command`, which begins with [`STOPPED`], to its end, and `strace` on the thread that its main thread starts as
/// the `nth`. What takes longer than `patience` is killed.
pub fn run(command: &mut Command, nth: usize, strace: &[OsString], patience: Duration) -> Output {
    let files = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
    let [stdout, stderr] = files
        .each_ref()
        .map(|file| file.try_clone().expect("a file"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .expect("a run");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let end = pace::now() + patience;
    let code = match born(pid, nth, end) {
        Ok(thread) => {
            let mut strace = attached(strace, thread, end);
            kill(pid, Signal::SIGCONT).expect("a stopped run");
            let status = loop {
                match child.try_wait().expect("a child") {
                    Some(status) => break status,
                    None if pace::now() < end => std::thread::sleep(LOOK_AGAIN),
                    None => child.kill().expect("a child"),
                }
            };
            strace.wait().expect("strace");
            status.code().or(status.signal().map(|signal| 128 + signal))
        }
        Err(code) => Some(code),
    };
    let [stdout, stderr] = files.map(|mut file| {
        let mut bytes = Vec::new();
        file.rewind().expect("a file");
        file.read_to_end(&mut bytes).expect("a file");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    Output {
        code: code.expect("an end"),
        stdout,
        stderr,
    }
}

/// Lets the process run until that thread is born, which leaves all of it stopped; its exit code where it ends before.
fn born(pid: Pid, nth: usize, end: Duration) -> Result<Pid, i32> {
    let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("a child");
    assert_eq!(stopped, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    ptrace::seize(
        pid,
        Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL,
    )
    .expect("seize");
    kill(pid, Signal::SIGCONT).expect("a stopped run");
    let mut births = 0;
    loop {
        match next(pid, end) {
            WaitStatus::Exited(_, code) => return Err(code),
            WaitStatus::Signaled(_, signal, _) => return Err(128 + signal as i32),
            WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_CLONE) => {
                let thread = ptrace::getevent(pid).expect("whom it has started");
                let thread = Pid::from_raw(i32::try_from(thread).expect("a thread id"));
                next(thread, end);
                births += 1;
                if births == nth {
                    kill(pid, Signal::SIGSTOP).expect("a run");
                    ptrace::detach(thread, None).expect("detach");
                    ptrace::detach(pid, None).expect("detach");
                    let state = format!("/proc/{pid}/task/{thread}/status");
                    wait_until(end, || status_has(&state, "State:\tT"));
                    return Ok(thread);
                }
                ptrace::detach(thread, None).expect("detach");
                ptrace::cont(pid, None).expect("continue");
            }
            WaitStatus::Stopped(_, signal) => ptrace::cont(pid, signal).expect("continue"),
            _ => ptrace::cont(pid, None).expect("continue"),
        }
    }
}

/// What happens to it next.
fn next(pid: Pid, end: Duration) -> WaitStatus {
    let mut status = WaitStatus::StillAlive;
    wait_until(end, || {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        status = waitpid(pid, Some(flags)).expect("a tracee");
        status != WaitStatus::StillAlive
    });
    status
}

fn attached(strace: &[OsString], thread: Pid, end: Duration) -> std::process::Child {
    let (program, arguments) = strace.split_first().expect("a program");
    let strace = Command::new(program)
        .args(arguments)
        .args(["-p", &thread.to_string()])
        .spawn()
        .expect("strace");
    let state = format!("/proc/{thread}/status");
    wait_until(end, || !status_has(&state, "TracerPid:\t0\n"));
    strace
}

fn status_has(path: &str, part: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|status| status.contains(part))
}

fn wait_until(end: Duration, mut holds: impl FnMut() -> bool) {
    while !holds() {
        assert!(pace::now() < end, "a thread is not where it should be");
        std::thread::sleep(LOOK_AGAIN);
    }
}
