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

/// The volumes. The files of a Secret are readable for every user in the Pod, so also for the container's, which is not root.
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

/// Where the volumes are mounted.
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

/// The label and the taint of a control plane's nodes. kubeadm sets the label from 1.20 and the taint from 1.24 on. Their
/// older name, `master`, is left out: the API server warns of it. Up to 1.23, `--kubelet-ca` does the same.
const ROLE: &str = "node-role.kubernetes.io/control-plane";

/// Only nodes that have the control plane's files.
pub(super) fn affinity() -> Value {
    let term = json!({"matchExpressions": [{"key": ROLE, "operator": "Exists"}]});
    json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
    }})
}

/// The tolerations of the manifest, and that of the control plane's taint.
pub(super) fn tolerations(already: &[Value]) -> Value {
    let ours = json!({"key": ROLE, "operator": "Exists", "effect": "NoSchedule"});
    already
        .iter()
        .filter(|toleration| **toleration != ours)
        .chain([&ours])
        .cloned()
        .collect()
}
