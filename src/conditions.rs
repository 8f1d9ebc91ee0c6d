//! The node's conditions: what is true of its serving certificate, each with its evidence and what to do about it.
//!
//! What could not be seen is Unknown with the reason, never True.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::Serialize;

use crate::certificate::Certificate;
use crate::csr::{Listing, State, requestor_of};
use crate::kubelet::Settings;
use crate::observed::{Kubelet, Node, NotServed, Served, Unverified};

/// All that the conditions are drawn from. An `Err` says why something was not seen.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// The kubelet and its files.
    pub kubelet: Kubelet,
    /// What else the kubelet would not start with, or take no notice of.
    pub complaints: Vec<String>,
    /// Whether it runs and answers, or in what way not.
    pub health: Result<(), String>,
    /// The certificate that it keeps.
    pub stored: Stored,
    /// The node's name.
    pub name: Result<String, String>,
    /// Its Node object.
    pub node: Result<Node, String>,
    /// Its requests.
    pub requests: Result<Listing, String>,
    /// The kubelet's configuration in the cluster: the ConfigMap's name and what it says.
    pub cluster: Result<(String, Settings), String>,
    /// What is served, at each of the Node's addresses.
    pub served: Vec<(SocketAddr, Result<Served, NotServed>)>,
    /// Now.
    pub now: (SystemTime, Timestamp),
}

/// `kubelet-server-current.pem`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// There is none.
    Missing(PathBuf),
    /// It is not the symlink that the kubelet's store keeps, and every later renewal fails on it.
    NotSymlink(PathBuf),
    /// It cannot be read, or its key is not its certificate's.
    Broken(PathBuf, String),
    /// A certificate with its key.
    Pair(PathBuf, Certificate),
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it holds.
    pub status: Status,
    /// Why, in one CamelCase word.
    pub reason: &'static str,
    /// The evidence, for people.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The conditions of a node, in the order in which each rests on those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
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
    /// The next `kubeadm upgrade` or `join` leaves the value as it is.
    ClusterConfigAgrees,
    /// No request is pending whose key is lost.
    NoStaleRequests,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It could not be seen.
    Unknown,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What one condition comes to, before it has its name.
type Verdict = (Status, &'static str, String, Option<String>);

/// The first minor of which a bootstrapped certificate is served in preference to a static one: seen on 1.36 and not on
/// 1.19; read to be 1.35 or near it.
pub const BOOTSTRAP_WINS: u32 = 35;

/// The command that enables, or completes what is half done.
const APPLY: &str = "kubelet-tls apply";

/// Draws the conditions.
pub fn conditions(seen: &Evidence) -> Vec<Condition> {
    [
        (Kind::ServerTLSBootstrapEnabled, enabled(seen)),
        (Kind::ValueTakesEffect, takes_effect(seen)),
        (Kind::KubeletUpToDate, up_to_date(seen)),
        (Kind::KubeletHealthy, healthy(seen)),
        (Kind::ServingCertificateIssued, issued(seen)),
        (Kind::ServingCertificateTrusted, trusted(seen)),
        (Kind::ClusterConfigAgrees, cluster_agrees(seen)),
        (Kind::NoStaleRequests, no_stale_requests(seen)),
    ]
    .into_iter()
    .map(|(kind, (status, reason, message, hint))| Condition {
        kind,
        status,
        reason,
        message,
        hint,
    })
    .collect()
}

fn holds(reason: &'static str, message: impl Into<String>) -> Verdict {
    (Status::True, reason, message.into(), None)
}

fn fails(reason: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Verdict {
    (Status::False, reason, message.into(), Some(hint.into()))
}

fn unknown(reason: &'static str, message: impl Into<String>) -> Verdict {
    (Status::Unknown, reason, message.into(), None)
}

fn enabled(seen: &Evidence) -> Verdict {
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
    let place = kubelet.origin("serverTLSBootstrap");
    let complaints = seen
        .complaints
        .iter()
        .map(|complaint| format!("; {complaint}"))
        .collect::<String>();
    match (kubelet.settings.server_tls_bootstrap, place) {
        (Some(true), Some(place)) => holds("Set", format!("{place}{complaints}")),
        (Some(false), Some(place)) => fails("SetToFalse", format!("{place}{complaints}"), APPLY),
        _ => {
            let file = kubelet
                .files
                .first()
                .map(|file| file.path.display().to_string())
                .unwrap_or_default();
            fails(
                "NotSet",
                format!("{file} does not set it{complaints}"),
                APPLY,
            )
        }
    }
}

fn takes_effect(seen: &Evidence) -> Verdict {
    let kubelet = &seen.kubelet;
    let file = kubelet.settings.server_tls_bootstrap.unwrap_or(false);
    if let Some(flag) = kubelet.flags.boolean("rotate-server-certificates")
        && flag != file
    {
        let message = format!(
            "{} beats {file} in the files",
            kubelet.flag("rotate-server-certificates")
        );
        return fails(
            "FlagDecides",
            message,
            "systemctl cat kubelet; take the flag out of the file that sets it",
        );
    }
    if let Some(gate) = kubelet.gate_off() {
        let message = format!(
            "the feature gate {gate} keeps a kubelet with serverTLSBootstrap from starting"
        );
        return fails(
            "FeatureGateOff",
            message,
            "take the gate out of the kubelet's flags and files",
        );
    }
    if let Some((name, path)) = kubelet.static_certificate() {
        return match seen
            .node
            .as_ref()
            .ok()
            .and_then(|node| minor(&node.kubelet_version))
        {
            Some(minor) if minor >= BOOTSTRAP_WINS => holds(
                "BootstrapWins",
                format!("{name} is {path}, which kubelet 1.{minor} does not serve"),
            ),
            Some(minor) => fails(
                "StaticCertificate",
                format!(
                    "{name} is {path}, which kubelet 1.{minor} goes on serving to clients that dial an address"
                ),
                format!("take {name} out, then {APPLY}"),
            ),
            None => unknown(
                "VersionUnknown",
                format!(
                    "{name} is {path}, and whether that is served depends on the kubelet's version"
                ),
            ),
        };
    }
    if kubelet.started.is_none() {
        return unknown(
            "KubeletNotRunning",
            "the flags of a kubelet that does not run are not known",
        );
    }
    holds(
        "NothingAgainstIt",
        "no flag, feature gate or static certificate stands against it",
    )
}

/// The minor of `v1.36.2`.
pub fn minor(version: &str) -> Option<u32> {
    version
        .strip_prefix("v1.")?
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

fn up_to_date(seen: &Evidence) -> Verdict {
    let Some(started) = seen
        .kubelet
        .started
        .and_then(|started| Timestamp::try_from(started).ok())
    else {
        return unknown("KubeletNotRunning", "the kubelet does not run");
    };
    if seen.kubelet.is_older_than_config(seen.now.0) {
        let message = format!(
            "the kubelet started at {started:.0}, before its configuration was last written"
        );
        return fails("StartedBeforeConfig", message, APPLY);
    }
    if seen.kubelet.flags_change {
        let message = "its next start brings other flags than it runs with";
        return fails("FlagsChanged", message, APPLY);
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

fn healthy(seen: &Evidence) -> Verdict {
    match &seen.health {
        Ok(()) => holds("Answers", "it runs and answers /healthz"),
        Err(reason) => fails(
            "Unhealthy",
            reason.as_str(),
            "journalctl -u kubelet --no-pager -n 50",
        ),
    }
}

fn issued(seen: &Evidence) -> Verdict {
    let (path, certificate) = match &seen.stored {
        Stored::Missing(path) => {
            return not_issued(seen, format!("there is no {}", path.display()));
        }
        Stored::NotSymlink(path) => {
            let message = format!(
                "{} is not a symlink, so the kubelet cannot renew it",
                path.display()
            );
            return fails(
                "NotSymlink",
                message,
                format!("rm {} && systemctl restart kubelet", path.display()),
            );
        }
        Stored::Broken(path, why) => {
            let message = format!("{}: {why}", path.display());
            return fails(
                "Unusable",
                message,
                format!("rm {} && systemctl restart kubelet", path.display()),
            );
        }
        Stored::Pair(path, certificate) => (path.display(), certificate),
    };
    let (Ok(name), Ok(node)) = (&seen.name, &seen.node) else {
        let why = seen
            .node
            .as_ref()
            .err()
            .or(seen.name.as_ref().err())
            .map_or("", String::as_str);
        return unknown(
            "NodeUnknown",
            format!("{path} is there; whether it covers the Node's addresses is not known: {why}"),
        );
    };
    let until = format!("{path}, valid until {}", certificate.not_after);
    if !certificate.is_valid_at(seen.now.1) {
        return not_issued(seen, format!("{until}, is not valid now"));
    }
    if certificate.common_name.as_deref() != Some(requestor_of(name).as_str()) {
        let of = certificate.common_name.as_deref().unwrap_or("nobody");
        return not_issued(seen, format!("{path} is {of}'s, not this node's"));
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

/// There is no good certificate; what has become of the request for one?
fn not_issued(seen: &Evidence, what: String) -> Verdict {
    if enabled(seen).0 != Status::True {
        return fails("NotEnabled", what, APPLY);
    }
    let Ok(listing) = &seen.requests else {
        return fails("NoCertificate", what, "kubelet-tls csr");
    };
    match &listing.newest {
        Some(request) if request.state == State::Pending => fails(
            "Pending",
            format!("{what}; {} is Pending", request.name),
            format!("kubectl certificate approve {}", request.name),
        ),
        Some(request) if request.state == State::Approved => fails(
            "NotSigned",
            format!("{what}; {} is approved and not signed", request.name),
            "kubectl -n kube-system get pods -l component=kube-controller-manager",
        ),
        Some(request) if request.state == State::Failed => fails(
            "SignerRefused",
            format!("{what}; the signer refused {}", request.name),
            format!("kubectl get csr {} -o yaml", request.name),
        ),
        Some(request) => fails(
            "NoRequest",
            format!(
                "{what}; the newest request, {}, is {}",
                request.name, request.state
            ),
            "journalctl -u kubelet | grep -i csr",
        ),
        None => fails(
            "NoRequest",
            format!("{what}; the kubelet has made no request"),
            APPLY,
        ),
    }
}

fn trusted(seen: &Evidence) -> Verdict {
    if seen.served.is_empty() {
        let why = seen
            .node
            .as_ref()
            .err()
            .map_or("the Node has no IP address", String::as_str);
        return unknown("AddressesUnknown", why);
    }
    // The first address that serves something bad is the one to tell of.
    for (address, served) in &seen.served {
        match served {
            Err(NotServed::NoCertificate) => {
                let hint = seen
                    .requests
                    .as_ref()
                    .ok()
                    .and_then(|listing| listing.newest.as_ref());
                let hint = hint.filter(|request| request.state == State::Pending);
                let hint = hint.map_or("kubelet-tls csr".to_owned(), |request| {
                    format!("kubectl certificate approve {}", request.name)
                });
                return fails(
                    "NoCertificate",
                    format!("{address}: {}", NotServed::NoCertificate),
                    hint,
                );
            }
            // An ExternalIP may be out of this node's own reach, behind a NAT.
            Err(_) => {}
            Ok(Served {
                certificate,
                verified: Err(why),
            }) => {
                let by = &certificate.issuer;
                return match why {
                    Unverified::UnknownAuthority if certificate.is_kubelets_own() => fails(
                        "SelfSigned",
                        format!("{address} serves the kubelet's own certificate, of {by}"),
                        APPLY,
                    ),
                    Unverified::UnknownAuthority => fails(
                        "UnknownAuthority",
                        format!(
                            "{address} serves a certificate of {by}, which is not the cluster's CA"
                        ),
                        "grep -i tlsCertFile in the kubelet's configuration; kubelet-tls diff",
                    ),
                    Unverified::Expired => fails(
                        "Expired",
                        format!(
                            "{address} serves a certificate that is not valid now: until {}",
                            certificate.not_after
                        ),
                        "kubelet-tls csr; kubectl certificate approve what it prints",
                    ),
                    Unverified::WrongName => fails(
                        "NameMissing",
                        format!(
                            "{address} serves a certificate that is not for it: {}",
                            certificate.names.describe()
                        ),
                        "kubelet-tls csr; kubectl certificate approve what it prints",
                    ),
                    Unverified::Other(why) => fails(
                        "Unverified",
                        format!("{address}: {why}"),
                        "journalctl -u kubelet",
                    ),
                };
            }
            Ok(_) => {}
        }
    }
    let verified = |(_, served): &&(SocketAddr, Result<Served, NotServed>)| served.is_ok();
    let (good, out_of_reach): (Vec<_>, Vec<_>) = seen.served.iter().partition(verified);
    let names = |all: &[&(SocketAddr, Result<Served, NotServed>)]| {
        all.iter()
            .map(|(address, _)| address.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
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

fn cluster_agrees(seen: &Evidence) -> Verdict {
    let (name, settings) = match &seen.cluster {
        Ok(cluster) => cluster,
        Err(why) => return unknown("NotReadable", why.as_str()),
    };
    let here = seen.kubelet.settings.server_tls_bootstrap.unwrap_or(false);
    let there = settings.server_tls_bootstrap.unwrap_or(false);
    if here == there {
        return holds(
            "Agrees",
            format!("configmap/kube-system/{name} says {there} too"),
        );
    }
    let edit = format!("kubectl -n kube-system edit configmap {name}");
    if here {
        let message = format!(
            "configmap/kube-system/{name} does not say true: the next kubeadm upgrade undoes this, and nodes that join do without"
        );
        fails("UpgradeWouldUndo", message, edit)
    } else {
        let message = format!(
            "configmap/kube-system/{name} says true and this node does not: an upgrade may have been undone here, or not reached it"
        );
        fails("NodeLacksIt", message, APPLY)
    }
}

fn no_stale_requests(seen: &Evidence) -> Verdict {
    let listing = match &seen.requests {
        Ok(listing) => listing,
        Err(why) => return unknown("NotReadable", why.as_str()),
    };
    let stale = listing.stale();
    if stale.is_empty() {
        return holds("None", "no request is pending whose key is lost");
    }
    fails(
        "Stale",
        format!(
            "their keys are lost, so approve none of them: {}",
            stale.join(", ")
        ),
        format!("kubectl delete csr {}", stale.join(" ")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubelet::Flags;
    use crate::observed::{ConfigFile, Unit};

    const ON: &str = "kind: KubeletConfiguration\nserverTLSBootstrap: true\n";
    const PEM: &[u8] = include_bytes!("../testdata/captured/1.36/kubelet-server-current.crt.pem");

    /// The captured node of 1.36, all well.
    fn well() -> Evidence {
        let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
        let certificate = Certificate::from_pem(PEM).unwrap();
        let started = SystemTime::from(now);
        let address: SocketAddr = "10.77.0.21:10250".parse().unwrap();
        Evidence {
            kubelet: Kubelet {
                unit: Some(Unit::default()),
                flags: Flags::default(),
                flags_change: false,
                sources: std::collections::BTreeMap::new(),
                program: None,
                started: Some(started),
                files: vec![ConfigFile {
                    path: "/c.yaml".into(),
                    bytes: ON.into(),
                    modified: Some(started),
                }],
                settings: Settings::read(ON.as_bytes()).unwrap(),
            },
            complaints: Vec::new(),
            health: Ok(()),
            stored: Stored::Pair("/pki/current.pem".into(), certificate.clone()),
            name: Ok("node36".into()),
            node: Ok(Node {
                addresses: vec![
                    ("InternalIP".into(), "10.77.0.21".into()),
                    ("Hostname".into(), "node36".into()),
                ],
                taints: Vec::new(),
                kubelet_version: "v1.36.2".into(),
            }),
            requests: Ok(Listing::default()),
            cluster: Ok((
                "kubelet-config".into(),
                Settings::read(ON.as_bytes()).unwrap(),
            )),
            served: vec![(
                address,
                Ok(Served {
                    certificate,
                    verified: Ok(()),
                }),
            )],
            now: (started, now),
        }
    }

    fn said(seen: &Evidence, kind: Kind) -> String {
        let condition = conditions(seen)
            .into_iter()
            .find(|condition| condition.kind == kind)
            .unwrap();
        assert_eq!(
            condition.hint.is_some(),
            condition.status == Status::False,
            "{condition:?}"
        );
        format!("{}({})", condition.status, condition.reason)
    }

    #[test]
    fn no_false_alarm_on_a_node_that_is_well() {
        for condition in conditions(&well()) {
            assert_eq!(condition.status, Status::True, "{condition:?}");
        }
    }

    #[test]
    fn what_is_stored() {
        let with = |stored: Stored| {
            said(
                &Evidence { stored, ..well() },
                Kind::ServingCertificateIssued,
            )
        };
        assert_eq!(with(Stored::NotSymlink("/p".into())), "False(NotSymlink)");
        assert_eq!(
            with(Stored::Broken("/p".into(), "x".into())),
            "False(Unusable)"
        );
        assert_eq!(with(Stored::Missing("/p".into())), "False(NoRequest)");
        let mut expired = well();
        expired.now.1 = "2029-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(
            said(&expired, Kind::ServingCertificateIssued),
            "False(NoRequest)"
        );
        let mut moved = well();
        moved
            .node
            .as_mut()
            .unwrap()
            .addresses
            .push(("InternalIP".into(), "10.77.0.99".into()));
        assert_eq!(
            said(&moved, Kind::ServingCertificateIssued),
            "False(NoRequest)"
        );
        let other = Evidence {
            name: Ok("node37".into()),
            ..well()
        };
        assert_eq!(
            said(&other, Kind::ServingCertificateIssued),
            "False(NoRequest)"
        );
        let unseen = Evidence {
            node: Err("403".into()),
            ..well()
        };
        assert_eq!(
            said(&unseen, Kind::ServingCertificateIssued),
            "Unknown(NodeUnknown)"
        );
    }

    #[test]
    fn what_is_served() {
        let address: SocketAddr = "10.77.0.21:10250".parse().unwrap();
        let one = |served: Result<Served, NotServed>| {
            said(
                &Evidence {
                    served: vec![(address, served)],
                    ..well()
                },
                Kind::ServingCertificateTrusted,
            )
        };
        let bad = |why: Unverified| {
            one(Ok(Served {
                certificate: Certificate::from_pem(PEM).unwrap(),
                verified: Err(why),
            }))
        };
        assert_eq!(bad(Unverified::UnknownAuthority), "False(UnknownAuthority)");
        assert_eq!(bad(Unverified::Expired), "False(Expired)");
        assert_eq!(bad(Unverified::WrongName), "False(NameMissing)");
        assert_eq!(bad(Unverified::Other("x".into())), "False(Unverified)");
        assert_eq!(one(Err(NotServed::NoCertificate)), "False(NoCertificate)");
        assert_eq!(one(Err(NotServed::Refused)), "False(Unreachable)");
        let mut certificate = Certificate::from_pem(PEM).unwrap();
        certificate.issuer = "CN=node36-ca@1795448545".into();
        let own = Ok(Served {
            certificate,
            verified: Err(Unverified::UnknownAuthority),
        });
        assert_eq!(one(own), "False(SelfSigned)");
        let mut behind_nat = well();
        behind_nat
            .served
            .push(("203.0.113.9:10250".parse().unwrap(), Err(NotServed::Silent)));
        assert_eq!(
            said(&behind_nat, Kind::ServingCertificateTrusted),
            "True(Verified)"
        );
        let none = Evidence {
            served: Vec::new(),
            ..well()
        };
        assert_eq!(
            said(&none, Kind::ServingCertificateTrusted),
            "Unknown(AddressesUnknown)"
        );
    }

    #[test]
    fn a_static_certificate_depends_on_the_version() {
        let with = |version: &str| {
            let mut seen = well();
            seen.kubelet.settings.tls_cert_file = Some("/x.crt".into());
            seen.node.as_mut().unwrap().kubelet_version = version.into();
            said(&seen, Kind::ValueTakesEffect)
        };
        assert_eq!(with("v1.34.9"), "False(StaticCertificate)");
        assert_eq!(with("v1.35.0"), "True(BootstrapWins)");
        assert_eq!(with(""), "Unknown(VersionUnknown)");
    }

    #[test]
    fn a_unit_that_changed_on_disk() {
        let mut seen = well();
        seen.kubelet.unit.as_mut().unwrap().need_daemon_reload = true;
        assert_eq!(said(&seen, Kind::KubeletUpToDate), "False(UnitChanged)");
    }
}
