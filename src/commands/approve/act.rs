//! One request approved or denied: read, judged, and put back as it was read with one condition more.

use std::time::Instant;

use serde_json::{Value, json};

use crate::approval::{Broken, Decision, Judge, Newest, quoted};
use crate::host::clock;
use crate::host::kube::{Admin, ApiError, escaped};
use crate::report::Problem;

use super::super::admin;
use super::gather::{self, Candidate};
use super::{Outcome, REQUESTS};

/// How often a request may be changed by others between its reading and its writing.
const CONFLICTS: usize = 5;

/// What to do about a request.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Approve,
    Deny(Broken),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Acted {
    Done,
    /// It was approved by somebody else.
    Already,
    /// It does not keep every rule any more.
    Refused(Broken),
    /// It is gone.
    Missing,
    /// Others kept changing it.
    Busy,
}

impl Act {
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Approve => Outcome::Approved,
            Self::Deny(broken) => Outcome::Denied(broken),
        }
    }

    fn condition(&self, names: &[String]) -> Value {
        let (kind, reason, message) = match self {
            Self::Approve => (
                "Approved",
                "KubeletTLSApprove",
                format!(
                    "kubelet-tls approve: every rule holds; {} are its node's and nobody else's.",
                    names.join(", ")
                ),
            ),
            Self::Deny(broken) => (
                "Denied",
                "KubeletTLSDeny",
                format!("kubelet-tls approve --deny: {broken}."),
            ),
        };
        let now = clock::timestamp()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        json!({
            "type": kind, "status": "True", "reason": reason, "message": message,
            "lastUpdateTime": now, "lastTransitionTime": now,
        })
    }
}

/// Does it.
///
/// # Errors
/// Why the API cannot be asked, or does not let this credential.
pub(super) fn act(
    api: &Admin,
    candidate: &Candidate,
    act: &Act,
    judge: &Judge<'_>,
    newest: &Newest,
    end: Instant,
) -> Result<Acted, Problem> {
    let name = &candidate.asked.name;
    let path = format!("{REQUESTS}/{}/approval", escaped(name));
    for _ in 0..CONFLICTS {
        let Some((asked, mut object)) = gather::get(api, name, end)? else {
            return Ok(Acted::Missing);
        };
        // What is judged here is what is written below: the API server takes it only if it still reads so.
        let verdict = judge.judge(&asked).and_then(|()| newest.judge(&asked));
        match (asked.decision, verdict, act) {
            (Some(Decision::Approved), ..) => return Ok(Acted::Already),
            (None, Ok(()), Act::Approve) | (None, Err(_), Act::Deny(_)) => {}
            (_, Err(broken), _) => return Ok(Acted::Refused(broken)),
            // It was taken for another one, and is not to be denied for that.
            (_, Ok(()), Act::Deny(broken)) => return Ok(Acted::Refused(broken.clone())),
            (Some(_), Ok(()), Act::Approve) => continue,
        }
        let conditions = &mut object["status"]["conditions"];
        match conditions {
            Value::Array(all) => all.push(act.condition(&candidate.names)),
            other => *other = json!([act.condition(&candidate.names)]),
        }
        let written = api.put(&path, object.to_string().as_bytes(), end);
        match written {
            Ok(_) => return Ok(Acted::Done),
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_not_found() => return Ok(Acted::Missing),
            Err(error) => return Err(refusal(name, act, &error)),
        }
    }
    Ok(Acted::Busy)
}

fn refusal(name: &str, act: &Act, error: &ApiError) -> Problem {
    let verb = match act {
        Act::Approve => "approve",
        Act::Deny(_) => "deny",
    };
    let problem = admin::problem(verb, &quoted(name), error);
    if error.is_forbidden() {
        problem.hint(
            "kubectl auth can-i update certificatesigningrequests --subresource=approval && kubectl auth can-i approve signers.certificates.k8s.io/kubernetes.io/kubelet-serving",
        )
    } else {
        problem
    }
}
