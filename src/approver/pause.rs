//! The pauses between attempts at what keeps failing.

use std::time::Duration;

/// How long to wait after the first attempt.
const FIRST: Duration = Duration::from_secs(1);
/// Pauses grow no longer than this.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// Pauses that grow: each is twice as long as the one before, up to a minute.
#[derive(Debug, Clone, Default)]
pub(super) struct Pause {
    attempts: u32,
}

impl Pause {
    /// How long to wait after one more attempt.
    pub(super) fn grow(&mut self) -> Duration {
        let pause = FIRST * 2u32.saturating_pow(self.attempts.min(10));
        self.attempts = self.attempts.saturating_add(1);
        pause.min(LONGEST)
    }

    /// How many attempts were made.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute() {
        let mut pause = Pause::default();
        let seconds: Vec<u64> = (0..9).map(|_| pause.grow().as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause.attempts(), 9);
        let mut late = Pause { attempts: u32::MAX };
        assert_eq!((late.grow(), late.attempts()), (LONGEST, u32::MAX));
    }
}
