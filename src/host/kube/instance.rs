//! One instance of the API server, dialled at its own address: the kubeconfig may name a load balancer.

use std::time::{Duration, Instant};

use super::{Admin, Api, ApiError, NODES, Unreachable, chain, escaped};
use crate::node::InstanceAddress;

/// How long one question may take: an API server that is well answers in milliseconds.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long the kubelet of a node may take to answer through the API server.
const KUBELET_DEADLINE: Duration = Duration::from_secs(10);

impl Admin {
    /// The instance at `address` with the same credential, verified against the kubeconfig's CA. Nothing is sent yet.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn instance(&self, address: &InstanceAddress) -> Result<Self, ApiError> {
        let server = format!("https://{}", address.socket);
        let wrong = |reason: String| ApiError::Unreachable {
            server: server.clone(),
            reason: Unreachable::Other(reason),
        };
        let mut config = self.0.connection.config.clone();
        config.cluster_url = server
            .parse()
            .map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
        config.proxy_url = None;
        config.tls_server_name = Some(address.name.clone());
        Api::new(config, server.clone(), String::new())
            .map(Self)
            .map_err(|error| wrong(chain(&error)))
    }

    /// Asks `/readyz`, once.
    ///
    /// # Errors
    /// When the answer is not 200.
    pub fn ready(&self) -> Result<(), ApiError> {
        self.ask("/readyz", DEADLINE)
    }

    /// Asks the kubelet of `node` through this API server whether it is healthy, once.
    ///
    /// # Errors
    /// When the answer is not 200; so also when this API server does not accept the kubelet's certificate.
    pub fn reach_kubelet(&self, node: &str, end: Instant) -> Result<(), ApiError> {
        let path = format!("{NODES}/{}/proxy/healthz", escaped(node));
        let left = end.saturating_duration_since(Instant::now());
        self.ask(&path, left.min(KUBELET_DEADLINE))
    }

    fn ask(&self, path: &str, deadline: Duration) -> Result<(), ApiError> {
        let attempt = self.0.connection.object(path);
        self.0.once(Instant::now() + deadline, attempt).map(drop)
    }
}
