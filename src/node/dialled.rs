//! Whether each kubelet is secured where an API server dials it: one address of its Node, which the API server chooses.

use std::fmt;

use super::fleet::{not_secured, unknown};
use super::{Node, NodeRemedy, ProbedNode, Security};
use crate::edit::api_server::Manifest;
use crate::node::conditions::ConditionStatus;
use crate::text::{harmless, names, shown};

/// The flag that says which address of a Node is dialled.
const FLAG: &str = "kubelet-preferred-address-types";

/// What a kube-apiserver takes without the flag (cmd/kube-apiserver/app/options).
const DEFAULT: [&str; 5] = [
    "Hostname",
    "InternalDNS",
    "InternalIP",
    "ExternalDNS",
    "ExternalIP",
];

/// The types of addresses by which an API server finds kubelets, the first one first:
/// `--kubelet-preferred-address-types`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressPreference(Vec<String>);

impl AddressPreference {
    /// That of an API server with this manifest. A flag that is given more than once accumulates
    /// (docs/api-server-facts.md).
    pub fn of(manifest: &Manifest) -> Self {
        let given = manifest.values(FLAG);
        if given.is_empty() {
            return Self(DEFAULT.map(str::to_owned).to_vec());
        }
        let types = given.iter().flat_map(|value| value.split(','));
        let types = types.filter(|kind| !kind.is_empty());
        Self(types.map(str::to_owned).collect())
    }

    /// The address of a Node that is dialled: the first one of the first type that the Node has.
    pub fn address<'n>(&self, node: &'n Node) -> Option<&'n str> {
        self.0.iter().find_map(|wanted| {
            let mut addresses = node.addresses.iter();
            let found = addresses.find(|(kind, _)| kind == wanted);
            found.map(|(_, address)| address.as_str())
        })
    }
}

impl fmt::Display for AddressPreference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<String> = self.0.iter().map(|kind| shown(kind)).collect();
        f.write_str(&types.join(", "))
    }
}

impl ProbedNode {
    /// Whether an API server with this preference verifies its kubelet. `served` is what it serves at the address that is
    /// dialled, and nothing else; what could not be seen is Unknown.
    pub fn security_as_dialled(&self, preference: &AddressPreference) -> Security {
        let listed = match &self.listed {
            Ok(listed) => listed,
            Err(_) => return self.security(),
        };
        let Some(host) = preference.address(&listed.node) else {
            let message = format!(
                "the Node has no address of the types that the API server dials: {preference}"
            );
            return not_secured("NoAddress", message, NodeRemedy::DescribeNode);
        };
        if self.served.is_empty() {
            let message = format!(
                "the API server dials {}, and that does not resolve here, or no time was left to dial it",
                shown(host)
            );
            return unknown("NotDialled", message, NodeRemedy::DescribeNode);
        }
        if let Some(worst) = self.worst_flaw() {
            return self.flawed(worst);
        }
        match self.certificate() {
            Some(certificate) => self.verified(certificate),
            None => self.unseen(listed),
        }
    }
}

/// One node of a cluster as its API server meets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SurveyedNode {
    /// The Node's name, safe to print.
    pub name: String,
    /// What the API server dials, such as `10.0.0.7:10250`; none where the Node is malformed or has no such address.
    pub dialled: Option<String>,
    /// Whether its condition `Ready` is `True`.
    pub is_ready: bool,
    /// Whether an administrator accepts that it is not secured.
    pub is_excepted: bool,
    /// Whether the API server can verify its kubelet, and why not.
    pub security: Security,
}

/// All nodes of a cluster as its API server meets them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeSurvey {
    /// Each node, by name.
    pub nodes: Vec<SurveyedNode>,
}

/// A name that an administrator excepts, and that no Node has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no Node is called {}", names::shown(.0))]
pub struct UnknownNode(pub String);

impl NodeSurvey {
    /// The survey of these nodes, whose `served` is what they serve where an API server with this preference dials them.
    pub fn new(nodes: &[ProbedNode], preference: &AddressPreference) -> Self {
        let nodes = nodes.iter().map(|node| {
            let listed = node.listed.as_ref().ok();
            let host = listed.and_then(|listed| preference.address(&listed.node));
            let port = listed.map_or(0, |listed| listed.port);
            SurveyedNode {
                name: node.name().to_owned(),
                dialled: host.map(|host| endpoint(host, port)),
                is_ready: listed.is_some_and(|listed| listed.is_ready),
                is_excepted: false,
                security: node.security_as_dialled(preference),
            }
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// The same, where these nodes need not be secured.
    ///
    /// # Errors
    /// The first name that no Node has: a typing error would except nothing.
    pub fn except(mut self, names: &[String]) -> Result<Self, UnknownNode> {
        for name in names {
            let mut nodes = self.nodes.iter_mut();
            match nodes.find(|node| node.name == *name) {
                Some(node) => node.is_excepted = true,
                None => return Err(UnknownNode(name.clone())),
            }
        }
        Ok(self)
    }

    /// The nodes that are not secured or of which that is not known, without those that are excepted.
    pub fn unproved(&self) -> Vec<&SurveyedNode> {
        let is_unproved = |node: &&SurveyedNode| {
            !node.is_excepted && node.security.status != ConditionStatus::True
        };
        self.nodes.iter().filter(is_unproved).collect()
    }

    /// The names of the nodes that are Ready.
    pub fn ready(&self) -> Vec<&str> {
        let ready = self.nodes.iter().filter(|node| node.is_ready);
        ready.map(|node| node.name.as_str()).collect()
    }
}

/// `10.0.0.7:10250`, `[fd00::7]:10250`.
fn endpoint(host: &str, port: u16) -> String {
    let host = harmless(host);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

#[cfg(test)]
mod tests;
