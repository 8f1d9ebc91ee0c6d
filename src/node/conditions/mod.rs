//! The node's conditions: what is true of its serving certificate, each with its evidence and what to do about it.
//!
//! What could not be seen is Unknown with the reason, never True.
//!
//! A condition is decided, and worded, in one function:
//!
//! | condition | function |
//! |---|---|
//! | ServerTLSBootstrapEnabled | `configuration::enabled` |
//! | ValueTakesEffect | `configuration::takes_effect` |
//! | KubeletUpToDate | `configuration::up_to_date` |
//! | KubeletHealthy | `configuration::healthy` |
//! | ServingCertificateIssued | `certificate::issued` |
//! | ServingCertificateTrusted | `certificate::trusted` |
//! | RenewalOnTime | `renewal::renewal_on_time` |
//! | ClusterConfigAgrees | `configuration::cluster_agrees` |
//! | NoStaleRequests | `certificate::no_stale_requests` |
//! | ApiServerVerifiesKubelets | `api_server::verifies` |
//!
//! The cases and the words of all are in `tests.rs`; those of RenewalOnTime beside it.

mod api_server;
mod certificate;
mod configuration;
mod renewal;
#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;

use crate::csr::Listing;
use crate::edit::api_server::Manifest;
use crate::kubelet::Settings;
use crate::node::{ApiServerProcess, Explanation, Kubelet, Node, NotServed, Served, UnreadConfig};
use crate::text::hint::{Command, Invocation};
use crate::x509::Certificate;

use api_server::verifies;
use certificate::{issued, no_stale_requests, trusted};
use configuration::{cluster_agrees, enabled, healthy, takes_effect, up_to_date};
use renewal::renewal_on_time;

/// All that the conditions are drawn from. An `Err` says why something was not seen.
#[derive(Debug, Clone)]
pub struct NodeEvidence {
    /// The kubelet and its files.
    pub kubelet: Kubelet,
    /// Why its files are not a configuration, if they are not; its settings say nothing then.
    pub refusal: Option<UnreadConfig>,
    /// What else the kubelet would not start with, or take no notice of.
    pub complaints: Vec<String>,
    /// Whether it runs and answers, or in what way not.
    pub health: Result<(), Explanation>,
    /// The certificate that it keeps.
    pub stored: Stored,
    /// The name of this node's Node object, from the kubelet's credential.
    pub name: Result<String, Explanation>,
    /// This node's Node object, and why it was not read.
    pub node: Result<Node, Explanation>,
    /// The CSRs of this node, and why they were not read.
    pub requests: Result<Listing, Explanation>,
    /// The kubelet's configuration in the cluster: the ConfigMap's name and what it says.
    pub cluster: Result<(String, Settings), Explanation>,
    /// The directory of kubeadm's patches that the last `apply` wrote to, if they enable `serverTLSBootstrap`.
    pub patches: Option<PathBuf>,
    /// Whether `apply --issue-first` has created a CSR here whose certificate is not installed yet.
    pub issuing: bool,
    /// What is served, at each of the Node's addresses.
    pub served: Vec<(SocketAddr, Result<Served, NotServed>)>,
    /// This node's API server, by its manifest and the process table; none on a node without that manifest.
    pub api_server: Option<LocalApiServer>,
    /// The time of the observation, for files and for certificates.
    pub now: (SystemTime, Timestamp),
}

/// What this machine shows of its API server.
#[derive(Debug, Clone)]
pub struct LocalApiServer {
    /// The manifest of its static Pod, or why it cannot be read.
    pub manifest: Result<Manifest, Explanation>,
    /// Each kube-apiserver process of this machine.
    pub processes: Vec<ApiServerProcess>,
}

/// `kubelet-server-current.pem`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It does not exist.
    Missing(PathBuf),
    /// It is not the symlink that the kubelet's store keeps, and every later renewal fails on it.
    NotSymlink(PathBuf),
    /// It cannot be read, or its key is not its certificate's.
    Broken(PathBuf, String),
    /// A certificate with its key.
    Pair(PathBuf, Certificate),
}

/// One condition: of the node where `K` is [`ConditionType`], of something else where it has types of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Condition"))]
pub struct Condition<K = ConditionType> {
    /// Which property of the node this is about.
    #[serde(rename = "type")]
    pub kind: K,
    /// Whether the node has that property.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word.
    pub reason: &'static str,
    /// The evidence, for people.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub hint: Option<Command>,
}

/// The conditions of a node, in the order in which each rests on those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ConditionType {
    /// The kubelet's configuration says `serverTLSBootstrap: true`.
    ServerTLSBootstrapEnabled,
    /// Nothing beats or defeats that value.
    ValueTakesEffect,
    /// The kubelet started after its configuration was written.
    KubeletUpToDate,
    /// It runs and answers.
    KubeletHealthy,
    /// It has a certificate from the cluster, good for every address of its Node.
    ServingCertificateIssued,
    /// That is what it serves, and it verifies.
    ServingCertificateTrusted,
    /// Its successor comes before it ends, as far as can be told now.
    RenewalOnTime,
    /// The next `kubeadm upgrade` or `join` leaves the value as it is.
    ClusterConfigAgrees,
    /// No request is pending whose key is lost.
    NoStaleRequests,
    /// On a control-plane node: its API server verifies kubelets, and does so after its next start too.
    ApiServerVerifiesKubelets,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum ConditionStatus {
    /// The node has that property.
    True,
    /// The node does not have that property.
    False,
    /// It could not be seen.
    Unknown,
}

impl fmt::Display for ConditionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl<K> Condition<K> {
    /// A verdict with its name.
    pub(crate) fn new(kind: K, (status, reason, message, hint): Verdict) -> Self {
        Self {
            kind,
            status,
            reason,
            message,
            hint,
        }
    }

    /// The same condition with its hint for someone who ran the program as `invocation`.
    #[must_use]
    pub(crate) fn after(self, invocation: &Invocation) -> Self {
        let hint = self.hint.map(|hint| hint.after(invocation));
        Self { hint, ..self }
    }
}

impl NodeEvidence {
    /// The command that enables, or completes what is half done: after the first step of `apply --issue-first` its second,
    /// because a plain `apply` would restart the kubelet without that certificate.
    fn apply(&self) -> &'static str {
        if self.issuing {
            "kubelet-tls apply --issue-first"
        } else {
            APPLY
        }
    }
}

/// What one condition comes to, before it has its name.
pub(crate) type Verdict = (ConditionStatus, &'static str, String, Option<Command>);

/// The command that enables.
const APPLY: &str = "kubelet-tls apply";
/// To see what prevents that.
const DIFF: &str = "kubelet-tls diff";
/// Makes what was set here last, from wherever an administrator's kubeconfig is.
const APPLY_CLUSTER: &str = "kubelet-tls cluster apply";

/// Draws the conditions. A node that kubeadm did not set up has no [`ConditionType::ClusterConfigAgrees`], and one without the
/// manifest of an API server has no [`ConditionType::ApiServerVerifiesKubelets`].
pub fn conditions(seen: &NodeEvidence) -> Vec<Condition> {
    let api_server = seen.api_server.as_ref();
    let of_control_plane =
        api_server.map(|local| (ConditionType::ApiServerVerifiesKubelets, verifies(local)));
    [
        (ConditionType::ServerTLSBootstrapEnabled, enabled(seen)),
        (ConditionType::ValueTakesEffect, takes_effect(seen)),
        (ConditionType::KubeletUpToDate, up_to_date(seen)),
        (ConditionType::KubeletHealthy, healthy(seen)),
        (ConditionType::ServingCertificateIssued, issued(seen)),
        (ConditionType::ServingCertificateTrusted, trusted(seen)),
        (ConditionType::RenewalOnTime, renewal_on_time(seen)),
        (ConditionType::ClusterConfigAgrees, cluster_agrees(seen)),
        (ConditionType::NoStaleRequests, no_stale_requests(seen)),
    ]
    .into_iter()
    // Only kubeadm copies the ConfigMap to a node.
    .filter(|(kind, _)| *kind != ConditionType::ClusterConfigAgrees || seen.kubelet.is_kubeadm)
    .chain(of_control_plane)
    .map(|(kind, verdict)| Condition::new(kind, verdict))
    .collect()
}

pub(crate) fn holds(reason: &'static str, message: impl Into<String>) -> Verdict {
    (ConditionStatus::True, reason, message.into(), None)
}

pub(crate) fn fails(
    reason: &'static str,
    message: impl Into<String>,
    hint: impl Into<Command>,
) -> Verdict {
    (
        ConditionStatus::False,
        reason,
        message.into(),
        Some(hint.into()),
    )
}

pub(crate) fn unknown(reason: &'static str, message: impl Into<String>) -> Verdict {
    (ConditionStatus::Unknown, reason, message.into(), None)
}
