//! The laws of `tests/laws/api_server.rs`.
#![no_main]

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use libfuzzer_sys::fuzz_target;

#[macro_use]
#[path = "../../tests/laws/law.rs"]
mod law;
#[path = "../../tests/laws/api_server.rs"]
mod laws;

/// What a number of executions led to, said every 2^18 of them: laws about refusals alone would prove little.
static RUNS: AtomicU64 = AtomicU64::new(0);
static ACCEPTED: AtomicU64 = AtomicU64::new(0);
static CHANGED: AtomicU64 = AtomicU64::new(0);

fuzz_target!(|data: &[u8]| {
    match laws::check(data) {
        Ok(counts) => {
            ACCEPTED.fetch_add(counts.accepted as u64, Relaxed);
            CHANGED.fetch_add(counts.changed as u64, Relaxed);
        }
        Err(broken) => panic!("{broken}\n{:?}", String::from_utf8_lossy(data)),
    }
    let runs = RUNS.fetch_add(1, Relaxed) + 1;
    if runs % (1 << 18) == 0 {
        let (accepted, changed) = (ACCEPTED.load(Relaxed), CHANGED.load(Relaxed));
        eprintln!(
            "ACCEPTED of {runs}, each in two directions: {accepted}, of which {changed} changed"
        );
    }
});
