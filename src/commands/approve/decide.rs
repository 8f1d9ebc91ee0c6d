//! What to do about each request: pure, from what was observed and what was asked for.

use std::collections::HashMap;

use crate::approval::{
    Approval, ApprovalPolicy, Inventory, ServedAt, Verdict, Violation, judge_renewal,
};
use crate::csr::{Newest, Request, State};
use crate::host::kube::ApiError;

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

/// A request in question.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) request: Request,
    pub(super) chosen: ChosenBy,
}

/// How a request came to be in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChosenBy {
    Name,
    Node,
    /// By `--all`.
    All,
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
    Refuse(Violation),
    /// Nothing: it is approved.
    Already,
}

/// A request and the decision about it.
#[derive(Debug, Clone)]
pub(super) struct PlannedDecision {
    pub(super) request: Request,
    pub(super) chosen: ChosenBy,
    pub(super) decision: Decision,
}

/// Decides about every request in question.
pub(super) fn decide(observed: &Observed, options: &Options) -> Vec<PlannedDecision> {
    let candidates = observed.candidates.iter();
    candidates
        .map(|candidate| PlannedDecision {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::NodeFacts;
    use crate::csr::KUBELET_SERVING;

    /// A good request of worker-1's, and everything that it is judged by.
    fn good() -> (Request, Observed, Options) {
        let request = Request {
            signer: KUBELET_SERVING.into(),
            groups: vec!["system:nodes".into()],
            usages: vec!["digital signature".into(), "server auth".into()],
            pem: include_bytes!("../../../testdata/approval/p384.pem").to_vec(),
            created: Some("2026-11-23T07:16:49Z".parse().unwrap()),
            ..Request::new("csr-1", "worker-1")
        };
        let mut observed = Observed::default();
        observed.inventory.put_node(NodeFacts {
            name: "worker-1".into(),
            ips: ["10.0.0.7".parse().unwrap()].into(),
            ..NodeFacts::default()
        });
        (request, observed, Options::default())
    }

    type Change = fn(&mut Request, &mut Observed, &mut Options);

    #[test]
    fn each_candidate_has_its_decision() {
        let cases: [(&str, Change, &str); 10] = [
            ("every rule holds", |_, _, _| {}, "approve"),
            (
                "approved before",
                |request, _, _| request.state = State::Approved,
                "already",
            ),
            (
                "issued before",
                |request, _, _| request.state = State::Issued,
                "already",
            ),
            (
                "denied before",
                |request, _, _| request.state = State::Denied,
                "refuse Undecided",
            ),
            (
                "a newer one exists",
                |request, observed, _| {
                    let mut newer = request.clone();
                    newer.name = "csr-2".into();
                    newer.created = Some("2026-11-23T07:16:50Z".parse().unwrap());
                    observed.newest.add(&newer);
                },
                "refuse NewestOfNode",
            ),
            (
                "its own fault",
                |request, _, _| request.usages.clear(),
                "refuse UsagesAreServing",
            ),
            (
                "its own fault, with --deny",
                |request, _, options| {
                    request.usages.clear();
                    options.deny = true;
                },
                "deny UsagesAreServing",
            ),
            (
                "another's fault, with --deny",
                |_, observed, options| {
                    observed.inventory.remove_node("worker-1");
                    options.deny = true;
                },
                "refuse NodeExists",
            ),
            (
                "nothing was seen at its addresses",
                |_, _, options| options.renewals = true,
                "refuse NamesAreServed",
            ),
            (
                "the same, with --deny",
                |_, _, options| {
                    options.renewals = true;
                    options.deny = true;
                },
                "refuse NamesAreServed",
            ),
        ];
        for (name, change, wanted) in cases {
            let (mut request, mut observed, mut options) = good();
            change(&mut request, &mut observed, &mut options);
            observed.newest.add(&request);
            let decided = match decide_one(&request, &observed, &options) {
                Decision::Approve(_) => "approve".to_owned(),
                Decision::Already => "already".to_owned(),
                Decision::Deny(violation) => format!("deny {}", violation.rule),
                Decision::Refuse(violation) => format!("refuse {}", violation.rule),
            };
            assert_eq!(decided, wanted, "{name}");
        }
    }
}
