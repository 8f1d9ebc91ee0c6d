//! What a receipt is about: a node, or a cluster.

use serde::{Deserialize, Serialize};

use super::{ClusterReceipt, ReceiptError, RecordedChange, Subject};
use crate::kubelet::{Bootstrap, Installed};

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
    /// `metadata.name` of the CertificateSigningRequest.
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

    fn check(&self, edits: &[RecordedChange]) -> Result<(), ReceiptError> {
        if !edits.iter().all(RecordedChange::is_absolute) {
            return Err(ReceiptError::NotAbsolute);
        }
        match &self.installed {
            Some(installed) if !installed.is_kubelets() => Err(ReceiptError::NotKubeletPair),
            _ => Ok(()),
        }
    }
}

impl Subject for ClusterSubject {
    // Not the node's: root may run `cluster apply` on a node.
    const FILE: &'static str = "cluster-receipt.json";

    fn check(&self, edits: &[RecordedChange]) -> Result<(), ReceiptError> {
        match config_map(edits) {
            Some(_) => Ok(()),
            None => Err(ReceiptError::NotConfigMap),
        }
    }
}

impl AsRef<Self> for ClusterSubject {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl ClusterReceipt {
    /// The name of the ConfigMap of kube-system that its change is of, and the change.
    pub fn change(&self) -> Option<(&str, &RecordedChange)> {
        config_map(&self.edits)
    }
}

fn config_map(edits: &[RecordedChange]) -> Option<(&str, &RecordedChange)> {
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
