//! Stand-ins for what a kubeadm node talks to: the API server, the kubelet and systemd.
//!
//! They answer as the real ones do (captured answers lie in `testdata/captured`), and fail on demand in ways
//! the real ones only do on a bad day. They know nothing of `kubelet-tls`: they are its judges.
//!
//! ```no_run
//! use kubelet_tls_standins::{Node, Options};
//! # use std::time::Duration;
//! let node = Node::new(Options::default());
//! let output = node.run("kubelet-tls", &["apply"]);
//! let csr = node.api().wait_for_csr(node.name(), 0, Duration::from_secs(5)).unwrap();
//! node.api().approve(&csr.metadata.name);
//! ```
//!
//! In reading order:
//!
//! - [`pki`] the cluster's CA, client certificates, requests and what is issued for them
//! - [`api`] the API server, in-process, over real TLS, with faults to inject
//! - [`proxy`] an HTTP proxy in front of it, spoken to in TLS
//! - [`client`] the little HTTPS client the stand-in kubelet speaks to it with
//! - [`kubelet`] the kubelet: loads its config as the real one, serves `/healthz` and `:10250`, makes CSRs
//! - [`kube_apiserver`] the program kube-apiserver: an instance in front of [`api`], as a static Pod of the kubelet
//! - [`schema`] checks a result document of kubelet-tls against its JSON Schema
//! - [`systemd`] `systemctl`, `journalctl` and a supervisor, where no real systemd runs
//! - [`node`] a whole node in a temporary directory, made of all of these
//! - [`multicall()`] the one executable that is all of them, by the name it is called with
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a stand-in that cannot continue fails the test that uses it"
)]

pub mod api;
pub mod client;
mod clock;
pub mod hostile;
pub mod kube_apiserver;
pub mod kubelet;
pub mod memory;
mod multicall;
pub mod node;
pub mod pace;
pub mod pki;
pub mod proxy;
pub mod schema;
pub mod systemd;

pub use api::{ApiServer, Config, Fault, KubeconfigStyle, Matcher};
pub use kubelet::{Healthz, Knobs};
pub use multicall::multicall;
pub use node::{Node, Options, Output, Release};
