//! The judgement.

use std::net::IpAddr;
use std::time::Duration;

use super::asked::Asked;
use super::cluster::{Cluster, Node};
use super::names::{canonical, check_dns, is_local, not_unicast};
use super::pkcs10::{Pkcs10, San};
use super::rule::{Broken, Rule, quoted};
use crate::csr::KUBELET_SERVING;

/// The sets of usages that the signer accepts (pkg/apis/certificates/helpers.go), sorted.
const USAGES: [&[&str]; 2] = [
    &["digital signature", "key encipherment", "server auth"],
    &["digital signature", "server auth"],
];
/// kubeadm's, and everybody's, `--cluster-domain`.
const DOMAIN: &str = "cluster.local";

/// Judges requests one by one. Which of a node's requests is the newest is for [`super::Newest`] to say.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    /// Who has which name.
    pub cluster: &'a Cluster,
    /// The longest life to vouch for.
    pub max_duration: Duration,
}

impl Judge<'_> {
    /// Whether every rule holds.
    ///
    /// # Errors
    /// The first rule that does not.
    pub fn judge(&self, asked: &Asked) -> Result<(), Broken> {
        if let Some(decision) = asked.decision {
            let message = format!("it is {} already", decision.as_str());
            return Err(Broken::new(Rule::Undecided, message));
        }
        let node = self.judge_wire(asked)?;
        let request = Pkcs10::read(&asked.request)?;
        if request.common_name != asked.requestor {
            return Err(Broken::new(
                Rule::CommonNameIsRequestor,
                format!(
                    "CN is {}, the requestor {}",
                    quoted(&request.common_name),
                    quoted(&asked.requestor)
                ),
            ));
        }
        if request.organization != "system:nodes" {
            return Err(Broken::new(
                Rule::OrganizationIsSystemNodes,
                format!("O is {}", quoted(&request.organization)),
            ));
        }
        let Some(object) = self.cluster.node(node) else {
            let message = format!("there is no Node {}", quoted(node));
            return Err(Broken::new(Rule::NodeExists, message));
        };
        request.names.iter().try_for_each(|name| match name {
            San::Dns(name) => self.judge_dns(name, node, object),
            San::Ip(ip) => self.judge_ip(*ip, node, object),
        })
    }

    /// What stands in the API's object; the requestor's node.
    fn judge_wire<'a>(&self, asked: &'a Asked) -> Result<&'a str, Broken> {
        let broken = |rule, message: String| Err(Broken::new(rule, message));
        if asked.signer != KUBELET_SERVING {
            let message = format!("the signer is {}", quoted(&asked.signer));
            return broken(Rule::SignerIsKubeletServing, message);
        }
        let Some(node) = asked.node() else {
            let message = format!("the requestor is {}, no node", quoted(&asked.requestor));
            return broken(Rule::RequestorIsNode, message);
        };
        if !asked.groups.iter().any(|group| group == "system:nodes") {
            let message = format!(
                "{} is not in the group system:nodes",
                quoted(&asked.requestor)
            );
            return broken(Rule::RequestorInSystemNodes, message);
        }
        let mut usages: Vec<&str> = asked.usages.iter().map(String::as_str).collect();
        usages.sort_unstable();
        if !USAGES.contains(&usages.as_slice()) {
            let message = format!("the usages are {}", quoted(&asked.usages.join(", ")));
            return broken(Rule::UsagesAreServing, message);
        }
        if let Some(seconds) = asked.expiration_seconds {
            let within = u64::try_from(seconds).is_ok_and(|s| s <= self.max_duration.as_secs());
            if !within || seconds == 0 {
                let most = self.max_duration.as_secs();
                let message =
                    format!("it asks for {seconds} s, and at most {most} s are vouched for");
                return broken(Rule::DurationWithinMaximum, message);
            }
        }
        Ok(node)
    }

    fn judge_ip(&self, ip: IpAddr, node: &str, object: &Node) -> Result<(), Broken> {
        let broken = |rule, what: String| Err(Broken::new(rule, format!("IP {ip} is {what}")));
        if let Some(why) = not_unicast(ip) {
            return broken(Rule::NameIsUnicast, why.to_owned());
        }
        let services = &self.cluster.services;
        if let Some(service) = services.ips.get(&ip) {
            return broken(
                Rule::NameIsNotServices,
                format!("Service {}'s", quoted(service)),
            );
        }
        if services.subnets.iter().any(|subnet| contains(*subnet, ip)) {
            return broken(Rule::NameIsNotServices, "in the Services' subnet".into());
        }
        let server = &self.cluster.api_server;
        // On kubeadm an API server's own address is its control plane node's; a load balancer's is nobody's.
        let own = object.control_plane && server.endpoints.contains(&ip);
        if (server.endpoints.contains(&ip) || server.ips.contains(&ip))
            && !own
            && !self.cluster.is_sole_control_plane(object)
        {
            return broken(Rule::NameIsNotApiServers, "the API server's".into());
        }
        if !object.ips.contains(&ip) {
            return broken(
                Rule::NameIsNodes,
                format!("no address of Node {}", quoted(node)),
            );
        }
        match self.cluster.other_with_ip(ip, node) {
            Some(other) => broken(
                Rule::NameIsNoOtherNodes,
                format!("Node {}'s too", quoted(other)),
            ),
            None => Ok(()),
        }
    }

    fn judge_dns(&self, name: &str, node: &str, object: &Node) -> Result<(), Broken> {
        check_dns(name, node)?;
        let broken =
            |rule, what: String| Err(Broken::new(rule, format!("DNS {} is {what}", quoted(name))));
        let name = canonical(name);
        if is_local(&name) {
            return broken(
                Rule::NameIsUnicast,
                "what every machine calls itself".into(),
            );
        }
        let server = &self.cluster.api_server;
        // What kubeadm puts into every API server's certificate, and no node may have.
        if name == "kubernetes"
            || name == "kubernetes.default"
            || name.starts_with("kubernetes.default.svc")
        {
            return broken(Rule::NameIsNotApiServers, "the API server's".into());
        }
        let own = name == node;
        if server.names.contains(&name)
            && !(object.control_plane && (own || self.cluster.is_sole_control_plane(object)))
        {
            return broken(Rule::NameIsNotApiServers, "the API server's".into());
        }
        let domains = self.cluster.services.domains.iter().map(String::as_str);
        let below = |domain: &str| {
            let rest = name.strip_suffix(domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        // Whoever may make a Service must not keep a node from its own name; and some call hosts after the domain.
        let services = domains.chain([DOMAIN]).any(|domain| {
            let pods = below(&format!("svc.{domain}")) || below(&format!("pod.{domain}"));
            pods || (below(domain) && !own)
        });
        if services || below("svc") {
            return broken(Rule::NameIsNotServices, "in the Services' domain".into());
        }
        if let Some(service) = self.cluster.service_with_name(&name).filter(|_| !own) {
            let what = format!("Service {}'s", quoted(service));
            return broken(Rule::NameIsNotServices, what);
        }
        if !object.names.contains(&name) {
            return broken(
                Rule::NameIsNodes,
                format!("no name of Node {}", quoted(node)),
            );
        }
        match self.cluster.other_with_name(&name, node) {
            Some(other) => broken(
                Rule::NameIsNoOtherNodes,
                format!("Node {}'s too", quoted(other)),
            ),
            None => Ok(()),
        }
    }
}

fn contains((network, length): (IpAddr, u32), ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    };
    let ((network, width), (ip, ip_width)) = (bits(network), bits(ip));
    let mask = u128::MAX
        .checked_shl(128_u32.saturating_sub(length))
        .unwrap_or(0);
    width == ip_width && length <= width && network & mask == ip & mask
}
