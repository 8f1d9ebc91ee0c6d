//! What `apply` does on a node, decided from what was observed: no lock, clock, API call or output.

use crate::apply::InterruptedRun;
use crate::cli;
use crate::kubelet::Bootstrap;
use crate::node::Explanation;
use crate::plan::{Edit, Plan, Reason, Restart};

/// What was observed on the node before anything is touched.
#[derive(Debug)]
pub(super) struct Observed {
    /// The edits that the files need, the kubelet's own first. One that changes nothing stands for a file that already
    /// has the value.
    pub(super) edits: Vec<Edit>,
    /// What an earlier run left when it was interrupted.
    pub(super) interrupted: InterruptedRun,
    /// Whether the kubelet runs.
    pub(super) is_running: bool,
    /// Whether the kubelet runs with older files or flags than those on the disk.
    pub(super) is_behind: bool,
    /// Why the kubelet is not healthy; `None` if it is, or if that was not looked at because no restart is possible.
    pub(super) sick: Option<Explanation>,
    /// What the API said; `None` if it was not asked.
    pub(super) api: Option<ServingState>,
}

/// What the API and the kubelet's store say of the serving certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ServingState {
    /// The request that can still be issued.
    pub(super) request: OpenRequest,
    /// Whether the store has a certificate that the kubelet continues serving, so that it asks for none.
    pub(super) keeps_certificate: bool,
}

/// The node's newest request, if it can still be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenRequest {
    /// No such request exists.
    No,
    /// It may be of an earlier start of the kubelet, whose key is lost.
    Unsure,
    /// The running kubelet made it.
    OfThisStart,
}

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Options {
    /// What `serverTLSBootstrap` is to become.
    pub(super) wanted: Bootstrap,
    /// When to restart the kubelet; `Never` too if its files lie under another root.
    pub(super) restart: cli::RestartPolicy,
    /// How far to wait.
    pub(super) wait: cli::Wait,
    /// Whether the certificate comes before the restart.
    pub(super) issue_first: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The edits and the restart.
    pub(super) plan: Plan,
    /// Whether an interrupted run has made the edits already, so that only the restart and the health check are left.
    pub(super) completes: bool,
    /// Whether a certificate is to be issued and installed before the restart.
    pub(super) issues_first: bool,
    /// Whether the kubelet's port refuses TLS from the restart until a request is approved.
    pub(super) outage: bool,
}

/// Why the kubelet is not restarted. Nothing was changed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is not healthy: after the restart no one could tell what broke it.
    Unhealthy(Explanation),
    /// It is not healthy, perhaps because of the edits of an interrupted run.
    UnhealthyAfterEdits(Explanation),
    /// It is not healthy, and an interrupted run that had rolled back may have left it so: another restart is
    /// due first.
    LeftDown(Explanation),
}

impl Options {
    /// Whether the API has to be asked before the plan is made: only for a run that waits for a request which can come.
    pub(super) fn asks_api(&self, observed: &Observed) -> bool {
        let waits = self.wait != cli::Wait::None || self.issue_first;
        // Without a restart a change is read at the kubelet's next start, and no request can come before that.
        let can_come = self.restart != cli::RestartPolicy::Never
            || (!changes(observed) && !observed.is_behind && observed.is_running);
        waits && self.wanted == Bootstrap::Enabled && can_come
    }
}

/// Decides what to do.
///
/// # Errors
/// Why the kubelet must not be restarted.
pub(super) fn decide(observed: &Observed, options: &Options) -> Result<Decision, Refusal> {
    let completes = completes(observed);
    let edits = match &observed.interrupted {
        InterruptedRun::Edited(made) if completes => made.clone(),
        _ => observed.edits.clone(),
    };
    let plan = Plan {
        edits,
        restart: restart(observed, options),
    };
    let restarts = plan.restart != Restart::No;
    if restarts && !completes {
        refuse_unhealthy(observed)?;
    }
    let begins = matches!(
        plan.restart,
        Restart::Yes(Reason::Changed | Reason::NotRead)
    );
    let keeps_certificate = observed.api.is_some_and(|api| api.keeps_certificate);
    let issues_first = options.issue_first && begins && !keeps_certificate;
    // A restart that was only asked for changes nothing about the certificate.
    let is_new = plan.restart != Restart::Yes(Reason::Asked) || plan.changes();
    let outage = restarts
        && is_new
        && options.wanted == Bootstrap::Enabled
        && !keeps_certificate
        && !issues_first;
    Ok(Decision {
        plan,
        completes,
        issues_first,
        outage,
    })
}

/// Whether the kubelet's own file differs from what an interrupted run has left, if any.
fn changes(observed: &Observed) -> bool {
    observed.edits.first().is_some_and(Edit::changes)
}

/// Whether an interrupted run has made all the edits.
pub(super) fn completes(observed: &Observed) -> bool {
    matches!(observed.interrupted, InterruptedRun::Edited(_))
        && !observed.edits.iter().any(Edit::changes)
}

fn restart(observed: &Observed, options: &Options) -> Restart {
    let is_known = observed
        .api
        .is_some_and(|api| api.request == OpenRequest::OfThisStart);
    match options.restart {
        cli::RestartPolicy::Never => Restart::No,
        cli::RestartPolicy::Always => Restart::Yes(Reason::Asked),
        cli::RestartPolicy::Auto if changes(observed) => Restart::Yes(Reason::Changed),
        cli::RestartPolicy::Auto if completes(observed) && !observed.is_running => {
            Restart::Yes(Reason::CutOff)
        }
        // A kubelet that has made a request since it started has read the key; a restart would lose the request's key.
        cli::RestartPolicy::Auto if observed.is_behind && !is_known => {
            Restart::Yes(Reason::NotRead)
        }
        cli::RestartPolicy::Auto => Restart::No,
    }
}

fn refuse_unhealthy(observed: &Observed) -> Result<(), Refusal> {
    let Some(reason) = observed.sick.clone() else {
        return Ok(());
    };
    Err(match observed.interrupted {
        InterruptedRun::Unedited => Refusal::LeftDown(reason),
        InterruptedRun::Edited(_) => Refusal::UnhealthyAfterEdits(reason),
        InterruptedRun::No | InterruptedRun::Partly(_) => Refusal::Unhealthy(reason),
    })
}

#[cfg(test)]
mod tests;
