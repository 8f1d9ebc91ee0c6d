//! Node objects, read: pure, and tested on real ones.

use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

use crate::kubelet::DEFAULT_PORT;
use crate::node::{Listed, ListedNode, MalformedNode, Node};
use crate::text::brief;
use crate::text::names::{is_node_name, shown};

/// Where the API has Nodes.
pub(crate) const NODES: &str = "/api/v1/nodes";

pub(super) fn parse_node(bytes: &[u8]) -> Result<Node, serde_json::Error> {
    serde_json::from_slice(bytes).map(|node| node_of(&node))
}

/// What of a Node object matters here. Its kubelet wrote it, so it is text of another party.
fn node_of(object: &core::Node) -> Node {
    let (spec, status) = (object.spec.iter(), object.status.as_ref());
    let taints = spec.flat_map(|spec| spec.taints.iter().flatten());
    let addresses = status.into_iter();
    let addresses = addresses.flat_map(|status| status.addresses.iter().flatten());
    let info = status.and_then(|status| status.node_info.as_ref());
    Node {
        addresses: addresses
            .map(|address| (brief(&address.type_), brief(&address.address)))
            .collect(),
        taints: taints.map(|taint| brief(&taint.key)).collect(),
        kubelet_version: info
            .map(|info| brief(&info.kubelet_version))
            .unwrap_or_default(),
    }
}

/// One item of a list of Nodes. Only the name and the labels of roles are the cluster's; the rest is what its kubelet
/// wrote. An item that is not a Node is a [`MalformedNode`], so that it costs no other one.
pub(crate) fn listed_node(item: Value) -> Listed {
    let name = item["metadata"]["name"].as_str().unwrap_or_default();
    let (name, is_named) = (shown(name).into_owned(), is_node_name(name));
    let wrong = |reason: String| MalformedNode {
        name: name.clone(),
        reason,
    };
    if !is_named {
        return Err(wrong("its name is not a DNS subdomain".to_owned()));
    }
    let node: core::Node = serde_json::from_value(item).map_err(|error| {
        wrong(format!(
            "the Node cannot be read: {}",
            brief(&error.to_string())
        ))
    })?;
    let seen = node_of(&node);
    let (is_control_plane, port) = (is_control_plane(&node), kubelet_port(&node));
    let is_windows = label_of(&node, "kubernetes.io/os").is_some_and(|os| os == "windows");
    let status = node.status.unwrap_or_default();
    let mut conditions = status.conditions.unwrap_or_default().into_iter();
    let is_ready =
        conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True");
    Ok(ListedNode {
        is_control_plane,
        is_ready,
        is_windows,
        port: port.unwrap_or(DEFAULT_PORT),
        node: seen,
        name,
    })
}

/// Whether a Node has the label of a control-plane node. 1.19 knows only the older one; kubeadm set both up to 1.23.
pub(super) fn is_control_plane(node: &core::Node) -> bool {
    ["control-plane", "master"]
        .iter()
        .any(|role| label_of(node, &format!("node-role.kubernetes.io/{role}")).is_some())
}

fn label_of<'n>(node: &'n core::Node, key: &str) -> Option<&'n String> {
    node.metadata.labels.as_ref()?.get(key)
}

/// The port of a Node's kubelet, where the Node says.
pub(super) fn kubelet_port(node: &core::Node) -> Option<u16> {
    let endpoints = node.status.as_ref()?.daemon_endpoints.as_ref()?;
    let port = endpoints.kubelet_endpoint.as_ref()?.port;
    u16::try_from(port).ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn captured_nodes_are_read() {
        let node = parse_node(include_bytes!("../../../testdata/captured/1.36/node.json")).unwrap();
        assert_eq!(node.kubelet_version, "v1.36.2");
        assert_eq!(node.taints, ["node.kubernetes.io/not-ready"]);
        assert_eq!(
            node.addresses[0],
            ("InternalIP".into(), "10.77.0.21".into())
        );
        let node = parse_node(include_bytes!("../../../testdata/captured/1.19/node.json")).unwrap();
        assert_eq!(node.addresses[1], ("Hostname".into(), "node1".into()));
        assert_eq!(parse_node(b"{}").unwrap(), Node::default());
        assert!(parse_node(b"[]").is_err());
    }

    #[test]
    fn a_malformed_node_does_not_hide_the_others() {
        let of = |item: Value| listed_node(item);
        let good = of(json!({
            "metadata": {"name": "a", "labels": {"node-role.kubernetes.io/master": ""}},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "10.0.0.7"}],
                "conditions": [
                    {"type": "MemoryPressure", "status": "False"},
                    {"type": "Ready", "status": "True"},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 10251}},
            },
        }))
        .unwrap();
        assert!(good.is_control_plane && good.is_ready);
        assert_eq!((good.name.as_str(), good.port), ("a", 10251));
        assert_eq!(good.node.serving_names().0.len(), 1);
        let bare = of(json!({"metadata": {"name": "b"}})).unwrap();
        assert_eq!((bare.is_control_plane, bare.port), (false, 10250));
        assert!(!bare.is_ready);
        for odd in [
            json!(null),
            json!({"metadata": {"name": "x;reboot"}}),
            json!({"metadata": {"name": "c"}, "status": {"addresses": "none"}}),
        ] {
            let malformed = of(odd.clone()).unwrap_err();
            assert!(!malformed.name.contains(';'), "{odd}: {malformed:?}");
        }
    }
}
