//! The command line of `api-server`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Access, WHAT};

/// Where kubeadm writes the static Pod of the API server.
pub const API_SERVER_MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

/// Arguments of `api-server`.
#[derive(Debug, Args)]
pub struct ApiServer {
    /// What to do
    #[command(subcommand)]
    pub verb: ApiServerVerb,
}

/// What to do with the flag by which the API server verifies kubelets.
#[derive(Debug, Subcommand)]
pub enum ApiServerVerb {
    /// Print what must change so that this node's API server verifies kubelets
    ///
    /// Two edits: --kubelet-certificate-authority in the manifest of this node's kube-apiserver, on the line where
    /// kubeadm of that version writes it, and the same flag in the ConfigMap kube-system/kubeadm-config, so that the
    /// next kubeadm upgrade keeps it. Changes nothing. Exits 1 when there are differences, as diff(1) does.
    #[command(after_long_help = "\
Examples:
  kubelet-tls api-server diff               # on a control-plane node
  kubelet-tls api-server diff --disable     # what would remove the flag
  kubelet-tls api-server diff -o json | jq -r '.edits[] | select(.changed) | .target'")]
    Diff(ApiServerDiff),
    /// Print whether this node's API server verifies kubelets, keeps doing so, and still reaches them
    ///
    /// Looks at the manifest and the running process of this machine, at the ConfigMap kube-system/kubeadm-config, dials
    /// each node's kubelet where this API server dials it, and asks each Ready node through this API server at its own
    /// address, not through a load balancer. Exits 1 when a condition is not True.
    #[command(after_long_help = "\
Examples:
  kubelet-tls api-server status             # on a control-plane node, as root
  kubelet-tls api-server status -o name     # the conditions that are not True
  kubelet-tls api-server status -o json | jq '.conditions[] | select(.status != \"True\") | .type, .message'")]
    Status(ApiServerStatus),
}

/// Arguments of `api-server diff`.
#[derive(Debug, Args)]
pub struct ApiServerDiff {
    /// Remove the flag instead
    #[arg(long, help_heading = WHAT)]
    pub disable: bool,
    /// The manifest of this node's kube-apiserver
    #[arg(long, value_name = "FILE", default_value = API_SERVER_MANIFEST, help_heading = WHAT)]
    pub manifest: PathBuf,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}

/// Arguments of `api-server status`.
#[derive(Debug, Args)]
pub struct ApiServerStatus {
    /// The manifest of this node's kube-apiserver
    #[arg(long, value_name = "FILE", default_value = API_SERVER_MANIFEST, help_heading = WHAT)]
    pub manifest: PathBuf,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}
