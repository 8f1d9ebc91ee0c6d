//! What the kubelet is configured to do, and whether it does that.

use jiff::Timestamp;

use crate::node::version::serves_static;
use crate::node::{Obstacle, UnreadConfig};

use super::{APPLY_CLUSTER, DIFF, NodeEvidence, Verdict, fails, holds, unknown};

/// What cannot be compared while the kubelet's files are not a configuration.
pub(super) const UNREADABLE: &str = "the kubelet's configuration cannot be read";

pub(super) fn enabled(seen: &NodeEvidence) -> Verdict {
    let kubelet = &seen.kubelet;
    if let Some(value) = kubelet.flags.boolean("rotate-server-certificates") {
        let message = format!(
            "the kubelet runs with {}",
            kubelet.flag("rotate-server-certificates")
        );
        return if value {
            holds("SetByFlag", message)
        } else {
            fails("UnsetByFlag", message, "systemctl cat kubelet")
        };
    }
    if let Some(refusal) = &seen.refusal {
        return fails("NotReadable", refusal.message.as_str(), refusal.fix());
    }
    let place = kubelet.origin("serverTLSBootstrap");
    let complaints = seen
        .complaints
        .iter()
        .map(|complaint| format!("; {complaint}"))
        .collect::<String>();
    match (kubelet.settings.server_tls_bootstrap, place) {
        (Some(true), Some(place)) => holds("Set", format!("{place}{complaints}")),
        (Some(false), Some(place)) => {
            fails("SetToFalse", format!("{place}{complaints}"), seen.apply())
        }
        _ => {
            let file = kubelet
                .files
                .first()
                .map(|file| file.path.display().to_string())
                .unwrap_or_default();
            fails(
                "NotSet",
                format!("{file} does not set it{complaints}"),
                seen.apply(),
            )
        }
    }
}

pub(super) fn takes_effect(seen: &NodeEvidence) -> Verdict {
    let kubelet = &seen.kubelet;
    if seen.refusal.is_some() {
        return unknown("NotReadable", UNREADABLE);
    }
    // A flag needs no key beside it, only none that says otherwise.
    let obstacles = kubelet.obstacles(kubelet.settings.server_tls_bootstrap);
    if let Some(obstacle) = obstacles.first() {
        return overridden(seen, obstacle);
    }
    if kubelet.started.is_none() {
        return unknown(
            "KubeletNotRunning",
            "the kubelet is not running, so its flags are not known",
        );
    }
    holds(
        "NoOverride",
        "no flag, feature gate or static certificate overrides it",
    )
}

/// What an obstacle makes of the value.
fn overridden(seen: &NodeEvidence, obstacle: &Obstacle) -> Verdict {
    let (name, path) = match obstacle {
        Obstacle::Flag(flag) => {
            let file = seen.kubelet.settings.server_tls_bootstrap.unwrap_or(false);
            let message = format!("{flag} overrides {file}: remove the flag where it is set");
            return fails("FlagDecides", message, "systemctl cat kubelet");
        }
        Obstacle::GateOff { gate, .. } => {
            let message = format!(
                "the feature gate {gate} keeps a kubelet with serverTLSBootstrap from starting: remove it from the kubelet's flags and files"
            );
            // It names the place.
            return fails("FeatureGateOff", message, DIFF);
        }
        Obstacle::StaticCertificate { name, path } => (name, path),
    };
    let version = seen.node.as_ref().map(|node| node.kubelet_version.as_str());
    match serves_static(version.ok()) {
        Some((minor, false)) => holds(
            "BootstrapWins",
            format!("{name} is {path}, which kubelet 1.{minor} does not serve"),
        ),
        Some((minor, true)) => fails(
            "StaticCertificate",
            format!(
                "{name} is {path}, which kubelet 1.{minor} continues to serve to clients that dial an address: remove it"
            ),
            DIFF,
        ),
        None => unknown(
            "VersionUnknown",
            format!(
                "{name} is {path}, and whether that is served depends on the kubelet's version"
            ),
        ),
    }
}

pub(super) fn up_to_date(seen: &NodeEvidence) -> Verdict {
    let Some(started) = seen
        .kubelet
        .started
        .and_then(|started| Timestamp::try_from(started).ok())
    else {
        return unknown("KubeletNotRunning", "the kubelet is not running");
    };
    if seen.kubelet.is_older_than_config(seen.now.0) {
        let message = format!(
            "the kubelet started at {started:.0}, before its configuration was last written"
        );
        let fix = seen.refusal.as_ref().map(UnreadConfig::fix);
        let next = fix.unwrap_or_else(|| seen.apply().into());
        return fails("StartedBeforeConfig", message, next);
    }
    if seen.kubelet.flags_change {
        let message = "its next start will use other flags than it runs with now";
        return fails("FlagsChanged", message, seen.apply());
    }
    if seen
        .kubelet
        .unit
        .as_ref()
        .is_some_and(|unit| unit.need_daemon_reload)
    {
        return fails(
            "UnitChanged",
            "kubelet.service changed on disk since systemd read it",
            "systemctl daemon-reload",
        );
    }
    holds("StartedAfterConfig", format!("started at {started:.0}"))
}

pub(super) fn healthy(seen: &NodeEvidence) -> Verdict {
    match &seen.health {
        Ok(()) => holds("Answers", "it runs and answers /healthz"),
        // The port may be set in what cannot be read.
        Err(_) if seen.refusal.is_some() => unknown("NotReadable", UNREADABLE),
        Err(reason) => fails(
            "Unhealthy",
            reason.as_str(),
            "journalctl -u kubelet --no-pager -n 50",
        ),
    }
}

pub(super) fn cluster_agrees(seen: &NodeEvidence) -> Verdict {
    let (name, settings) = match &seen.cluster {
        Ok(cluster) => cluster,
        Err(why) => return unknown("NotReadable", why.as_str()),
    };
    if seen.refusal.is_some() {
        return unknown("NotReadable", UNREADABLE);
    }
    let here = seen.kubelet.settings.server_tls_bootstrap.unwrap_or(false);
    let there = settings.server_tls_bootstrap.unwrap_or(false);
    if here == there {
        // It may lack the key, which means false.
        let what = match there {
            true => "sets it to true too",
            false => "does not enable it either",
        };
        return holds("Agrees", format!("configmap/kube-system/{name} {what}"));
    }
    if let Some(patches) = seen.patches.as_ref().filter(|_| here) {
        let message = format!(
            "configmap/kube-system/{name} does not enable it, but a kubeadm patch does: the next kubeadm upgrade of this node needs --patches {}",
            patches.display()
        );
        return holds("UpgradeNeedsPatches", message);
    }
    if here {
        let message = format!(
            "configmap/kube-system/{name} does not enable it: the next kubeadm upgrade will revert this node, and new nodes will not have it"
        );
        fails("UpgradeWouldUndo", message, APPLY_CLUSTER)
    } else {
        let message = format!(
            "configmap/kube-system/{name} sets it to true but this node does not: the change was reverted on this node, or no upgrade has reached it"
        );
        fails("NodeLacksIt", message, seen.apply())
    }
}
