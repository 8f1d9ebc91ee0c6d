//! What kubeadm keeps in the cluster: the kubelets' configuration, and its own.

use crate::plan::Target;

/// One of kubeadm's ConfigMaps of kube-system, as far as it is looked at: `kubelet-config` or `kubelet-config-1.X` with the
/// kubelets' configuration, or `kubeadm-config`, from which `kubeadm upgrade` and `kubeadm join` take the API server's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigMap {
    /// Its `metadata.name`.
    pub name: String,
    /// What no other object of any cluster has.
    pub uid: String,
    /// The version of this state of it, never empty.
    pub resource_version: String,
    /// The text under the data key that holds the configuration.
    pub text: Option<String>,
    /// Whether the API server lets no one change its data.
    pub immutable: bool,
    /// Clients that may revert a change here: an owner, an applier.
    pub keepers: Vec<String>,
}

impl ConfigMap {
    /// The namespace of both ConfigMaps.
    pub const NAMESPACE: &'static str = "kube-system";

    /// The name of the one with the cluster's configuration, in every version of kubeadm.
    pub const KUBEADM_CONFIG: &'static str = "kubeadm-config";

    /// The data key under which the ConfigMap `name` has its text.
    pub fn key_of(name: &str) -> &'static str {
        match name {
            Self::KUBEADM_CONFIG => "ClusterConfiguration",
            _ => "kubelet",
        }
    }

    /// What an edit of its text is made to.
    pub fn target(&self) -> Target {
        Self::target_of(&self.name)
    }

    /// The same of the one with this name, before it is read.
    pub fn target_of(name: &str) -> Target {
        Target::ConfigMap {
            namespace: Self::NAMESPACE.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Of the one with the kubelets' configuration: the name that the kubeadm of a control plane of this minor reads and writes, and the other one it may have been
    /// told to by its feature gate `UnversionedKubeletConfigMap`: alpha and off in 1.23, on in 1.24, locked from 1.25.
    pub fn names(minor: u32) -> (String, String) {
        let plain = "kubelet-config".to_owned();
        let versioned = format!("kubelet-config-1.{minor}");
        if minor <= 23 {
            (versioned, plain)
        } else {
            (plain, versioned)
        }
    }

    /// Whether kubeadm of this minor may have been told to use the other name.
    pub fn has_choice(minor: u32) -> bool {
        matches!(minor, 23 | 24)
    }
}
