//! `kubelet-tls` gives a kubeadm node's kubelet a CA-signed serving certificate.
//!
//! Look once, decide purely, act once: [`host`] observes, a pure function of each verb decides on a [`plan`], [`apply`]
//! executes it. From the top floor to the bottom; a module uses the floors below its own and none above:
//!
//! - [`cli`] – the command line, whose doc comments are the manual;
//! - [`commands`] – one file per verb: observe, decide, act, return a result;
//! - [`ansible`] – what Ansible sends to a module and reads from it;
//! - [`ui`] – what people and scripts see: progress, warnings, tables, result documents, errors;
//! - [`apply`] – executes a plan, or rolls it back;
//! - [`host`] – all the I/O there is;
//! - [`metrics_server`] – the objects that make metrics-server verify kubelets and be verified itself;
//! - [`report`] – the result documents;
//! - [`receipt`] – what a run was about to change, enough to undo it;
//! - [`node`] – this node as observed, and its conditions, each with its evidence;
//! - [`plan`] – what to edit and whether to restart, as a value;
//! - [`approval`] – whether a CSR may be approved;
//! - [`csr`] – CertificateSigningRequests;
//! - [`x509`] – certificates, PKCS#10 requests, PEM and DER;
//! - [`edit`] – what the change means in each kind of file;
//! - [`kubelet`] – KubeletConfiguration, the kubelet's flags, and what its next start will bring;
//! - [`text`] – foreign text made safe for terminals and shells;
//! - [`yaml`] – one value set in one document of a stream, every other byte kept, the result proved.

pub mod ansible;
pub mod apply;
pub mod approval;
pub mod approver;
pub mod cli;
pub mod commands;
pub mod csr;
pub mod edit;
pub mod host;
pub mod kubelet;
pub mod metrics_server;
pub mod node;
pub mod plan;
pub mod receipt;
pub mod report;
pub mod text;
pub mod ui;
pub mod x509;
pub mod yaml;
