//! What to do about each request: pure, from what was observed and what was asked for.

use std::collections::HashMap;

use crate::approval::{
    Approval, ApprovalPolicy, Inventory, ServedAt, Verdict, Violation, judge_renewal,
};
use crate::csr::{Newest, Request, State};
use crate::host::kube::ApiError;

use super::candidates::{Candidate, Chosen};
use super::outcome::{Row, What};

/// Everything that the decisions rest on.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// The requests in question, in the order of their nodes and ages.
    pub(super) candidates: Vec<Candidate>,
    pub(super) newest: Newest,
    /// Names that were given and that no request has.
    pub(super) missing: Vec<String>,
    /// Names that were given, and why their requests cannot be read.
    pub(super) unread: Vec<(String, ApiError)>,
    /// Read after the requests.
    pub(super) inventory: Inventory,
    /// What is served at the addresses of each request, by its name; of `--renewals` alone.
    pub(super) served: HashMap<String, Vec<ServedAt>>,
}

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) policy: ApprovalPolicy,
    pub(super) deny: bool,
    pub(super) renewals: bool,
}

/// What to do about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// Add the condition Approved.
    Approve(Approval),
    /// Add the condition Denied.
    Deny(Violation),
    /// Leave it.
    Refuse(Violation),
    /// Nothing: it is approved.
    Already,
}

/// A request and the decision about it.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub(super) request: Request,
    pub(super) chosen: Chosen,
    pub(super) decision: Decision,
}

/// Decides about every request in question.
pub(super) fn decide(observed: &Observed, options: &Options) -> Vec<Planned> {
    let candidates = observed.candidates.iter();
    candidates
        .map(|candidate| Planned {
            decision: decide_one(&candidate.request, observed, options),
            request: candidate.request.clone(),
            chosen: candidate.chosen,
        })
        .collect()
}

/// Decides about one request, which may have been read again since it was observed.
pub(super) fn decide_one(request: &Request, observed: &Observed, options: &Options) -> Decision {
    if matches!(request.state, State::Approved | State::Issued) {
        return Decision::Already;
    }
    match judge(request, observed, options) {
        Ok(approval) => Decision::Approve(approval),
        Err(violation) if options.deny && violation.rule.may_be_denied() => {
            Decision::Deny(violation)
        }
        Err(violation) => Decision::Refuse(violation),
    }
}

fn judge(request: &Request, observed: &Observed, options: &Options) -> Result<Approval, Violation> {
    let standing = observed.newest.standing(request);
    let approval = match options
        .policy
        .judge_with(request, &standing, &observed.inventory)
    {
        Verdict::Approve(approval) => approval,
        Verdict::Refuse(violation) => return Err(violation),
    };
    if options.renewals {
        let served = observed.served.get(&request.name);
        judge_renewal(&approval, served.map(Vec::as_slice).unwrap_or_default())?;
    }
    Ok(approval)
}

impl Planned {
    /// What would become of it, for a dry run. `denied` would say that it was done.
    pub(super) fn preview(self) -> Row {
        let what = match self.decision.clone() {
            Decision::Approve(approval) => What::Approved(approval),
            Decision::Deny(violation) | Decision::Refuse(violation) => What::Refused(violation),
            Decision::Already => What::Already,
        };
        Row {
            planned: self,
            what,
        }
    }
}
