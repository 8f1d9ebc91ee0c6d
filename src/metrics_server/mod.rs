//! What metrics-server takes to run with both its TLS channels verified: from options and a certificate to the contents
//! of files. Nothing here reads or writes one.
//!
//! The two channels: the API server verifies metrics-server (the APIService's `caBundle` against its serving
//! certificate), and metrics-server verifies the kubelets (kubelet-facts, 7).

mod arguments;
mod base;
pub mod check;
mod due;
mod files;
mod helm;
mod kubelet_ca;
mod kustomization;
mod mark;
mod names;
mod pair;
mod pod;

pub use crate::x509::pem::certificates;
pub use base::{Base, OFFICIAL_MANIFEST, OfBase};
pub use due::{Demand, Due, Kept, due, previous, renew};
pub use files::{File, Format, INDEXES, MAY_BE_OURS, Mode, Wanted, files, kept_names};
pub use kubelet_ca::{KubeletCa, authorities};
pub use mark::{Whose, whose};
pub use names::{Names, cluster_domain, namespace, service};
pub use pair::{CaKey, NotMade, Pair};
