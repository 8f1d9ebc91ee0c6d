//! What the pod gets: volumes, where they are mounted, what it may do, where it runs.

use serde_json::{Value, json};

use super::KubeletCa;
use super::kubelet_ca::CONTROL_PLANE_FILE;

/// Where the serving certificate is mounted.
pub(super) const SERVING: &str = "/etc/kubelet-tls/serving";
const KUBELET_CA: &str = "/etc/kubelet-tls/kubelet-ca";
/// Where the kubelets' CA is, unless it is the one in every pod.
pub(super) const KUBELET_CA_FILE: &str = "/etc/kubelet-tls/kubelet-ca/ca.crt";
/// The key under which the ConfigMap has it.
pub(super) const KUBELET_CA_KEY: &str = "ca.crt";

const SERVING_VOLUME: &str = "kubelet-tls-serving";
const KUBELET_CA_VOLUME: &str = "kubelet-tls-kubelet-ca";

/// The volumes; a Secret's files are readable for everybody in the pod, so also for one who is not root.
pub(super) fn volumes(kubelet_ca: &KubeletCa, secret: &str, config_map: &str) -> Value {
    let mut all = vec![json!({"name": SERVING_VOLUME, "secret": {"secretName": secret}})];
    match kubelet_ca {
        KubeletCa::InCluster => {}
        KubeletCa::Certificates(_) => {
            all.push(json!({"name": KUBELET_CA_VOLUME, "configMap": {"name": config_map}}));
        }
        KubeletCa::ControlPlane => all.push(json!({
            "name": KUBELET_CA_VOLUME,
            "hostPath": {"path": CONTROL_PLANE_FILE, "type": "File"},
        })),
    }
    all.into()
}

/// Where they are mounted.
pub(super) fn mounts(kubelet_ca: &KubeletCa) -> Value {
    let mut all = vec![json!({"name": SERVING_VOLUME, "mountPath": SERVING, "readOnly": true})];
    match kubelet_ca {
        KubeletCa::InCluster => {}
        KubeletCa::Certificates(_) => {
            all.push(json!({"name": KUBELET_CA_VOLUME, "mountPath": KUBELET_CA, "readOnly": true}))
        }
        // The one file: its directory holds the cluster's keys.
        KubeletCa::ControlPlane => all.push(
            json!({"name": KUBELET_CA_VOLUME, "mountPath": KUBELET_CA_FILE, "readOnly": true}),
        ),
    }
    all.into()
}

/// What the restricted Pod Security Standard asks of a container; manifests up to v0.6 lack some of it.
pub(super) fn security_context() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// The label and the taint of a control plane's nodes: up to 1.23 kubeadm set `master`, from 1.24 on `control-plane`
/// alone.
const ROLES: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/master",
];

/// Only nodes that have the control plane's files; the terms are alternatives.
pub(super) fn affinity() -> Value {
    let terms =
        ROLES.map(|role| json!({"matchExpressions": [{"key": role, "operator": "Exists"}]}));
    json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
    }})
}

/// What a control-plane node repels others with, beside what the manifest tolerates already.
pub(super) fn tolerations(already: &[Value]) -> Value {
    let ours = ROLES.map(|role| json!({"key": role, "operator": "Exists", "effect": "NoSchedule"}));
    already
        .iter()
        .filter(|toleration| !ours.contains(toleration))
        .chain(&ours)
        .cloned()
        .collect()
}
