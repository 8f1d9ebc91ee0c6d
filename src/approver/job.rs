//! A decision on its way to the API, and what comes of it.

use std::time::Instant;

use crate::approval::{ApprovalPolicy, Verdict, Violation};
use crate::csr::Request;

use super::Known;
use super::line::DecisionLine;

/// What to do about a request.
#[derive(Debug)]
pub(super) enum Verb {
    Approve,
    /// Deny it for this.
    Deny(Violation),
}

/// One decision to write.
#[derive(Debug)]
pub(super) struct Job {
    /// As it was judged; the watch may have dropped it when the decision is done.
    pub(super) request: Request,
    pub(super) arrived: Instant,
    pub(super) verb: Verb,
}

/// What to do next.
pub(super) enum Step {
    /// Give this to a worker.
    Work(Box<Job>),
    /// Tell this decision, with which nothing is done.
    Tell(DecisionLine),
}

/// What came of a job.
#[derive(Debug)]
pub(super) enum JobOutcome {
    Written,
    /// As it is now, it breaks a rule.
    Refused(Violation),
    /// It does not exist any more.
    Missing,
    /// Another approver decided it.
    Decided,
    /// The API did not take it.
    Failed(String),
    /// The API does not know the credential any more.
    Unauthorized(String),
}

/// Whether every rule holds of `request` that needs no look at what its node serves.
pub(super) fn judge(policy: &ApprovalPolicy, request: &Request, known: &Known) -> Verdict {
    let standing = known.newest.standing(request);
    policy.judge_with(request, &standing, &known.inventory)
}
