//! The API server, spoken to with the kubelet's own credential.
//!
//! Answers are read frame by frame here, because a server that never ends
//! one must cost neither memory nor time beyond the deadline.

mod admin;
mod answers;
mod approvers;
mod client;
mod cluster;
mod connection;
mod decision;
mod error;
mod event;
mod facts;
mod follow;
mod instance;
mod inventory;
mod issue;
mod kubeadm;
pub mod kubeconfig;
mod list;
mod nodes;
mod presented;
mod proxy;
mod resolver;
mod unreachable;
mod watch;

use std::path::Path;
use std::time::Instant;

use tokio::runtime::Runtime;

use crate::csr::Listing;
use crate::node::{ConfigMap, Node};
use crate::x509::Certificate;

pub use admin::Admin;
pub(crate) use admin::escaped;
pub use cluster::WriteMode;
pub use decision::{DecisionCondition, DecisionOutcome};
pub use error::ApiError;
pub use facts::{Fact, FactError, Malformed, MalformedPodCidr, node_facts, service_facts};
pub(crate) use inventory::SERVICES;
pub use kubeadm::kubeadm_facts;
pub(crate) use nodes::{NODES, listed_node};
pub use presented::resolve;

pub use follow::{Followed, Listener};
pub use resolver::HostSource;
pub use unreachable::Unreachable;
use unreachable::chain;

use answers::{parse_kubelet_config, parse_minor};
use client::{Client, ClientError};
pub(crate) use connection::serving_requests;
use connection::{Connection, VERSION};
use kubeconfig::{Config, Credential, KubeconfigError, Plugins, Source};
use nodes::parse_node;
pub use watch::WatchEvent;

/// The API server with one node's credential.
pub struct Api {
    connection: Connection,
    runtime: Runtime,
}

impl Api {
    /// Reads the kubeconfig at `path` and prepares a connection; nothing is sent yet.
    ///
    /// # Errors
    /// When the kubeconfig is not a kubelet's: without a client certificate of a node, or with verification off.
    pub fn open(path: &Path) -> Result<Self, ApiError> {
        let source = Source::file(path);
        connect(&source, Plugins::Refuse, node_of)
    }

    /// Prepares a connection with the credential in `config`; nothing is sent yet. `server` is the address for people.
    fn new(config: Config, server: String, node: String) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let connection = Connection {
            client: Client::new(&config)?,
            config,
            server,
            node,
        };
        Ok(Self {
            connection,
            runtime,
        })
    }

    /// The node's name, from the common name of the client certificate.
    pub fn node_name(&self) -> &str {
        &self.connection.node
    }

    /// The cluster's CA certificates in DER, from the kubeconfig.
    pub fn roots(&self) -> &[Vec<u8>] {
        self.connection
            .config
            .root_cert
            .as_deref()
            .unwrap_or_default()
    }

    /// The kubelet-serving requests in the cluster, read page by page; failed attempts are repeated until `end`.
    ///
    /// # Errors
    /// The last attempt's, or the first that asking again does not fix.
    pub fn requests(&self, end: Instant) -> Result<Listing, ApiError> {
        self.runtime.block_on(self.connection.list(end))
    }

    /// This node's Node object; failed attempts are repeated until `end`.
    ///
    /// # Errors
    /// As [`Self::requests`].
    pub fn node(&self, end: Instant) -> Result<Node, ApiError> {
        let path = format!("{NODES}/{}", self.node_name());
        self.read(&path, end, parse_node)
    }

    /// The kubelet's configuration in the cluster, which `kubeadm upgrade` and `kubeadm join` copy: the ConfigMap's name
    /// and its text. Its name depends on `minor` ([`ConfigMap::names`]); unless that is known, the API server's counts.
    ///
    /// # Errors
    /// As [`Self::requests`].
    pub fn kubelet_config(
        &self,
        minor: Option<u32>,
        end: Instant,
    ) -> Result<(String, String), ApiError> {
        let get = |name: String| {
            let text = self.read(&cluster::path_of(&name), end, parse_kubelet_config);
            text.map(|text| (name, text))
        };
        let minor = match minor {
            Some(minor) => minor,
            None => self.read(VERSION, end, parse_minor)?,
        };
        // The API server answers a node with 403, not 404, for the name that its version does not use; an answer for one
        // name says nothing about the other (kubelet-facts, 5).
        let (first, second) = ConfigMap::names(minor);
        match get(first) {
            Err(error) if error.is_forbidden() || error.is_not_found() => {
                get(second).map_err(|_| error)
            }
            answer => answer,
        }
    }

    /// One object, read and understood; failed attempts at either are repeated until `end`.
    fn read<T>(
        &self,
        path: &str,
        end: Instant,
        parse: fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, ApiError> {
        let attempt = || self.connection.parsed(path, parse);
        self.runtime.block_on(self.connection.repeat(end, attempt))
    }

    /// Makes one attempt, which ends at `end`.
    fn once<T>(
        &self,
        end: Instant,
        attempt: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        self.runtime.block_on(self.connection.once(end, attempt))
    }
}

/// Reads the credential, takes from it whose it is, and prepares a connection.
fn connect(
    source: &Source,
    plugins: Plugins,
    node: impl FnOnce(&Credential) -> Result<String, KubeconfigError>,
) -> Result<Api, ApiError> {
    let wrong = |reason| ApiError::Kubeconfig {
        path: source.path(),
        reason,
    };
    let config = source.access(plugins).map_err(wrong)?;
    let node = node(&config.credential).map_err(wrong)?;
    let server = address(&config);
    Api::new(config, server, node).map_err(|error| wrong(KubeconfigError::Client(chain(&error))))
}

/// The server's address for people, and the way to it; a proxy's address without its password.
fn address(config: &Config) -> String {
    let server = config.cluster_url.to_string();
    let server = server.trim_end_matches('/');
    let proxy = config.proxy_url.as_ref().and_then(|proxy| {
        let scheme = proxy.scheme_str().unwrap_or_default();
        let port = proxy
            .port_u16()
            .map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{scheme}://{}{port}", proxy.host()?))
    });
    match proxy {
        Some(proxy) => format!("{server} through the proxy {proxy}"),
        None => server.to_owned(),
    }
}

/// The API server authenticates a kubelet by the common name of its client certificate, not by the host's name.
fn node_of(credential: &Credential) -> Result<String, KubeconfigError> {
    let pem = credential.certificate.as_deref();
    let pem = pem.ok_or(KubeconfigError::NoCertificate)?;
    let certificate = Certificate::from_pem(pem)
        .map_err(|error| KubeconfigError::Certificate(error.to_string()))?;
    let name = certificate.common_name.unwrap_or_default();
    name.strip_prefix("system:node:")
        .filter(|node| !node.is_empty())
        .map(str::to_owned)
        .ok_or(KubeconfigError::NotNode(name))
}
