//! `apply` on this node: observe, decide, act.

use crate::apply::{LOOK_AT_JOURNAL, LOOK_AT_STATUS};
use crate::cli;
use crate::commands::{Ui, show};
use crate::csr::Request;
use crate::host::signals::Interrupts;
use crate::host::systemd;
use crate::node::Explanation;
use crate::receipt::Resolution;
use crate::report::{
    ApplyResult, Code, CsrReport, KubeletOutcome, Outcome, Problem, RestartReport,
};

use super::decide::{self, Decision, Refusal};
use super::issue::{Issue, Issued};
use super::observe::ApplySite;
use super::{drop_in, dry_run, next, receipts, reports, tell_unchanged};

/// Makes the change on this node.
pub(super) fn run(arguments: &cli::Apply, ui: &Ui) -> Outcome<ApplyResult> {
    if arguments.selection.root.is_none() && drop_in::is_kubelets_start() {
        return drop_in::run(arguments, ui);
    }
    let interrupts = Interrupts::hold();
    let mut result = ApplyResult::of_node(arguments.dry_run);
    let mut steps = || {
        let site = ApplySite::open(arguments, ui, &interrupts).map_err(|stopped| {
            result.changed = stopped.changed;
            stopped.problem
        })?;
        let Some(mut site) = site else {
            return Ok(());
        };
        let api = site.open_api()?;
        result.node = api.as_ref().map(|api| api.node_name().to_owned());
        site.ask(api)?;
        site.look_at_health();
        let decision = decide::decide(&site.observed, &site.options)
            .map_err(|refusal| refused(refusal, &mut site, &interrupts))?;
        show(&decision, &site)?;
        result.edits = Some(reports(&decision.plan));
        let restart = RestartReport::planned(&decision.plan, systemd::KUBELET);
        let mut kubelet = KubeletOutcome {
            restart,
            ..KubeletOutcome::default()
        };
        if arguments.dry_run {
            dry_run::tell(&decision, &site);
            result.changed = decision.plan.changes();
            result.kubelet = Some(kubelet);
            return Ok(());
        }
        let (seen, issued) = issue(&decision, &site, &interrupts);
        kubelet.csr = seen.as_ref().map(CsrReport::from);
        result.kubelet = Some(kubelet);
        let ready = match issued? {
            Some(Issued::Waiting) => return Ok(()),
            Some(Issued::Ready(ready)) => Some(ready),
            None => None,
        };
        let executed = site.into_run(decision, ready).execute(&interrupts);
        result.changed = executed.changed;
        result.kubelet = Some(executed.kubelet);
        result.journal = executed.journal;
        executed.ended
    };
    let ended = steps();
    Outcome::new(result, ended)
}

/// Whether the plan can be executed, and what it is.
fn show(decision: &Decision, site: &ApplySite<'_>) -> Result<(), Problem> {
    let plan = &decision.plan;
    if plan.changes() {
        site.receipts.inspect()?;
    }
    site.locks.inspect(plan)?;
    plan.edits.iter().for_each(|edit| show::text(edit, site.ui));
    tell_unchanged(plan, site.options.wanted, site.ui);
    if decision.outage {
        site.ui.warn(next::avoidable_outage(site.kubelet.port()));
    }
    Ok(())
}

/// Gets the certificate before the restart, if that was decided.
fn issue(
    decision: &Decision,
    site: &ApplySite<'_>,
    interrupts: &Interrupts,
) -> (Option<Request>, Result<Option<Issued>, Problem>) {
    let Some(cluster) = site.cluster.as_ref().filter(|_| decision.issues_first) else {
        return (None, Ok(None));
    };
    let mut issue = Issue {
        cluster,
        state: site.receipts.state(),
        arguments: site.arguments,
        ui: site.ui,
        seen: None,
    };
    let issued = issue.run(interrupts);
    (issue.seen, issued.map(Some))
}

/// A refusal as a problem. A kubelet that an interrupted run has left down is restarted first.
fn refused(refusal: Refusal, site: &mut ApplySite<'_>, interrupts: &Interrupts) -> Problem {
    let unhealthy = |reason: &Explanation| {
        Problem::new(
            Code::Refused,
            format!(
                "cannot restart {}: it was not healthy before: {reason}; nothing was changed",
                systemd::KUBELET
            ),
        )
    };
    match refusal {
        Refusal::LeftDown(reason) if !site.arguments.dry_run => {
            interrupts.commit();
            if restart_left_down(site, interrupts) {
                return Problem::new(
                    Code::Refused,
                    "cannot change serverTLSBootstrap: an earlier run was interrupted while it rolled back; this run has completed the rollback, and the kubelet is healthy again",
                )
                .hint(LOOK_AT_JOURNAL);
            }
            unhealthy(&reason).hint(LOOK_AT_STATUS)
        }
        Refusal::UnhealthyAfterEdits(reason) => unhealthy(&reason)
            .advise("an earlier run was interrupted after it had edited the file, and a rollback undoes that")
            .hint(site.rollback()),
        Refusal::LeftDown(reason) | Refusal::Unhealthy(reason) => {
            let edit_alone = cli::Apply {
                restart: cli::RestartPolicy::Never,
                issue_first: false,
                ..site.arguments.clone()
            };
            unhealthy(&reason)
                .advise(format!(
                    "fix the kubelet first, or change only the file: {}",
                    edit_alone.command()
                ))
                .hint(LOOK_AT_JOURNAL)
        }
    }
}

/// Restarts a kubelet that an interrupted run has left down. Whether it is healthy then.
fn restart_left_down(site: &mut ApplySite<'_>, interrupts: &Interrupts) -> bool {
    let Some(unit) = &site.kubelet.unit else {
        return false;
    };
    let check = site.check.without_flags();
    let healthy = check.restart_and_watch(unit, interrupts).is_ok();
    if healthy {
        receipts::resolve(&mut site.receipts, Resolution::Undone, site.ui);
    }
    healthy
}
