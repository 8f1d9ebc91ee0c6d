//! The facts that judgements rest on: how each is read from the object of the API that says it, for lists and watches
//! alike.

use std::collections::BTreeSet;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use super::ApiError;
use super::nodes::{is_control_plane, kubelet_port};
use super::presented::PresentedError;
use crate::approval::{NodeFacts, ServiceFacts, parse_ip, parse_network};
use crate::text::names::{is_label, is_node_name, is_subdomain, shown};
use crate::text::quoted;

/// One of the things that judgements rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// All Nodes, whose names and addresses no other kubelet may ask for.
    Nodes,
    /// All Services, whose names and addresses no kubelet may ask for.
    Services,
    /// The EndpointSlices of the Service `default/kubernetes`.
    EndpointSlices,
    /// The Endpoints of the same, where the API has no EndpointSlices.
    Endpoints,
    /// The ConfigMap `kube-system/kubeadm-config`.
    KubeadmConfig,
    /// The ServiceCIDR objects, where no kubeadm-config exists.
    ServiceCidrs,
}

impl Fact {
    /// Every fact, in the order in which they are read.
    pub const ALL: [Self; 6] = [
        Self::Nodes,
        Self::Services,
        Self::EndpointSlices,
        Self::Endpoints,
        Self::KubeadmConfig,
        Self::ServiceCidrs,
    ];

    /// The rule of a ClusterRole that allows a credential to read it.
    pub fn rbac_rule(self) -> String {
        let (verb, object, _) = self.access();
        let (kind, name) = match object.split_once('/') {
            Some((kind, name)) => (kind, format!("resourceNames: [{name}], ")),
            None => (object, String::new()),
        };
        let (resource, group) = kind.split_once('.').unwrap_or((kind, "\"\""));
        format!("{{apiGroups: [{group}], resources: [{resource}], {name}verbs: [{verb}]}}")
    }

    /// The verb and the object as `kubectl auth can-i` takes them, and the namespace.
    pub fn access(self) -> (&'static str, &'static str, Option<&'static str>) {
        match self {
            Self::Nodes => ("list", "nodes", None),
            Self::Services => ("list", "services", None),
            Self::EndpointSlices => ("list", "endpointslices.discovery.k8s.io", Some("default")),
            Self::Endpoints => ("get", "endpoints/kubernetes", Some("default")),
            Self::KubeadmConfig => ("get", "configmaps/kubeadm-config", Some("kube-system")),
            Self::ServiceCidrs => ("list", "servicecidrs.networking.k8s.io", None),
        }
    }
}

/// Why a fact is unknown, so that nothing can be vouched for.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    /// The API does not say.
    #[error("cannot {} {}", .0.access().0, .0.access().1)]
    Api(Fact, #[source] ApiError),
    /// What it says is not what it should be.
    #[error("cannot use {object}: {reason}")]
    Malformed {
        /// Which fact it belongs to.
        fact: Fact,
        /// The object, as kubectl names it.
        object: String,
        /// Which field is missing or invalid.
        reason: String,
    },
    /// A Node or a Service is not what it should be.
    #[error("cannot use {0}")]
    Object(Malformed),
    /// The Service `default/kubernetes` has no endpoints.
    #[error(
        "service default/kubernetes has no endpoints, so that the API server's addresses are unknown"
    )]
    NoEndpoints,
    /// Neither kubeadm-config nor a ServiceCIDR exists, and no networks were given.
    #[error(
        "neither configmap/kube-system/kubeadm-config nor a ServiceCIDR exists, so that the Service and pod subnets are unknown"
    )]
    NoNetworks,
    /// The API server's own certificate was not seen.
    #[error("cannot see the API server's certificate")]
    Presented(#[from] PresentedError),
    /// The API server's name has no address.
    #[error("cannot resolve {host}, which is the API server's ({source})")]
    Unresolved {
        /// The host of the kubeconfig's `server`.
        host: String,
        /// What the resolver answered.
        source: std::io::Error,
    },
}

/// Why nothing can be learned from a Node or a Service. As long as such an object exists, nothing can be vouched for: what
/// a request asks for may belong to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A Node without a name that a Node can have.
    #[error("node {}: its name is not a DNS subdomain", shown(.0))]
    NodeName(String),
    /// A Node with a podCIDR that is not a network.
    #[error(transparent)]
    PodCidr(#[from] MalformedPodCidr),
    /// A Service without a namespace or a name that a Service can have.
    #[error(
        "service {}/{}: its name is not a DNS label",
        shown(namespace),
        shown(name)
    )]
    ServiceName {
        /// The namespace, as its writer wrote it.
        namespace: String,
        /// The name, as its writer wrote it.
        name: String,
    },
}

/// A Node with a podCIDR that is not a network. Unlike other malformed objects it has a name, so that its next change, or
/// its end, tells that it is repaired.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node {node}: its podCIDR {} is not a network", quoted(cidr))]
pub struct MalformedPodCidr {
    /// `metadata.name` of the Node.
    pub node: String,
    /// The podCIDR, as its writer wrote it.
    pub cidr: String,
}

impl Malformed {
    /// The list that the object is in.
    pub fn fact(&self) -> Fact {
        match self {
            Self::NodeName(_) | Self::PodCidr(_) => Fact::Nodes,
            Self::ServiceName { .. } => Fact::Services,
        }
    }
}

/// What a Node says.
///
/// # Errors
/// When it has no name that a Node can have, or a podCIDR that is not a network.
pub fn node_facts(node: &Node) -> Result<NodeFacts, Malformed> {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    if !is_node_name(name) {
        return Err(Malformed::NodeName(name.to_owned()));
    }
    let cidrs = node.spec.iter().flat_map(|spec| {
        let one = spec.pod_cidr.iter().filter(|cidr| !cidr.is_empty());
        spec.pod_cidrs.iter().flatten().chain(one)
    });
    let pod_cidrs = cidrs
        .map(|cidr| {
            parse_network(cidr).ok_or_else(|| MalformedPodCidr {
                node: name.to_owned(),
                cidr: cidr.clone(),
            })
        })
        .collect::<Result<_, _>>()?;
    let mut facts = NodeFacts {
        name: name.to_owned(),
        control_plane: is_control_plane(node),
        pod_cidrs,
        kubelet_port: kubelet_port(node),
        ..NodeFacts::default()
    };
    let status = node.status.iter();
    for address in status.flat_map(|status| status.addresses.iter().flatten()) {
        // As the kubelet makes names of them (pkg/kubelet/certificate/kubelet.go, addressesToHostnamesAndIPs). What is
        // neither is its kubelet's nonsense, and no reason to refuse all others.
        match (address.type_.as_str(), parse_ip(&address.address)) {
            ("InternalIP" | "ExternalIP" | "Hostname", Some(ip)) => drop(facts.ips.insert(ip)),
            ("Hostname", None) => drop(facts.hostnames.insert(address.address.clone())),
            _ => {}
        }
    }
    Ok(facts)
}

/// What a Service has.
///
/// # Errors
/// When it has no namespace and name that a Service can have.
pub fn service_facts(service: &Service) -> Result<ServiceFacts, Malformed> {
    let name = service.metadata.name.as_deref().unwrap_or_default();
    let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
    // A Service's name is a label; one of a subdomain's form does no harm, and an aggregated API may have it.
    if !is_subdomain(name) || !is_label(namespace) {
        return Err(Malformed::ServiceName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        });
    }
    let mut facts = ServiceFacts {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..ServiceFacts::default()
    };
    let of_spec = service.spec.iter().flat_map(|spec| {
        let one = [
            &spec.cluster_ip,
            &spec.load_balancer_ip,
            &spec.external_name,
        ];
        let several = [&spec.cluster_ips, &spec.external_ips];
        let several = several.into_iter().flatten().flatten();
        one.into_iter().flatten().chain(several)
    });
    let status = service.status.iter();
    let of_status = status
        .flat_map(|status| &status.load_balancer)
        .flat_map(|balancer| balancer.ingress.iter().flatten())
        .flat_map(|ingress| [&ingress.ip, &ingress.hostname])
        .flatten();
    for address in of_spec.chain(of_status) {
        match parse_ip(address) {
            Some(ip) => drop(facts.ips.insert(ip)),
            // A headless one has `None` or nothing for an address.
            None if address.is_empty() || address == "None" => {}
            None => drop(facts.names.insert(address.clone())),
        }
    }
    Ok(facts)
}

/// The addresses of an EndpointSlice, whether ready or not.
pub fn endpoint_ips(slice: &EndpointSlice) -> BTreeSet<IpAddr> {
    let addresses = slice
        .endpoints
        .iter()
        .flatten()
        .flat_map(|endpoint| &endpoint.addresses);
    addresses.filter_map(|address| parse_ip(address)).collect()
}
