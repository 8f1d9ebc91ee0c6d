//! What the kubelets serve, and what metrics-server verifies them against.

use std::time::Instant;

use serde_json::Value;

use crate::host::kube::{Admin, NODES};
use crate::host::parallel::in_parallel;
use crate::host::{files, tls};
use crate::metrics_server::certificates;
use crate::metrics_server::check::{
    ADDRESS_TYPES, Deployment, Dialled, Kubelets, MountSource, dialled, of_config_map, of_secret,
};

use crate::node::Explanation;

use super::ask::{LIST_DEADLINE, get, seen_in};

/// How many kubelets are dialled at once; one that is silent takes a second.
const DIALLED_AT_ONCE: usize = 32;
/// A CA file, in bytes.
const PEM_CAP: u64 = 1024 * 1024;
/// Where the CA in every pod is.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// What metrics-server verifies kubelets against: in words, and in DER.
pub(super) fn kubelet_ca(
    api: &Admin,
    deployment: &Deployment,
    namespace: &str,
) -> Result<(String, Vec<Vec<u8>>), Explanation> {
    let path = deployment
        .program
        .flag("kubelet-certificate-authority")
        .filter(|path| !path.is_empty())
        .unwrap_or(IN_CLUSTER);
    if path == IN_CLUSTER {
        return in_cluster_ca(api, namespace);
    }
    let object = |resource: &str, name: &str| seen_in(api, namespace, (resource, name));
    let (words, pem) = match deployment.program.source(path) {
        Some(MountSource::ConfigMap(name, key)) => (
            format!("configmap/{namespace}/{name}"),
            of_config_map(&object("configmaps", &name)?, &key),
        ),
        Some(MountSource::Secret(name, key)) => (
            format!("secret/{namespace}/{name}"),
            of_secret(&object("secrets", &name)?, &key),
        ),
        Some(MountSource::Host(file)) => {
            let pem = files::read(file.as_ref(), PEM_CAP);
            let pem = pem.map_err(|error| {
                Explanation::new(format!(
                    "{error}; the file is on the node that metrics-server runs on: run this command there"
                ))
            })?;
            (format!("{file} of this machine"), Some(pem))
        }
        None => {
            return Err(Explanation::new(format!(
                "where {path} comes from cannot be seen"
            )));
        }
    };
    let pem = pem.unwrap_or_default();
    cas(&pem, &words).map(|cas| (words, cas))
}

fn cas(pem: &[u8], words: &str) -> Result<Vec<Vec<u8>>, Explanation> {
    match certificates(pem) {
        Ok(cas) if cas.is_empty() => Err(Explanation::new(format!("{words} holds no certificate"))),
        cas => cas.map_err(|why| Explanation::new(format!("{words}: {why}"))),
    }
}

/// The CA in every pod is a ConfigMap in every namespace from 1.20 on; before, it is what kubeadm's kubeconfig holds.
fn in_cluster_ca(api: &Admin, namespace: &str) -> Result<(String, Vec<Vec<u8>>), Explanation> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt");
    match get(api, &path) {
        Ok(object) => {
            let pem = of_config_map(&object, "ca.crt").unwrap_or_default();
            let words = "the in-cluster CA".to_owned();
            cas(&pem, &words).map(|cas| (words, cas))
        }
        Err(error) if error.is_not_found() => Ok((
            "the in-cluster CA, that of the kubeconfig".into(),
            api.roots().to_vec(),
        )),
        Err(error) => Err(Explanation::of(error)),
    }
}

/// Dials every kubelet, some at once.
pub(super) fn kubelets(
    api: &Admin,
    deployment: &Deployment,
    cas: &[Vec<u8>],
) -> Result<Kubelets, Explanation> {
    let types = deployment
        .program
        .flag("kubelet-preferred-address-types")
        .filter(|types| !types.is_empty())
        .unwrap_or(ADDRESS_TYPES);
    let nodes = nodes(api, types)?;
    let dial = |node: &Dialled| tls::probe_as(node.address, &node.name, cas);
    let served = in_parallel(&nodes, DIALLED_AT_ONCE, &dial);
    let mut found: Vec<_> = nodes.into_iter().zip(served).collect();
    found.sort_by(|(a, _), (b, _)| a.node.cmp(&b.node));
    Ok(found)
}

/// The kubelets as metrics-server dials them. A Node without an address that it dials is left out, as metrics-server leaves
/// it out.
fn nodes(api: &Admin, types: &str) -> Result<Vec<Dialled>, Explanation> {
    let take = |all: &mut Vec<Dialled>, node: Value| all.extend(dialled(&node, types));
    let end = Instant::now() + LIST_DEADLINE;
    api.list(NODES, take, end).map_err(Explanation::of)
}
