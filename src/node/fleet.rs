//! The kubelets of a cluster as they were probed from elsewhere, and whether each node is secured.

use std::net::SocketAddr;

use jiff::Timestamp;

use super::conditions::ConditionStatus;
use super::serving::{Flaw, FlawKind, flaw};
use super::{Node, NotServed, Served};
use crate::x509::Certificate;

/// A Node of the cluster, as far as its kubelet can be found by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedNode {
    /// `metadata.name`, safe to print.
    pub name: String,
    /// Whether it has the label of a control-plane node.
    pub is_control_plane: bool,
    /// Whether its condition `Ready` is `True`.
    pub is_ready: bool,
    /// The port of its kubelet: `status.daemonEndpoints.kubeletEndpoint.Port`, or 10250 where it does not say.
    pub port: u16,
    /// Whether its label `kubernetes.io/os` is `windows`.
    pub is_windows: bool,
    /// Its addresses and its version.
    pub node: Node,
}

/// One item of the list of Nodes.
pub type Listed = Result<ListedNode, MalformedNode>;

/// A Node that cannot be probed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MalformedNode {
    /// Its name as far as it can be printed.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Why it is not known what a kubelet is configured to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotConfigured {
    /// The credential may not get `nodes/proxy`.
    #[error("the credential may not get nodes/proxy")]
    Forbidden,
    /// No time was left.
    #[error("no time was left to ask it")]
    OutOfTime,
    /// The kubelet did not answer through the API server, or not as a kubelet does.
    #[error("{0}")]
    NoAnswer(String),
}

/// The newest request of a node, while it is Pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingRequest {
    /// Its `metadata.name`.
    pub name: String,
    /// When it was created, by the API server's clock.
    pub created: Option<Timestamp>,
}

impl PendingRequest {
    /// How long it has been pending, in seconds; 0 where the API server's clock is ahead.
    pub fn age(&self, now: Timestamp) -> Option<i64> {
        let created = self.created?;
        Some((now.as_second() - created.as_second()).max(0))
    }
}

/// The kubelet of one node as it was probed.
#[derive(Debug, Clone)]
pub struct ProbedNode {
    /// Its Node, or why it could not be probed.
    pub listed: Listed,
    /// The `serverTLSBootstrap` that it runs with.
    pub configured: Result<bool, NotConfigured>,
    /// What it serves at each IP address of its Node. Empty where it was not dialled.
    pub served: Vec<(SocketAddr, Result<Served, NotServed>)>,
    /// Its newest request, where that is Pending; none also where the requests could not be read.
    pub pending: Option<PendingRequest>,
}

/// Whether a node is secured: its kubelet serves a certificate of the cluster's CA for its own addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Security {
    /// Whether the node is secured, or Unknown if it was not asked.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    pub reason: &'static str,
    /// The evidence, for people.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<NodeRemedy>,
}

/// What to do about a node that is not secured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRemedy {
    /// Approve this request, from an administrator's seat.
    Approve(String),
    /// Make the change on the node, as root.
    ApplyThere,
    /// Look at the node's conditions there.
    LookThere,
    /// Look at the Node object.
    DescribeNode,
}

impl ProbedNode {
    /// Whether the node runs Windows, by the label that its kubelet sets. False where the Node is malformed.
    pub fn is_windows(&self) -> bool {
        self.listed.as_ref().is_ok_and(|listed| listed.is_windows)
    }

    /// The Node's name, safe to print.
    pub fn name(&self) -> &str {
        match &self.listed {
            Ok(listed) => &listed.name,
            Err(malformed) => &malformed.name,
        }
    }

    /// The certificate that ends first, of those that verify.
    pub fn certificate(&self) -> Option<&Certificate> {
        let served = self.served.iter().filter_map(|(_, served)| {
            let served = served.as_ref().ok()?;
            served.verified.is_ok().then_some(&served.certificate)
        });
        served.min_by_key(|certificate| certificate.not_after)
    }

    /// Whether it is secured. What could not be seen is Unknown.
    pub fn security(&self) -> Security {
        let listed = match &self.listed {
            Ok(listed) => listed,
            Err(malformed) => {
                return unknown(
                    "Malformed",
                    malformed.reason.as_str(),
                    NodeRemedy::DescribeNode,
                );
            }
        };
        if let Some(worst) = self.worst_flaw() {
            return self.flawed(worst);
        }
        let Some(certificate) = self.certificate() else {
            return self.unseen(listed);
        };
        let missing = listed.node.missing_in(&certificate.names);
        if !missing.is_empty() {
            let message = format!("the certificate is not for {}", missing.join(", "));
            return self.flawed(Flaw {
                kind: FlawKind::NameMissing,
                message,
            });
        }
        self.verified(certificate)
    }

    /// The flaw that says most about why it is not secured.
    pub(super) fn worst_flaw(&self) -> Option<Flaw> {
        let flaws = self
            .served
            .iter()
            .filter_map(|(address, served)| flaw(Some(self.name()), *address, served));
        flaws.min_by_key(|flaw| flaw.kind != FlawKind::NoCertificate)
    }

    /// It serves `certificate`, which verifies.
    pub(super) fn verified(&self, certificate: &Certificate) -> Security {
        let until = format!("verifies, valid until {}", certificate.not_after);
        match &self.configured {
            Ok(true) => secured("Verified", until),
            Ok(false) => secured(
                "StaticCertificate",
                format!(
                    "{until}; the kubelet does not renew it, because serverTLSBootstrap is not set"
                ),
            ),
            Err(why) => secured(
                "Verified",
                format!("{until}; whether serverTLSBootstrap is set is not known: {why}"),
            ),
        }
    }

    /// Nothing that it serves was seen.
    pub(super) fn unseen(&self, listed: &ListedNode) -> Security {
        if listed.node.serving_names().0.is_empty() {
            return not_secured(
                "NoAddress",
                "the Node has no IP address, so the kubelet requests no certificate",
                NodeRemedy::DescribeNode,
            );
        }
        if self.configured == Ok(false) {
            return not_secured(
                "NotEnabled",
                "the kubelet runs without serverTLSBootstrap",
                NodeRemedy::ApplyThere,
            );
        }
        let why: Vec<String> = self
            .served
            .iter()
            .filter_map(|(address, served)| Some(format!("{address}: {}", served.as_ref().err()?)))
            .collect();
        unknown("Unreachable", why.join("; "), NodeRemedy::LookThere)
    }

    pub(super) fn flawed(&self, flaw: Flaw) -> Security {
        let Flaw { kind, message } = flaw;
        let waits = matches!(
            kind,
            FlawKind::NoCertificate | FlawKind::Expired | FlawKind::NameMissing
        );
        match (&self.pending, kind) {
            (Some(pending), _) if waits => not_secured(
                "Pending",
                format!("{message}; {} is Pending", pending.name),
                NodeRemedy::Approve(pending.name.clone()),
            ),
            (_, FlawKind::SelfSigned) => {
                let is_off = self.configured == Ok(false);
                let reason = if is_off { "NotEnabled" } else { kind.reason() };
                not_secured(reason, message, NodeRemedy::ApplyThere)
            }
            _ => not_secured(kind.reason(), message, NodeRemedy::LookThere),
        }
    }
}

fn secured(reason: &'static str, message: String) -> Security {
    Security {
        status: ConditionStatus::True,
        reason,
        message,
        remedy: None,
    }
}

pub(super) fn not_secured(
    reason: &'static str,
    message: impl Into<String>,
    remedy: NodeRemedy,
) -> Security {
    Security {
        status: ConditionStatus::False,
        reason,
        message: message.into(),
        remedy: Some(remedy),
    }
}

pub(super) fn unknown(
    reason: &'static str,
    message: impl Into<String>,
    remedy: NodeRemedy,
) -> Security {
    Security {
        status: ConditionStatus::Unknown,
        ..not_secured(reason, message, remedy)
    }
}

#[cfg(test)]
mod tests;
