//! The conditions of this node's API server: whether it verifies kubelets, stays so, and still reaches them.
//!
//! What could not be seen is Unknown with the reason, never True.

use std::fmt;

use serde::Serialize;

use super::ProbedNode;
use super::conditions::{Condition, Status};
use crate::edit::api_server::{FLAG, Manifest};
use crate::text::shown;

/// Why something was not seen; the evidence, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unseen(pub String);

/// The name of a Node that was asked through this API server, and whether its kubelet answered.
pub type ReachedNode = (String, Result<(), Unseen>);

/// All that the conditions are drawn from.
#[derive(Debug, Clone)]
pub struct ApiServerEvidence {
    /// The manifest of the static Pod.
    pub manifest: Manifest,
    /// The command line of each kube-apiserver process of this machine, the program first.
    pub processes: Vec<Vec<String>>,
    /// Whether the ConfigMap `kubeadm-config` has the flag.
    pub is_in_kubeadm_config: Result<bool, Unseen>,
    /// The Nodes and what their kubelets serve.
    pub nodes: Result<Vec<ProbedNode>, Unseen>,
    /// The Nodes that were asked through this API server, and what went wrong with one.
    pub reached: Result<Vec<ReachedNode>, Unseen>,
}

/// The conditions of this node's API server, in the order in which each rests on those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "ApiServerConditionType")
)]
pub enum ApiServerKind {
    /// Every node's kubelet serves a certificate of the cluster's CA.
    KubeletsSecured,
    /// The manifest has the flag.
    ManifestHasFlag,
    /// The running process has the flag, and its last value is not empty.
    ProcessHasFlag,
    /// The next `kubeadm upgrade` keeps the flag.
    KubeadmConfigHasFlag,
    /// Each Ready node answers through this API server.
    KubeletsReachable,
}

impl fmt::Display for ApiServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Draws the conditions from what was seen.
pub fn conditions(evidence: &ApiServerEvidence) -> Vec<Condition<ApiServerKind>> {
    vec![
        secured(evidence),
        in_manifest(evidence),
        in_process(evidence),
        in_kubeadm_config(evidence),
        reachable(evidence),
    ]
}

/// How many names a message has.
const NAMED: usize = 20;

fn condition(
    kind: ApiServerKind,
    status: Status,
    reason: &'static str,
    message: String,
    hint: Option<&str>,
) -> Condition<ApiServerKind> {
    Condition {
        kind,
        status,
        reason,
        message,
        hint: hint.map(str::to_owned),
    }
}

fn secured(evidence: &ApiServerEvidence) -> Condition<ApiServerKind> {
    let of = |status, reason, message, hint| {
        condition(
            ApiServerKind::KubeletsSecured,
            status,
            reason,
            message,
            hint,
        )
    };
    const HINT: Option<&str> = Some("kubelet-tls cluster status");
    let nodes = match &evidence.nodes {
        Ok(nodes) if nodes.is_empty() => {
            return of(
                Status::Unknown,
                "NoNodes",
                "the cluster has no Nodes".to_owned(),
                HINT,
            );
        }
        Ok(nodes) => nodes,
        Err(why) => return of(Status::Unknown, "NotSeen", why.to_string(), HINT),
    };
    let with = |status: Status| -> Vec<&str> {
        let nodes = nodes.iter().filter(|node| node.security().status == status);
        nodes.map(ProbedNode::name).collect()
    };
    let (not, unknown) = (with(Status::False), with(Status::Unknown));
    if !not.is_empty() {
        let message = format!("not secured: {}", some(&not));
        of(Status::False, "NotSecured", message, HINT)
    } else if !unknown.is_empty() {
        let message = format!("not known of {}", some(&unknown));
        of(Status::Unknown, "NotSeen", message, HINT)
    } else {
        let message = format!("all {} nodes are secured", nodes.len());
        of(Status::True, "AllSecured", message, None)
    }
}

fn in_manifest(evidence: &ApiServerEvidence) -> Condition<ApiServerKind> {
    let given = evidence.manifest.flag(FLAG);
    let (status, reason, message) = value(given, &evidence.manifest.ca_file);
    let hint = (status != Status::True).then_some("kubelet-tls api-server diff");
    condition(
        ApiServerKind::ManifestHasFlag,
        status,
        reason,
        message,
        hint,
    )
}

/// The processes that this manifest starts: a machine may run those of other clusters too, in containers.
fn in_process(evidence: &ApiServerEvidence) -> Condition<ApiServerKind> {
    let of = |status, reason, message, hint| {
        condition(ApiServerKind::ProcessHasFlag, status, reason, message, hint)
    };
    const HINT: Option<&str> = Some("crictl ps --name kube-apiserver");
    let address = evidence.manifest.flag("advertise-address");
    let own = evidence.processes.iter().map(|words| Manifest {
        flags: words.iter().skip(1).cloned().collect(),
        ..evidence.manifest.clone()
    });
    let own: Vec<_> = own
        .filter(|process| process.flag("advertise-address") == address)
        .collect();
    match own.as_slice() {
        [] => of(
            Status::Unknown,
            "NotRunning",
            "no process of this manifest runs, or its command line cannot be read".to_owned(),
            HINT,
        ),
        [process] => {
            let (status, reason, message) = value(process.flag(FLAG), &process.ca_file);
            let in_manifest = evidence.manifest.flag(FLAG);
            if process.flag(FLAG) == in_manifest {
                let hint = (status != Status::True).then_some("kubelet-tls api-server diff");
                return of(status, reason, message, hint);
            }
            let message = format!("{message}, unlike the manifest");
            of(status, "OlderThanManifest", message, HINT)
        }
        several => {
            let message = format!("{} processes have the manifest's address", several.len());
            of(Status::Unknown, "SeveralProcesses", message, HINT)
        }
    }
}

/// The last value of the flag counts; an empty one turns verification off (docs/api-server-facts.md).
fn value(given: Option<&str>, expected: &str) -> (Status, &'static str, String) {
    match given {
        None => (Status::False, "NotSet", format!("{FLAG} is not set")),
        Some("") => (Status::False, "Empty", format!("{FLAG} is empty")),
        Some(ca) if ca == expected => (Status::True, "Set", format!("{FLAG} is {}", shown(ca))),
        Some(ca) => (
            Status::True,
            "OtherCertificateAuthority",
            format!("{FLAG} is {}, not {}", shown(ca), shown(expected)),
        ),
    }
}

fn in_kubeadm_config(evidence: &ApiServerEvidence) -> Condition<ApiServerKind> {
    let of = |status, reason, message: String, hint| {
        condition(
            ApiServerKind::KubeadmConfigHasFlag,
            status,
            reason,
            message,
            hint,
        )
    };
    const HINT: Option<&str> = Some("kubelet-tls api-server diff");
    match &evidence.is_in_kubeadm_config {
        Ok(true) => {
            let message = "configmap/kube-system/kubeadm-config has the flag";
            of(Status::True, "Set", message.to_owned(), None)
        }
        Ok(false) => {
            let message = "configmap/kube-system/kubeadm-config does not have the flag: the next kubeadm upgrade removes \
                           it, and control planes that join do not have it";
            of(Status::False, "NotSet", message.to_owned(), HINT)
        }
        Err(why) => of(Status::Unknown, "NotSeen", why.to_string(), HINT),
    }
}

fn reachable(evidence: &ApiServerEvidence) -> Condition<ApiServerKind> {
    let of = |status, reason, message: String, hint| {
        condition(
            ApiServerKind::KubeletsReachable,
            status,
            reason,
            message,
            hint,
        )
    };
    const HINT: Option<&str> = Some("kubelet-tls cluster status");
    let reached = match &evidence.reached {
        Ok(reached) if reached.is_empty() => {
            let message = "no Ready node was asked".to_owned();
            return of(Status::Unknown, "NoNodes", message, HINT);
        }
        Ok(reached) => reached,
        Err(why) => return of(Status::Unknown, "NotSeen", why.to_string(), HINT),
    };
    let failed: Vec<String> = reached
        .iter()
        .filter_map(|(name, answer)| Some(format!("{name} ({})", answer.as_ref().err()?)))
        .collect();
    if failed.is_empty() {
        let message = format!("all {} nodes answer through it", reached.len());
        of(Status::True, "AllReached", message, None)
    } else {
        let failed: Vec<&str> = failed.iter().map(String::as_str).collect();
        of(Status::False, "NotReached", some(&failed), HINT)
    }
}

/// The first names.
fn some(names: &[&str]) -> String {
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>();
    match names.len() - first.len() {
        0 => first.join(", "),
        rest => format!("{} and {rest} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YES: &str = include_str!("../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");
    const NO: &str = include_str!("../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml");

    fn manifest(text: &str) -> Manifest {
        Manifest::read(text.as_bytes()).unwrap()
    }

    fn process(manifest: &Manifest) -> Vec<String> {
        let program = std::iter::once("kube-apiserver".to_owned());
        program.chain(manifest.flags.iter().cloned()).collect()
    }

    fn evidence(text: &str, processes: Vec<Vec<String>>) -> ApiServerEvidence {
        ApiServerEvidence {
            manifest: manifest(text),
            processes,
            is_in_kubeadm_config: Ok(true),
            nodes: Ok(Vec::new()),
            reached: Ok(vec![("a".to_owned(), Ok(()))]),
        }
    }

    fn drawn(evidence: &ApiServerEvidence, kind: ApiServerKind) -> (Status, &'static str) {
        let conditions = conditions(evidence);
        let condition = conditions.iter().find(|condition| condition.kind == kind);
        let condition = condition.unwrap();
        (condition.status, condition.reason)
    }

    #[test]
    fn the_flag_in_the_manifest_and_in_the_process() {
        use ApiServerKind::{ManifestHasFlag, ProcessHasFlag};
        use Status::{False, True, Unknown};
        let (yes, no) = (process(&manifest(YES)), process(&manifest(NO)));
        let with = |flag: &str| [yes.clone(), vec![flag.to_owned()]].concat();
        let empty = with("--kubelet_certificate_authority=");
        let other = with("--kubelet-certificate-authority=/other.crt");
        let foreign = with("--advertise-address=10.9.9.9");
        for (text, processes, in_manifest, in_process) in [
            (YES, vec![yes.clone()], (True, "Set"), (True, "Set")),
            (NO, vec![no.clone()], (False, "NotSet"), (False, "NotSet")),
            (
                YES,
                vec![no.clone()],
                (True, "Set"),
                (False, "OlderThanManifest"),
            ),
            (
                NO,
                vec![yes.clone()],
                (False, "NotSet"),
                (True, "OlderThanManifest"),
            ),
            (
                YES,
                vec![empty],
                (True, "Set"),
                (False, "OlderThanManifest"),
            ),
            (YES, vec![other], (True, "Set"), (True, "OlderThanManifest")),
            (YES, vec![], (True, "Set"), (Unknown, "NotRunning")),
            (
                YES,
                vec![foreign.clone()],
                (True, "Set"),
                (Unknown, "NotRunning"),
            ),
            (
                YES,
                vec![foreign, yes.clone()],
                (True, "Set"),
                (True, "Set"),
            ),
            (
                YES,
                vec![yes.clone(), no],
                (True, "Set"),
                (Unknown, "SeveralProcesses"),
            ),
        ] {
            let evidence = evidence(text, processes);
            assert_eq!(
                drawn(&evidence, ManifestHasFlag),
                in_manifest,
                "{evidence:?}"
            );
            assert_eq!(drawn(&evidence, ProcessHasFlag), in_process, "{evidence:?}");
        }
    }

    #[test]
    fn what_was_not_seen_is_unknown() {
        use ApiServerKind::{KubeadmConfigHasFlag, KubeletsReachable, KubeletsSecured};
        let mut seen = evidence(YES, Vec::new());
        assert_eq!(drawn(&seen, KubeadmConfigHasFlag), (Status::True, "Set"));
        assert_eq!(
            drawn(&seen, KubeletsReachable),
            (Status::True, "AllReached")
        );
        assert_eq!(drawn(&seen, KubeletsSecured), (Status::Unknown, "NoNodes"));
        let unseen = || Unseen("forbidden".to_owned());
        seen.reached = Ok(vec![
            ("a".to_owned(), Ok(())),
            ("b".to_owned(), Err(unseen())),
        ]);
        assert_eq!(
            drawn(&seen, KubeletsReachable),
            (Status::False, "NotReached")
        );
        seen.is_in_kubeadm_config = Err(unseen());
        seen.nodes = Err(unseen());
        seen.reached = Err(unseen());
        for kind in [KubeadmConfigHasFlag, KubeletsReachable, KubeletsSecured] {
            assert_eq!(drawn(&seen, kind), (Status::Unknown, "NotSeen"));
        }
    }
}
