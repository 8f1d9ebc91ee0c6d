//! Which request is judged when: pure, with the time as an argument.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use crate::approval::{Rule, Verdict, Violation};
use crate::csr::{KUBELET_SERVING, Newest, Request, Standing, State};
use crate::host::kube::Followed;
use crate::x509::pkcs10::PEM_CAP;

use super::job::{Job, Outcome, Verb, judge};
use super::line::{Decided, DecisionLine};
use super::{Known, Options};

/// How long a request waits before it is judged, so that changes of Nodes and Services that the API server made before it
/// have arrived: each kind of object has a watch of its own, and they run a few milliseconds apart.
const SETTLE: Duration = Duration::from_millis(40);
/// How long changed facts are gathered before the requests that rest on them are judged again.
const REJUDGE: Duration = Duration::from_secs(1);
/// The first pause after a decision that the API did not take, and the longest: pauses double in between.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// What to do next.
pub(super) enum Step {
    /// Give this to a worker.
    Work(Box<Job>),
    /// Tell this decision, with which nothing is done.
    Tell(DecisionLine),
}

/// The pending requests, and what was decided about each.
#[derive(Debug)]
pub(super) struct Tracker {
    tracked: HashMap<String, Tracked>,
    /// Requests that the current list has not named yet; they are forgotten when it is complete.
    unseen: Option<HashSet<String>>,
    dry_run: bool,
}

#[derive(Debug)]
struct Tracked {
    request: Request,
    arrived: Instant,
    /// When it is judged next; none where nothing new can come of it.
    due: Option<Instant>,
    /// What was told of it last.
    told: Option<Told>,
    failures: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Refused(Rule, String),
    Failed(String),
    WouldApprove,
}

impl Tracker {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            tracked: HashMap::new(),
            unseen: None,
            dry_run,
        }
    }

    /// Begins again with new watches. What was told is remembered, so that it is not repeated.
    pub(super) fn restart(&mut self) {
        self.tracked.values_mut().for_each(|one| one.due = None);
    }

    /// Takes in what the watch of requests says.
    pub(super) fn take(&mut self, what: Followed<Request>, newest: &mut Newest, now: Instant) {
        match what {
            Followed::Restarted => {
                self.unseen = Some(self.tracked.keys().cloned().collect());
                *newest = Newest::default();
            }
            Followed::Put(request) => self.put(request, newest, now),
            Followed::Gone { name, .. } => drop(self.tracked.remove(&name)),
            Followed::Synced => {
                for name in self.unseen.take().into_iter().flatten() {
                    self.tracked.remove(&name);
                }
            }
            Followed::Heard | Followed::Degraded(_) => {}
        }
    }

    fn put(&mut self, mut request: Request, newest: &mut Newest, now: Instant) {
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(&request.name);
        }
        if request.signer != KUBELET_SERVING {
            return;
        }
        let displaced = newest.add(&request);
        if let Some(displaced) = displaced.and_then(|name| self.tracked.get_mut(&name)) {
            displaced.forget();
            displaced.due = Some(now);
        }
        if request.state != State::Pending {
            self.tracked.remove(&request.name);
            return;
        }
        // One byte more than is read is enough to be refused.
        request.pem.truncate(PEM_CAP + 1);
        let name = request.name.clone();
        let old = self.tracked.remove(&name);
        let same = old.filter(|old| old.request.uid == request.uid);
        let mut tracked = Tracked {
            arrived: same.as_ref().map_or(now, |same| same.arrived),
            told: same.and_then(|same| same.told),
            due: Some(now + SETTLE),
            failures: 0,
            request,
        };
        if newest.standing(&tracked.request) != Standing::Newest {
            tracked.forget();
        }
        self.tracked.insert(name, tracked);
    }

    /// Facts about Nodes, Services or the API server changed: what was refused because of such facts is judged again.
    pub(super) fn facts_changed(&mut self, now: Instant) {
        for one in self.tracked.values_mut() {
            let rests_on_facts = match &one.told {
                Some(Told::Refused(rule, _)) => {
                    !rule.may_be_denied() && *rule != Rule::NewestOfNode
                }
                _ => false,
            };
            if rests_on_facts && one.due.is_none() {
                one.due = Some(now + REJUDGE);
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.tracked.values().filter_map(|one| one.due).min()
    }

    /// How many requests are pending.
    pub(super) fn pending(&self) -> usize {
        self.tracked.len()
    }

    /// When the oldest pending request that is the newest of its node was created, in seconds since 1970.
    pub(super) fn oldest(&self) -> Option<i64> {
        let superseded =
            |one: &&Tracked| !matches!(one.told, Some(Told::Refused(Rule::NewestOfNode, _)));
        let current = self.tracked.values().filter(superseded);
        current
            .filter_map(|one| one.request.created)
            .map(|created| created.as_second())
            .min()
    }

    /// Judges what is due.
    pub(super) fn judge_due(
        &mut self,
        now: Instant,
        known: &Known,
        options: &Options,
    ) -> Vec<Step> {
        let due = |one: &Tracked| one.due.is_some_and(|due| due <= now);
        let all = self.tracked.values_mut().filter(|one| due(one));
        all.filter_map(|one| one.judge(now, known, options, self.dry_run))
            .collect()
    }

    /// What a worker did; what is to be told of it is returned.
    pub(super) fn worked(
        &mut self,
        job: &Job,
        outcome: Outcome,
        now: Instant,
    ) -> Option<DecisionLine> {
        let name = &job.request.name;
        let line =
            |decided| DecisionLine::new(&job.request, decided, (now - job.arrived).as_secs_f64());
        let tracked = self.tracked.get_mut(name);
        let tracked = tracked.filter(|one| one.request.uid == job.request.uid);
        match (outcome, tracked) {
            (Outcome::Written, _) => {
                // The watch says so too, before or after; a second decision would only be refused.
                self.tracked.remove(name);
                let decided = match job.verb {
                    Verb::Approve => Decided::Approved,
                    Verb::Deny => Decided::Denied,
                };
                let written = line(decided);
                Some(match &job.violation {
                    Some(violation) => written.breaking(violation),
                    None => written,
                })
            }
            (Outcome::Missing, Some(_)) => {
                self.tracked.remove(name);
                None
            }
            (Outcome::Refused(violation), Some(one)) => one.refuse(violation, now),
            (Outcome::Failed(message), Some(one)) => {
                let pause = RETRY.0 * 2u32.saturating_pow(one.failures.min(10));
                one.failures += 1;
                one.due = Some(now + pause.min(RETRY.1));
                let told = Some(Told::Failed(message.clone()));
                (one.told != told).then(|| {
                    one.told = told;
                    line(Decided::Failed).because(message)
                })
            }
            // It is gone, or another approver decided it.
            (_, _) => None,
        }
    }
}

impl Tracked {
    /// Forgets what is large, of one that is superseded: a node may have made any number of those.
    fn forget(&mut self) {
        self.request.pem = Vec::new();
        self.request.groups = Vec::new();
        self.request.usages = Vec::new();
    }

    fn judge(
        &mut self,
        now: Instant,
        known: &Known,
        options: &Options,
        dry_run: bool,
    ) -> Option<Step> {
        self.due = None;
        match judge(&options.policy, &self.request, known) {
            Verdict::Approve(_) if dry_run => {
                let told = Some(Told::WouldApprove);
                (self.told != told).then(|| {
                    self.told = told;
                    let seconds = (now - self.arrived).as_secs_f64();
                    Step::Tell(DecisionLine::new(
                        &self.request,
                        Decided::WouldApprove,
                        seconds,
                    ))
                })
            }
            Verdict::Approve(_) => Some(Step::Work(Box::new(self.job(Verb::Approve, None)))),
            Verdict::Refuse(violation)
                if options.deny && !dry_run && violation.rule.may_be_denied() =>
            {
                Some(Step::Work(Box::new(self.job(Verb::Deny, Some(violation)))))
            }
            Verdict::Refuse(violation) => self.refuse(violation, now).map(Step::Tell),
        }
    }

    fn job(&self, verb: Verb, violation: Option<Violation>) -> Job {
        Job {
            request: self.request.clone(),
            arrived: self.arrived,
            verb,
            violation,
        }
    }

    /// Remembers a refusal, and tells it unless it was told already.
    fn refuse(&mut self, violation: Violation, now: Instant) -> Option<DecisionLine> {
        let told = Some(Told::Refused(violation.rule, violation.message.clone()));
        (self.told != told).then(|| {
            self.told = told;
            let seconds = (now - self.arrived).as_secs_f64();
            DecisionLine::new(&self.request, Decided::Refused, seconds).breaking(&violation)
        })
    }
}
