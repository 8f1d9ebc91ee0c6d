//! The command line of `cluster`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Arguments of `cluster`.
#[derive(Debug, Args)]
pub struct Cluster {
    /// What to do
    #[command(subcommand)]
    pub verb: ClusterVerb,
}

/// What to do with the cluster's configuration of its kubelets.
#[derive(Debug, Subcommand)]
pub enum ClusterVerb {
    /// Print what `cluster apply` would change
    ///
    /// The ConfigMap kube-system/kubelet-config (kubelet-config-1.X up to Kubernetes 1.23), data key `kubelet`. Exits 1
    /// when there are differences, as diff(1) does. Names the nodes whose kubelets run without the change.
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster diff
  kubelet-tls cluster diff -o json | jq -r '.nodes[] | select(.serverTLSBootstrap != true) | .name'")]
    Diff(ClusterDiff),
    /// Make the same change in the cluster's configuration of its kubelets, so that joins and upgrades keep it
    ///
    /// Only that line of the text under the data key `kubelet` changes, and only if the ConfigMap is still as it was
    /// read; where it is not, it is read anew. No node changes before it joins, is upgraded, or `kubelet-tls apply` is
    /// run there.
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster apply                 # on a control plane, as root, or with KUBECONFIG set
  kubelet-tls cluster apply --dry-run       # asks the API server to do everything but keep it
  kubelet-tls cluster apply --disable       # the opposite
  kubelet-tls rollback --cluster            # undo it, byte for byte")]
    Apply(ClusterApply),
}

/// Arguments of `cluster diff`.
#[derive(Debug, Args)]
pub struct ClusterDiff {
    /// The opposite: `serverTLSBootstrap: false`, as carefully
    #[arg(long)]
    pub disable: bool,
    /// Talk to the API as this kubeconfig says [default: $KUBECONFIG, else /etc/kubernetes/admin.conf]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Arguments of `cluster apply`.
#[derive(Debug, Args)]
pub struct ClusterApply {
    /// The opposite: `serverTLSBootstrap: false`, as carefully
    #[arg(long)]
    pub disable: bool,
    /// Everything but the change; the same output
    #[arg(long)]
    pub dry_run: bool,
    /// Talk to the API as this kubeconfig says [default: $KUBECONFIG, else /etc/kubernetes/admin.conf]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}
