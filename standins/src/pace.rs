//! Time as a busy machine has it, for what tests wait for.
//!
//! A deadline says how long something takes on a quiet machine. Where others use the same cores, or the cores are slow,
//! this clock goes more slowly than the wall's, by as much as a known piece of work takes longer than it should.

use std::hint::black_box;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the piece of work takes alone on one core of the machines that the deadlines were chosen on.
const WORK: Duration = Duration::from_millis(10);
const ROUNDS: u64 = 1_800_000;
/// From one measurement to the next: a fortieth of a core goes into it.
const EVERY: Duration = Duration::from_millis(400);

/// Nanoseconds of quiet time since the first question, up to the last measurement.
static PASSED: AtomicU64 = AtomicU64::new(0);

/// The time since the first question for it; it goes as fast as the wall's clock, or more slowly.
pub fn now() -> Duration {
    static CLOCK: OnceLock<()> = OnceLock::new();
    CLOCK.get_or_init(|| {
        thread::spawn(measure);
    });
    Duration::from_nanos(PASSED.load(Ordering::Relaxed))
}

/// Whether `holds` comes true within `patience` of quiet time.
pub fn wait_for(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let began = now();
    while !holds() {
        if now() - began > patience {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}

fn measure() {
    let mut last = Instant::now();
    loop {
        let began = Instant::now();
        black_box((0..ROUNDS).fold(1_u64, |sum, round| {
            black_box(sum.wrapping_mul(31).wrapping_add(round))
        }));
        let slower = (began.elapsed().as_secs_f64() / WORK.as_secs_f64()).max(1.0);
        thread::sleep(EVERY);
        let quiet = last.elapsed().div_f64(slower);
        last = Instant::now();
        PASSED.fetch_add(quiet.as_nanos() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simulated_time_passes_never_faster_than_the_wall_clock() {
        let (wall, quiet) = (Instant::now(), now());
        assert!(wait_for(Duration::from_millis(500), || {
            now() > quiet + Duration::from_millis(20)
        }));
        assert!(!wait_for(Duration::from_millis(1), || false));
        assert!(now() - quiet <= wall.elapsed());
    }
}
