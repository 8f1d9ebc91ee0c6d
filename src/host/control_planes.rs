//! The control-plane nodes of a cluster with the flags of their API servers, as the API tells them.

use std::collections::HashMap;
use std::time::Instant;

use k8s_openapi::api::core::v1::Pod;

use super::kube::{Admin, ApiError};
use super::reach::node_names;
use crate::node::ControlPlane;

/// The label that kubeadm gives its static Pods.
const PODS: &str = "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver";
const PROGRAM: &str = "kube-apiserver";

/// The control-plane nodes, by name, with the flags of the API server that each one's kubelet reports. Who else may create
/// a Pod for a control-plane node can be an administrator already.
///
/// # Errors
/// When Nodes or Pods cannot be listed.
pub fn control_planes(admin: &Admin, end: Instant) -> Result<Vec<ControlPlane>, ApiError> {
    let names = node_names(admin, |node| node.is_control_plane, end)?;
    let take = |all: &mut HashMap<String, Vec<String>>, pod: Pod| {
        all.extend(flags_of(pod));
    };
    let mut flags = admin.list(PODS, take, end)?;
    let planes = names.into_iter().map(|name| ControlPlane {
        flags: flags.remove(&name),
        name,
    });
    Ok(planes.collect())
}

/// The node that a Pod is bound to, and the words after the program's name of its container that runs kube-apiserver.
fn flags_of(pod: Pod) -> Option<(String, Vec<String>)> {
    let spec = pod.spec?;
    let words = spec.containers.into_iter().find_map(|container| {
        let command = container.command.unwrap_or_default();
        let args = container.args.unwrap_or_default();
        let mut words = command.into_iter().chain(args).peekable();
        let first = words.peek()?;
        if first.rsplit('/').next() == Some(PROGRAM) {
            return Some(words.skip(1).collect());
        }
        (container.name == PROGRAM && first.starts_with('-')).then(|| words.collect())
    });
    Some((spec.node_name?, words?))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_flags_are_those_of_the_container_that_runs_it() {
        let of = |spec: Value| {
            let pod = serde_json::from_value(serde_json::json!({ "spec": spec })).unwrap();
            flags_of(pod)
        };
        let flags = ["--v=2".to_owned(), "--x".to_owned()].to_vec();
        let container = serde_json::json!({
            "name": "kube-apiserver", "command": ["/usr/bin/kube-apiserver", "--v=2"], "args": ["--x"],
        });
        let sidecar = serde_json::json!({"name": "proxy", "command": ["proxy", "--y"]});
        let pod = serde_json::json!({"nodeName": "a", "containers": [sidecar, container]});
        assert_eq!(of(pod), Some(("a".to_owned(), flags.clone())));
        let bare = serde_json::json!({"name": "kube-apiserver", "args": ["--v=2", "--x"]});
        let pod = serde_json::json!({"nodeName": "a", "containers": [bare]});
        assert_eq!(of(pod), Some(("a".to_owned(), flags)));
        let shell = serde_json::json!({"name": "kube-apiserver", "command": ["sh", "-c", "x"]});
        let pod = serde_json::json!({"nodeName": "a", "containers": [shell]});
        assert_eq!(of(pod), None);
        assert_eq!(of(serde_json::json!({"containers": [container]})), None);
    }
}
