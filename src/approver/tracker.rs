//! Which request is judged when: pure, with the time as an argument.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::csr::{KUBELET_SERVING, Newest, Request, Standing, State};
use crate::host::kube::Followed;
use crate::x509::pkcs10::PEM_CAP;

use super::due::{Due, Turn};
use super::job::{Job, JobOutcome, Step, Verb};
use super::line::{Decided, DecisionLine};
use super::tracked::{Told, Tracked};
use super::{Known, Options};

/// How long a request waits before it is judged, so that changes of Nodes and Services that the API server made before it
/// have arrived: each kind of object has a watch of its own, and they run a few milliseconds apart.
const SETTLE: Duration = Duration::from_millis(40);
/// How long changed facts are gathered before the requests that rest on them are judged again.
const REJUDGE: Duration = Duration::from_secs(1);
/// So many requests are judged at once; a request that comes meanwhile waits no longer than these take.
const BATCH: usize = 64;

/// The pending requests, and what was decided about each.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    tracked: HashMap<String, Tracked>,
    due: Due,
    /// Requests that the current list has not named yet; they are forgotten when it is complete.
    unseen: HashSet<String>,
    /// Whether the figures of what is pending may be others than when they were asked for last.
    changed: bool,
}

impl Tracker {
    /// Begins again with new watches. What was told is remembered, so that it is not repeated.
    pub(super) fn restart(&mut self) {
        self.due.clear();
    }

    /// Takes in what the watch of requests says.
    pub(super) fn take(&mut self, what: Followed<Request>, newest: &mut Newest, now: Instant) {
        match what {
            Followed::Restarted => {
                self.unseen = self.tracked.keys().cloned().collect();
                *newest = Newest::default();
            }
            Followed::Put(request) => self.put(request, newest, now),
            Followed::Gone { name, .. } => {
                self.remove(&name);
                newest.remove(&name);
            }
            Followed::Synced => {
                for name in std::mem::take(&mut self.unseen) {
                    self.remove(&name);
                }
            }
            Followed::Answered | Followed::Heard | Followed::Degraded(_) => {}
        }
    }

    fn remove(&mut self, name: &str) {
        self.tracked.remove(name);
        self.due.remove(name);
        self.changed = true;
    }

    fn put(&mut self, mut request: Request, newest: &mut Newest, now: Instant) {
        self.unseen.remove(&request.name);
        if request.signer != KUBELET_SERVING {
            return;
        }
        self.changed = true;
        if let Some(displaced) = newest.add(&request)
            && let Some(tracked) = self.tracked.get_mut(&displaced)
        {
            tracked.forget();
            self.due.set(&displaced, Turn::Again, now);
        }
        if request.state != State::Pending {
            self.remove(&request.name);
            return;
        }
        // One byte more than is read is enough to be refused.
        request.pem.truncate(PEM_CAP + 1);
        let name = request.name.clone();
        let old = self.tracked.remove(&name);
        let same = old.filter(|old| old.request.uid == request.uid);
        let mut tracked = Tracked::new(request, now, same);
        if newest.standing(&tracked.request) != Standing::Newest {
            tracked.forget();
        }
        let turn = match tracked.told {
            None => Turn::First,
            Some(_) => Turn::Again,
        };
        self.due.set(&name, turn, now + SETTLE);
        self.tracked.insert(name, tracked);
    }

    /// Facts about Nodes, Services or the API server changed: what was refused because of such facts is judged again.
    pub(super) fn facts_changed(&mut self, now: Instant) {
        for (name, one) in &self.tracked {
            if one.rests_on_facts() && !self.due.has(name) {
                self.due.set(name, Turn::Again, now + REJUDGE);
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.next()
    }

    /// Whether [`Self::pending`] and [`Self::oldest`] may have changed since the last call.
    pub(super) fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// How many requests are pending.
    pub(super) fn pending(&self) -> usize {
        self.tracked.len()
    }

    /// When the oldest pending request that is the newest of its node was created, in seconds since 1970.
    pub(super) fn oldest(&self) -> Option<i64> {
        let current = self.tracked.values().filter(|one| !one.is_superseded());
        current
            .filter_map(|one| one.request.created)
            .map(|created| created.as_second())
            .min()
    }

    /// Judges what is due, some of it where it is much: the rest is due still.
    pub(super) fn judge_due(
        &mut self,
        now: Instant,
        known: &Known,
        options: &Options,
    ) -> Vec<Step> {
        let due = self.due.take(now, BATCH);
        self.changed |= !due.is_empty();
        let steps = due.iter().filter_map(|name| {
            let one = self.tracked.get_mut(name)?;
            one.judge(now, known, options)
        });
        steps.collect()
    }

    /// What a worker did; what is to be told of it is returned.
    pub(super) fn worked(
        &mut self,
        job: &Job,
        outcome: JobOutcome,
        now: Instant,
    ) -> Option<DecisionLine> {
        let name = &job.request.name;
        self.changed = true;
        let line = |decided| DecisionLine::new(&job.request, decided, now - job.arrived);
        let tracked = self.tracked.get_mut(name);
        let tracked = tracked.filter(|one| one.request.uid == job.request.uid);
        let mut try_again = |one: &mut Tracked, message: String, silent: u32| {
            self.due.set(name, Turn::First, now + one.pause.grow());
            let is_told = one.pause.attempts() > silent && one.tells(Told::Failed(message.clone()));
            is_told.then(|| line(Decided::Failed).because(message))
        };
        match (outcome, tracked) {
            (JobOutcome::Written, _) => {
                // The watch says so too, before or after; a second decision would only be refused.
                self.remove(name);
                Some(match &job.verb {
                    Verb::Approve => line(Decided::Approved),
                    Verb::Deny(violation) => line(Decided::Denied).breaking(violation),
                })
            }
            (JobOutcome::Refused(violation), Some(one)) => one.refuse(violation, now),
            // The watch tells when it is gone, and the API may know it before; or another server answered on the way.
            (JobOutcome::Missing, Some(one)) => {
                let message = "the API server says that it does not exist".to_owned();
                try_again(one, message, 1)
            }
            (JobOutcome::Failed(message) | JobOutcome::Unauthorized(message), Some(one)) => {
                try_again(one, message, 0)
            }
            // It is gone, or another approver decided it.
            (_, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_a_node_whose_requests_are_gone() {
        let (mut tracker, mut newest) = (Tracker::default(), Newest::default());
        let now = Instant::now();
        let request = |name: &str, state| Request {
            signer: KUBELET_SERVING.into(),
            state,
            ..Request::new(name, "worker-1")
        };
        for one in [
            request("csr-1", State::Approved),
            request("csr-2", State::Pending),
        ] {
            tracker.take(Followed::Put(one), &mut newest, now);
        }
        for name in ["csr-2", "csr-1"] {
            assert!(newest.knows("worker-1"));
            let gone = Followed::Gone {
                namespace: String::new(),
                name: name.into(),
            };
            tracker.take(gone, &mut newest, now);
        }
        assert!(!newest.knows("worker-1") && tracker.pending() == 0);
    }
}
