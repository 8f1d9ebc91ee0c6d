//! What the receipts of `api-server apply` are about: a manifest of this node, and kubeadm's configuration of the cluster.

use serde::{Deserialize, Serialize};

use super::{ClusterSubject, KubeadmConfigReceipt, ReceiptError, RecordedChange, Subject};
use crate::edit::api_server::Verification;

/// What the receipt of an API server's manifest holds beside its one edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiServerSubject {
    /// What the edit was for.
    pub wanted: Verification,
}

/// What the receipt of kubeadm's configuration of the cluster holds beside its one edit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KubeadmConfigSubject(pub ClusterSubject);

impl Subject for ApiServerSubject {
    const FILE: &'static str = "api-server-receipt.json";

    fn check(&self, edits: &[RecordedChange]) -> Result<(), ReceiptError> {
        let [change] = edits else {
            return Err(ReceiptError::NotManifest);
        };
        if !change.is_absolute() {
            return Err(ReceiptError::NotAbsolute);
        }
        // The kubelet would run what a receipt creates; no edit of a manifest creates one.
        match change.sha256_before {
            Some(_) => Ok(()),
            None => Err(ReceiptError::NotManifest),
        }
    }
}

impl Subject for KubeadmConfigSubject {
    const FILE: &'static str = "kubeadm-config-receipt.json";

    fn check(&self, edits: &[RecordedChange]) -> Result<(), ReceiptError> {
        match edits {
            [change] if is_kubeadm_config(change) => Ok(()),
            _ => Err(ReceiptError::NotConfigMap),
        }
    }
}

impl KubeadmConfigReceipt {
    /// Its change of the ConfigMap.
    pub fn change(&self) -> Option<&RecordedChange> {
        self.edits
            .first()
            .filter(|change| is_kubeadm_config(change))
    }
}

impl AsRef<ClusterSubject> for KubeadmConfigSubject {
    fn as_ref(&self) -> &ClusterSubject {
        &self.0
    }
}

impl From<ClusterSubject> for KubeadmConfigSubject {
    fn from(subject: ClusterSubject) -> Self {
        Self(subject)
    }
}

fn is_kubeadm_config(change: &RecordedChange) -> bool {
    change.target.to_str() == Some("configmap/kube-system/kubeadm-config")
}
