//! What Nodes, Services and the cluster's configuration say of names and addresses, each as a plain value.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

/// What a Node says. Its name, and the label of its role, which NodeRestriction lets no kubelet set, are the cluster's;
/// everything else is what its kubelet wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeFacts {
    /// `metadata.name`.
    pub name: String,
    /// The addresses that are IP addresses and of a type that kubelets ask certificates for: InternalIP, ExternalIP and
    /// Hostname (pkg/kubelet/certificate/kubelet.go, addressesToHostnamesAndIPs).
    pub ips: BTreeSet<IpAddr>,
    /// The Hostname addresses that are DNS names.
    pub hostnames: BTreeSet<String>,
    /// Whether it has the label `node-role.kubernetes.io/control-plane` or, up to 1.23, `…/master`
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>).
    pub control_plane: bool,
    /// `spec.podCIDRs`.
    pub pod_cidrs: Vec<IpNet>,
    /// `status.daemonEndpoints.kubeletEndpoint.Port`; none where it does not say.
    pub kubelet_port: Option<u16>,
}

/// What a Service has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceFacts {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Its cluster IPs, external IPs and load-balancer addresses.
    pub ips: BTreeSet<IpAddr>,
    /// The target of an ExternalName, and host names of its load balancers.
    pub names: BTreeSet<String>,
}

/// The cluster's networks, as far as one source tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Networks {
    /// Where Services get their addresses from.
    pub services: Vec<IpNet>,
    /// Where pods get theirs from.
    pub pods: Vec<IpNet>,
    /// DNS domains of Services and pods, such as `cluster.local`.
    pub domains: Vec<String>,
}
