//! What the API server says of the cluster, read: pure, and tested on real answers.

use serde::Deserialize;

use crate::node::KubeletConfigMap;
use crate::node::conditions;
use crate::text::brief;

pub(super) fn parse_minor(bytes: &[u8]) -> Result<u32, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Wire {
        git_version: String,
    }
    let wire: Wire = serde_json::from_slice(bytes)?;
    conditions::minor(&wire.git_version)
        .ok_or_else(|| serde::de::Error::custom("its version is not one of Kubernetes 1"))
}

pub(super) fn parse_configmap(bytes: &[u8]) -> Result<KubeletConfigMap, serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        kind: String,
        metadata: Metadata,
        data: Option<Data>,
        immutable: Option<bool>,
    }
    #[derive(Deserialize)]
    struct Data {
        kubelet: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        name: String,
        uid: String,
        resource_version: String,
        #[serde(default)]
        labels: std::collections::BTreeMap<String, String>,
        #[serde(default)]
        annotations: std::collections::BTreeMap<String, String>,
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
        return Err(serde::de::Error::custom(
            "this is no ConfigMap as the API has them",
        ));
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
    Ok(KubeletConfigMap {
        keepers: owners.chain(appliers).chain(labelled).collect(),
        name: brief(&name),
        uid: brief(&uid),
        resource_version,
        text: wire.data.and_then(|data| data.kubelet),
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

/// Names, and the token of the next page, empty at the end.
pub(super) fn parse_node_names(bytes: &[u8]) -> Result<(Vec<String>, String), serde_json::Error> {
    #[derive(Deserialize)]
    struct Wire {
        metadata: Next,
        items: Option<Vec<Item>>,
    }
    #[derive(Deserialize)]
    struct Next {
        #[serde(rename = "continue", default)]
        next: String,
    }
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    let wire: Wire = serde_json::from_slice(bytes)?;
    let items = wire.items.unwrap_or_default();
    let names = items.into_iter().map(|item| brief(&item.metadata.name));
    Ok((names.collect(), wire.metadata.next))
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

    fn captured(list: &[u8]) -> KubeletConfigMap {
        let list: serde_json::Value = serde_json::from_slice(list).unwrap();
        let mut items = list["items"].as_array().unwrap().iter();
        let is_kubelets = |item: &&serde_json::Value| item["data"].get("kubelet").is_some();
        let item = items.find(is_kubelets).unwrap();
        parse_configmap(item.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_real_configmaps() {
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
    fn what_is_no_configmap() {
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
    fn who_may_put_it_back() {
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
    fn versions() {
        let of = |version: &str| {
            parse_minor(json!({ "gitVersion": version }).to_string().as_bytes()).ok()
        };
        assert_eq!(of("v1.19.16"), Some(19));
        assert_eq!(of("v1.36.2-gke.7"), Some(36));
        assert_eq!(of("v2.0.0"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_configz() {
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
