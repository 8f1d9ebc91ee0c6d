//! One decision carried out: the request is read again, judged as it is, and written as it was judged.

use std::time::{Duration, Instant};

use crate::host::kube::{Admin, DecisionCondition, DecisionOutcome};

use super::decide::{Decision, Observed, Options, PlannedDecision, decide_one};
use super::outcome::What;

/// How long one request is tried before the others have their turn.
pub(super) const FIRST_TRY: Duration = Duration::from_secs(3);

/// Does what is planned, until `end`.
pub(super) fn act(
    api: &Admin,
    planned: &PlannedDecision,
    observed: &Observed,
    options: &Options,
    end: Instant,
) -> What {
    let PlannedDecision {
        request, decision, ..
    } = planned;
    if matches!(decision, Decision::Refuse(_) | Decision::Already) {
        return done(decision.clone());
    }
    let step = |now: &_| step(decision, decide_one(now, observed, options));
    match api.decide((&request.name, &request.uid), step, end) {
        Ok(DecisionOutcome::Written) => done(decision.clone()),
        Ok(DecisionOutcome::Stopped(what)) => what,
        Ok(DecisionOutcome::Missing) => What::Missing,
        Ok(DecisionOutcome::Busy) => What::Busy,
        Err(error) => What::Failed(error),
    }
}

fn done(decision: Decision) -> What {
    match decision {
        Decision::Approve(approval) => What::Approved(approval),
        Decision::Deny(violation) => What::Denied(violation),
        Decision::Refuse(violation) => What::Refused(violation),
        Decision::Already => What::Already,
    }
}

/// What to write of what was planned, or why to write nothing, where the request as it is now is judged otherwise perhaps.
fn step(planned: &Decision, now: Decision) -> Result<DecisionCondition, What> {
    match (planned, now) {
        (Decision::Approve(_), Decision::Approve(approval)) => {
            Ok(DecisionCondition::Approved(approval.message()))
        }
        (Decision::Deny(_), Decision::Deny(violation)) => Ok(DecisionCondition::Denied(format!(
            "kubelet-tls approve --deny: {violation}."
        ))),
        // It is another request than the one that was shown; one that turns out to be good is for the next run.
        (Decision::Deny(violation), Decision::Approve(_)) => Err(What::Refused(violation.clone())),
        (_, Decision::Approve(_)) => Err(What::Busy),
        (_, Decision::Deny(violation) | Decision::Refuse(violation)) => {
            Err(What::Refused(violation))
        }
        (_, Decision::Already) => Err(What::Already),
    }
}
