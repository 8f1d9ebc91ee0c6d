//! Signals that ask the program to stop: Ctrl-C, a lost terminal, a service manager.
//!
//! They are blocked from the start of `apply` and looked at between its steps: before the first write they end it,
//! after it the restart and its proof are completed first.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The signals that are held back.
const HELD: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Holds the signals back for the rest of the process' life; threads started later inherit that.
#[derive(Debug)]
pub struct Interrupts {
    descriptor: Option<SignalFd>,
    received: Option<Signal>,
}

impl Interrupts {
    /// Begins to hold them back. Where the kernel refuses, signals end the process as ever.
    pub fn hold() -> Self {
        let mut set = SigSet::empty();
        // `nohup` and the like ignore a signal; a signalfd would see it all the same.
        HELD.into_iter()
            .filter(|signal| !is_ignored(*signal))
            .for_each(|signal| set.add(signal));
        let held = set.thread_block().and_then(|()| {
            SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        });
        if held.is_err() {
            let _ = set.thread_unblock();
        }
        Self {
            descriptor: held.ok(),
            received: None,
        }
    }

    /// The first signal that came, if one did.
    pub fn received(&mut self) -> Option<Signal> {
        if self.received.is_none() {
            let info = self
                .descriptor
                .as_ref()
                .and_then(|descriptor| descriptor.read_signal().ok().flatten());
            self.received = info
                .and_then(|info| i32::try_from(info.ssi_signo).ok())
                .and_then(|n| Signal::try_from(n).ok());
        }
        self.received
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
pub fn die_of(signal: Signal) {
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_unblock();
    let _ = nix::sys::signal::raise(signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_signal_is_seen_and_does_not_kill() {
        // A thread of its own, since the mask is the thread's.
        std::thread::spawn(|| {
            let mut interrupts = Interrupts::hold();
            assert_eq!(interrupts.received(), None);
            nix::sys::signal::raise(Signal::SIGHUP).unwrap();
            assert_eq!(interrupts.received(), Some(Signal::SIGHUP));
            assert_eq!(interrupts.received(), Some(Signal::SIGHUP));
        })
        .join()
        .unwrap();
    }

    #[test]
    fn an_ignored_signal_is_known() {
        assert_eq!(
            parse_ignored("Name:\tx\nSigIgn:\t0000000000001001\n"),
            Some(0x1001)
        );
        assert_eq!(parse_ignored(""), None);
    }
}
