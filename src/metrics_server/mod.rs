//! What metrics-server takes to run with both its TLS channels verified: from options and a certificate to the contents
//! of files, and from a cluster's objects to conditions. Nothing here reads or writes a file or a socket.
//!
//! The two channels: the API server verifies metrics-server (the APIService's `caBundle` against its serving
//! certificate), and metrics-server verifies the kubelets (kubelet-facts, 7).

mod arguments;
mod base;
pub mod check;
mod directory;
mod files;
mod header;
mod helm;
mod kubelet_ca;
mod kustomization;
mod manifest;
mod names;
mod pair;
mod pod;
mod record;
mod renewal;
mod spec;

pub use crate::x509::pem::certificates;
pub use base::{Base, OFFICIAL_MANIFEST, OFFICIAL_RELEASE};
pub use directory::{DirectoryPlan, decide};
pub use files::GENERATED;
pub use header::{Ownership, ownership};
pub use kubelet_ca::{KubeletCa, authorities};
pub use names::{ServiceNames, cluster_domain, namespace, service};
pub use pair::CaKey;
pub use record::CaRecord;
pub use renewal::{CertificateSpec, ExistingFile};
pub use spec::{OverlayFormat, OverlaySpec, file_names};
