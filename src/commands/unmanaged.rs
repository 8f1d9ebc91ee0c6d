//! What is said of a machine whose kubelet is not a kubeadm node's: the same words from every verb of a node.

use std::path::Path;

use crate::host::kube::kubeconfig::Source;
use crate::host::systemd::{self, SystemdError};
use crate::report::{Code, Problem};
use crate::text::brief;
use crate::text::hint::Command;

/// A refusal if the main process of kubelet.service is another program than a kubelet, such as a shell that wraps it or
/// `docker logs`; its flags say nothing of the kubelet's.
pub(super) fn other_program(program: &str) -> Option<Problem> {
    let name = Path::new(program).file_name()?.to_string_lossy();
    if name.starts_with("kubelet") {
        return None;
    }
    let cause = format!(
        "cannot tell the kubelet's configuration: the main process of {} is {}, not a kubelet",
        systemd::KUBELET,
        brief(program)
    );
    let problem = Problem::new(Code::Refused, cause)
        .advise("only a kubelet that systemd starts itself is managed; to edit a file instead, name it: kubelet-tls diff FILE")
        .hint("systemctl cat kubelet");
    Some(problem)
}

/// Adds to a problem that this machine has no kubelet.service, and what to do instead; `error` is why systemd does not
/// say so itself.
pub(super) fn no_kubeadm_node(problem: Problem, error: Option<&SystemdError>) -> Problem {
    let advice = match error.is_some_and(SystemdError::is_absent) {
        true => "run kubelet-tls on a node of the cluster, outside of containers",
        false => {
            "this machine is not a kubeadm node (k3s, RKE2, MicroK8s and k0s run the kubelet inside a unit of their own, which kubelet-tls leaves alone)"
        }
    };
    problem
        .advise(advice)
        .advise("to edit a file instead, name it: kubelet-tls diff FILE")
        .hint(from_elsewhere())
}

/// What can be done on a machine that is not a node: to look at the nodes of the cluster whose kubeconfig is there, else to
/// read which files can be edited.
fn from_elsewhere() -> Command {
    match Source::of_administrator(None, None).has_file() {
        true => "kubelet-tls cluster status".into(),
        false => "kubelet-tls diff --help".into(),
    }
}
