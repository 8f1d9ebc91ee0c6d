//! When each request is judged next, in order.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// Whose turn it is among those that are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing was told of the request yet.
    First,
    /// It was judged before, and is judged again when no other waits.
    Again,
}

/// The requests that are judged some time, by name, each at most once.
#[derive(Debug, Default)]
pub(super) struct Due {
    at: HashMap<String, (Turn, Instant)>,
    first: BTreeSet<(Instant, String)>,
    again: BTreeSet<(Instant, String)>,
}

impl Due {
    /// The request `name` is judged at `at`, and not when it was to be judged before.
    pub(super) fn set(&mut self, name: &str, turn: Turn, at: Instant) {
        self.remove(name);
        self.at.insert(name.to_owned(), (turn, at));
        self.of(turn).insert((at, name.to_owned()));
    }

    /// The request `name` is not judged any more.
    pub(super) fn remove(&mut self, name: &str) {
        if let Some((name, (turn, at))) = self.at.remove_entry(name) {
            self.of(turn).remove(&(at, name));
        }
    }

    /// Whether the request `name` is judged some time.
    pub(super) fn has(&self, name: &str) -> bool {
        self.at.contains_key(name)
    }

    /// No request is judged any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        let firsts = [self.first.first(), self.again.first()];
        firsts.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Takes out what is due at `now`, at most `most` requests.
    pub(super) fn take(&mut self, now: Instant, most: usize) -> Vec<String> {
        let mut taken = Vec::new();
        for turn in [Turn::First, Turn::Again] {
            while taken.len() < most
                && let Some((at, _)) = self.of(turn).first()
                && *at <= now
                && let Some((_, name)) = self.of(turn).pop_first()
            {
                self.at.remove(&name);
                taken.push(name);
            }
        }
        taken
    }

    fn of(&mut self, turn: Turn) -> &mut BTreeSet<(Instant, String)> {
        match turn {
            Turn::First => &mut self.first,
            Turn::Again => &mut self.again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn new_requests_do_not_wait_for_those_that_are_judged_again() {
        let now = Instant::now();
        let later = |seconds| now + Duration::from_secs(seconds);
        let mut due = Due::default();
        for number in 0..9 {
            due.set(&format!("old-{number}"), Turn::Again, later(1));
        }
        due.set("new-2", Turn::First, later(3));
        due.set("new-1", Turn::First, later(2));
        due.set("future", Turn::First, later(9));
        assert_eq!(due.next(), Some(later(1)));
        assert_eq!(due.take(now, 9), [""; 0]);
        assert_eq!(due.take(later(3), 3), ["new-1", "new-2", "old-0"]);
        assert_eq!(due.take(later(3), 100).len(), 8);
        assert_eq!(due.next(), Some(later(9)));
    }

    #[test]
    fn a_request_is_due_once() {
        let now = Instant::now();
        let mut due = Due::default();
        due.set("a", Turn::First, now);
        due.set("a", Turn::Again, now + Duration::from_secs(1));
        due.set("b", Turn::First, now);
        due.remove("b");
        assert!(due.has("a") && !due.has("b"));
        assert_eq!(due.take(now, 9), [""; 0]);
        assert_eq!(due.take(now + Duration::from_secs(1), 9), ["a"]);
        assert!(!due.has("a") && due.next().is_none());
        due.set("a", Turn::First, now);
        due.clear();
        assert!(!due.has("a") && due.next().is_none());
    }
}
