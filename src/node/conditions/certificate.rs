//! Conditions of the certificate: what the kubelet stores, what it serves, and the state of its requests.

use std::net::SocketAddr;
use std::path::Path;

use crate::csr::{State, requestor_of};
use crate::node::{Explanation, Flaw, FlawKind, NotServed, Served, flaw};
use crate::text::hint::Command;

use super::configuration::{UNREADABLE, enabled};
use super::{ConditionStatus, DIFF, NodeEvidence, Stored, Verdict, fails, holds, unknown};

pub(super) fn issued(seen: &NodeEvidence) -> Verdict {
    let (path, certificate) = match &seen.stored {
        Stored::Missing(path) => {
            return not_issued(seen, format!("{} does not exist", path.display()));
        }
        Stored::NotSymlink(path) => {
            let message = format!(
                "{} is not a symlink, so the kubelet cannot renew it",
                path.display()
            );
            return fails("NotSymlink", message, remove(path));
        }
        Stored::Broken(path, why) => {
            let message = format!("{}: {why}", path.display());
            return fails("Unusable", message, remove(path));
        }
        Stored::Pair(path, certificate) => (path.display(), certificate),
    };
    let node = seen.node.as_ref();
    let (name, node) = match node.and_then(|node| Ok((seen.name.as_ref()?, node))) {
        Ok(known) => known,
        Err(why) => {
            let message = format!(
                "{path} exists; whether it covers the Node's addresses is not known: {why}"
            );
            return unknown("NodeUnknown", message);
        }
    };
    let until = format!("{path}, valid until {}", certificate.not_after);
    if !certificate.is_valid_at(seen.now.1) {
        return not_issued(seen, format!("{until}, is not valid now"));
    }
    if certificate.common_name.as_deref() != Some(requestor_of(name).as_str()) {
        let of = certificate.common_name.as_deref();
        let of = of.unwrap_or("a subject without a common name");
        return not_issued(seen, format!("{path} is for {of}, not for this node"));
    }
    let missing = node.missing_in(&certificate.names);
    if !missing.is_empty() {
        return not_issued(
            seen,
            format!("{path} does not cover {}", missing.join(", ")),
        );
    }
    holds("Issued", until)
}

/// The kubelet has no good certificate: the state of its request says why.
fn not_issued(seen: &NodeEvidence, what: String) -> Verdict {
    if let Some(refusal) = &seen.refusal {
        return fails("NoCertificate", what, refusal.fix());
    }
    if enabled(seen).0 != ConditionStatus::True {
        return fails("NotEnabled", what, seen.apply());
    }
    let Ok(listing) = &seen.requests else {
        return fails("NoCertificate", what, "kubelet-tls csr");
    };
    let Some(request) = &listing.newest else {
        return no_request(seen, &what);
    };
    let name = &request.name;
    match request.state {
        State::Pending => fails(
            "Pending",
            format!("{what}; {name} is Pending"),
            request.approve(),
        ),
        State::Approved => fails(
            "NotSigned",
            format!("{what}; {name} is approved but not signed"),
            "kubectl -n kube-system get pods -l component=kube-controller-manager",
        ),
        State::Failed => {
            let message = format!("{what}; the signer refused {name}{}", request.said());
            fails("SignerRefused", message, request.show())
        }
        State::Denied => {
            let message = format!("{what}; {name} is Denied{}", request.said());
            fails("Denied", message, request.show())
        }
        state @ State::Issued => fails(
            "NoRequest",
            format!("{what}; the newest request, {name}, is {state}"),
            "journalctl -u kubelet | grep -i csr",
        ),
    }
}

/// The kubelet has no good certificate and has not asked for one.
fn no_request(seen: &NodeEvidence, what: &str) -> Verdict {
    let node = seen.node.as_ref();
    // As before an external cloud provider sets one.
    if node.is_ok_and(|node| node.serving_names().0.is_empty()) {
        let node = seen.name.as_deref().unwrap_or_default();
        let message =
            format!("{what}; the Node has no IP address, so the kubelet requests no certificate");
        let describe = Command::new("kubectl").args(["describe", "node", node]);
        return fails("NoAddress", message, describe);
    }
    let message = format!("{what}; the kubelet has not created a CSR");
    fails("NoRequest", message, seen.apply())
}

pub(super) fn trusted(seen: &NodeEvidence) -> Verdict {
    if seen.served.is_empty() {
        let why = seen
            .node
            .as_ref()
            .err()
            .map_or("the Node has no IP address", Explanation::as_str);
        return unknown("AddressesUnknown", why);
    }
    let name = seen.name.as_ref().ok().map(String::as_str);
    // The first address that serves something bad is the one to tell of.
    let mut flaws = seen
        .served
        .iter()
        .filter_map(|(address, served)| flaw(name, *address, served));
    if let Some(Flaw { kind, message }) = flaws.next() {
        return fails(kind.reason(), message, remedy(seen, kind));
    }
    let verified = |(_, served): &&(SocketAddr, Result<Served, NotServed>)| served.is_ok();
    let (good, out_of_reach): (Vec<_>, Vec<_>) = seen.served.iter().partition(verified);
    let names = |all: &[&(SocketAddr, Result<Served, NotServed>)]| {
        all.iter()
            .map(|(address, _)| address.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    // The port may be set in what cannot be read.
    if good.is_empty() && seen.refusal.is_some() {
        return unknown("NotReadable", UNREADABLE);
    }
    if good.is_empty() {
        let why = out_of_reach
            .iter()
            .filter_map(|(address, served)| Some(format!("{address}: {}", served.as_ref().err()?)));
        return fails(
            "Unreachable",
            why.collect::<Vec<_>>().join("; "),
            "systemctl status kubelet",
        );
    }
    let mut message = format!("{} verifies against the cluster's CA", names(&good));
    if !out_of_reach.is_empty() {
        message.push_str(&format!(
            "; {} cannot be reached from here",
            names(&out_of_reach)
        ));
    }
    holds("Verified", message)
}

/// Removes a certificate that the kubelet cannot use, so that it requests another.
fn remove(path: &Path) -> Command {
    Command::new("rm")
        .arg(path)
        .and("systemctl restart kubelet")
}

/// What to do about a flaw of what is served.
fn remedy(seen: &NodeEvidence, kind: FlawKind) -> Command {
    match kind {
        FlawKind::NoCertificate | FlawKind::Expired | FlawKind::NameMissing => {
            let listing = seen.requests.as_ref().ok();
            let newest = listing.and_then(|listing| listing.newest.as_ref());
            match newest.filter(|request| request.state == State::Pending) {
                Some(request) => request.approve(),
                None => "kubelet-tls csr".into(),
            }
        }
        FlawKind::SelfSigned => seen.apply().into(),
        FlawKind::UnknownAuthority => DIFF.into(),
        FlawKind::OtherNode | FlawKind::Unverified => "journalctl -u kubelet".into(),
    }
}

pub(super) fn no_stale_requests(seen: &NodeEvidence) -> Verdict {
    let listing = match &seen.requests {
        Ok(listing) => listing,
        Err(why) => return unknown("NotReadable", why.as_str()),
    };
    let stale = listing.stale();
    if stale.is_empty() {
        return holds("None", "no stale CSRs are pending");
    }
    fails(
        "Stale",
        format!(
            "the kubelet discarded their keys; do not approve them: {}",
            stale.join(", ")
        ),
        Command::new("kubectl").args(["delete", "csr"]).args(stale),
    )
}
