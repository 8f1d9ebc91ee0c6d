//! What the API server says of the cluster, read: pure, and tested on real answers.

use k8s_openapi::api::core::v1 as core;
use serde::Deserialize;

use crate::node::ConfigMap;
use crate::text::brief;

/// A ConfigMap of kubeadm's, with the text under the data key of its name.
pub(super) fn parse_configmap(bytes: &[u8]) -> Result<ConfigMap, serde_json::Error> {
    let map: core::ConfigMap = serde_json::from_slice(bytes)?;
    let metadata = map.metadata;
    let present = |field: Option<String>| field.filter(|text| !text.is_empty());
    // Without a version a patch would be unconditional.
    let (Some(name), Some(uid), Some(resource_version)) = (
        present(metadata.name),
        present(metadata.uid),
        present(metadata.resource_version),
    ) else {
        return Err(serde::de::Error::custom("this is not a ConfigMap"));
    };
    let owners = metadata.owner_references.unwrap_or_default().into_iter();
    let owners = owners.map(|owner| brief(&format!("its owner {} {}", owner.kind, owner.name)));
    let appliers = metadata.managed_fields.unwrap_or_default().into_iter();
    let appliers = appliers
        .filter(|entry| entry.operation.as_deref() == Some("Apply"))
        .map(|entry| {
            let manager = entry.manager.unwrap_or_default();
            brief(&format!("{manager}, which applies it"))
        });
    let (labels, annotations) = (
        metadata.labels.unwrap_or_default(),
        metadata.annotations.unwrap_or_default(),
    );
    let labelled = TOOLS
        .iter()
        .filter(|(key, _)| labels.contains_key(*key) || annotations.contains_key(*key));
    let labelled = labelled.map(|(key, tool)| format!("{tool}, whose {key} it has"));
    Ok(ConfigMap {
        keepers: owners.chain(appliers).chain(labelled).collect(),
        text: map
            .data
            .and_then(|mut data| data.remove(ConfigMap::key_of(&name))),
        name: brief(&name),
        uid: brief(&uid),
        resource_version,
        immutable: map.immutable == Some(true),
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

/// A kubelet's configz; `false` is left out there (`omitempty`).
pub(super) fn parse_configz(bytes: &[u8]) -> Result<bool, serde_json::Error> {
    #[derive(Deserialize)]
    struct Configz {
        kubeletconfig: RunningConfig,
    }
    #[derive(Deserialize)]
    struct RunningConfig {
        #[serde(rename = "serverTLSBootstrap", default)]
        server_tls_bootstrap: bool,
    }
    serde_json::from_slice::<Configz>(bytes).map(|wire| wire.kubeletconfig.server_tls_bootstrap)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::Value;

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
