//! What kubeadm keeps in the cluster: the kubelets' configuration, and its own.

use crate::plan::Target;

/// kubeadm's ConfigMap of kube-system with the kubelets' configuration, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeletConfigMap {
    /// `kubelet-config`, or `kubelet-config-1.X`.
    pub name: String,
    /// What no other object of any cluster has.
    pub uid: String,
    /// The version of this state of it, never empty.
    pub resource_version: String,
    /// The text under the data key `kubelet`.
    pub text: Option<String>,
    /// Whether the API server lets no one change its data.
    pub immutable: bool,
    /// Who may put back what is changed here: an owner, an applier.
    pub keepers: Vec<String>,
}

impl KubeletConfigMap {
    /// Its namespace.
    pub const NAMESPACE: &'static str = "kube-system";

    /// What an edit of its text is made to.
    pub fn target(&self) -> Target {
        Target::ConfigMap {
            namespace: Self::NAMESPACE.to_owned(),
            name: self.name.clone(),
        }
    }

    /// The name that the kubeadm of a control plane of this minor reads and writes, and the other one it may have been
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

/// kubeadm's ConfigMap `kubeadm-config` of kube-system, from which `kubeadm upgrade` and `kubeadm join` take the API
/// server's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeadmConfigMap {
    /// The object's identity: a ConfigMap that was deleted and created again has another one.
    pub uid: String,
    /// The version of this state of it, never empty.
    pub resource_version: String,
    /// The text under the data key `ClusterConfiguration`.
    pub text: Option<String>,
    /// Whether the API server refuses every change of its data.
    pub immutable: bool,
    /// Who may rewrite what is changed here: an owner, an applier.
    pub keepers: Vec<String>,
}

impl KubeadmConfigMap {
    /// Its name, in every version of kubeadm.
    pub const NAME: &'static str = "kubeadm-config";

    /// The data key of its text.
    pub const KEY: &'static str = "ClusterConfiguration";

    /// What an edit of its text is made to.
    pub fn target() -> Target {
        Target::ConfigMap {
            namespace: KubeletConfigMap::NAMESPACE.to_owned(),
            name: Self::NAME.to_owned(),
        }
    }
}
