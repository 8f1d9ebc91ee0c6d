//! Who has which name and address in the cluster, as plain values. A whole picture of a list, or one that watches keep
//! current: each object replaces what it said before, and can be taken out again.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;

use super::facts::{Networks, NodeFacts, ServiceFacts};
use super::index::Index;
use super::names::canonical;
use crate::kubelet::DEFAULT_PORT;
use crate::x509::Names;

/// The names and addresses of Nodes, Services and the API server.
#[derive(Debug, Default)]
pub struct Inventory {
    nodes: HashMap<String, NodeFacts>,
    services: HashMap<String, ServiceFacts>,
    /// Which Nodes have an address; which Nodes' names are this name or begin with it at a label boundary.
    node_ips: Index<IpAddr>,
    node_names: Index<String>,
    /// Which Services have an address or a name. Short names are those of the namespace alone.
    service_ips: Index<IpAddr>,
    service_names: Index<String>,
    service_short_names: Index<String>,
    endpoints: HashMap<String, BTreeSet<IpAddr>>,
    api_server: HashMap<String, Names>,
    networks: HashMap<String, Networks>,
}

impl Inventory {
    /// Takes a Node in, in the place of the one of the same name.
    pub fn put_node(&mut self, node: NodeFacts) {
        self.remove_node(&node.name);
        for ip in &node.ips {
            self.node_ips.add(*ip, &node.name);
        }
        for beginning in beginnings(&node.name) {
            self.node_names.add(beginning.to_owned(), &node.name);
        }
        self.nodes.insert(node.name.clone(), node);
    }

    /// Takes a Node out; one that is unknown changes nothing.
    pub fn remove_node(&mut self, name: &str) {
        let Some(node) = self.nodes.remove(name) else {
            return;
        };
        for ip in &node.ips {
            self.node_ips.remove(ip, name);
        }
        for beginning in beginnings(name) {
            self.node_names.remove(&beginning.to_owned(), name);
        }
    }

    /// Takes a Service in, in the place of the one of the same namespace and name.
    pub fn put_service(&mut self, service: ServiceFacts) {
        self.remove_service(&service.namespace, &service.name);
        let owner = format!("{}/{}", service.namespace, service.name);
        for ip in &service.ips {
            self.service_ips.add(*ip, &owner);
        }
        for name in service_names(&service) {
            self.service_names.add(name, &owner);
        }
        self.service_short_names.add(service.name.clone(), &owner);
        self.services.insert(owner, service);
    }

    /// Takes a Service out; one that is unknown changes nothing.
    pub fn remove_service(&mut self, namespace: &str, name: &str) {
        let owner = format!("{namespace}/{name}");
        let Some(service) = self.services.remove(&owner) else {
            return;
        };
        for ip in &service.ips {
            self.service_ips.remove(ip, &owner);
        }
        for name in service_names(&service) {
            self.service_names.remove(&name, &owner);
        }
        self.service_short_names.remove(&service.name, &owner);
    }

    /// Says where the API server's instances listen: the addresses of one EndpointSlice of the Service
    /// `default/kubernetes`, in the place of what `slice` said before. An empty set takes it out.
    pub fn replace_endpoints(&mut self, slice: &str, ips: BTreeSet<IpAddr>) {
        if ips.is_empty() {
            self.endpoints.remove(slice);
        } else {
            self.endpoints.insert(slice.to_owned(), ips);
        }
    }

    /// Says what clients know the API server by, in the place of what `source` said before: the names in the certificate
    /// that it presents, the host of a kubeconfig, kubeadm's endpoint and what that resolves to.
    pub fn replace_api_server(&mut self, source: &str, mut names: Names) {
        names.dns = names.dns.iter().map(|name| canonical(name)).collect();
        names.ips = names.ips.iter().map(IpAddr::to_canonical).collect();
        self.api_server.insert(source.to_owned(), names);
    }

    /// Says which networks and domains are the cluster's own, in the place of what `source` said before.
    pub fn replace_networks(&mut self, source: &str, mut networks: Networks) {
        networks.domains = networks
            .domains
            .iter()
            .map(|domain| canonical(domain))
            .collect();
        self.networks.insert(source.to_owned(), networks);
    }

    /// Takes what `other` says of the API server and the networks, in the place of all that was known of them.
    pub fn replace_cluster(&mut self, other: Self) {
        self.endpoints = other.endpoints;
        self.api_server = other.api_server;
        self.networks = other.networks;
    }

    /// Whether both say the same of the API server and the networks.
    pub fn has_same_cluster(&self, other: &Self) -> bool {
        self.endpoints == other.endpoints
            && self.api_server == other.api_server
            && self.networks == other.networks
    }

    /// The names of all Nodes.
    pub fn node_names(&self) -> impl Iterator<Item = &str> {
        self.nodes.keys().map(String::as_str)
    }

    /// The Service of this namespace and name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<&ServiceFacts> {
        self.services.get(&format!("{namespace}/{name}"))
    }

    /// The namespaces and names of all Services.
    pub fn service_ids(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.services.values();
        all.map(|service| (service.namespace.as_str(), service.name.as_str()))
    }

    /// The Node of this name.
    pub fn node(&self, name: &str) -> Option<&NodeFacts> {
        self.nodes.get(name)
    }

    /// The port of a Node's kubelet; the usual one where the Node is unknown, or does not say.
    pub fn kubelet_port(&self, node: &str) -> u16 {
        let port = self.node(node).and_then(|node| node.kubelet_port);
        port.unwrap_or(DEFAULT_PORT)
    }

    /// Whether it is known where the API server listens.
    pub fn knows_endpoints(&self) -> bool {
        !self.endpoints.is_empty()
    }

    /// Whether any source says where Services get their addresses from.
    pub fn knows_service_networks(&self) -> bool {
        self.networks
            .values()
            .any(|networks| !networks.services.is_empty())
    }

    /// Nodes other than `node` that have the address.
    pub(super) fn others_with_ip(
        &self,
        ip: IpAddr,
        node: &str,
    ) -> impl Iterator<Item = &NodeFacts> {
        let owners = self.node_ips.owners(&ip);
        owners
            .filter(move |owner| *owner != node)
            .filter_map(|owner| self.nodes.get(owner))
    }

    /// A Node other than `node` whose name is `name`, or begins with it at a label boundary.
    pub(super) fn other_with_name(&self, name: &str, node: &str) -> Option<&str> {
        self.node_names.owners(name).find(|owner| *owner != node)
    }

    /// A Node other than `node` among whose podCIDRs is one with the address. A podCIDR that holds addresses of two other
    /// Nodes is not a network of pods, and does not count: one kubelet that writes nonsense into its own Node must not keep
    /// the others from their addresses.
    pub(super) fn other_with_pod(&self, ip: IpAddr, node: &str) -> Option<&str> {
        let others = self.nodes.values().filter(|other| other.name != node);
        let holds = |other: &&NodeFacts| {
            let cidrs = other.pod_cidrs.iter().filter(|cidr| cidr.contains(&ip));
            cidrs
                .into_iter()
                .any(|cidr| self.nodes_within(cidr, &other.name) < 2)
        };
        others
            .into_iter()
            .find(holds)
            .map(|other| other.name.as_str())
    }

    fn nodes_within(&self, cidr: &IpNet, besides: &str) -> usize {
        let others = self.nodes.values().filter(|node| node.name != besides);
        others
            .filter(|node| node.ips.iter().any(|ip| cidr.contains(ip)))
            .take(2)
            .count()
    }

    /// A Service that has the address.
    pub(super) fn service_with_ip(&self, ip: IpAddr) -> Option<&str> {
        self.service_ips.owners(&ip).next()
    }

    /// A Service that pods, or clients outside the cluster, reach by the name: `NAME.NAMESPACE`, `POD.NAME.NAMESPACE` of a
    /// headless one, its ExternalName or its load balancer's.
    pub(super) fn service_with_name(&self, name: &str) -> Option<&str> {
        let last_two = name.rmatch_indices('.').nth(1);
        let last_two = last_two.and_then(|(dot, _)| name.get(dot + 1..));
        let below = last_two.and_then(|last_two| {
            let mut owners = self.service_names.owners(last_two);
            owners.find(|owner| {
                let (namespace, service) = owner.split_once('/').unwrap_or_default();
                last_two.split_once('.') == Some((service, namespace))
            })
        });
        self.service_names.owners(name).next().or(below)
    }

    /// A Service that pods of its own namespace reach by the name.
    pub(super) fn service_with_short_name(&self, name: &str) -> Option<&str> {
        self.service_short_names.owners(name).next()
    }

    /// Whether one of the API server's instances listens there.
    pub(super) fn is_endpoint(&self, ip: IpAddr) -> bool {
        self.endpoints.values().any(|ips| ips.contains(&ip))
    }

    /// Whether clients know the API server by the address.
    pub(super) fn is_api_server_ip(&self, ip: IpAddr) -> bool {
        let service = self.services.get("default/kubernetes");
        let mut told = self.api_server.values();
        service.is_some_and(|service| service.ips.contains(&ip))
            || told.any(|names| names.ips.contains(&ip))
    }

    /// Whether clients know the API server by the name.
    pub(super) fn is_api_server_name(&self, name: &str) -> bool {
        let mut dns = self.api_server.values().flat_map(|names| &names.dns);
        dns.any(|known| known == name || wildcard_covers(known, name))
    }

    /// The network that Services get their addresses from and that has this one.
    pub(super) fn service_network_with(&self, ip: IpAddr) -> Option<IpNet> {
        let mut all = self.networks.values().flat_map(|some| &some.services);
        all.find(|network| network.contains(&ip)).copied()
    }

    /// The network that pods get their addresses from and that has this one.
    pub(super) fn pod_network_with(&self, ip: IpAddr) -> Option<IpNet> {
        let mut all = self.networks.values().flat_map(|some| &some.pods);
        all.find(|network| network.contains(&ip)).copied()
    }

    /// The DNS domains of Services and pods.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        let domains = self.networks.values().flat_map(|some| &some.domains);
        domains.map(String::as_str)
    }
}

/// A Node's name, and what it begins with at each label boundary: `a.b.c`, `a.b`, `a`.
fn beginnings(name: &str) -> impl Iterator<Item = &str> {
    let dots = name.match_indices('.');
    let beginnings = dots.filter_map(|(dot, _)| name.get(..dot));
    std::iter::once(name).chain(beginnings)
}

fn service_names(service: &ServiceFacts) -> impl Iterator<Item = String> {
    let own = format!("{}.{}", service.name, service.namespace);
    let others = service.names.iter().map(|name| canonical(name));
    std::iter::once(own).chain(others)
}

/// Whether a certificate for `*.DOMAIN` is good for `name` (RFC 6125, 6.4.3).
fn wildcard_covers(known: &str, name: &str) -> bool {
    let domain = known.strip_prefix("*.");
    domain.is_some_and(|domain| name.split_once('.').is_some_and(|(_, rest)| rest == domain))
}

#[cfg(test)]
mod tests {
    use super::super::address::parse_network;
    use super::*;

    fn node(name: &str, ips: &[&str]) -> NodeFacts {
        NodeFacts {
            name: name.into(),
            ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
            ..NodeFacts::default()
        }
    }

    #[test]
    fn an_object_replaces_its_earlier_version_and_can_be_removed() {
        let mut inventory = Inventory::default();
        let ip = |text: &str| -> IpAddr { text.parse().unwrap() };
        let owners = |inventory: &Inventory, address: &str| -> Vec<String> {
            let others = inventory.others_with_ip(ip(address), "");
            others.map(|node| node.name.clone()).collect()
        };
        inventory.put_node(node("a.x", &["10.0.0.1", "10.0.0.2"]));
        inventory.put_node(node("b", &["10.0.0.2"]));
        assert_eq!(owners(&inventory, "10.0.0.2"), ["a.x", "b"]);
        inventory.put_node(node("a.x", &["10.0.0.3"]));
        assert_eq!(owners(&inventory, "10.0.0.2"), ["b"]);
        assert_eq!(owners(&inventory, "10.0.0.1"), [""; 0]);
        assert_eq!(inventory.other_with_name("a", "b"), Some("a.x"));
        inventory.remove_node("a.x");
        inventory.remove_node("a.x");
        assert_eq!(inventory.other_with_name("a", "b"), None);
        assert!(inventory.node("a.x").is_none() && inventory.node("b").is_some());

        let service = |name: &str, address: &str, external: &str| ServiceFacts {
            namespace: "shop".into(),
            name: name.into(),
            ips: [ip(address)].into(),
            names: [external.to_owned()].into(),
        };
        inventory.put_service(service("web", "10.96.0.1", "Web.Example."));
        assert_eq!(inventory.service_with_name("web.example"), Some("shop/web"));
        assert_eq!(
            inventory.service_with_name("pod-0.web.shop"),
            Some("shop/web")
        );
        assert_eq!(inventory.service_with_name("pod-0.web.example"), None);
        inventory.put_service(service("web", "10.96.0.2", "other.example"));
        assert_eq!(inventory.service_with_name("web.example"), None);
        assert_eq!(inventory.service_with_ip(ip("10.96.0.1")), None);
        inventory.remove_service("shop", "web");
        assert_eq!(inventory.service_with_ip(ip("10.96.0.2")), None);
        assert_eq!(inventory.service_with_short_name("web"), None);

        inventory.replace_endpoints("one", [ip("10.0.0.9")].into());
        inventory.replace_endpoints("two", [ip("10.0.0.8")].into());
        inventory.replace_endpoints("one", BTreeSet::new());
        assert!(!inventory.is_endpoint(ip("10.0.0.9")) && inventory.is_endpoint(ip("10.0.0.8")));
    }

    #[test]
    fn an_absurd_pod_network_does_not_count() {
        let mut inventory = Inventory::default();
        for (name, ip) in [("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")] {
            inventory.put_node(node(name, &[ip]));
        }
        let holder = |inventory: &Inventory, ip: &str| {
            let other = inventory.other_with_pod(ip.parse().unwrap(), "a");
            other.map(str::to_owned)
        };
        let with = |cidr: &str| NodeFacts {
            pod_cidrs: vec![parse_network(cidr).unwrap()],
            ..node("c", &["10.0.0.3"])
        };
        inventory.put_node(with("10.244.1.0/24"));
        assert_eq!(holder(&inventory, "10.244.1.7").as_deref(), Some("c"));
        // A compromised kubelet cannot freeze all others with one network.
        inventory.put_node(with("10.0.0.0/8"));
        assert_eq!(holder(&inventory, "10.0.0.1"), None);
        // One that claims a pod's address does not make a pod network absurd.
        inventory.put_node(with("10.244.1.0/24"));
        inventory.put_node(node("a", &["10.0.0.1", "10.244.1.7"]));
        assert_eq!(holder(&inventory, "10.244.1.7").as_deref(), Some("c"));
    }
}
