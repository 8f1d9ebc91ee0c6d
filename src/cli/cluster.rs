//! The command line of `cluster`.

use clap::{Args, Subcommand};

use super::{Access, HOW_FAR, WHAT};

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
    /// read; otherwise it is read again. A node changes when it joins or is upgraded, or when `kubelet-tls apply` is run
    /// there.
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster apply                 # on a control plane, as root, or with KUBECONFIG set
  kubelet-tls cluster apply --dry-run       # validated by the API server, nothing is stored
  kubelet-tls cluster apply --disable       # sets it to false
  kubelet-tls cluster rollback              # undo it exactly")]
    Apply(ClusterApply),
    /// Undo the last `cluster apply` of this user on this machine exactly
    ///
    /// Refuses a ConfigMap whose text was edited since. `rollback --cluster` is the same.
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster rollback --dry-run    # the diff alone
  kubelet-tls cluster rollback")]
    Rollback(ClusterRollback),
    /// Print for each node whether its kubelet serves a certificate of the cluster's CA, until when, and what is pending
    ///
    /// Asks each kubelet through the API server (nodes/proxy) what it runs with, and dials each IP address of its Node
    /// from here to see what it serves. Exits 1 unless every node is secured. A node that cannot be reached from here is
    /// Unknown.
    #[command(after_long_help = "\
Examples:
  kubelet-tls cluster status
  kubelet-tls cluster status -o name        # the nodes that are not secured
  kubelet-tls cluster status -o prometheus
  kubelet-tls cluster status -o json | jq '.nodes[] | select(.status != \"True\") | .name, .hint'")]
    Status(ClusterStatus),
}

/// Arguments of `cluster diff`.
#[derive(Debug, Args)]
pub struct ClusterDiff {
    /// Set serverTLSBootstrap: false instead, with the same checks
    #[arg(long, help_heading = WHAT)]
    pub disable: bool,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}

/// Arguments of `cluster apply`.
#[derive(Debug, Args)]
pub struct ClusterApply {
    /// Set serverTLSBootstrap: false instead, with the same checks
    #[arg(long, help_heading = WHAT)]
    pub disable: bool,
    /// Show what would be done, change nothing
    #[arg(long, help_heading = HOW_FAR)]
    pub dry_run: bool,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}

/// Arguments of `cluster status`.
#[derive(Debug, Args)]
pub struct ClusterStatus {
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}

/// Arguments of `cluster rollback`.
#[derive(Debug, Args)]
pub struct ClusterRollback {
    /// Show what would be done, change nothing
    #[arg(long, help_heading = HOW_FAR)]
    pub dry_run: bool,
    /// The kubeconfig and its context
    #[command(flatten)]
    pub access: Access,
}
