//! One pending request, and what was decided about it.

use std::time::Instant;

use crate::approval::{ApprovalPolicy, Rule, Verdict, Violation};
use crate::csr::Request;
use crate::x509::pkcs10::Pkcs10;

use super::job::{Job, Step, Verb};
use super::line::{Decided, DecisionLine};
use super::pause::Pause;
use super::{Known, Options};

#[derive(Debug)]
pub(super) struct Tracked {
    pub(super) request: Request,
    arrived: Instant,
    /// What its PEM says; none where it was not read yet, or is not worth keeping.
    read: Option<Box<Pkcs10>>,
    /// What was told of it last.
    pub(super) told: Option<Told>,
    /// How often the API did not take a decision, and how long to wait after the next time.
    pub(super) pause: Pause,
}

/// What was told of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// That it breaks this rule, and how.
    Refused(Rule, String),
    /// That the API did not take the decision, and why.
    Failed(String),
    /// That it would be approved; of a dry run.
    WouldApprove,
}

impl Tracked {
    /// `request` as it came at `now`; `same` is what is known of it from before.
    pub(super) fn new(request: Request, now: Instant, same: Option<Self>) -> Self {
        Self {
            arrived: same.as_ref().map_or(now, |same| same.arrived),
            told: same.and_then(|same| same.told),
            read: None,
            pause: Pause::default(),
            request,
        }
    }

    /// Whether it was refused because of what Nodes, Services or the API server are.
    pub(super) fn rests_on_facts(&self) -> bool {
        match &self.told {
            Some(Told::Refused(rule, _)) => !rule.may_be_denied() && *rule != Rule::NewestOfNode,
            Some(Told::Failed(_) | Told::WouldApprove) | None => false,
        }
    }

    /// Whether its requestor has made a newer one.
    pub(super) fn is_superseded(&self) -> bool {
        matches!(self.told, Some(Told::Refused(Rule::NewestOfNode, _)))
    }

    /// Forgets what is large, of one that is superseded: a node may have made any number of those.
    pub(super) fn forget(&mut self) {
        self.read = None;
        self.request.pem = Vec::new();
        self.request.groups = Vec::new();
        self.request.usages = Vec::new();
    }

    /// What to do about it now.
    pub(super) fn judge(&mut self, now: Instant, known: &Known, options: &Options) -> Option<Step> {
        match self.verdict(&options.policy, known) {
            Verdict::Approve(_) if options.dry_run => self
                .tells(Told::WouldApprove)
                .then(|| Step::Tell(self.line(Decided::WouldApprove, now))),
            Verdict::Approve(_) => Some(self.work(Verb::Approve)),
            Verdict::Refuse(violation)
                if options.deny && !options.dry_run && violation.rule.may_be_denied() =>
            {
                Some(self.work(Verb::Deny(violation)))
            }
            Verdict::Refuse(violation) => self.refuse(violation, now).map(Step::Tell),
        }
    }

    /// As [`super::job::judge`], and the PEM is read once. What is approved here is judged again, whole, before that is written.
    fn verdict(&mut self, policy: &ApprovalPolicy, known: &Known) -> Verdict {
        if self.read.is_none() {
            let read = Pkcs10::read(&self.request.pem).ok();
            // One with more names is refused for their number, whatever changes in the cluster.
            let read = read.filter(|read| read.names.len() <= policy.max_names);
            self.read = read.map(Box::new);
        }
        let standing = known.newest.standing(&self.request);
        policy.judge_read(
            &self.request,
            self.read.as_deref(),
            &standing,
            &known.inventory,
        )
    }

    fn work(&self, verb: Verb) -> Step {
        Step::Work(Box::new(Job {
            request: self.request.clone(),
            arrived: self.arrived,
            verb,
        }))
    }

    fn line(&self, decided: Decided, now: Instant) -> DecisionLine {
        DecisionLine::new(&self.request, decided, now - self.arrived)
    }

    /// Remembers what is told of it; whether it is to be told, because it was not told already.
    pub(super) fn tells(&mut self, told: Told) -> bool {
        self.told.replace(told.clone()) != Some(told)
    }

    /// Remembers a refusal, and tells it unless it was told already.
    pub(super) fn refuse(&mut self, violation: Violation, now: Instant) -> Option<DecisionLine> {
        self.tells(Told::Refused(violation.rule, violation.message.clone()))
            .then(|| self.line(Decided::Refused, now).breaking(&violation))
    }
}
