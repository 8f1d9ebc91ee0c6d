//! Who has which address and name in the cluster.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use serde::Deserialize;

use super::names::canonical;

/// The names and addresses of Nodes, Services and the API server.
#[derive(Debug, Default)]
pub struct Cluster {
    nodes: HashMap<String, Node>,
    /// Which Nodes claim an address, or a name.
    ips: HashMap<IpAddr, BTreeSet<String>>,
    names: HashMap<String, BTreeSet<String>>,
    /// Which Nodes claim a name of several labels, by its first.
    first_labels: HashMap<String, BTreeSet<String>>,
    pub(super) services: Services,
    pub(super) api_server: ApiServer,
}

/// What a Node has, as its kubelet says.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) ips: BTreeSet<IpAddr>,
    pub(super) names: BTreeSet<String>,
    /// Its role's label, which NodeRestriction lets no kubelet set
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>).
    pub(super) control_plane: bool,
}

#[derive(Debug, Default)]
pub(super) struct Services {
    /// Whose it is: `NAMESPACE/NAME`.
    pub(super) ips: HashMap<IpAddr, String>,
    /// `NAME`, `NAME.NAMESPACE` (and below it a headless one's pods) and the host names of load balancers.
    pub(super) names: HashMap<String, String>,
    /// `networking.serviceSubnet`: network and length.
    pub(super) subnets: Vec<(IpAddr, u32)>,
    /// `networking.dnsDomain`.
    pub(super) domains: Vec<String>,
}

/// Where the API server is to be found.
#[derive(Debug, Default)]
pub(super) struct ApiServer {
    /// Each instance's own: the Endpoints of the Service `kubernetes`.
    pub(super) endpoints: BTreeSet<IpAddr>,
    /// What clients are told: in kubeconfigs, by kubeadm.
    pub(super) ips: BTreeSet<IpAddr>,
    pub(super) names: BTreeSet<String>,
}

/// A Node, as the API lists it.
#[derive(Debug, Deserialize)]
pub struct NodeObject {
    metadata: Metadata,
    status: Option<NodeStatus>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
    labels: Option<HashMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct NodeStatus {
    addresses: Option<Vec<Address>>,
}

#[derive(Debug, Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

/// A Service, as the API lists it.
#[derive(Debug, Deserialize)]
pub struct ServiceObject {
    metadata: Metadata,
    spec: Option<ServiceSpec>,
    status: Option<ServiceStatus>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<String>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Option<Vec<String>>,
    #[serde(rename = "externalIPs")]
    external_ips: Option<Vec<String>>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceStatus {
    load_balancer: Option<LoadBalancer>,
}

#[derive(Debug, Deserialize)]
struct LoadBalancer {
    ingress: Option<Vec<Ingress>>,
}

#[derive(Debug, Deserialize)]
struct Ingress {
    ip: Option<String>,
    hostname: Option<String>,
}

impl Cluster {
    /// Takes a Node in; the same one again changes nothing.
    pub fn add_node(&mut self, object: NodeObject) {
        let labels = object.metadata.labels.unwrap_or_default();
        // 1.19 knows only the older one; kubeadm set both up to 1.23.
        let role = ["control-plane", "master"]
            .iter()
            .any(|role| labels.contains_key(&format!("node-role.kubernetes.io/{role}")));
        let mut node = Node {
            control_plane: role,
            ..Node::default()
        };
        let owner = object.metadata.name;
        // Its own name and the one that it goes by among the labels are claims too, if not titles.
        self.claim(&owner, &owner);
        if let Some(hostname) = labels.get("kubernetes.io/hostname") {
            self.claim(&owner, hostname);
        }
        let status = object.status.and_then(|status| status.addresses);
        for Address { kind, address } in status.unwrap_or_default() {
            self.claim(&owner, &address);
            // As the kubelet makes names of them (pkg/kubelet/certificate/kubelet.go, addressesToHostnamesAndIPs).
            match (kind.as_str(), address.parse::<IpAddr>()) {
                ("InternalIP" | "ExternalIP" | "Hostname", Ok(ip)) => {
                    node.ips.insert(ip.to_canonical());
                }
                ("InternalDNS" | "ExternalDNS" | "Hostname", Err(_)) => {
                    node.names.insert(canonical(&address));
                }
                _ => {}
            }
        }
        self.nodes.insert(owner, node);
    }

    fn claim(&mut self, owner: &str, address: &str) {
        if let Ok(ip) = address.parse::<IpAddr>() {
            let owners = self.ips.entry(ip.to_canonical()).or_default();
            owners.insert(owner.to_owned());
            return;
        }
        let name = canonical(address);
        if let Some((first, _)) = name.split_once('.') {
            let owners = self.first_labels.entry(first.to_owned()).or_default();
            owners.insert(owner.to_owned());
        }
        let owners = self.names.entry(name).or_default();
        owners.insert(owner.to_owned());
    }

    /// Takes a Service in.
    pub fn add_service(&mut self, object: ServiceObject) {
        let Metadata {
            name, namespace, ..
        } = object.metadata;
        let whose = format!("{namespace}/{name}");
        let spec = object.spec;
        let addresses = spec.into_iter().flat_map(|spec| {
            let one = spec.cluster_ip.into_iter().chain(spec.load_balancer_ip);
            let several = spec.cluster_ips.into_iter().chain(spec.external_ips);
            one.chain(several.flatten())
        });
        let status = object.status.and_then(|status| status.load_balancer);
        let ingresses = status.and_then(|balancer| balancer.ingress);
        let balanced = ingresses
            .unwrap_or_default()
            .into_iter()
            .flat_map(|ingress| ingress.ip.into_iter().chain(ingress.hostname));
        let services = &mut self.services;
        // A headless one has `None` or nothing for an address.
        for address in addresses.chain(balanced) {
            match address.parse::<IpAddr>() {
                Ok(ip) => drop(services.ips.insert(ip.to_canonical(), whose.clone())),
                Err(_) if address.is_empty() || address == "None" => {}
                Err(_) => drop(services.names.insert(canonical(&address), whose.clone())),
            }
        }
        services
            .names
            .insert(canonical(&format!("{name}.{namespace}")), whose.clone());
        services.names.insert(canonical(&name), whose);
    }

    /// Whose Service's this name is, as pods resolve it.
    pub(super) fn service_with_name(&self, name: &str) -> Option<&str> {
        let named = |name: &str| self.services.names.get(name);
        // `POD.NAME.NAMESPACE`: a search list makes a pod's name of it.
        let last_two = name.rmatch_indices('.').nth(1);
        let last_two = last_two.and_then(|(dot, _)| name.get(dot + 1..));
        let below = last_two.and_then(named).filter(|whose| {
            let (namespace, service) = whose.split_once('/').unwrap_or_default();
            last_two == Some(format!("{service}.{namespace}").as_str())
        });
        named(name).or(below).map(String::as_str)
    }

    /// Takes in where one instance of the API server listens: an address of the Endpoints of `default/kubernetes`.
    pub fn add_api_endpoint(&mut self, address: &str) {
        if let Ok(ip) = address.parse::<IpAddr>() {
            self.api_server.endpoints.insert(ip.to_canonical());
        }
    }

    /// Takes in where clients find the API server: a name or an address, with or without a port.
    pub fn add_api_address(&mut self, address: &str) {
        let host = match address.rsplit_once(':') {
            Some((host, port))
                if port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') =>
            {
                host
            }
            Some((host, _)) if host.starts_with('[') && host.ends_with(']') => host,
            _ => address,
        };
        let host = host.trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(ip) => drop(self.api_server.ips.insert(ip.to_canonical())),
            Err(_) if host.is_empty() => {}
            Err(_) => drop(self.api_server.names.insert(canonical(host))),
        }
    }

    /// Takes in what kubeadm was told: `ClusterConfiguration` of the ConfigMap `kube-system/kubeadm-config`.
    ///
    /// # Errors
    /// When it is no such YAML.
    pub fn add_kubeadm(&mut self, yaml: &str) -> Result<(), serde_yaml::Error> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Configuration {
            control_plane_endpoint: Option<String>,
            api_server: Option<Server>,
            networking: Option<Networking>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Server {
            #[serde(rename = "certSANs")]
            cert_sans: Option<Vec<String>>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Networking {
            dns_domain: Option<String>,
            service_subnet: Option<String>,
        }
        let configuration: Configuration = serde_yaml::from_str(yaml)?;
        let server = configuration.api_server.unwrap_or_default();
        for address in configuration
            .control_plane_endpoint
            .into_iter()
            .chain(server.cert_sans.unwrap_or_default())
        {
            self.add_api_address(&address);
        }
        let networking = configuration.networking.unwrap_or_default();
        if let Some(domain) = networking.dns_domain.filter(|domain| !domain.is_empty()) {
            self.services.domains.push(canonical(&domain));
        }
        let subnets = networking.service_subnet.unwrap_or_default();
        let subnets = subnets.split(',').filter_map(|subnet| {
            let (network, length) = subnet.trim().split_once('/')?;
            Some((network.parse().ok()?, length.parse().ok()?))
        });
        self.services.subnets.extend(subnets);
        Ok(())
    }

    /// Whether there is a Node of this name.
    pub fn has_node(&self, name: &str) -> bool {
        self.nodes.contains_key(name)
    }

    /// Whether the API server was found at all.
    pub fn knows_api_server(&self) -> bool {
        !self.api_server.endpoints.is_empty()
    }

    pub(super) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// A Node other than `node` that claims the address.
    pub(super) fn other_with_ip(&self, ip: IpAddr, node: &str) -> Option<&str> {
        other(self.ips.get(&ip), node)
    }

    /// A Node other than `node` that claims the name, or one that a resolver's search list makes of it.
    pub(super) fn other_with_name(&self, name: &str, node: &str) -> Option<&str> {
        let longer_or_shorter = match name.split_once('.') {
            Some((first, _)) => self.names.get(first),
            None => self.first_labels.get(name),
        };
        other(self.names.get(name), node).or_else(|| other(longer_or_shorter, node))
    }

    /// Whether `node` is all there is of the control plane: then what is the API server's is its.
    pub(super) fn is_sole_control_plane(&self, node: &Node) -> bool {
        let labelled = self.nodes.values().filter(|node| node.control_plane);
        let endpoints = &self.api_server.endpoints;
        node.control_plane
            && labelled.count() == 1
            && endpoints.len() == 1
            && endpoints.is_subset(&node.ips)
    }
}

fn other<'a>(owners: Option<&'a BTreeSet<String>>, node: &str) -> Option<&'a str> {
    owners?
        .iter()
        .map(String::as_str)
        .find(|owner| *owner != node)
}
