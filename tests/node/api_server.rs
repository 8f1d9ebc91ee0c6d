//! `api-server` on a control-plane node whose kubelet runs the API server as a static Pod.

use std::sync::Arc;

use super::control_plane::{ControlPlaneNode, Kubelet};
use super::worker::added_lines;

const CA: &str = "/etc/kubernetes/pki/ca.crt";

/// `diff` shows the line that kubeadm would write; made by hand, it has the API server verify kubelets.
pub fn diff_and_an_edit_by_hand() {
    let node = ControlPlaneNode::start("api-diff");
    let (before, flag) = node.process().expect("a process");
    assert_eq!(flag, None);
    let name = node.worker.name();
    assert_eq!(node.instance.healthz_of(name), Ok((200, "ok".into())));
    let diff = node.tool(&["api-server", "diff"]).run();
    assert_eq!(diff.code, Some(1), "{diff}");
    let line = format!("    - --kubelet-certificate-authority={CA}");
    assert!(added_lines(&diff.stdout).contains(&&*line), "{diff}");
    assert_eq!(node.manifest(), node.rendered(false), "{diff}");

    node.replace(&node.rendered(true));
    node.await_instance(before);
    let (_, flag) = node.process().expect("a process");
    assert_eq!(flag.as_deref(), Some(CA));
    assert_eq!(node.instance.healthz_of(name), Ok((200, "ok".into())));
    node.assert_alone();

    // Each instance by itself: one verifies, and the other one does not.
    let api = Arc::clone(&node.worker.api);
    let other = "control-plane-2";
    let second = ControlPlaneNode::join("api-second", api, other, "127.0.0.3", Kubelet::SelfSigned);
    assert!(node.verifies() && !second.verifies());
    let (code, why) = node.instance.healthz_of(other).expect("an answer");
    assert_eq!(code, 503, "{why}");
    let text =
        "x509: cannot validate certificate for 127.0.0.3 because it doesn't contain any IP SANs";
    assert!(why.contains(text), "{why}");
    assert_eq!(second.instance.healthz_of(other), Ok((200, "ok".into())));
}
