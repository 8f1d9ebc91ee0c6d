//! What a person is told to do next about a request, and what a restart means for it.

use crate::commands::{Ui, request};
use crate::csr::{Request, State};
use crate::text::hint::Command;

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
