//! Signals that ask the program to stop: Ctrl-C, a lost terminal, a service manager.
//!
//! They are blocked in every thread from the start of a run that changes something, and one thread waits for them.
//! Before the first write it lets them end the program at once; from then on it takes note of them, and the restart
//! and its health check are completed first.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that are held back.
const HELD: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Holds the signals back for the rest of the process' life; threads started later inherit that.
#[derive(Debug)]
pub struct Interrupts {
    shared: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    /// Something is being changed, so a signal no longer ends the program.
    committed: bool,
    received: Option<Signal>,
}

impl Interrupts {
    /// Begins to watch for them. Before any other thread is started, since one of those would still die of them.
    /// Where the kernel refuses, signals end the process as ever.
    pub fn hold() -> Self {
        let mut set = SigSet::empty();
        // `nohup` and the like ignore a signal; a signalfd would see it nevertheless.
        HELD.into_iter()
            .filter(|signal| !is_ignored(*signal))
            .for_each(|signal| set.add(signal));
        let interrupts = Self {
            shared: Arc::default(),
        };
        let shared = Arc::clone(&interrupts.shared);
        let held = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC))
            .map_err(std::io::Error::from)
            .and_then(|descriptor| {
                thread::Builder::new().spawn(move || wait(&descriptor, &shared))
            });
        if held.is_err() {
            let _ = set.thread_unblock();
        }
        interrupts
    }

    /// From now on a signal no longer ends the program. None has come before, or it would not run any more.
    pub fn commit(&self) {
        lock(&self.shared).committed = true;
    }

    /// The first signal that came since then or since the last call, if one did; the next is awaited again.
    pub fn take(&self) -> Option<Signal> {
        lock(&self.shared).received.take()
    }

    /// The first signal that came since then, if one did.
    pub fn received(&self) -> Option<Signal> {
        lock(&self.shared).received
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait(descriptor: &SignalFd, shared: &Mutex<Held>) {
    loop {
        let info = match descriptor.read_signal() {
            Ok(info) => info,
            // A program that was stopped continues.
            Err(Errno::EINTR) => continue,
            Err(_) => return,
        };
        let signal = info.and_then(|info| i32::try_from(info.ssi_signo).ok());
        let Some(signal) = signal.and_then(|number| Signal::try_from(number).ok()) else {
            continue;
        };
        // With the lock, so that nothing is begun meanwhile.
        let mut held = lock(shared);
        if !held.committed {
            die_of(signal);
        }
        held.received.get_or_insert(signal);
    }
}

/// Whether the process was started with `signal` ignored, from `SigIgn` of proc_pid_status(5).
#[expect(
    clippy::disallowed_methods,
    reason = "reads /proc, as signal dispositions cannot be asked for safely"
)]
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_ignored(&status).is_some_and(|mask| mask & (1 << (signal as u64 - 1)) != 0)
}

fn parse_ignored(status: &str) -> Option<u64> {
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Ends the process the way `signal` would have, so that a shell sees it.
fn die_of(signal: Signal) {
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_unblock();
    let _ = nix::sys::signal::raise(signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_signal_is_known() {
        assert_eq!(
            parse_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"),
            Some(0x1001)
        );
        assert_eq!(parse_ignored(""), None);
    }
}
