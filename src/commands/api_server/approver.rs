//! Whether an approver is at work: without one, a node that joins has no logs and exec.

use std::time::Instant;

use crate::commands::admin;
use crate::host::kube::Admin;
use crate::host::systemd;
use crate::node::Explanation;
use crate::node::approvers::{ApproverSign, UNIT};

/// A sign of an approver of kubelet-serving CSRs: its unit on this machine, a Deployment, or a CSR that a program
/// approved. The first one counts; none where all were looked for and none was found.
///
/// # Errors
/// When no sign was found and one of them could not be looked for.
pub(super) fn seen(admin: &Admin, end: Instant) -> Result<Option<ApproverSign>, Explanation> {
    // A machine without systemd has no such unit.
    if systemd::show(UNIT).is_ok_and(|unit| unit.active_state == "active") {
        return Ok(Some(ApproverSign::Unit));
    }
    let unseen =
        |what: &str, error: &_| Explanation::new(admin::problem("list", what, error).message());
    let deployment = match admin.approver_deployment(end) {
        Ok(Some(sign)) => return Ok(Some(sign)),
        found => found.map_err(|error| unseen("deployments", &error)),
    };
    let approval = admin
        .approval_by_program(end)
        .map_err(|error| unseen("certificatesigningrequests", &error))?;
    match approval {
        Some(sign) => Ok(Some(sign)),
        None => deployment,
    }
}

/// What a person should know before the API server verifies kubelets.
pub(super) fn notice(seen: &Result<Option<ApproverSign>, Explanation>) -> String {
    let first = "a node that joins has no logs, exec and port-forward until its CSR is approved";
    match seen {
        Ok(Some(sign)) => format!("{first}; an approver is at work: {sign}"),
        Ok(None) => format!("{first}, and no approver was seen: run kubelet-tls approve --watch"),
        Err(why) => format!(
            "{first}, and whether an approver is at work is not known ({why}): if not, run kubelet-tls approve --watch"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notice_names_the_approver_or_how_to_run_one() {
        let of = |seen: Result<Option<ApproverSign>, Explanation>| {
            let notice = notice(&seen);
            assert!(
                notice.starts_with("a node that joins has no logs"),
                "{notice}"
            );
            (notice.contains("--watch"), notice.contains("is active"))
        };
        assert_eq!(of(Ok(Some(ApproverSign::Unit))), (false, true));
        assert_eq!(of(Ok(None)), (true, false));
        assert_eq!(of(Err(Explanation::new("forbidden"))), (true, false));
    }
}
