//! All the I/O there is. Each outside thing has one file that calls it and a pure `parse_*` that reads its answer.
//! Nothing here knows of plans or verbs; it returns values.

pub mod clock;
pub mod control_planes;
pub mod endpoint;
pub mod environment;
pub mod files;
pub mod healthz;
pub mod interfaces;
pub mod key;
pub mod kube;
pub mod kubelets;
pub(crate) mod listener;
pub mod pair;
pub mod parallel;
pub mod process;
pub mod reach;
mod run;
pub mod signals;
pub mod state;
pub mod store;
pub mod systemd;
pub mod tls;
pub mod trace;
