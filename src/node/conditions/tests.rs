//! The conditions over constructed evidence.

use super::*;
use crate::kubelet::Flags;
use crate::node::Unverified;
use crate::node::{ConfigFile, Unit};

const ON: &str = "kind: KubeletConfiguration\nserverTLSBootstrap: true\n";
const PEM: &[u8] = include_bytes!("../../../testdata/captured/1.36/kubelet-server-current.crt.pem");

/// The captured node of 1.36, all well.
pub(super) fn well() -> NodeEvidence {
    let now: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let certificate = Certificate::from_pem(PEM).unwrap();
    let started = SystemTime::from(now);
    let address: SocketAddr = "10.77.0.21:10250".parse().unwrap();
    NodeEvidence {
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
            is_kubeadm: true,
        },
        refusal: None,
        complaints: Vec::new(),
        issuing: false,
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
        patches: None,
        served: vec![(
            address,
            Ok(Served {
                certificate,
                verified: Ok(()),
            }),
        )],
        api_server: None,
        now: (started, now),
    }
}

fn said(seen: &NodeEvidence, kind: ConditionType) -> String {
    let condition = conditions(seen)
        .into_iter()
        .find(|condition| condition.kind == kind)
        .unwrap();
    assert_eq!(
        condition.hint.is_some(),
        condition.status == ConditionStatus::False,
        "{condition:?}"
    );
    format!("{}({})", condition.status, condition.reason)
}

#[test]
fn no_false_alarm_on_a_node_that_is_well() {
    for condition in conditions(&well()) {
        assert_eq!(condition.status, ConditionStatus::True, "{condition:?}");
    }
}

/// What a person reads of a condition, and what to type.
fn sentence(seen: &NodeEvidence, kind: ConditionType) -> (String, String) {
    let mut all = conditions(seen).into_iter();
    let condition = all.find(|condition| condition.kind == kind).unwrap();
    let hint = condition.hint.map(|hint| hint.to_string());
    (condition.message, hint.unwrap_or_default())
}

/// The sentences about states that users met and were not told how to leave.
#[test]
fn a_condition_says_in_words_what_is_wrong_and_what_to_do() {
    use ConditionType::{ClusterConfigAgrees, ServingCertificateIssued};
    let off = Settings::read(b"kind: KubeletConfiguration\n").unwrap();
    let cluster = Ok(("kubelet-config".into(), off));
    let neither = NodeEvidence {
        cluster: cluster.clone(),
        kubelet: Kubelet {
            settings: Settings::read(b"kind: KubeletConfiguration\n").unwrap(),
            ..well().kubelet
        },
        ..well()
    };
    let lacks = NodeEvidence {
        cluster: cluster.clone(),
        ..well()
    };
    let patched = NodeEvidence {
        cluster,
        patches: Some("/etc/kubernetes/patches".into()),
        ..well()
    };
    let mut bare = NodeEvidence {
        stored: Stored::Missing("/p".into()),
        ..well()
    };
    bare.node.as_mut().unwrap().addresses.clear();
    for (seen, kind, message, hint) in [
        (
            well(),
            ClusterConfigAgrees,
            "configmap/kube-system/kubelet-config sets it to true too",
            "",
        ),
        (
            neither,
            ClusterConfigAgrees,
            "configmap/kube-system/kubelet-config does not enable it either",
            "",
        ),
        (
            lacks,
            ClusterConfigAgrees,
            "configmap/kube-system/kubelet-config does not enable it: the next kubeadm upgrade will revert this node, and new \
             nodes will not have it",
            "kubelet-tls cluster apply",
        ),
        (
            patched,
            ClusterConfigAgrees,
            "configmap/kube-system/kubelet-config does not enable it, but a kubeadm patch does: the next kubeadm upgrade of \
             this node needs --patches /etc/kubernetes/patches",
            "",
        ),
        (
            bare,
            ServingCertificateIssued,
            "/p does not exist; the Node has no IP address, so the kubelet requests no certificate",
            "kubectl describe node node36",
        ),
    ] {
        assert_eq!(sentence(&seen, kind), (message.to_owned(), hint.to_owned()));
    }
}

#[test]
fn each_state_of_the_stored_certificate_has_its_condition() {
    let with = |stored: Stored| {
        said(
            &NodeEvidence { stored, ..well() },
            ConditionType::ServingCertificateIssued,
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
        said(&expired, ConditionType::ServingCertificateIssued),
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
        said(&moved, ConditionType::ServingCertificateIssued),
        "False(NoRequest)"
    );
    let other = NodeEvidence {
        name: Ok("node37".into()),
        ..well()
    };
    assert_eq!(
        said(&other, ConditionType::ServingCertificateIssued),
        "False(NoRequest)"
    );
    let unseen = NodeEvidence {
        node: Err(Explanation::new("403")),
        ..well()
    };
    assert_eq!(
        said(&unseen, ConditionType::ServingCertificateIssued),
        "Unknown(NodeUnknown)"
    );
}

#[test]
fn each_state_of_the_served_certificate_has_its_condition() {
    let address: SocketAddr = "10.77.0.21:10250".parse().unwrap();
    let one = |served: Result<Served, NotServed>| {
        said(
            &NodeEvidence {
                served: vec![(address, served)],
                ..well()
            },
            ConditionType::ServingCertificateTrusted,
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
        said(&behind_nat, ConditionType::ServingCertificateTrusted),
        "True(Verified)"
    );
    let none = NodeEvidence {
        served: Vec::new(),
        ..well()
    };
    assert_eq!(
        said(&none, ConditionType::ServingCertificateTrusted),
        "Unknown(AddressesUnknown)"
    );
}

#[test]
fn a_static_certificate_depends_on_the_version() {
    let with = |version: &str| {
        let mut seen = well();
        seen.kubelet.settings.tls_cert_file = Some("/x.crt".into());
        seen.node.as_mut().unwrap().kubelet_version = version.into();
        said(&seen, ConditionType::ValueTakesEffect)
    };
    assert_eq!(with("v1.34.9"), "False(StaticCertificate)");
    assert_eq!(with("v1.35.0"), "True(BootstrapWins)");
    assert_eq!(with(""), "Unknown(VersionUnknown)");
}

#[test]
fn a_patch_keeps_what_the_configmap_does_not_say() {
    let mut seen = well();
    let off = ON.replace("true", "false");
    seen.cluster = Ok((
        "kubelet-config".into(),
        Settings::read(off.as_bytes()).unwrap(),
    ));
    assert_eq!(
        said(&seen, ConditionType::ClusterConfigAgrees),
        "False(UpgradeWouldUndo)"
    );
    seen.patches = Some("/etc/kubernetes/patches".into());
    assert_eq!(
        said(&seen, ConditionType::ClusterConfigAgrees),
        "True(UpgradeNeedsPatches)"
    );
    seen.kubelet.settings.server_tls_bootstrap = Some(false);
    seen.cluster = Ok((
        "kubelet-config".into(),
        Settings::read(ON.as_bytes()).unwrap(),
    ));
    assert_eq!(
        said(&seen, ConditionType::ClusterConfigAgrees),
        "False(NodeLacksIt)"
    );
}

#[test]
fn a_unit_that_changed_on_disk_is_reported() {
    let mut seen = well();
    seen.kubelet.unit.as_mut().unwrap().need_daemon_reload = true;
    assert_eq!(
        said(&seen, ConditionType::KubeletUpToDate),
        "False(UnitChanged)"
    );
}

#[test]
fn a_node_without_kubeadm_has_no_condition_of_kubeadms() {
    let mut seen = well();
    seen.kubelet.is_kubeadm = false;
    seen.cluster = Err(Explanation::new("forbidden"));
    let conditions = conditions(&seen);
    assert_eq!(conditions.len(), 8);
    assert!(
        conditions.iter().all(
            |condition| condition.kind != ConditionType::ClusterConfigAgrees
                && condition.status == ConditionStatus::True
        ),
        "{conditions:?}"
    );
}

/// A node whose change is in place and whose only request is `newest`.
fn without_certificate(newest: Option<crate::csr::Request>) -> NodeEvidence {
    let mut seen = well();
    seen.stored = Stored::Missing("/pki/current.pem".into());
    seen.requests = Ok(Listing {
        newest,
        ..Listing::default()
    });
    seen
}

#[test]
fn a_denied_request_is_shown_with_its_reason_and_message() {
    for (state, reason) in [
        (crate::csr::State::Denied, "Denied"),
        (crate::csr::State::Failed, "SignerRefused"),
    ] {
        let mut request = crate::csr::Request::new("csr-x", "node36");
        request.state = state;
        request.message = Some("AdminDecided: not our node".into());
        let (status, word, message, hint) = issued(&without_certificate(Some(request)));
        assert_eq!((status, word), (ConditionStatus::False, reason));
        assert!(
            message.contains("(AdminDecided: not our node)"),
            "{message}"
        );
        assert_eq!(hint, Some("kubectl get csr csr-x -o yaml".into()));
    }
}

#[test]
fn a_node_without_an_address_is_not_told_to_apply_again() {
    let mut seen = without_certificate(None);
    assert_eq!(issued(&seen).1, "NoRequest");
    seen.node.as_mut().unwrap().addresses = vec![("Hostname".into(), "node36".into())];
    seen.served.clear();
    let (status, word, _, hint) = issued(&seen);
    assert_eq!((status, word), (ConditionStatus::False, "NoAddress"));
    assert_eq!(hint, Some("kubectl describe node node36".into()));
    let hints = conditions(&seen).into_iter().filter_map(|one| one.hint);
    assert!(hints.into_iter().all(|hint| hint.to_string() != APPLY));
}

#[test]
fn only_a_control_plane_node_has_the_condition_of_its_api_server() {
    let has = |seen: &NodeEvidence| {
        let conditions = conditions(seen);
        let last = conditions.last().map(|condition| condition.kind);
        last == Some(ConditionType::ApiServerVerifiesKubelets)
    };
    assert!(!has(&well()));
    let control_plane = NodeEvidence {
        api_server: Some(LocalApiServer {
            manifest: Err(Explanation::new("cannot be read")),
            processes: Vec::new(),
        }),
        ..well()
    };
    assert!(has(&control_plane));
}
