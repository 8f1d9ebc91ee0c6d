//! `kubelet-tls` gives a kubeadm node's kubelet a CA-signed serving certificate.
//!
//! CONTRIBUTING.md has a table of where things are, for tasks that others had before. This is the map.
//!
//! Look once, decide purely, act once: `host` observes, a pure `decide` of each verb returns a `plan`, `apply` executes it.
//! A verb is the directory or file `commands/VERB`: what it looks at is its `observe.rs`, what it decides its `decide.rs`, with
//! a table of cases at its end or in `decide/tests.rs`.
//! From the top floor to the bottom; a module uses the floors below its own and none above:
//!
//! - `commands` – one file or directory per verb: observe, decide, act, return a result; `commands::api_server` has the
//!   verbs by which the API server verifies kubelets;
//! - `ansible` – what Ansible sends to a module and reads from it;
//! - `approver` – `approve --watch`: when each CSR is judged, and what is told of it; the rules are those of `approval`;
//! - `apply` – executes a plan, of whatever verb, or rolls it back;
//! - `ui` – what people and scripts see: progress, warnings, tables, result documents, errors;
//! - `cli` – the command line, whose doc comments are the manual;
//! - `host` – all the I/O there is;
//! - `report` – the result documents;
//! - `receipt` – what a run was about to change, enough to undo it;
//! - `metrics_server` – the objects that make metrics-server verify kubelets and be verified itself;
//! - `node` – this node as observed; its conditions, each with its evidence and its words, are in `node::conditions`;
//! - `plan` – the types of what to edit, whether to restart and why, in words too; each verb's `decide` chooses;
//! - `approval` – whether a CSR may be approved: the rules are in `approval/rule.rs`, whose head says how to add one;
//! - `csr` – CertificateSigningRequests;
//! - `x509` – certificates, PKCS#10 requests, PEM and DER;
//! - `edit` – what the change means in each kind of file; `edit::api_server` for the API server's flag;
//! - `kubelet` – KubeletConfiguration, the kubelet's flags, and what its next start will bring;
//! - `text` – foreign text made safe for terminals and shells, the rules for names, checksums;
//! - `yaml` – one value set in one document of a stream, every other byte kept, the result proved.
//!
//! Unit tests stand in the file or beside it. `tests/` tries the program as a whole, or calls [`parts`]; what it prints is
//! quoted there. `docs/architecture.md` has the picture, which `tests/architecture.rs` checks.

mod ansible;
mod apply;
mod approval;
mod approver;
mod cli;
mod commands;
mod csr;
mod edit;
mod host;
mod kubelet;
mod metrics_server;
mod node;
mod plan;
mod receipt;
mod report;
mod text;
mod ui;
mod x509;
mod yaml;

pub use commands::main;

/// What tests, fuzz targets and the demo call by itself. The program as a whole is [`main`].
pub mod parts {
    pub use crate::cli::Cli;

    /// Whether a CSR may be approved.
    pub mod approval {
        pub use crate::approval::{
            Approval, ApprovalPolicy, Inventory, Networks, Rule, ServedAt, Verdict, Violation,
            Vouched, judge_renewal, parse_ip, parse_network,
        };
    }

    /// CertificateSigningRequests and their states.
    pub mod csr {
        pub use crate::csr::{KUBELET_SERVING, Listing, Newest, Request, Standing, State};
    }

    /// What the change means in each kind of file.
    pub mod edit {
        pub use crate::edit::{Change, Edited, FileKind, edit};

        /// What it means in an API server's files.
        pub mod api_server {
            pub use crate::edit::api_server::{
                Manifest, Verification, edit, edit_configuration, edit_manifest,
            };
        }
    }

    /// The API server, kubeconfigs, signals and TLS: the parts of the I/O that are tried alone.
    pub mod host {
        pub use crate::host::interfaces;
        pub use crate::host::kube::kubeconfig::{KubeconfigError, Source, parse};
        pub use crate::host::kube::{
            Admin, Api, Fact, WatchEvent, kubeadm_facts, node_facts, service_facts,
        };
        pub use crate::host::pair::{PairError, keys_match};
        pub use crate::host::signals::Interrupts;
        pub use crate::host::tls::{examine, install_provider, probe, probe_as};
    }

    /// What the kubelet reads.
    pub mod kubelet {
        pub use crate::kubelet::unit::{EnvironmentFile, WordSource, next_command_line};
        pub use crate::kubelet::{
            Bootstrap, Effect, Flags, Position, Refusal, RefusalClass, Settings,
        };
    }

    /// The objects that make metrics-server verify kubelets and be verified itself.
    pub mod metrics_server {
        pub use crate::metrics_server::{OFFICIAL_MANIFEST, certificates};
    }

    /// This node as observed.
    pub mod node {
        pub use crate::node::{NotServed, Served, Unverified};
    }

    /// An edit of a file or ConfigMap, as a value.
    pub mod plan {
        pub use crate::plan::{Edit, Target};
    }

    /// What a run was about to change.
    pub mod receipt {
        pub use crate::receipt::{FileState, NodeReceipt, NodeSubject, ReceiptState};
    }

    /// Certificates and certificate requests.
    pub mod x509 {
        pub use crate::x509::{Certificate, Names, requested_names};
    }
}
