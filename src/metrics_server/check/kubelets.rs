//! The second channel: from metrics-server to the kubelets.

use crate::node::conditions::{Verdict, fails, holds, unknown};
use crate::node::{NotServed, Served, Unverified};
use crate::text::hint::Command;
use crate::text::{SEMICOLONS, some};

use super::{ChannelEvidence, Deployment, Dialled, INSTALL, Pod, cause};

/// How many nodes are named.
const NAMED: usize = 5;

/// Whether metrics-server verifies kubelets, its Pods as well as its Deployment.
pub(super) fn verified(seen: &ChannelEvidence) -> Verdict {
    let deployment = match &seen.deployment {
        Ok(deployment) => deployment,
        Err(why) => return unknown("NotSeen", why.as_str()),
    };
    let name = &deployment.name;
    if deployment.program.takes_any_kubelet() {
        return fails(
            "InsecureFlag",
            format!(
                "deployment/{name} is given --kubelet-insecure-tls: metrics-server accepts any process that answers in a kubelet's place, and sends it its token"
            ),
            INSTALL,
        );
    }
    let ca = match &seen.kubelet_ca {
        Ok(ca) => ca,
        Err(why) => return unknown("CANotSeen", why.as_str()),
    };
    pods_verify(seen, deployment).unwrap_or_else(|| {
        holds(
            "Verifies",
            format!("deployment/{name} verifies kubelets against {ca}"),
        )
    })
}

/// Why the Pods do not verify kubelets as their Deployment says, or why that is not known.
fn pods_verify(seen: &ChannelEvidence, deployment: &Deployment) -> Option<Verdict> {
    let name = &deployment.name;
    let pods = match &seen.pods {
        Ok(pods) => pods,
        Err(why) => return Some(unknown("PodsNotSeen", why.as_str())),
    };
    if let Some(pod) = pods.iter().find(|pod| pod.program.takes_any_kubelet()) {
        let message = format!(
            "pod/{} still runs with --kubelet-insecure-tls, which deployment/{name} no longer has",
            pod.name
        );
        return Some(fails(
            "InsecureFlag",
            message,
            "kubectl describe pods --all-namespaces --selector k8s-app=metrics-server",
        ));
    }
    if let Some(why) = &deployment.unfinished {
        let message = format!("deployment/{name} is not rolled out: {why}");
        return Some(unknown("RolloutUnfinished", message));
    }
    if pods.is_empty() {
        return Some(unknown("NoPods", format!("deployment/{name} has no Pod")));
    }
    let differs = |pod: &&Pod| !pod.program.verifies_as(&deployment.program);
    let pod = pods.iter().find(differs)?;
    Some(unknown(
        "PodsDiffer",
        format!(
            "pod/{} verifies kubelets with other settings than deployment/{name}",
            pod.name
        ),
    ))
}

/// Whether the kubelets' certificates verify.
pub(super) fn trusted(seen: &ChannelEvidence) -> Verdict {
    let kubelets = match (&seen.kubelets, &seen.kubelet_ca) {
        (Ok(kubelets), Ok(_)) if !kubelets.is_empty() => kubelets,
        (Ok(_), Ok(_)) => {
            return unknown(
                "NoNodes",
                "no Node has an address that metrics-server dials",
            );
        }
        (Err(why), _) | (_, Err(why)) => return unknown("NotSeen", why.as_str()),
    };
    let ca = seen.kubelet_ca.as_deref().unwrap_or_default();
    let mut bad = Vec::new();
    let mut unreached = Vec::new();
    for (dialled, served) in kubelets {
        let at = format!("{} ({})", dialled.node, dialled.address);
        match served {
            Ok(Served {
                verified: Ok(()), ..
            }) => {}
            Ok(Served {
                certificate,
                verified: Err(why),
            }) => {
                let (reason, cause) = match why {
                    Unverified::UnknownAuthority if certificate.is_kubelets_own() => (
                        "SelfSigned",
                        "serves the kubelet's own certificate".to_owned(),
                    ),
                    _ => cause(why, certificate, &dialled.name, ca),
                };
                bad.push((reason, dialled, format!("{at} {cause}")));
            }
            Err(NotServed::NoCertificate) => {
                bad.push((
                    "NoCertificate",
                    dialled,
                    format!("{at}: {}", NotServed::NoCertificate),
                ));
            }
            Err(why) => unreached.push(format!("{at}: {why}")),
        }
    }
    if let Some(verdict) = distrusted(&bad) {
        return verdict;
    }
    if !unreached.is_empty() {
        return unknown("Unreachable", some(&unreached, NAMED, SEMICOLONS));
    }
    holds(
        "Verified",
        format!("all {} kubelets verify", kubelets.len()),
    )
}

/// What is wrong with the kubelets that do not verify, and what to do about the first of them.
fn distrusted(bad: &[(&'static str, &Dialled, String)]) -> Option<Verdict> {
    let (reason, dialled, _) = bad.first()?;
    let hint = match *reason {
        "NoCertificate" => Command::new("kubelet-tls")
            .args(["approve", "--node"])
            .arg(&dialled.node),
        "UnknownAuthority" => INSTALL.into(),
        _ => Command::new("ssh")
            .arg(format!("root@{}", dialled.node))
            .args(["kubelet-tls", "apply"]),
    };
    let words: Vec<String> = bad.iter().map(|(_, _, words)| words.clone()).collect();
    let aside = match *reason {
        "UnknownAuthority" => "; where another CA signs kubelets, --kubelet-ca names it",
        _ => "",
    };
    Some(fails(
        reason,
        format!("{}{aside}", some(&words, NAMED, SEMICOLONS)),
        hint,
    ))
}
