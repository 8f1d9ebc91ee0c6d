//! What is asked for, as values.

use super::{Base, KubeletCa, ServiceNames};

/// The tool that the files are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OverlayFormat {
    /// An overlay, which `kubectl apply -k` installs.
    #[value(help = "kubectl apply -k")]
    Kustomize,
    /// Values for the official chart, which `helm upgrade --values` installs.
    #[value(help = "values for the official chart")]
    Helm,
}

/// The overlay that makes metrics-server verify kubelets and be verified itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlaySpec {
    /// Where metrics-server runs and what its Service is called.
    pub names: ServiceNames,
    /// The tool that the files are for.
    pub format: OverlayFormat,
    /// The manifest that the overlay patches; Helm's chart brings its own.
    pub base: Base,
    /// The CA that metrics-server verifies kubelets against.
    pub kubelet_ca: KubeletCa,
}

/// The names of the files that the next run reads.
pub mod file_names {
    /// The serving certificate and its CA's.
    pub const CERTIFICATE: &str = "tls.crt";
    /// The key of the serving certificate.
    pub const KEY: &str = "tls.key";
    /// The CA, and the one before it.
    pub const CA: &str = "ca.crt";
    /// The CA's key, where it is kept.
    pub const CA_KEY: &str = "ca.key";
}
