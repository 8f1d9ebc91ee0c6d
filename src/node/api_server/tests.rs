//! The conditions of `api-server status`, over constructed evidence.

use super::*;
use crate::node::{ProcessId, Security, SurveyedNode};

const YES: &str = include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");
const NO: &str = include_str!("../../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml");
const CA: &str = "/etc/kubernetes/pki/ca.crt";

fn manifest(text: &str) -> Manifest {
    Manifest::read(text.as_bytes()).unwrap()
}

/// A process that the manifest of this text started, with more words at the end.
fn process(text: &str, more: &[&str]) -> ApiServerProcess {
    let more = more.iter().map(|word| (*word).to_owned());
    ApiServerProcess {
        id: ProcessId { pid: 1, start: 1 },
        words: manifest(text).flags.into_iter().chain(more).collect(),
    }
}

fn surveyed(name: &str, status: ConditionStatus) -> SurveyedNode {
    SurveyedNode {
        name: name.to_owned(),
        dialled: None,
        is_ready: true,
        is_excepted: false,
        security: Security {
            status,
            reason: "Why",
            message: String::new(),
            remedy: None,
        },
    }
}

/// A control plane that was switched, of a cluster that is well.
fn well() -> ApiServerEvidence {
    ApiServerEvidence {
        manifest: manifest(YES),
        twins: Vec::new(),
        processes: vec![process(YES, &[])],
        kubeadm_config: Ok(Some(CA.to_owned())),
        nodes: Ok(NodeSurvey {
            nodes: vec![surveyed("a", ConditionStatus::True)],
        }),
        reached: Ok(vec![("a".to_owned(), Ok(()))]),
        approver: Ok(Some(ApproverSign::Unit)),
    }
}

fn drawn(seen: &ApiServerEvidence, kind: ApiServerKind) -> String {
    let condition = conditions(seen)
        .into_iter()
        .find(|condition| condition.kind == kind)
        .unwrap();
    assert_eq!(
        condition.hint.is_some(),
        condition.status == ConditionStatus::False,
        "{condition:?}"
    );
    assert!(!condition.message.contains('\u{1b}'), "{condition:?}");
    format!("{}({})", condition.status, condition.reason)
}

#[test]
fn no_false_alarm_on_a_control_plane_that_is_switched() {
    for condition in conditions(&well()) {
        assert_eq!(condition.status, ConditionStatus::True, "{condition:?}");
    }
}

/// Of two control planes one is switched; kubeadm-config changes with the last one.
#[test]
fn two_control_planes_are_told_apart() {
    let switched = ApiServerEvidence {
        kubeadm_config: Ok(None),
        ..well()
    };
    let not = ApiServerEvidence {
        manifest: manifest(NO),
        processes: vec![process(NO, &[])],
        ..switched.clone()
    };
    let lacking = |seen: &ApiServerEvidence| {
        let conditions = conditions(seen).into_iter();
        let lacking = conditions.filter(|condition| condition.status != ConditionStatus::True);
        lacking
            .map(|condition| format!("{} {}", condition.kind, condition.message))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lacking(&switched),
        [
            "KubeadmConfigHasFlag configmap/kube-system/kubeadm-config does not have the flag: the next kubeadm upgrade of \
             this node removes it"
        ]
    );
    assert_eq!(
        lacking(&not),
        [
            "ManifestHasFlag kubelet-certificate-authority is not set",
            "ProcessHasFlag kubelet-certificate-authority is not set",
            "KubeadmConfigHasFlag configmap/kube-system/kubeadm-config does not have the flag",
        ]
    );
}

#[test]
fn the_flag_in_the_manifest_and_in_the_process_have_their_own_conditions() {
    use ApiServerKind::{ManifestHasFlag, ProcessHasFlag};
    let empty = &["--kubelet_certificate_authority="][..];
    let other = &["--kubelet-certificate-authority", "/other.crt"][..];
    let foreign = &["--advertise-address=10.9.9.9"][..];
    for (text, processes, in_manifest, in_process) in [
        (YES, vec![process(YES, &[])], "True(Set)", "True(Set)"),
        (NO, vec![process(NO, &[])], "False(NotSet)", "False(NotSet)"),
        (
            YES,
            vec![process(NO, &[])],
            "True(Set)",
            "False(OlderThanManifest)",
        ),
        (
            NO,
            vec![process(YES, &[])],
            "False(NotSet)",
            "True(OlderThanManifest)",
        ),
        // The last value on the command line counts.
        (
            YES,
            vec![process(YES, empty)],
            "True(Set)",
            "False(OlderThanManifest)",
        ),
        (
            NO,
            vec![process(YES, empty)],
            "False(NotSet)",
            "False(Empty)",
        ),
        (
            YES,
            vec![process(YES, other)],
            "True(Set)",
            "True(OtherCertificateAuthority)",
        ),
        (YES, vec![], "True(Set)", "Unknown(NotRunning)"),
        (
            YES,
            vec![process(YES, foreign)],
            "True(Set)",
            "Unknown(NotRunning)",
        ),
        (
            YES,
            vec![process(NO, foreign), process(YES, &[])],
            "True(Set)",
            "True(Set)",
        ),
        (
            YES,
            vec![process(YES, &[]), process(NO, &[])],
            "True(Set)",
            "Unknown(SeveralProcesses)",
        ),
    ] {
        let seen = ApiServerEvidence {
            manifest: manifest(text),
            processes,
            ..well()
        };
        let found = [drawn(&seen, ManifestHasFlag), drawn(&seen, ProcessHasFlag)];
        assert_eq!(found, [in_manifest, in_process], "{seen:?}");
    }
}

#[test]
fn another_file_that_the_kubelet_would_run_is_named() {
    let mut seen = well();
    seen.twins = vec!["/etc/kubernetes/manifests/a\u{1b}[2J.bak".into()];
    assert_eq!(
        drawn(&seen, ApiServerKind::NoOtherManifest),
        "False(OtherManifest)"
    );
}

#[test]
fn kubeadm_config_agrees_with_the_manifest() {
    use ApiServerKind::KubeadmConfigHasFlag;
    let of = |text: &str, ca: Option<&str>| {
        let seen = ApiServerEvidence {
            manifest: manifest(text),
            kubeadm_config: Ok(ca.map(str::to_owned)),
            ..well()
        };
        drawn(&seen, KubeadmConfigHasFlag)
    };
    let other = YES.replace(
        "authority=/etc/kubernetes/pki/ca.crt",
        "authority=/other.crt",
    );
    assert_eq!(of(YES, Some(CA)), "True(Set)");
    assert_eq!(of(NO, Some(CA)), "True(Set)");
    assert_eq!(of(&other, Some("/other.crt")), "True(Set)");
    assert_eq!(of(&other, Some(CA)), "False(OtherCertificateAuthority)");
    assert_eq!(
        of(YES, Some("\u{1b}[2J")),
        "False(OtherCertificateAuthority)"
    );
    assert_eq!(of(YES, None), "False(NotSet)");
}

#[test]
fn nodes_that_are_not_secured_or_not_reached_are_named() {
    use ApiServerKind::{KubeletsReachable, KubeletsSecured};
    let mut seen = well();
    seen.nodes = Ok(NodeSurvey {
        nodes: vec![
            surveyed("a", ConditionStatus::Unknown),
            surveyed("b", ConditionStatus::True),
        ],
    });
    assert_eq!(drawn(&seen, KubeletsSecured), "Unknown(NotSeen)");
    seen.nodes = Ok(NodeSurvey {
        nodes: vec![
            surveyed("a", ConditionStatus::Unknown),
            surveyed("b", ConditionStatus::False),
        ],
    });
    assert_eq!(drawn(&seen, KubeletsSecured), "False(NotSecured)");
    seen.nodes = Ok(NodeSurvey::default());
    assert_eq!(drawn(&seen, KubeletsSecured), "Unknown(NoNodes)");
    let unseen = || Explanation::new("503".to_owned());
    seen.reached = Ok(vec![
        ("a".to_owned(), Ok(())),
        ("b".to_owned(), Err(unseen())),
    ]);
    assert_eq!(drawn(&seen, KubeletsReachable), "False(NotReached)");
    let failed = conditions(&seen)
        .into_iter()
        .find(|one| one.kind == KubeletsReachable);
    assert_eq!(failed.unwrap().message, "not reached: b (503)");
    seen.reached = Ok(Vec::new());
    assert_eq!(drawn(&seen, KubeletsReachable), "Unknown(NoNodes)");
}

#[test]
fn what_was_not_seen_is_unknown() {
    use ApiServerKind::{ApproverSeen, KubeadmConfigHasFlag, KubeletsReachable, KubeletsSecured};
    let unseen = || Explanation::new("forbidden".to_owned());
    let seen = ApiServerEvidence {
        kubeadm_config: Err(unseen()),
        nodes: Err(unseen()),
        reached: Err(unseen()),
        approver: Err(unseen()),
        ..well()
    };
    for kind in [
        ApproverSeen,
        KubeadmConfigHasFlag,
        KubeletsReachable,
        KubeletsSecured,
    ] {
        assert_eq!(drawn(&seen, kind), "Unknown(NotSeen)");
    }
    let none = ApiServerEvidence {
        approver: Ok(None),
        ..well()
    };
    assert_eq!(drawn(&none, ApproverSeen), "False(NoSign)");
}
