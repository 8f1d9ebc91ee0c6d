//! The API's answers, read: pure, and tested on real ones.

use k8s_openapi::api::core::v1 as core;
use serde::Deserialize;

use crate::node::{Node, version};
use crate::text::brief;

pub(super) fn parse_node(bytes: &[u8]) -> Result<Node, serde_json::Error> {
    serde_json::from_slice(bytes).map(|node| node_of(&node))
}

/// What of a Node object matters here. Its kubelet wrote it, so it is text of another party.
pub(super) fn node_of(object: &core::Node) -> Node {
    let status = object.status.as_ref();
    let taints = object.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    let addresses = status.and_then(|status| status.addresses.as_ref());
    let info = status.and_then(|status| status.node_info.as_ref());
    Node {
        addresses: addresses
            .into_iter()
            .flatten()
            .map(|address| (brief(&address.type_), brief(&address.address)))
            .collect(),
        taints: taints
            .into_iter()
            .flatten()
            .map(|taint| brief(&taint.key))
            .collect(),
        kubelet_version: info
            .map(|info| brief(&info.kubelet_version))
            .unwrap_or_default(),
    }
}

/// What kubeadm's ConfigMap holds for kubelets: data key `kubelet`.
pub(super) fn parse_kubelet_config(bytes: &[u8]) -> Result<String, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        kubelet: String,
    }
    serde_json::from_slice::<Wire>(bytes).map(|wire| wire.data.kubelet)
}

/// The minor of the API server's `/version`.
pub(super) fn parse_minor(bytes: &[u8]) -> Result<u32, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        git_version: String,
    }
    let wire: Wire = serde_json::from_slice(bytes)?;
    version::minor(&wire.git_version)
        .ok_or_else(|| serde::de::Error::custom("its version is not one of Kubernetes 1"))
}

/// The `Date` header (RFC 9110, 5.6.7), of which servers send the fixed form alone.
pub(super) fn parse_date(text: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

/// The message of a `Status` object, or the beginning of whatever else was said.
pub(super) fn parse_status(bytes: &[u8]) -> String {
    let status = serde_json::from_slice::<serde_json::Value>(bytes);
    let message = status.map(|status| {
        let message = status.get("message").and_then(serde_json::Value::as_str);
        message.unwrap_or_default().to_owned()
    });
    brief(&message.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kube::ApiError;

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
    fn the_kubelet_configmap_is_read_as_a_node_may_read_it() {
        let text = parse_kubelet_config(include_bytes!(
            "../../../testdata/captured/1.36/kubelet-config-as-node.json"
        ));
        assert!(text.unwrap().contains("kind: KubeletConfiguration\n"));
        assert!(parse_kubelet_config(br#"{"data":{}}"#).is_err());
    }

    #[test]
    fn the_minor_version_is_read_from_each_form() {
        let of = |version: &str| {
            parse_minor(
                serde_json::json!({ "gitVersion": version })
                    .to_string()
                    .as_bytes(),
            )
            .ok()
        };
        assert_eq!(of("v1.19.16"), Some(19));
        assert_eq!(of("v1.36.2-gke.7"), Some(36));
        assert_eq!(of("v2.0.0"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn the_date_header_is_read() {
        let time = "2026-11-23T07:16:56Z".parse().unwrap();
        assert_eq!(parse_date("Mon, 23 Nov 2026 07:16:56 GMT"), Some(time));
        assert_eq!(parse_date("yesterday"), None);
    }

    #[test]
    fn an_error_says_what_the_server_said() {
        let forbidden = br#"{"kind":"Status","status":"Failure","message":"nodes \"x\" is forbidden","code":403}"#;
        assert_eq!(parse_status(forbidden), "nodes \"x\" is forbidden");
        assert_eq!(parse_status(b"<html>\x1b[2J"), "<html>\u{fffd}[2J");
        let error = ApiError::Status {
            server: "https://a".into(),
            code: 403,
            message: "no".into(),
            retry_after: None,
        };
        assert_eq!(error.to_string(), "https://a answers 403: no");
        assert!(error.is_forbidden() && !error.is_transient());
    }
}
