//! Whether the names that a request asks for are its Node's, and no one else's.

use std::net::IpAddr;

use super::facts::NodeFacts;
use super::inventory::Inventory;
use super::names::{canonical, check_dns, is_local, not_unicast};
use super::rule::{Rule, Violation};
use super::settings::ApprovalPolicy;
use crate::text::names::shown;
use crate::text::quoted;

/// kubeadm's, and nearly everyone's, `--cluster-domain`.
const DOMAIN: &str = "cluster.local";

/// One Node, whose kubelet claims names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claims<'a> {
    pub(super) policy: &'a ApprovalPolicy,
    pub(super) inventory: &'a Inventory,
    pub(super) node: &'a NodeFacts,
}

impl Claims<'_> {
    /// Whether the Node may have this address.
    pub(super) fn check_ip(self, ip: IpAddr) -> Result<(), Violation> {
        let broken = |rule, what: String| Violation::new(rule, format!("IP {ip} is {what}"));
        if let Some(why) = not_unicast(ip) {
            return Err(broken(Rule::NameIsUnicast, why.to_owned()));
        }
        let vouched = self.policy.vouched.ips.contains(&ip);
        if !vouched {
            self.check_ip_of_others(ip)?;
        }
        let has_it = self.node.ips.contains(&ip);
        let inventory = self.inventory;
        // On kubeadm an API server's own address is its control-plane Node's. No kubelet can set that Node's label.
        let may_have_it = self.node.control_plane && (has_it || inventory.is_endpoint(ip));
        let is_api_servers = inventory.is_endpoint(ip) || inventory.is_api_server_ip(ip);
        if is_api_servers && !may_have_it {
            return Err(broken(Rule::NameIsNotApiServers, "the API server's".into()));
        }
        let prefixes = &self.policy.ip_prefixes;
        if !has_it && !vouched {
            let what = format!("not an address of Node {}", shown(&self.node.name));
            return Err(broken(Rule::NameIsNodes, what));
        }
        if !vouched && !prefixes.is_empty() && !prefixes.iter().any(|prefix| prefix.contains(&ip)) {
            let what = "not in a network of --ip-prefix".to_owned();
            return Err(broken(Rule::AddressWithinPrefixes, what));
        }
        // Which of the two has it cannot be known: both kubelets write their own Nodes.
        match inventory.others_with_ip(ip, &self.node.name).next() {
            Some(other) => {
                let (one, two) = (shown(&self.node.name), shown(&other.name));
                let what = format!("an address of both Node {one} and Node {two}");
                Err(broken(Rule::NameIsNoOtherNodes, what))
            }
            None => Ok(()),
        }
    }

    /// Whether the address is a Service's or a pod's.
    fn check_ip_of_others(self, ip: IpAddr) -> Result<(), Violation> {
        let inventory = self.inventory;
        let broken = |rule, what: String| Violation::new(rule, format!("IP {ip} is {what}"));
        let network = inventory.service_network_with(ip);
        if let Some(service) = inventory.service_with_ip(ip) {
            let violation = broken(
                Rule::NameIsNotServices,
                format!("Service {}'s", quoted(service)),
            );
            // A load balancer may run on the nodes and have their addresses. A cluster IP belongs to a Service alone.
            return Err(match network {
                None => violation.vouchable(ip),
                Some(_) => violation,
            });
        }
        if let Some(network) = network {
            let what = format!("in the Service subnet {network}");
            return Err(broken(Rule::NameIsNotServices, what));
        }
        if let Some(network) = inventory.pod_network_with(ip) {
            return Err(broken(
                Rule::NameIsNotPods,
                format!("in the pod subnet {network}"),
            ));
        }
        match inventory.other_with_pod(ip, &self.node.name) {
            Some(other) => {
                let what = format!("in the podCIDRs of Node {}", shown(other));
                Err(broken(Rule::NameIsNotPods, what))
            }
            None => Ok(()),
        }
    }

    /// Whether the Node may have this DNS name.
    pub(super) fn check_dns(self, name: &str) -> Result<(), Violation> {
        check_dns(name, &self.node.name)?;
        let name = canonical(name);
        let broken = |rule, what: String| Violation::new(rule, format!("DNS {name} is {what}"));
        if is_local(&name) {
            return Err(broken(Rule::NameIsUnicast, "what every machine calls itself".into())
                .remedy("set the kubelet's --hostname-override to a name of the node alone, and join the node again"));
        }
        let derived = self.derivation(&name);
        if self.is_api_servers(&name, derived.is_some()) {
            return Err(
                broken(Rule::NameIsNotApiServers, "the API server's".into()).remedy(
                    "give the node another name: --hostname-override, and join the node again",
                ),
            );
        }
        let vouched = self.policy.vouched.dns.contains(&name);
        if !vouched {
            self.check_dns_of_services(&name)?;
        }
        // What a Node's own name is built on must be its own as well as the name: LABEL of LABEL.SUFFIX.
        let label = derived.unwrap_or(&name);
        let others = [name.as_str(), label]
            .map(|name| self.inventory.other_with_name(name, &self.node.name));
        if let Some(other) = others.into_iter().flatten().next() {
            let what = format!("the name of Node {}, or its beginning", shown(other));
            return Err(broken(Rule::NameIsNoOtherNodes, what)
                .remedy("give one of the two nodes another name: --hostname-override, and join the node again"));
        }
        if derived.is_none() && !vouched {
            let what = format!("not the name of Node {}", shown(&self.node.name));
            return Err(broken(Rule::NameIsNodes, what));
        }
        Ok(())
    }

    /// What of the Node's name `name` is built on: the Node's name, or its first label; none where it is neither one of
    /// the two nor one of them below a `--dns-suffix`.
    fn derivation(&self, name: &str) -> Option<&str> {
        let own = self.node.name.as_str();
        let first = own.split('.').next().unwrap_or(own);
        if name == own {
            return Some(own);
        }
        let is_hostname = |hostname: &String| canonical(hostname) == first;
        if name == first && self.node.hostnames.iter().any(is_hostname) {
            return Some(first);
        }
        let below = |label: &str| {
            let suffix = name
                .strip_prefix(label)
                .and_then(|rest| rest.strip_prefix('.'));
            let mut suffixes = self.policy.dns_suffixes.iter();
            suffix.is_some_and(|suffix| suffixes.any(|given| given == suffix))
        };
        [own, first].into_iter().find(|label| below(label))
    }

    /// Whether the name is one of the API server's, and does not belong to this Node as well: kubeadm puts a control-plane Node's
    /// name into its API server's certificate.
    fn is_api_servers(&self, name: &str, is_derived: bool) -> bool {
        let never = ["kubernetes", "kubernetes.default"].contains(&name)
            || name == "kubernetes.default.svc"
            || name.starts_with("kubernetes.default.svc.");
        let own = is_derived && self.node.control_plane;
        never || (self.inventory.is_api_server_name(name) && !own)
    }

    fn check_dns_of_services(&self, name: &str) -> Result<(), Violation> {
        // A tenant who may make a Service must not keep a node from its own name; and some call hosts after the domain.
        let own = name == self.node.name;
        let below = |domain: &str| {
            let rest = name.strip_suffix(domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let inventory = self.inventory;
        let what = if name
            .split('.')
            .any(|label| label == "svc" || label == "pod")
        {
            "in the DNS domain of Services and pods".to_owned()
        } else if let Some(service) = inventory.service_with_name(name) {
            format!("Service {}'s", quoted(service))
        } else if !own && inventory.domains().chain([DOMAIN]).any(below) {
            "in the DNS domain of Services and pods".to_owned()
        } else if let Some(service) = inventory.service_with_short_name(name).filter(|_| !own) {
            format!("Service {}'s", quoted(service))
        } else {
            return Ok(());
        };
        let message = format!("DNS {name} is {what}");
        let remedy = "give the node another name: --hostname-override, and join the node again; or vouch for the name: approve CSR --allow NAME";
        Err(Violation::new(Rule::NameIsNotServices, message).remedy(remedy))
    }
}
