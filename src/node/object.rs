//! This node's Node object.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::csr::requestor_of;
use crate::x509::{Certificate, Names};

/// A Node, as far as this program looks at one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `status.addresses`: type and address.
    pub addresses: Vec<(String, String)>,
    /// The keys of `spec.taints`.
    pub taints: Vec<String>,
    /// `status.nodeInfo.kubeletVersion`, such as `v1.36.2`.
    pub kubelet_version: String,
}

impl Node {
    /// The addresses of a serving certificate: IP addresses and names.
    pub fn serving_names(&self) -> (Vec<IpAddr>, Vec<String>) {
        let mut names = (Vec::new(), Vec::new());
        for (kind, address) in &self.addresses {
            match (kind.as_str(), address.parse::<IpAddr>()) {
                ("InternalIP" | "ExternalIP", Ok(ip)) => names.0.push(ip),
                ("Hostname" | "InternalDNS" | "ExternalDNS", Err(_)) => {
                    names.1.push(address.clone())
                }
                // A host may be named by its address.
                (_, Ok(ip)) => names.0.push(ip),
                (_, Err(_)) => {}
            }
        }
        names
    }

    /// What a serving certificate for this Node lacks.
    pub fn missing_in(&self, names: &Names) -> Vec<String> {
        let (ips, dns) = self.serving_names();
        let ips = ips
            .into_iter()
            .filter(|ip| !names.ips.contains(ip))
            .map(|ip| ip.to_string());
        let dns = dns.into_iter().filter(|name| !names.dns.contains(name));
        ips.chain(dns).collect()
    }

    /// Whether a kubelet of `node` that starts now would serve `certificate` and ask for no other: it is unexpired,
    /// has the right subject and covers all of the Node's addresses (pkg/kubelet/certificate/kubelet.go).
    pub fn would_serve(&self, node: &str, certificate: &Certificate, now: Timestamp) -> bool {
        certificate.is_valid_at(now)
            && certificate.common_name.as_deref() == Some(requestor_of(node).as_str())
            && certificate
                .organizations
                .iter()
                .any(|name| name == "system:nodes")
            && !self.addresses.is_empty()
            && self.missing_in(&certificate.names).is_empty()
    }

    /// Why the kubelet may make no request, as far as its Node tells (kubelet-facts: addresses, cloud taint, 1.32.0-2).
    pub fn why_no_request(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.serving_names().0.is_empty() {
            reasons.push("the Node has no IP address yet; the kubelet requests a certificate once it has one".into());
        }
        if self
            .taints
            .iter()
            .any(|taint| taint == "node.cloudprovider.kubernetes.io/uninitialized")
        {
            reasons.push(
                "the Node carries the taint node.cloudprovider.kubernetes.io/uninitialized: its cloud provider has not initialized it, and a second request follows when it has"
                    .into(),
            );
        }
        if matches!(
            self.kubelet_version.as_str(),
            "v1.32.0" | "v1.32.1" | "v1.32.2"
        ) {
            reasons.push(format!(
                "kubelet {} may never create a CSR after a restart; Kubernetes 1.32.3 fixes that",
                self.kubelet_version
            ));
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_for_the_nodes_addresses_is_one_that_the_kubelet_keeps() {
        let certificate = Certificate::from_pem(include_bytes!(
            "../../testdata/captured/1.36/kubelet-server-current.crt.pem"
        ))
        .unwrap();
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let address = |kind: &str, address: &str| (kind.to_owned(), address.to_owned());
        let mut node = Node {
            addresses: vec![
                address("InternalIP", "10.77.0.21"),
                address("Hostname", "node36"),
            ],
            ..Node::default()
        };
        assert!(node.would_serve("node36", &certificate, now));
        assert!(!node.would_serve("node37", &certificate, now));
        assert!(!node.would_serve(
            "node36",
            &certificate,
            "2028-12-01T00:00:00Z".parse().unwrap()
        ));
        node.addresses.push(address("ExternalIP", "203.0.113.9"));
        assert!(!node.would_serve("node36", &certificate, now));
        assert!(!Node::default().would_serve("node36", &certificate, now));
    }

    #[test]
    fn reasons_why_a_request_may_never_come_are_named() {
        let node = Node {
            taints: vec!["node.cloudprovider.kubernetes.io/uninitialized".into()],
            kubelet_version: "v1.32.1".into(),
            ..Node::default()
        };
        assert_eq!(node.why_no_request().len(), 3);
    }
}
