use super::*;
use crate::node::conditions::ConditionStatus;
use crate::node::{ProcessId, Security, SurveyedNode};
use crate::plan::Target;
use crate::report::Code;

const CA: &str = "/etc/kubernetes/pki/ca.crt";
const PATH: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";

fn edit(before: &str, after: &str) -> Edit {
    Edit::new(Target::File(PATH.into()), before.into(), after.into())
}

fn process(kubelet_ca: Option<&str>) -> ApiServerProcess {
    let flag = |ca: &str| format!("--kubelet-certificate-authority={ca}");
    ApiServerProcess {
        id: ProcessId { pid: 1, start: 1 },
        words: kubelet_ca.map(flag).into_iter().collect(),
    }
}

fn node(status: ConditionStatus, is_excepted: bool) -> SurveyedNode {
    SurveyedNode {
        name: "worker-1".into(),
        dialled: None,
        is_ready: true,
        is_excepted,
        security: Security {
            status,
            reason: "Why",
            message: "because".into(),
            remedy: None,
        },
    }
}

/// One control plane without the flag, whose nodes are all secured.
fn observed() -> Observed {
    Observed {
        edit: edit("a\n", "a\nb\n"),
        interrupted: Interrupted::No,
        twins: Vec::new(),
        instance: Ok(process(None)),
        nodes: Some(NodeSurvey {
            nodes: vec![node(ConditionStatus::True, false)],
        }),
        others: OtherControlPlanes::default(),
        approver: Some("a node that joins".to_owned()),
        kubeadm: KubeadmConfig::Differs,
    }
}

fn differ(names: &[&str]) -> OtherControlPlanes {
    OtherControlPlanes {
        count: names.len(),
        differ: names.iter().map(|name| (*name).to_owned()).collect(),
        unknown: Vec::new(),
    }
}

/// What is done, about kubeadm's configuration too, and with how many warnings; or the words of the refusal.
fn decided(
    observed: &Observed,
    wanted: Verification,
) -> Result<(Act, Configuration, usize), Problem> {
    let options = Options {
        wanted,
        kubelet_ca: (wanted == Verification::Enabled).then_some(CA),
    };
    let decision = decide(observed, &options)?;
    Ok((
        decision.act,
        decision.configuration,
        decision.warnings.len(),
    ))
}

#[test]
fn each_state_of_the_manifest_and_its_process_has_its_plan() {
    use Act::{Await, Complete, Nothing, Switch};
    use Verification::{Disabled, Enabled};
    let (changes, same) = (edit("a\n", "b\n"), edit("b\n", "b\n"));
    let made = Interrupted::Made(changes.clone());
    let down = || Err(NotReady::NotRunning);
    let other = process(Some("/other.crt"));
    for (edit, interrupted, instance, wanted, expected) in [
        (
            &changes,
            Interrupted::No,
            Ok(process(None)),
            Enabled,
            Switch,
        ),
        (
            &changes,
            Interrupted::NotMade,
            Ok(process(None)),
            Enabled,
            Switch,
        ),
        // What an interrupted run has left is another edit's work.
        (
            &changes,
            made.clone(),
            Ok(process(Some(CA))),
            Disabled,
            Switch,
        ),
        (
            &same,
            Interrupted::No,
            Ok(process(Some(CA))),
            Enabled,
            Nothing,
        ),
        (
            &same,
            Interrupted::NotMade,
            Ok(process(Some(CA))),
            Enabled,
            Nothing,
        ),
        (&same, Interrupted::No, Ok(process(None)), Disabled, Nothing),
        (&same, Interrupted::No, Ok(process(None)), Enabled, Await),
        (&same, Interrupted::No, Ok(other), Enabled, Await),
        (
            &same,
            Interrupted::No,
            Ok(process(Some(CA))),
            Disabled,
            Await,
        ),
        (&same, Interrupted::No, down(), Enabled, Await),
        // Healthy or not: it is watched, and rolled back if need be.
        (
            &same,
            made.clone(),
            Ok(process(Some(CA))),
            Enabled,
            Complete,
        ),
        (&same, made.clone(), Ok(process(None)), Enabled, Complete),
        (&same, made.clone(), down(), Enabled, Complete),
    ] {
        let observed = Observed {
            edit: edit.clone(),
            interrupted,
            instance,
            ..observed()
        };
        let (found, ..) = decided(&observed, wanted).unwrap();
        assert_eq!(found, expected, "{observed:?} {wanted:?}");
    }
    // What is restored is the edit of the interrupted run.
    let completed = Observed {
        edit: same,
        interrupted: made,
        ..observed()
    };
    let options = Options {
        wanted: Enabled,
        kubelet_ca: Some(CA),
    };
    assert_eq!(decide(&completed, &options).unwrap().edit, changes);
}

#[test]
fn each_refusal_comes_before_anything_is_written() {
    use Verification::{Disabled, Enabled};
    let refusal = |observed: Observed, wanted| {
        let problem = decided(&observed, wanted).unwrap_err();
        assert_eq!(problem.code, Code::Refused);
        problem.message()
    };
    let twin = || Observed {
        twins: vec![format!("{PATH}.bak").into()],
        ..observed()
    };
    for wanted in [Enabled, Disabled] {
        assert!(refusal(twin(), wanted).contains(".bak as a Pod"));
        let down = Observed {
            instance: Err(NotReady::NotRunning),
            ..observed()
        };
        let said = refusal(down, wanted);
        assert!(
            said.contains("no kube-apiserver process of this manifest runs; nothing was changed"),
            "{said}"
        );
        assert!(
            said.contains(&format!("kubelet-tls apply {PATH} --api-server")),
            "{said}"
        );
    }
    let with = |nodes| Observed {
        nodes: Some(NodeSurvey { nodes }),
        ..observed()
    };
    for status in [ConditionStatus::False, ConditionStatus::Unknown] {
        let said = refusal(with(vec![node(status, false)]), Enabled);
        assert!(said.contains("worker-1 (Why: because)"), "{said}");
        assert!(decided(&with(vec![node(status, true)]), Enabled).is_ok());
    }
    assert!(refusal(with(Vec::new()), Enabled).contains("no Nodes"));
    // To verify no kubelets nothing has to be proved.
    let unproved = Observed {
        nodes: None,
        ..observed()
    };
    assert!(decided(&unproved, Disabled).is_ok());
}

#[test]
fn kubeadms_configuration_is_changed_with_the_last_control_plane() {
    use Configuration::{Change, Nothing, Wait};
    use KubeadmConfig::{Absent, Agrees, Differs, Unread};
    let unknown = OtherControlPlanes {
        count: 1,
        differ: Vec::new(),
        unknown: vec!["cp-2".to_owned()],
    };
    let agree = OtherControlPlanes {
        count: 2,
        ..OtherControlPlanes::default()
    };
    for (kubeadm, others, expected, warnings) in [
        (Differs, OtherControlPlanes::default(), Change, 2),
        (Differs, agree.clone(), Change, 2),
        (Differs, differ(&["cp-2"]), Wait, 3),
        (Differs, unknown, Wait, 3),
        (Agrees, differ(&["cp-2"]), Nothing, 2),
        (Absent, agree.clone(), Nothing, 3),
        (Unread, agree, Nothing, 2),
    ] {
        let observed = Observed {
            kubeadm,
            others,
            ..observed()
        };
        let (_, configuration, said) = decided(&observed, Verification::Enabled).unwrap();
        assert_eq!((configuration, said), (expected, warnings), "{observed:?}");
    }
    let said = until_the_last(&differ(&["cp-2", "cp-3"]), Verification::Enabled);
    assert_eq!(
        said,
        "the next kubeadm upgrade removes the flag again, because configmap/kube-system/kubeadm-config is only changed \
         together with the last control-plane node (cp-2, cp-3: does not have the flag)"
    );
    let said = until_the_last(&differ(&["cp-2"]), Verification::Disabled);
    assert_eq!(
        said,
        "the next kubeadm upgrade sets the flag again, because configmap/kube-system/kubeadm-config is only changed \
         together with the last control-plane node (cp-2: still has the flag)"
    );
}

/// A cluster of one control-plane node is without an API meanwhile; with others, only this node's API server is away.
#[test]
fn the_outage_is_that_of_the_cluster_or_of_this_node() {
    let restarts = "the kubelet restarts the API server when /etc/kubernetes/manifests/kube-apiserver.yaml changes";
    for (others, outage) in [
        (
            OtherControlPlanes::default(),
            ", and this cluster has no other one: the API is unavailable for 14 to 39 s",
        ),
        (
            differ(&["cp-2"]),
            ": this one is unavailable for 14 to 39 s",
        ),
    ] {
        let observed = Observed {
            others,
            ..observed()
        };
        let options = Options {
            wanted: Verification::Enabled,
            kubelet_ca: Some(CA),
        };
        let decision = decide(&observed, &options).unwrap();
        assert_eq!(decision.warnings[0], format!("{restarts}{outage}"));
    }
}
