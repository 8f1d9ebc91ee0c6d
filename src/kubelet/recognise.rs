//! Tells which other tool's file a text is.

use super::foreign::Foreign;
use super::goyaml::lookup;
use super::meta::{Meta, meta, string};
use crate::yaml::Stream;

/// Top-level keys that only k3s and RKE2 have.
const K3S: [&str; 9] = [
    "cluster-init",
    "kubelet-arg",
    "kube-apiserver-arg",
    "kube-controller-manager-arg",
    "write-kubeconfig-mode",
    "flannel-backend",
    "node-label",
    "tls-san",
    "protect-kernel-defaults",
];

/// Modules of cloud-init that carry files and commands.
const CLOUD_INIT: [&str; 3] = ["write_files", "runcmd", "bootcmd"];

/// How variables of kubespray begin that are about a kubelet.
const KUBESPRAY: [&str; 3] = ["kubelet_", "kube_", "kubeadm_"];

/// Keys of a KubeletConfiguration that people patch.
const PATCHED: [&str; 14] = [
    "authentication",
    "cgroupDriver",
    "clusterDNS",
    "containerLogMaxSize",
    "evictionHard",
    "featureGates",
    "imageGCHighThresholdPercent",
    "kubeReserved",
    "maxPods",
    "rotateCertificates",
    "serverTLSBootstrap",
    "shutdownGracePeriod",
    "systemReserved",
    "tlsCipherSuites",
];

/// What a text is that is not YAML, or only a word of it. `line` is where a parser stopped, from 1.
pub(crate) fn of_text(text: &str, line: usize) -> Option<Foreign> {
    let stopped = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let is_tag = |line: &str| line.contains("{{") || line.trim_start().starts_with("{%");
    if is_tag(stopped) {
        return Some(Foreign::Template);
    }
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    let first = lines.next()?;
    let is_variable = |line: &str| {
        let name = line.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| {
            let letters = name.bytes();
            let mut others =
                letters.filter(|byte| !matches!(byte, b'A'..=b'Z' | b'_' | b'0'..=b'9'));
            !name.is_empty() && others.next().is_none()
        })
    };
    let is_unit = ["[Unit]", "[Service]", "[Install]"].contains(&first);
    (is_unit || first.starts_with("--") && first.len() > 3 || is_variable(first))
        .then_some(Foreign::Flags)
}

/// Which other tool's file this is, and the document that says so, as the index of its root.
pub(crate) fn recognise(stream: &Stream<'_>) -> Option<(Foreign, usize)> {
    if stream
        .source
        .trim_start_matches('\u{feff}')
        .starts_with("#cloud-config")
    {
        let root = stream.documents.first().map_or(0, |document| document.root);
        return Some((Foreign::CloudInit, root));
    }
    let first = stream.documents.first().map(|document| document.root);
    if let Some(root) = first.filter(|root| stream.is_scalar(*root))
        && let Some(foreign) = of_text(stream.source, stream.position(root).line)
    {
        return Some((foreign, root));
    }
    let mut roots = stream.documents.iter().map(|document| document.root);
    roots.find_map(|root| of_document(stream, root).map(|foreign| (foreign, root)))
}

fn of_document(stream: &Stream<'_>, root: usize) -> Option<Foreign> {
    let meta = meta(stream, root);
    if meta.kind.is_some() {
        let metadata = lookup(stream, root, "metadata");
        let name = metadata.and_then(|metadata| lookup(stream, metadata, "name"));
        let name = name.and_then(|name| string(stream, name));
        return match name {
            Some("metrics-server" | "v1beta1.metrics.k8s.io") => Some(Foreign::MetricsServer),
            _ => of_kind(&meta),
        };
    }
    let has = |key: &str| lookup(stream, root, key).is_some();
    let has_any = |keys: &[&str]| keys.iter().any(|key| has(key));
    let version = lookup(stream, root, "version").and_then(|value| string(stream, value));
    if has("machine") && (has("cluster") || version == Some("v1alpha1")) {
        return Some(Foreign::Talos);
    }
    if (has("variant") && has("version")) || has("ignition") {
        return Some(Foreign::Butane);
    }
    if has("kubeletconfig") {
        return Some(Foreign::Configz);
    }
    if has_any(&CLOUD_INIT) {
        return Some(Foreign::CloudInit);
    }
    if has_any(&K3S) {
        return Some(Foreign::K3s);
    }
    let keys = || stream.entries(root).map(|(key, _)| stream.text(key));
    if keys().any(|key| KUBESPRAY.iter().any(|prefix| key.starts_with(prefix))) {
        return Some(Foreign::Kubespray);
    }
    has_any(&PATCHED).then_some(Foreign::UnnamedPatch)
}

fn of_kind(meta: &Meta<'_>) -> Option<Foreign> {
    let group = meta.api_version?.split('/').next()?;
    match (group, meta.kind?) {
        ("kind.x-k8s.io", _) => Some(Foreign::Kind),
        ("node.eks.aws", _) => Some(Foreign::Eks),
        ("machineconfiguration.openshift.io", _) => Some(Foreign::OpenShift),
        ("k0s.k0sproject.io", _) => Some(Foreign::K0s),
        ("v1", "Config") => Some(Foreign::Kubeconfig),
        ("v1", "ConfigMap") => Some(Foreign::ConfigMap),
        (group, _) if group == "cluster.x-k8s.io" || group.ends_with(".cluster.x-k8s.io") => {
            Some(Foreign::ClusterApi)
        }
        _ => None,
    }
}
