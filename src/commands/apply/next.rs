//! What a person is told to do next, and what a dry run would have done.

use crate::commands::{Ui, request};
use crate::csr::{Request, State};
use crate::host::systemd;
use crate::kubelet::Bootstrap;
use crate::plan::{Plan, Reason, Restart};
use crate::text::hint::Command;

use super::decide::Decision;
use super::observe::Site;

/// The warning of a restart after which the kubelet has no certificate to serve.
pub(in crate::commands) fn outage(port: u16) -> String {
    format!(
        "from the restart until the kubelet's CSR is approved, port {port} of this node refuses TLS: no logs, exec, port-forward or metrics; running pods are not affected and the Node stays Ready"
    )
}

/// The same warning of an `apply`, which can avoid the outage.
pub(super) fn avoidable_outage(port: u16) -> String {
    format!("{}. Use --issue-first to avoid this outage", outage(port))
}

/// The command with which an administrator approves a request. `kubectl certificate approve` checks nothing.
pub(super) fn approve(request: &Request) -> Command {
    Command::new("kubelet-tls")
        .arg("approve")
        .arg(&request.name)
}

/// Says how a request is, and who does what about it.
pub(super) fn tell_request(request: &Request, ui: &Ui) {
    if request.state == State::Pending {
        ui.name(&request.name);
    }
    ui.say(&request::describe(request));
    match request.state {
        State::Pending => ui.say(&format!(
            "next: an administrator approves it, on a machine with a cluster administrator's kubeconfig: {}",
            approve(request)
        )),
        State::Failed => ui.say(&format!(
            "to see why: {}",
            Command::new("kubectl").args(["get", "csr", &request.name, "-o", "yaml"])
        )),
        State::Approved | State::Issued | State::Denied => {}
    }
}

/// Says what a dry run would have done to the kubelet.
pub(super) fn tell_dry_run(decision: &Decision, site: &Site<'_>) {
    let enables = site.options.wanted == Bootstrap::Enabled;
    if decision.issues_first {
        site.ui.say(
            "(dry run) would first create a CSR with a key of its own, and install its certificate when it is issued",
        );
    } else if decision.plan.restart != Restart::No && enables {
        for name in site.pending() {
            site.ui.warn(format!(
                "the restart makes the pending CSR {name} useless, because the kubelet discards its key"
            ));
        }
    }
    tell_dry_restart(&decision.plan, site.ui);
}

/// Says whether a dry run would have restarted the kubelet, and why.
pub(in crate::commands) fn tell_dry_restart(plan: &Plan, ui: &Ui) {
    let unit = systemd::KUBELET;
    let why = match plan.restart {
        Restart::No => {
            return ui.say(&format!(
                "(dry run) nothing was changed; would not restart {unit}"
            ));
        }
        Restart::Yes(Reason::Changed) => "its configuration changes",
        Restart::Yes(Reason::OlderThanConfig) => {
            "it started before its configuration was last written"
        }
        Restart::Yes(Reason::Asked) => "--restart always asks for it",
        Restart::Yes(Reason::CutOff) => "an interrupted run has left it down",
    };
    ui.say(&format!(
        "(dry run) nothing was changed; would restart {unit}: {why}"
    ));
}
