//! The conditions of this node's API server: whether it verifies kubelets, stays so, and still reaches them.
//!
//! What could not be seen is Unknown with the reason, never True.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::approvers::ApproverSign;
use super::conditions::{Condition, ConditionStatus, Verdict, fails, holds, unknown};
use super::verification::{OLDER, PROCESSES, described, is_set, older, own_process};
use super::{ApiServerProcess, Explanation, NodeSurvey};
use crate::edit::api_server::{FLAG, Manifest, last_value};
use crate::text::hint::Command;
use crate::text::{COMMAS, harmless, shown, some};

/// The name of a Node that was asked through this API server, and whether its kubelet answered.
pub type ReachedNode = (String, Result<(), Explanation>);

/// All that the conditions are drawn from.
#[derive(Debug, Clone)]
pub struct ApiServerEvidence {
    /// The manifest of the static Pod.
    pub manifest: Manifest,
    /// Other files beside it that the kubelet reads as a Pod of an API server.
    pub twins: Vec<PathBuf>,
    /// Each kube-apiserver process of this machine.
    pub processes: Vec<ApiServerProcess>,
    /// The CA that the ConfigMap `kubeadm-config` has for the flag; `None` if the flag is not set.
    pub kubeadm_config: Result<Option<String>, Explanation>,
    /// The nodes where this API server dials them.
    pub nodes: Result<NodeSurvey, Explanation>,
    /// The Ready nodes that were asked through this API server, and what went wrong with one.
    pub reached: Result<Vec<ReachedNode>, Explanation>,
    /// What shows that an approver runs; `None` if nothing in the cluster does.
    pub approver: Result<Option<ApproverSign>, Explanation>,
}

/// The conditions of this node's API server, in the order in which each rests on those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "ApiServerConditionType")
)]
pub enum ApiServerKind {
    /// Every node's kubelet serves a certificate of the cluster's CA where this API server dials it.
    KubeletsSecured,
    /// The static Pod's manifest sets the flag once, to the expected CA.
    ManifestHasFlag,
    /// The kubelet reads no other file as a Pod of the API server.
    NoOtherManifest,
    /// The running process has the flag, and its last value is not empty.
    ProcessHasFlag,
    /// The next `kubeadm upgrade` keeps the flag.
    KubeadmConfigHasFlag,
    /// Each Ready node answers through this API server.
    KubeletsReachable,
    /// An approver is at work, so that nodes that join get their certificates.
    ApproverSeen,
}

impl fmt::Display for ApiServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Draws the conditions from what was seen.
pub fn conditions(seen: &ApiServerEvidence) -> Vec<Condition<ApiServerKind>> {
    use ApiServerKind as Kind;
    let verdicts = [
        (Kind::KubeletsSecured, secured(seen)),
        (Kind::ManifestHasFlag, in_manifest(seen)),
        (Kind::NoOtherManifest, no_other_manifest(seen)),
        (Kind::ProcessHasFlag, in_process(seen)),
        (Kind::KubeadmConfigHasFlag, in_kubeadm_config(seen)),
        (Kind::KubeletsReachable, reachable(seen)),
        (Kind::ApproverSeen, approver(seen)),
    ];
    verdicts
        .into_iter()
        .map(|(kind, verdict)| Condition::new(kind, verdict))
        .collect()
}

/// How many names a message has.
const NAMED: usize = 20;
/// Shows the edits that set the flag.
const DIFF: &str = "kubelet-tls api-server diff";
/// Shows what each kubelet serves.
const NODES: &str = "kubelet-tls cluster status";

fn secured(seen: &ApiServerEvidence) -> Verdict {
    let survey = match &seen.nodes {
        Ok(survey) if survey.nodes.is_empty() => {
            return unknown("NoNodes", "the cluster has no Nodes");
        }
        Ok(survey) => survey,
        Err(why) => return unknown("NotSeen", why.to_string()),
    };
    let with = |status: ConditionStatus| -> Vec<String> {
        let nodes = survey.unproved().into_iter();
        nodes
            .filter(|node| node.security.status == status)
            .map(|node| format!("{} ({})", node.name, node.security.reason))
            .collect()
    };
    let (not, not_known) = (with(ConditionStatus::False), with(ConditionStatus::Unknown));
    if !not.is_empty() {
        fails(
            "NotSecured",
            format!("not secured: {}", some(&not, NAMED, COMMAS)),
            NODES,
        )
    } else if !not_known.is_empty() {
        unknown(
            "NotSeen",
            format!("not known: {}", some(&not_known, NAMED, COMMAS)),
        )
    } else {
        let message = format!("all {} nodes are secured", survey.nodes.len());
        holds("AllSecured", message)
    }
}

fn in_manifest(seen: &ApiServerEvidence) -> Verdict {
    of_value(seen.manifest.flag(FLAG), &seen.manifest.ca_file)
}

fn no_other_manifest(seen: &ApiServerEvidence) -> Verdict {
    let Some(twin) = seen.twins.first() else {
        return holds(
            "OnlyOne",
            "no other file is read as a Pod of the API server",
        );
    };
    let message = format!(
        "the kubelet reads {} as a Pod of the API server too, and may run it instead",
        harmless(&twin.display().to_string())
    );
    // Beside the manifest it would be read under another name too.
    let away = Command::new("mv").arg(twin).arg("/root/");
    fails("OtherManifest", message, away)
}

fn in_process(seen: &ApiServerEvidence) -> Verdict {
    let process = match own_process(&seen.manifest, &seen.processes) {
        Ok(process) => process,
        Err(why) => return unknown(why.reason(), why.to_string()),
    };
    let running = last_value(&process.words, FLAG);
    let next = seen.manifest.flag(FLAG);
    match (is_set(running), is_set(next)) {
        (false, true) => fails(OLDER, older(running), PROCESSES),
        (true, false) => holds(
            OLDER,
            format!("{}, unlike in the manifest", described(running)),
        ),
        _ => of_value(running, &seen.manifest.ca_file),
    }
}

fn of_value(given: Option<&str>, expected: &str) -> Verdict {
    let message = described(given);
    match given {
        None => fails("NotSet", message, DIFF),
        Some("") => fails("Empty", message, DIFF),
        Some(ca) if ca == expected => holds("Set", message),
        Some(_) => holds(
            "OtherCertificateAuthority",
            format!("{message}, not {}", shown(expected)),
        ),
    }
}

fn in_kubeadm_config(seen: &ApiServerEvidence) -> Verdict {
    let map = "configmap/kube-system/kubeadm-config";
    let given = seen.manifest.flag(FLAG);
    let expected = given.filter(|ca| !ca.is_empty());
    let expected = expected.unwrap_or(&seen.manifest.ca_file);
    match &seen.kubeadm_config {
        Ok(Some(ca)) if ca == expected => holds("Set", format!("{map} has the flag")),
        Ok(Some(ca)) => fails(
            "OtherCertificateAuthority",
            format!("{map} has {FLAG} {}, not {}", shown(ca), shown(expected)),
            DIFF,
        ),
        Ok(None) if is_set(given) => fails(
            "NotSet",
            format!(
                "{map} does not have the flag: the next kubeadm upgrade of this node removes it"
            ),
            DIFF,
        ),
        Ok(None) => fails("NotSet", format!("{map} does not have the flag"), DIFF),
        Err(why) => unknown("NotSeen", why.to_string()),
    }
}

fn reachable(seen: &ApiServerEvidence) -> Verdict {
    let reached = match &seen.reached {
        Ok(reached) if reached.is_empty() => {
            return unknown("NoNodes", "no node is Ready, so none was asked");
        }
        Ok(reached) => reached,
        Err(why) => return unknown("NotSeen", why.to_string()),
    };
    let failed: Vec<String> = reached
        .iter()
        .filter_map(|(name, answer)| Some(format!("{name} ({})", answer.as_ref().err()?)))
        .collect();
    if failed.is_empty() {
        let message = format!("all {} Ready nodes answer through it", reached.len());
        holds("AllReached", message)
    } else {
        fails(
            "NotReached",
            format!("not reached: {}", some(&failed, NAMED, COMMAS)),
            NODES,
        )
    }
}

fn approver(seen: &ApiServerEvidence) -> Verdict {
    match &seen.approver {
        Ok(Some(sign)) => holds("Seen", sign.to_string()),
        Ok(None) => fails(
            "NoSign",
            "no approver was seen: a node that joins has no logs, exec and port-forward until its CSR is approved",
            Command::from("kubelet-tls approve --watch --help"),
        ),
        Err(why) => unknown("NotSeen", why.to_string()),
    }
}

#[cfg(test)]
mod tests;
