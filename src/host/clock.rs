//! The wall clock, which only this file reads: everything else is given the time.
#![expect(clippy::disallowed_methods, reason = "this is where the clock is read")]

use std::time::{Duration, SystemTime};

use jiff::Timestamp;

/// Now, for comparing with a file's times.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Now, for comparing with a certificate's or the API's times.
pub fn timestamp() -> Timestamp {
    Timestamp::try_from(now()).unwrap_or(Timestamp::MIN)
}

/// CLOCK_MONOTONIC, on which systemd says when a process started.
pub fn monotonic() -> Duration {
    nix::time::ClockId::CLOCK_MONOTONIC
        .now()
        .map_or(Duration::ZERO, Duration::from)
}
