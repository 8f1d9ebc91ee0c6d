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

/// The conditions that are not True, of `api-server status` and of the node's own `status`.
fn lacking(node: &ControlPlaneNode) -> (Vec<String>, Vec<String>) {
    let of = |arguments: &[&str]| {
        let output = node.tool(&[arguments, &["-o", "name"]].concat()).run();
        let names: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
        let code = i32::from(!names.is_empty());
        assert_eq!(output.code, Some(code), "{output}");
        names
    };
    (of(&["api-server", "status"]), of(&["status"]))
}

/// Two control planes, one of them switched: each is told what is true of itself.
pub fn status_tells_control_planes_apart() {
    const OF_NODE: &str = "ApiServerVerifiesKubelets";
    let node = ControlPlaneNode::start("api-status");
    let api = Arc::clone(&node.worker.api);
    let deployments = serde_json::json!({
        "kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "1"},
        "items": [{
            "metadata": {"namespace": "kubelet-tls", "name": "kubelet-tls-approver"},
            "spec": {"template": {"spec": {"containers": [
                {"image": "kubelet-tls:0.1.0", "args": ["approve", "--watch", "--renewals"]},
            ]}}},
            "status": {"availableReplicas": 2},
        }],
    });
    api.set_object("/apis/apps/v1/deployments", deployments.to_string());
    let (of_instance, of_node) = lacking(&node);
    let not_switched = ["ManifestHasFlag", "ProcessHasFlag", "KubeadmConfigHasFlag"];
    assert_eq!(of_instance, not_switched);
    assert!(of_node.contains(&OF_NODE.to_owned()), "{of_node:?}");

    let (before, _) = node.process().expect("a process");
    node.replace(&node.rendered(true));
    node.await_instance(before);
    let (of_instance, of_node) = lacking(&node);
    assert_eq!(of_instance, ["KubeadmConfigHasFlag"]);
    assert!(!of_node.contains(&OF_NODE.to_owned()), "{of_node:?}");

    let mut map = api.configmap("kube-system", "kubeadm-config").expect("one");
    let text = map.data.get_mut("ClusterConfiguration").expect("its text");
    let args = format!(
        "apiServer:\n  extraArgs:\n  - name: kubelet-certificate-authority\n    value: {CA}\n"
    );
    *text = text.replace("apiServer: {}\n", &args);
    api.set_configmap_object(map);
    assert_eq!(lacking(&node).0, [""; 0]);
    let output = node.tool(&["api-server", "status", "-o", "json"]).run();
    let document: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(document["kind"], "ApiServerStatusResult");
    let url = format!("https://{}", document["address"].as_str().expect("text"));
    assert_eq!(url, node.instance.url());

    // The other one is not switched; its node, which is not secured, is out of reach through the first alone.
    let other = "control-plane-2";
    let second = ControlPlaneNode::join("api-other", api, other, "127.0.0.3", Kubelet::SelfSigned);
    let (of_instance, of_node) = lacking(&second);
    assert_eq!(
        of_instance,
        ["KubeletsSecured", "ManifestHasFlag", "ProcessHasFlag"]
    );
    assert!(of_node.contains(&OF_NODE.to_owned()), "{of_node:?}");
    assert_eq!(lacking(&node).0, ["KubeletsSecured", "KubeletsReachable"]);
}

/// `apply` switches the API server on and changes kubeadm-config; `rollback` gives the first bytes of both back.
pub fn apply_and_roll_back() {
    let node = ControlPlaneNode::start("api-apply");
    let configuration = || {
        let map = node.worker.api.configmap("kube-system", "kubeadm-config");
        map.expect("kubeadm-config").data["ClusterConfiguration"].clone()
    };
    let first = configuration();
    let run = |arguments: &[&str], code: i32| {
        let output = node.tool(&[&["api-server"], arguments].concat()).run();
        assert_eq!(output.code, Some(code), "{output}");
        node.assert_alone();
        output
    };
    let dry = run(&["apply", "--dry-run"], 0);
    assert!(
        dry.stdout
            .contains(&format!("+    - --kubelet-certificate-authority={CA}")),
        "{dry}"
    );
    assert!(dry.stdout.contains("+  extraArgs:"), "{dry}");
    assert_eq!(
        (node.manifest(), configuration()),
        (node.rendered(false), first.clone())
    );

    let applied = run(&["apply", "--settle", "1s", "-o", "json"], 0);
    let result: serde_json::Value = serde_json::from_str(&applied.stdout).expect("a document");
    assert_eq!(result["changed"], true, "{applied}");
    assert_eq!(result["apiServer"]["healthy"], true, "{applied}");
    assert_eq!(result["nodes"][0]["reached"], true, "{applied}");
    assert_eq!(
        result["edits"].as_array().map(Vec::len),
        Some(2),
        "{applied}"
    );
    assert_eq!(node.manifest(), node.rendered(true));
    assert!(node.verifies() && configuration().contains("kubelet-certificate-authority"));
    let again = run(&["apply"], 0);
    assert!(
        again
            .stderr
            .contains("unchanged: kubelet-certificate-authority is already set"),
        "{again}"
    );

    run(&["rollback", "--settle", "1s"], 0);
    assert_eq!(
        (node.manifest(), configuration()),
        (node.rendered(false), first)
    );
    assert!(!node.verifies());
    let again = run(&["rollback"], 0);
    assert!(again.stderr.contains("is rolled back already"), "{again}");
}
