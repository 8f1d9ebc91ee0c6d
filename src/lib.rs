//! `kubelet-tls` gives a kubeadm node's kubelet a CA-signed serving certificate.
//!
//! Look once, decide purely, act once: `host` looks, [`plan`] decides, [`apply`] acts. In reading order:
//!
//! - [`yaml`]: one top-level scalar set in one document of a stream, every other byte kept, the result proved;
//! - [`kubelet`]: KubeletConfiguration, the kubelet's flags, and what the edit means in its files;
//! - [`kubeadm`]: kubeadm's multi-document file;
//! - [`certificate`]: certificates and PKCS#10 requests;
//! - [`csr`]: requests for certificates;
//! - [`approval`]: whether one may be approved;
//! - [`observed`]: the node as seen once;
//! - [`conditions`]: what is true of the node, each with its evidence;
//! - [`plan`]: what to edit and whether to restart, as a value;
//! - [`receipt`]: what a run was about to change, enough to undo it;
//! - [`metrics_server`]: what metrics-server takes to verify and be verified;
//! - [`hint`]: the next command to type;
//! - [`report`]: the result documents;
//! - [`host`]: all the I/O there is;
//! - [`apply`]: executes a plan, or puts everything back;
//! - [`commands`]: one file per verb;
//! - [`ansible`]: what Ansible says to a module, and reads from it;
//! - [`cli`]: the command line.
//!
//! The core knows no I/O and no command line: `yaml` to `report` see nothing of `host`, `apply`, `commands`, `cli`.

pub mod ansible;
pub mod apply;
pub mod approval;
pub mod certificate;
pub mod cli;
pub mod commands;
pub mod conditions;
pub mod csr;
pub mod hint;
pub mod host;
pub mod kubeadm;
pub mod kubelet;
pub mod metrics_server;
pub mod observed;
pub mod plan;
pub mod receipt;
pub mod report;
pub mod yaml;
