//! `cluster status` as metrics.

use jiff::Timestamp;

use crate::node::ProbedNode;
use crate::report::Gauge;

/// Each node's state, as gauges.
pub(super) fn gauges(nodes: &[ProbedNode], requests_known: bool, now: Timestamp) -> Vec<Gauge> {
    let mut secured = Gauge::new(
        "kubelet_tls_node_secured",
        "Whether a node has this status: its kubelet serves a certificate of the cluster's CA for its own addresses.",
    );
    let mut enabled = Gauge::new(
        "kubelet_tls_node_server_tls_bootstrap",
        "The serverTLSBootstrap that a node's kubelet runs with.",
    );
    let mut not_after = Gauge::new(
        "kubelet_tls_node_certificate_not_after_timestamp_seconds",
        "When the certificate ends that a node's kubelet serves, where it verifies.",
    );
    let mut pending = Gauge::new(
        "kubelet_tls_node_pending_request_age_seconds",
        "How long a node's newest CSR has been pending; 0 if none is pending.",
    );
    for node in nodes {
        let name = ("node", node.name());
        secured.add_status(name, node.security().status);
        if let Ok(value) = node.configured {
            enabled.add(&[name], i64::from(value));
        }
        if let Some(certificate) = node.certificate() {
            not_after.add(&[name], certificate.not_after.as_second());
        }
        let age = match &node.pending {
            Some(request) => request.age(now),
            None => requests_known.then_some(0),
        };
        if let Some(age) = age {
            pending.add(&[name], age);
        }
    }
    vec![secured, enabled, not_after, pending]
}
