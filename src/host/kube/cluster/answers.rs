//! What the API server says of the cluster, read: pure, and tested on real answers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::super::answers::node_of;
use crate::kubelet::DEFAULT_PORT;
use crate::node::{ConfigMap, Listed, ListedNode, MalformedNode};
use crate::text::brief;
use crate::text::names::{is_node_name, shown};

/// A ConfigMap of kubeadm's, with the text under the data key of its name.
pub(super) fn parse_configmap(bytes: &[u8]) -> Result<ConfigMap, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        kind: String,
        metadata: Metadata,
        data: Option<BTreeMap<String, String>>,
        immutable: Option<bool>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        name: String,
        uid: String,
        resource_version: String,
        #[serde(default)]
        labels: BTreeMap<String, String>,
        #[serde(default)]
        annotations: BTreeMap<String, String>,
        #[serde(default)]
        owner_references: Vec<Owner>,
        #[serde(default)]
        managed_fields: Vec<Manager>,
    }
    #[derive(Deserialize)]
    struct Owner {
        kind: String,
        name: String,
    }
    #[derive(Deserialize)]
    #[serde(default)]
    #[derive(Default)]
    struct Manager {
        manager: String,
        operation: String,
    }
    let wire: Wire = serde_json::from_slice(bytes)?;
    let Metadata {
        name,
        uid,
        resource_version,
        labels,
        annotations,
        owner_references,
        managed_fields,
    } = wire.metadata;
    // Without a version a patch would be unconditional.
    if wire.kind != "ConfigMap" || uid.is_empty() || resource_version.is_empty() {
        return Err(serde::de::Error::custom("this is not a ConfigMap"));
    }
    let owners = owner_references
        .iter()
        .map(|owner| brief(&format!("its owner {} {}", owner.kind, owner.name)));
    let appliers = managed_fields
        .iter()
        .filter(|manager| manager.operation == "Apply")
        .map(|manager| brief(&format!("{}, which applies it", manager.manager)));
    let labelled = TOOLS
        .iter()
        .filter(|(key, _)| labels.contains_key(*key) || annotations.contains_key(*key));
    let labelled = labelled.map(|(key, tool)| format!("{tool}, whose {key} it has"));
    Ok(ConfigMap {
        keepers: owners.chain(appliers).chain(labelled).collect(),
        text: wire
            .data
            .and_then(|mut data| data.remove(ConfigMap::key_of(&name))),
        name: brief(&name),
        uid: brief(&uid),
        resource_version,
        immutable: wire.immutable == Some(true),
    })
}

/// Labels and annotations of those that write objects again and again.
const TOOLS: [(&str, &str); 6] = [
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "kubectl apply",
    ),
    ("argocd.argoproj.io/tracking-id", "Argo CD"),
    ("argocd.argoproj.io/instance", "Argo CD"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux"),
    ("helm.toolkit.fluxcd.io/name", "Flux"),
    ("meta.helm.sh/release-name", "Helm"),
];

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
    let node: k8s_openapi::api::core::v1::Node = serde_json::from_value(item).map_err(|error| {
        wrong(format!(
            "the Node cannot be read: {}",
            brief(&error.to_string())
        ))
    })?;
    let seen = node_of(&node);
    let labels = node.metadata.labels.unwrap_or_default();
    // 1.19 knows only the older one; kubeadm set both up to 1.23.
    let is_control_plane = ["control-plane", "master"]
        .iter()
        .any(|role| labels.contains_key(&format!("node-role.kubernetes.io/{role}")));
    let is_windows = labels
        .get("kubernetes.io/os")
        .is_some_and(|os| os == "windows");
    let status = node.status.unwrap_or_default();
    let port = status
        .daemon_endpoints
        .and_then(|endpoints| endpoints.kubelet_endpoint)
        .and_then(|kubelet| u16::try_from(kubelet.port).ok())
        .filter(|port| *port > 0);
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

/// A kubelet's configz; `false` is left out there (`omitempty`).
pub(super) fn parse_configz(bytes: &[u8]) -> Result<bool, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        kubeletconfig: Config,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "serverTLSBootstrap", default)]
        server_tls_bootstrap: bool,
    }
    serde_json::from_slice::<Wire>(bytes).map(|wire| wire.kubeletconfig.server_tls_bootstrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn captured(list: &[u8]) -> ConfigMap {
        let list: Value = serde_json::from_slice(list).unwrap();
        let mut items = list["items"].as_array().unwrap().iter();
        let is_kubelets = |item: &&Value| item["data"].get("kubelet").is_some();
        let item = items.find(is_kubelets).unwrap();
        parse_configmap(item.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn captured_configmaps_are_read() {
        let old = captured(include_bytes!(
            "../../../../testdata/captured/1.19/configmaps.json"
        ));
        assert_eq!(old.name, "kubelet-config-1.19");
        assert_eq!(old.resource_version, "323");
        assert!(!old.immutable && old.keepers.is_empty());
        let new = captured(include_bytes!(
            "../../../../testdata/captured/1.36/configmaps.json"
        ));
        assert_eq!(new.name, "kubelet-config");
        assert!(
            new.text
                .unwrap()
                .starts_with("apiVersion: kubelet.config.k8s.io/v1beta1\n")
        );
    }

    #[test]
    fn an_object_that_is_not_a_configmap_is_an_error() {
        for odd in [
            "",
            "[]",
            "{}",
            r#"{"kind":"ConfigMap","metadata":{"name":"a","uid":"u"}}"#,
            r#"{"kind":"ConfigMap","metadata":{"name":"a","uid":"u","resourceVersion":""}}"#,
            r#"{"kind":"ConfigMap","metadata":{"name":"a","uid":"","resourceVersion":"1"}}"#,
            r#"{"kind":"Secret","metadata":{"name":"a","uid":"u","resourceVersion":"1"}}"#,
            r#"{"kind":"ConfigMap","metadata":{"name":"a","uid":"u","resourceVersion":"1"},"data":{"kubelet":1}}"#,
        ] {
            assert!(parse_configmap(odd.as_bytes()).is_err(), "{odd}");
        }
        let without = r#"{"kind":"ConfigMap","metadata":{"name":"a","uid":"u","resourceVersion":"1"},"data":null}"#;
        assert_eq!(parse_configmap(without.as_bytes()).unwrap().text, None);
    }

    #[test]
    fn owners_and_appliers_that_may_revert_a_change_are_named() {
        let kept = r#"{"kind":"ConfigMap","metadata":{"name":"a","uid":"u","resourceVersion":"1",
            "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}"},
            "labels":{"kustomize.toolkit.fluxcd.io/name":"x"},
            "ownerReferences":[{"kind":"KubeadmControlPlane","name":"\u001b[2Jx","uid":"y"}],
            "managedFields":[{"manager":"kubeadm","operation":"Update"},{"manager":"kustomize-controller","operation":"Apply"}]}}"#;
        assert_eq!(
            parse_configmap(kept.as_bytes()).unwrap().keepers,
            [
                "its owner KubeadmControlPlane \u{fffd}[2Jx",
                "kustomize-controller, which applies it",
                "kubectl apply, whose kubectl.kubernetes.io/last-applied-configuration it has",
                "Flux, whose kustomize.toolkit.fluxcd.io/name it has",
            ]
        );
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

    #[test]
    fn the_running_value_is_read_from_configz() {
        let of = |text: &str| parse_configz(text.as_bytes()).ok();
        assert_eq!(
            of(r#"{"kubeletconfig":{"serverTLSBootstrap":true}}"#),
            Some(true)
        );
        assert_eq!(of(r#"{"kubeletconfig":{"port":10250}}"#), Some(false));
        assert_eq!(of(r#"{"kind":"Status"}"#), None);
        assert_eq!(of("<html>"), None);
    }
}
