//! Tells which other tool's file a text is.

use super::foreign::Foreign;
use super::goyaml::lookup;
use super::meta::{Meta, meta, string};
use crate::yaml::Stream;

/// How the first line of a text begins that is not YAML, or hardly.
const BEGINNINGS: &[(&str, Foreign)] = &[
    ("[settings", Foreign::Bottlerocket),
    ("MIME-Version:", Foreign::Mime),
    ("Content-Type: multipart/", Foreign::Mime),
    ("-----BEGIN ", Foreign::Pem),
    ("diff --git ", Foreign::Diff),
    ("<!DOCTYPE", Foreign::WebPage),
    ("<!doctype", Foreign::WebPage),
    ("<html", Foreign::WebPage),
    ("[all]", Foreign::Kubespray),
    ("[all:", Foreign::Kubespray),
    ("[kube_", Foreign::Kubespray),
    ("[k8s_cluster", Foreign::Kubespray),
    ("[etcd]", Foreign::Kubespray),
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
    if let Some((_, foreign)) = BEGINNINGS
        .iter()
        .find(|(start, _)| first.starts_with(start))
    {
        return Some(*foreign);
    }
    if first.starts_with("--- ") && text.contains("\n+++ ") {
        return Some(Foreign::Diff);
    }
    if text.starts_with("#!") {
        return Some(Foreign::Script);
    }
    let is_unit = ["[Unit]", "[Service]", "[Install]"].contains(&first);
    let flag = first.strip_prefix("--").unwrap_or_default();
    let is_flag = flag.starts_with(|letter: char| letter.is_ascii_lowercase());
    let name = first.split_once('=').map_or("", |(name, _)| name);
    let is_letter = |byte: u8| matches!(byte, b'A'..=b'Z' | b'_' | b'0'..=b'9');
    let is_variable = !name.is_empty() && name.bytes().all(is_letter);
    (is_unit || is_flag || is_variable).then_some(Foreign::Flags)
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
    if meta.kind == Some("List") {
        let items = lookup(stream, root, "items").map(|items| stream.items(items));
        return items?.find_map(|item| of_object(stream, item));
    }
    if stream.items(root).any(|item| is_play(stream, item)) {
        return Some(Foreign::Playbook);
    }
    of_object(stream, root)
}

/// Whether an item of a list is a play of Ansible, or one of its tasks.
fn is_play(stream: &Stream<'_>, item: usize) -> bool {
    const MODULES: [&str; 5] = ["copy", "template", "lineinfile", "shell", "command"];
    let has = |key: &str| lookup(stream, item, key).is_some();
    let is_task = has("name") && MODULES.iter().any(|module| has(module));
    let is_builtin = |(key, _): (usize, usize)| stream.text(key).starts_with("ansible.builtin.");
    has("hosts") || has("import_playbook") || is_task || stream.entries(item).any(is_builtin)
}

fn of_object(stream: &Stream<'_>, root: usize) -> Option<Foreign> {
    let meta = meta(stream, root);
    if meta.kind.is_some() {
        let metadata = lookup(stream, root, "metadata");
        let name = metadata.and_then(|metadata| lookup(stream, metadata, "name"));
        let name = name.and_then(|name| string(stream, name));
        return match name {
            Some("metrics-server" | "v1beta1.metrics.k8s.io") => Some(Foreign::MetricsServer),
            Some("kube-apiserver") if meta.kind == Some("Pod") => Some(Foreign::ApiServerManifest),
            name => of_kind(&meta).filter(|foreign| {
                *foreign != Foreign::ConfigMap || is_kubelet_config(stream, root, name)
            }),
        };
    }
    let has = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => {
            let mut keys = stream.entries(root).map(|(key, _)| stream.text(key));
            keys.any(|key| key.starts_with(start))
        }
        None => lookup(stream, root, pattern).is_some(),
    };
    let has_all = |keys: &&[&str]| keys.iter().all(|key| has(key));
    let mut all = Foreign::ALL.iter().copied();
    all.find(|foreign| foreign.tool().keys.iter().any(has_all))
}

/// Whether a ConfigMap is one that kubeadm keeps a KubeletConfiguration in.
fn is_kubelet_config(stream: &Stream<'_>, root: usize, name: Option<&str>) -> bool {
    let data = lookup(stream, root, "data");
    name.is_some_and(|name| name.starts_with("kubelet-config"))
        || data.is_some_and(|data| lookup(stream, data, "kubelet").is_some())
}

fn of_kind(meta: &Meta<'_>) -> Option<Foreign> {
    let (group, kind) = (meta.api_version?.split('/').next()?, meta.kind?);
    let is_it = |(of, named): &(&str, &str)| {
        let is_group = group == *of || of.starts_with('.') && group.ends_with(of);
        is_group && (*named == "*" || *named == kind)
    };
    let mut all = Foreign::ALL.iter().copied();
    all.find(|foreign| foreign.tool().objects.iter().any(is_it))
}
