//! Files of other tools, which carry a kubelet's settings in a place of their own.

use std::ffi::OsString;
use std::path::Path;

use crate::text::hint::Command;

/// The file of another tool. It displays as what it is and where the key goes in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// kind's `Cluster` (kind.x-k8s.io).
    #[error(
        "this is a cluster configuration of kind, where the key goes into an item of kubeadmConfigPatches: \
         the text \"kind: KubeletConfiguration\" with a line \"serverTLSBootstrap: true\""
    )]
    Kind,
    /// Cluster API's kubeadm provider (bootstrap.cluster.x-k8s.io, controlplane.cluster.x-k8s.io).
    #[error(
        "this is an object of Cluster API, where the kubelet's flag goes in instead: rotate-server-certificates: \"true\" \
         under nodeRegistration.kubeletExtraArgs of both initConfiguration and joinConfiguration"
    )]
    ClusterApi,
    /// The configuration of an EKS node (node.eks.aws).
    #[error(
        "this is a NodeConfig of EKS, where the key goes under spec.kubelet.config, as serverTLSBootstrap: true"
    )]
    Eks,
    /// Talos Linux' machine configuration.
    #[error(
        "this is a machine configuration of Talos, where the kubelet's flag goes in instead: rotate-server-certificates: \"true\" \
         under machine.kubelet.extraArgs"
    )]
    Talos,
    /// OpenShift's KubeletConfig or MachineConfig (machineconfiguration.openshift.io).
    #[error(
        "this is an object of OpenShift's machine configuration, where the key goes under spec.kubeletConfig of a KubeletConfig, \
         as serverTLSBootstrap: true"
    )]
    OpenShift,
    /// A Butane file, from which an Ignition file is made; or that one.
    #[error(
        "this is a Butane or Ignition file, where the key goes into the contents of /var/lib/kubelet/config.yaml under storage.files"
    )]
    Butane,
    /// User data of cloud-init, by its first line.
    #[error(
        "this is a cloud-init file, where the key goes into the content of the kubeadm file under write_files, \
         or kubelet-tls apply goes under runcmd after kubeadm"
    )]
    CloudInit,
    /// The configuration file of k3s or RKE2.
    #[error(
        "this is a configuration file of k3s or RKE2, where a kubelet's flag goes under kubelet-arg; \
         their kubelets already serve certificates of the cluster's CA, so this key is not needed"
    )]
    K3s,
    /// A ClusterConfig of k0s (k0s.k0sproject.io).
    #[error(
        "this is a ClusterConfig of k0s, where the key goes under values of an item of spec.workerProfiles, as serverTLSBootstrap: true"
    )]
    K0s,
    /// Group variables of kubespray.
    #[error(
        "this is a file of kubespray's variables, where the variable for this key is kubelet_rotate_server_certificates: true"
    )]
    Kubespray,
    /// A ConfigMap, kubeadm's or another.
    #[error(
        "this is a ConfigMap, where the key goes into the text of the KubeletConfiguration under data.kubelet"
    )]
    ConfigMap,
    /// A kubeadm patch of a KubeletConfiguration under another name than kubeadm knows.
    #[error(
        "this has keys of a KubeletConfiguration but no kind; kubeadm takes it for a patch only under a name that \
         begins with kubeletconfiguration, such as kubeletconfiguration0+merge.yaml"
    )]
    UnnamedPatch,
    /// A kubeconfig, such as /etc/kubernetes/kubelet.conf.
    #[error(
        "this is a kubeconfig, which says how to reach the API server and has no settings of the kubelet"
    )]
    Kubeconfig,
    /// What a kubelet answers at /configz.
    #[error("this is what a kubelet answers at /configz, not a file that a kubelet reads")]
    Configz,
    /// A manifest of metrics-server, as for `metrics-server --from`.
    #[error("this is a manifest of metrics-server, which has no settings of the kubelet")]
    MetricsServer,
    /// A systemd unit or drop-in, or a file of environment variables or of flags.
    #[error(
        "this file sets a kubelet's flags; serverTLSBootstrap goes into the file that its flag --config names"
    )]
    Flags,
    /// A template of Jinja or Go, which is not YAML before it is rendered.
    #[error("this line is part of a template that was not rendered")]
    Template,
}

/// A name under which kubeadm takes a file for a patch of a KubeletConfiguration.
const PATCH_NAME: &str = "kubeletconfiguration0+merge.yaml";

impl Foreign {
    /// What to do next, where the reason does not say it yet; a phrase without a full stop.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::ConfigMap => "to change it in the cluster: kubelet-tls cluster apply",
            Self::Kubeconfig | Self::Configz | Self::Flags => {
                "without a FILE, the file that this node's kubelet reads is used"
            }
            Self::MetricsServer => "to have metrics-server verify kubelets, name it with --base",
            Self::Template => "render the template first, then edit its result",
            Self::UnnamedPatch => "rename it, or add apiVersion and kind if the kubelet reads it",
            _ => "only kubelet and kubeadm configuration is edited here",
        }
    }

    /// The command that comes next, for a file in this place; none for standard input where the command needs the file.
    pub(crate) fn command(self, path: Option<&Path>) -> Option<Command> {
        const EXPLAIN: &str =
            "kubeadmconfigtemplate.spec.template.spec.joinConfiguration.nodeRegistration";
        const TALOS: &str =
            r#"{"machine":{"kubelet":{"extraArgs":{"rotate-server-certificates":"true"}}}}"#;
        const K3S_PAIR: &str = "/var/lib/rancher/k3s/agent/serving-kubelet.crt";
        let of_file = |program: &'static str, words: &[&str]| {
            Some(Command::new(program).args(words).arg(path?))
        };
        match self {
            Self::Kind => of_file("kind", &["create", "cluster", "--config"]),
            Self::ClusterApi => Some(Command::new("kubectl").args(["explain", EXPLAIN])),
            Self::Eks => {
                let mut source = OsString::from("file://");
                source.push(path?);
                let words = ["config", "check", "--config-source"];
                Some(Command::new("nodeadm").args(words).arg(source))
            }
            Self::Talos => {
                let words = ["patch", "machineconfig", "--patch", TALOS];
                Some(Command::new("talosctl").args(words))
            }
            Self::OpenShift => Some("oc explain kubeletconfig.spec.kubeletConfig".into()),
            Self::Butane => of_file("butane", &["--strict"]),
            Self::CloudInit => of_file("cloud-init", &["schema", "--config-file"]),
            Self::K3s => {
                Some(Command::new("openssl").args(["x509", "-noout", "-issuer", "-in", K3S_PAIR]))
            }
            Self::K0s => of_file("k0s", &["config", "validate", "--config"]),
            Self::Kubespray => of_file("grep", &["-n", "kubelet_rotate_server_certificates"]),
            Self::ConfigMap => Some("kubelet-tls cluster diff".into()),
            Self::Kubeconfig | Self::Configz | Self::Flags => Some("kubelet-tls diff".into()),
            Self::MetricsServer => of_file(
                "kubelet-tls",
                &["metrics-server", "--dir", "metrics-server", "--base"],
            ),
            Self::Template => of_file("grep", &["-nE", r"\{[{%]"]),
            Self::UnnamedPatch => {
                let path = path?;
                Some(
                    Command::new("mv")
                        .arg("-n")
                        .arg(path)
                        .arg(path.with_file_name(PATCH_NAME)),
                )
            }
        }
    }
}
