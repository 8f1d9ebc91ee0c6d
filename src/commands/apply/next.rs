//! What a person is told to do next about a request, and what a restart means for it.

use crate::commands::{Ui, request};
use crate::csr::{Request, State};

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

/// Says how a request is, and who does what about it.
pub(super) fn tell_request(request: &Request, ui: &Ui) {
    if request.state == State::Pending {
        ui.name(&request.name);
    }
    ui.say(&request::describe(request));
    match request.state {
        State::Pending => ui.say(&format!(
            "next: an administrator approves it, on a machine with a cluster administrator's kubeconfig: {}",
            request.approve()
        )),
        State::Failed => ui.say(&format!(
            "to see why: {}",
            request.show()
        )),
        State::Approved | State::Issued | State::Denied => {}
    }
}
