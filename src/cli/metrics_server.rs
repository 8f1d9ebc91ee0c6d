//! The command line of `metrics-server`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::metrics_server::{self, OverlayFormat};

use super::values::lifetime;

/// Arguments of `metrics-server`.
#[derive(Debug, Args)]
pub struct MetricsServer {
    /// Write the files into DIR, which is created if it does not exist
    #[arg(
        long,
        alias = "out",
        value_name = "DIR",
        required_unless_present = "check"
    )]
    pub dir: Option<PathBuf>,
    /// Examine a running metrics-server
    #[arg(long, conflicts_with_all = ["dir", "base", "format", "kubelet_ca", "control_plane_ca", "namespace", "service",
        "cluster_domain", "duration", "renew_before", "keep_ca_key"])]
    pub check: bool,
    /// Base manifest to patch: an https URL, or a file, which is copied into DIR [default: the release v0.9.0, fetched by
    /// its git commit]
    #[arg(long, value_name = "URL|FILE")]
    pub base: Option<String>,
    /// Kind of output
    #[arg(long, value_enum, default_value_t = OverlayFormat::Kustomize, value_name = "TOOL")]
    pub format: OverlayFormat,
    /// Verify the kubelets against the CAs in FILE [default: the CA in every pod, which kubeadm's kubelets have]
    #[arg(long, value_name = "FILE", conflicts_with = "control_plane_ca")]
    pub kubelet_ca: Option<PathBuf>,
    /// Verify the kubelets against /etc/kubernetes/pki/ca.crt of the control-plane node that metrics-server then runs on
    #[arg(long)]
    pub control_plane_ca: bool,
    /// Namespace, which must exist
    #[arg(long, value_parser = metrics_server::namespace, default_value = "kube-system", value_name = "NAME")]
    pub namespace: String,
    /// Name of the Service
    #[arg(long, value_parser = metrics_server::service, default_value = "metrics-server", value_name = "NAME")]
    pub service: String,
    /// DNS domain of the cluster
    #[arg(long, value_parser = metrics_server::cluster_domain, default_value = "cluster.local", value_name = "DOMAIN")]
    pub cluster_domain: String,
    /// Lifetime of the certificate, such as 1y, 90d or 12h
    #[arg(long, value_parser = lifetime, default_value = "1y", value_name = "DURATION")]
    pub duration: Duration,
    /// Renew when the certificate expires within this time
    #[arg(long, value_parser = lifetime, default_value = "30d", value_name = "DURATION")]
    pub renew_before: Duration,
    /// Keep the CA's key in DIR, so that the same CA signs the next certificate
    #[arg(long)]
    pub keep_ca_key: bool,
    /// With --check: kubeconfig to use [default: as for approve]
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub kubeconfig: Option<PathBuf>,
    /// With --check: context of the kubeconfig to use [default: its current-context]
    #[arg(long, value_name = "NAME", conflicts_with = "dir")]
    pub context: Option<String>,
}
