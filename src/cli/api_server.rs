//! The command line of `api-server`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{duration, node_name};
use super::{Access, HOW_FAR, WHAT};

/// Where kubeadm writes the static Pod of the API server.
pub const API_SERVER_MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

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
    /// Have this node's API server verify kubelets, once every node is proved
    ///
    /// Dials every node's kubelet as the API server does, then edits the manifest, waits until this node's own API server
    /// runs with the flag and is healthy, and asks every Ready node's kubelet through it. If one of that fails, it restores
    /// the manifest and checks that the API server is healthy again. On the last control-plane node it then makes the
    /// same change in the ConfigMap kube-system/kubeadm-config, so that kubeadm upgrade keeps the flag. Run it on each
    /// control-plane node in turn.
    #[command(after_long_help = "\
Examples:
  kubelet-tls api-server apply --dry-run          # everything but the change
  kubelet-tls api-server apply
  kubelet-tls api-server apply --except worker-9  # a node that is known to be off
  kubelet-tls api-server apply --disable          # remove the flag, with the same checks")]
    Apply(ApiServerApply),
    /// Undo the last `api-server apply` on this node exactly
    ///
    /// Restores the manifest and waits until the API server is healthy with it; then restores the ConfigMap if that apply
    /// had changed it. Refuses a manifest that was edited since. The manifest is restored although no API server answers.
    #[command(after_long_help = "\
Examples:
  kubelet-tls api-server rollback --dry-run
  kubelet-tls api-server rollback")]
    Rollback(ApiServerRollback),
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

/// Arguments of `api-server apply`.
#[derive(Debug, Args)]
pub struct ApiServerApply {
    /// Remove the flag instead, with the same checks
    #[arg(long, help_heading = WHAT)]
    pub disable: bool,
    /// The manifest of this node's kube-apiserver
    #[arg(long, value_name = "FILE", default_value = API_SERVER_MANIFEST, help_heading = WHAT)]
    pub manifest: PathBuf,
    /// Accept that this node is not secured; it is then without logs, exec and port-forward (repeatable)
    #[arg(long, value_name = "NODE", value_parser = node_name, conflicts_with = "disable", help_heading = WHAT)]
    pub except: Vec<String>,
    /// How far to go, and how long to wait
    #[command(flatten)]
    pub waiting: Waiting,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}

/// Arguments of `api-server rollback`.
#[derive(Debug, Args)]
pub struct ApiServerRollback {
    /// How far to go, and how long to wait
    #[command(flatten)]
    pub waiting: Waiting,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}

/// How an API server that restarts is waited for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = HOW_FAR)]
pub struct Waiting {
    /// Show what would be done, change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long the API server may take to come back healthy, such as 90s, 5m or 1h
    #[arg(long, value_parser = duration, default_value = "5m", value_name = "DURATION")]
    pub timeout: Duration,
    /// How long it must stay up and answer before it counts as healthy
    #[arg(long, value_parser = duration, default_value = "10s", value_name = "DURATION")]
    pub settle: Duration,
}
