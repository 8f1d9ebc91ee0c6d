//! What a receipt is about: a node, or a cluster.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Change, ClusterReceipt, ReceiptError, Subject};
use crate::kubelet::Bootstrap;

/// What the receipt of a node holds beside its edits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSubject {
    /// The serving certificate that was put into the kubelet's store before the restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub installed: Option<Installed>,
    /// What `serverTLSBootstrap` was to become.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Bootstrap>,
    /// Set if the kubelet's own start made the change, so that no run watched the kubelet that read it.
    #[serde(rename = "trial", default, skip_serializing_if = "Option::is_none")]
    pub probation: Option<Probation>,
    /// The request that the kubelet was seen to make afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<ObservedRequest>,
}

/// A pair of certificate and key in the kubelet's store (client-go/util/certificate/certificate_store.go).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Installed {
    /// The store's symlink, `kubelet-server-current.pem`.
    pub link: PathBuf,
    /// The dated file that it points to.
    pub pair: PathBuf,
    /// What it pointed to before; none if no symlink existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<PathBuf>,
}

/// What tells a later start of the kubelet whether the one that read the change stayed up with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probation {
    /// systemd's count of automatic restarts when the change was made.
    pub n_restarts: u64,
}

/// A request, and the start of the kubelet that holds its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservedRequest {
    /// The CertificateSigningRequest's name.
    pub name: String,
    /// systemd's id of the kubelet's start.
    pub invocation_id: String,
}

/// What the receipt of a cluster holds beside its one edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSubject {
    /// The API server's address, for people: two addresses may lead to one cluster.
    pub server: String,
    /// `metadata.uid` of the ConfigMap, which no other ConfigMap of any cluster has.
    pub uid: String,
}

impl Subject for NodeSubject {
    const FILE: &'static str = "receipt.json";

    fn check(&self, _: &[Change]) -> Result<(), ReceiptError> {
        match &self.installed {
            Some(installed) if !installed.is_kubelets() => Err(ReceiptError::NotKubeletPair),
            _ => Ok(()),
        }
    }
}

impl Installed {
    /// The directory of the store.
    pub fn directory(&self) -> &Path {
        self.link.parent().unwrap_or(Path::new("/"))
    }

    /// Whether the symlink and the pair lie in one directory and are named as the kubelet names them.
    fn is_kubelets(&self) -> bool {
        let name = |path: &Path| {
            path.file_name()
                .and_then(|name| name.to_str().map(str::to_owned))
        };
        self.link.parent() == self.pair.parent()
            && [&self.link, &self.pair].iter().all(|path| {
                path.is_absolute() && !path.components().any(|part| part == Component::ParentDir)
            })
            && name(&self.link).as_deref() == Some(CURRENT)
            && name(&self.pair).is_some_and(|name| is_dated(&name))
    }
}

/// The kubelet's symlink (updatedPairPath and pairNamePrefix in client-go's certificate_store.go).
const CURRENT: &str = "kubelet-server-current.pem";

/// `kubelet-server-2026-11-23-07-16-56.pem`.
fn is_dated(name: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00-00-00-00";
    let date = name
        .strip_prefix("kubelet-server-")
        .and_then(|rest| rest.strip_suffix(".pem"));
    date.is_some_and(|date| {
        date.len() == SHAPE.len()
            && date.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                other => byte == *other,
            })
    })
}

impl Subject for ClusterSubject {
    // Not the node's: root may run `cluster apply` on a node.
    const FILE: &'static str = "cluster-receipt.json";

    fn check(&self, edits: &[Change]) -> Result<(), ReceiptError> {
        match config_map(edits) {
            Some(_) => Ok(()),
            None => Err(ReceiptError::NotConfigMap),
        }
    }
}

impl ClusterReceipt {
    /// The name of the ConfigMap of kube-system that its change is of, and the change.
    pub fn change(&self) -> Option<(&str, &Change)> {
        config_map(&self.edits)
    }
}

fn config_map(edits: &[Change]) -> Option<(&str, &Change)> {
    let [change] = edits else {
        return None;
    };
    let name = change
        .target
        .to_str()?
        .strip_prefix("configmap/kube-system/")?;
    let is_kubelets = name == "kubelet-config"
        || name
            .strip_prefix("kubelet-config-1.")
            .is_some_and(|minor| minor.parse::<u32>().is_ok());
    is_kubelets.then_some((name, change))
}
