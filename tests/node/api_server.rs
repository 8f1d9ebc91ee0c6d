//! `api-server` on a control-plane node whose kubelet runs the API server as a static Pod.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use standins::api::NodeSpec;
use standins::kube_apiserver::{Behaviour, CaFile, Readyz};
use standins::kubelet::Fleet;
use standins::{ApiServer, Config};

use nix::sys::signal::Signal;

use super::command::Finished;
use super::control_plane::{ControlPlaneNode, Kubelet};
use super::worker::added_lines;

const APPLY: [&str; 4] = ["api-server", "apply", "--settle", "500ms"];
const ROLLBACK: [&str; 4] = ["api-server", "rollback", "--settle", "500ms"];
const SOON: Duration = Duration::from_secs(20);
const RECEIPT: &str = "/var/lib/kubelet-tls/api-server-receipt.json";
const CA: &str = "/etc/kubernetes/pki/ca.crt";

/// `diff` shows the line that kubeadm would write; made by hand, it has the API server verify kubelets.
pub fn diff_and_an_edit_by_hand() {
    let node = ControlPlaneNode::start("api-diff");
    let (before, flag) = node.process().expect("a process");
    assert_eq!(flag, None);
    let name = node.worker.name();
    assert_eq!(node.instance.healthz_of(name), Ok((200, "ok".into())));
    let diff = node.tool(&["api-server", "diff"]).run();
    assert_eq!(diff.code, Some(1), "{diff}");
    let line = format!("    - --kubelet-certificate-authority={CA}");
    assert!(added_lines(&diff.stdout).contains(&&*line), "{diff}");
    assert_eq!(node.manifest(), node.rendered(false), "{diff}");

    node.replace(&node.rendered(true));
    node.await_instance(before);
    let (_, flag) = node.process().expect("a process");
    assert_eq!(flag.as_deref(), Some(CA));
    assert_eq!(node.instance.healthz_of(name), Ok((200, "ok".into())));
    node.assert_alone();

    // Each instance by itself: one verifies, and the other one does not.
    let api = Arc::clone(&node.worker.api);
    let other = "control-plane-2";
    let second = ControlPlaneNode::join("api-second", api, other, "127.0.0.3", Kubelet::SelfSigned);
    assert!(node.verifies() && !second.verifies());
    let (code, why) = node.instance.healthz_of(other).expect("an answer");
    assert_eq!(code, 503, "{why}");
    let text =
        "x509: cannot validate certificate for 127.0.0.3 because it doesn't contain any IP SANs";
    assert!(why.contains(text), "{why}");
    assert_eq!(second.instance.healthz_of(other), Ok((200, "ok".into())));
}

/// The conditions that are not True, of `api-server status` and of the node's own `status`.
fn lacking(node: &ControlPlaneNode) -> (Vec<String>, Vec<String>) {
    let of = |arguments: &[&str]| {
        let output = node.tool(&[arguments, &["-o", "name"]].concat()).run();
        let names: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
        let code = i32::from(!names.is_empty());
        assert_eq!(output.code, Some(code), "{output}");
        names
    };
    (of(&["api-server", "status"]), of(&["status"]))
}

/// Two control planes, one of them switched: each is told what is true of itself.
pub fn status_tells_control_planes_apart() {
    const OF_NODE: &str = "ApiServerVerifiesKubelets";
    let node = ControlPlaneNode::start("api-status");
    let api = Arc::clone(&node.worker.api);
    let deployments = serde_json::json!({
        "kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "1"},
        "items": [{
            "metadata": {"namespace": "kubelet-tls", "name": "kubelet-tls-approver"},
            "spec": {"template": {"spec": {"containers": [
                {"image": "kubelet-tls:0.1.0", "args": ["approve", "--watch", "--renewals"]},
            ]}}},
            "status": {"availableReplicas": 2},
        }],
    });
    api.set_object("/apis/apps/v1/deployments", deployments.to_string());
    let (of_instance, of_node) = lacking(&node);
    let not_switched = ["ManifestHasFlag", "ProcessHasFlag", "KubeadmConfigHasFlag"];
    assert_eq!(of_instance, not_switched);
    assert!(of_node.contains(&OF_NODE.to_owned()), "{of_node:?}");

    let (before, _) = node.process().expect("a process");
    node.replace(&node.rendered(true));
    node.await_instance(before);
    let (of_instance, of_node) = lacking(&node);
    assert_eq!(of_instance, ["KubeadmConfigHasFlag"]);
    assert!(!of_node.contains(&OF_NODE.to_owned()), "{of_node:?}");

    let mut map = api.configmap("kube-system", "kubeadm-config").expect("one");
    let text = map.data.get_mut("ClusterConfiguration").expect("its text");
    let args = format!(
        "apiServer:\n  extraArgs:\n  - name: kubelet-certificate-authority\n    value: {CA}\n"
    );
    *text = text.replace("apiServer: {}\n", &args);
    api.set_configmap_object(map);
    assert_eq!(lacking(&node).0, [""; 0]);
    let output = node.tool(&["api-server", "status", "-o", "json"]).run();
    let document: serde_json::Value = serde_json::from_str(&output.stdout).expect("JSON");
    assert_eq!(document["kind"], "ApiServerStatusResult");
    let url = format!("https://{}", document["address"].as_str().expect("text"));
    assert_eq!(url, node.instance.url());

    // The other one is not switched; its node, which is not secured, is out of reach through the first alone.
    let other = "control-plane-2";
    let second = ControlPlaneNode::join("api-other", api, other, "127.0.0.3", Kubelet::SelfSigned);
    let (of_instance, of_node) = lacking(&second);
    assert_eq!(
        of_instance,
        ["KubeletsSecured", "ManifestHasFlag", "ProcessHasFlag"]
    );
    assert!(of_node.contains(&OF_NODE.to_owned()), "{of_node:?}");
    assert_eq!(lacking(&node).0, ["KubeletsSecured", "KubeletsReachable"]);
}

/// The whole way there and back on a cluster with one control-plane node, each step as it says.
pub fn there_and_back() {
    let node = ControlPlaneNode::start("api-apply");
    let (before, configuration) = (node.snapshot(), node.cluster_configuration());
    let (first, _) = node.process().expect("a process");
    let status = node.tool(&["api-server", "status"]).run();
    assert_eq!(status.code, Some(1), "{status}");
    let dry = node.tool(&[&APPLY[..], &["--dry-run"]].concat()).run();
    assert_eq!(dry.code, Some(0), "{dry}");
    assert!(dry.stderr.contains("(dry run)"), "{dry}");
    let line = format!("+    - --kubelet-certificate-authority={CA}");
    assert!(dry.stdout.contains(&line), "{dry}");
    assert!(dry.stdout.contains("+  extraArgs:"), "{dry}");
    assert_eq!(node.cluster_configuration(), configuration, "{dry}");
    assert_eq!(node.snapshot(), before, "{dry}");
    assert!(!node.worker.machine.path(RECEIPT).exists(), "{dry}");

    let apply = node.tool(&[&APPLY[..], &["-o", "json"]].concat()).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let result = apply.json();
    assert_eq!(result["changed"], true, "{apply}");
    assert_eq!(result["apiServer"]["healthy"], true, "{apply}");
    assert_eq!(result["nodes"][0]["reached"], true, "{apply}");
    assert_eq!(result["edits"].as_array().map(Vec::len), Some(2), "{apply}");
    assert_verifies(&node, &apply);
    let (second, _) = node.process().expect("a process");
    assert_ne!(second, first, "{apply}");
    assert_eq!(node.snapshot().content.mode, before.content.mode, "{apply}");
    // The last control-plane node changes what the next upgrade reads.
    let changed = node.cluster_configuration();
    assert_ne!(changed, configuration, "{apply}");
    assert!(changed.contains(CA), "{changed}");
    let mut found = conditions(&node);
    // Requests are approved by the cluster itself here.
    assert!(found.remove("ApproverSeen").is_some(), "{found:?}");
    assert!(found.len() >= 6, "{found:?}");
    assert!(found.values().all(|status| status == "True"), "{found:?}");
    let manifest = node.snapshot();
    let again = node.tool(&APPLY).run();
    assert_eq!(again.code, Some(0), "{again}");
    let unchanged = "unchanged: kubelet-certificate-authority is already set";
    assert!(again.stderr.contains(unchanged), "{again}");
    assert_eq!(node.snapshot(), manifest, "{again}");
    assert_eq!(node.process().expect("a process").0, second, "{again}");

    let rollback = node.tool(&[&ROLLBACK[..], &["-o", "json"]].concat()).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
    assert_old(&node, &rollback);
    assert_reached(&rollback);
    assert_eq!(node.cluster_configuration(), configuration, "{rollback}");
    let again = node.tool(&ROLLBACK).run();
    assert_eq!(again.code, Some(0), "{again}");
    assert!(again.stderr.contains("is rolled back already"), "{again}");

    assert_eq!(node.tool(&APPLY).run().code, Some(0));
    let disable = node
        .tool(&[&APPLY[..], &["--disable", "-o", "json"]].concat())
        .run();
    assert_eq!(disable.code, Some(0), "{disable}");
    assert_old(&node, &disable);
    assert_reached(&disable);
    assert!(!node.cluster_configuration().contains(CA), "{disable}");
}

/// The conditions that `api-server status` draws, and each one's status.
fn conditions(node: &ControlPlaneNode) -> BTreeMap<String, String> {
    let status = node.tool(&["api-server", "status", "-o", "json"]).run();
    let document = status.json();
    let conditions = document["conditions"].as_array().expect("conditions");
    let text = |value: &serde_json::Value| value.as_str().expect("a string").to_owned();
    let named = |one: &serde_json::Value| (text(&one["type"]), text(&one["status"]));
    conditions.iter().map(named).collect()
}

/// The manifest that kubeadm renders with the flag, in a ready instance through which the node is reached.
fn assert_verifies(node: &ControlPlaneNode, run: &Finished) {
    assert_eq!(node.manifest(), node.rendered(true), "{run}");
    assert_eq!(node.instance.readyz(), Some(200), "{run}");
    let (_, flag) = node.process().expect("a process");
    assert_eq!(flag.as_deref(), Some(CA), "{run}");
    let answer = node.instance.healthz_of(node.worker.name());
    assert_eq!(answer, Ok((200, "ok".into())), "{run}");
    node.assert_alone();
}

/// The one node was asked through the API server before and after, and answered.
fn assert_reached(run: &Finished) {
    let nodes = &run.json()["nodes"];
    assert_eq!(nodes.as_array().map(Vec::len), Some(1), "{run}");
    assert_eq!(nodes[0]["reached"], true, "{run}");
    assert_eq!(nodes[0]["reachedBefore"], true, "{run}");
    let said = "1 of 1 Ready nodes answer through this API server";
    assert!(run.stderr.contains(said), "{run}");
}

/// Another node, whose kubelet serves what it signed itself.
fn join_unsecured(node: &ControlPlaneNode, name: &str) -> Fleet {
    const ADDRESS: &str = "127.0.0.9";
    let fleet = Fleet::start();
    fleet.trust(node.worker.api.ca());
    fleet.self_signed(name, ADDRESS);
    node.worker.api.set_node(NodeSpec {
        kubelet_port: fleet.port(),
        ..NodeSpec::new(name, ADDRESS)
    });
    fleet
}

/// Removing the flag never fails because of a node, which is named; setting it again by a rollback does.
pub fn a_node_that_stops_answering_meanwhile() {
    const OTHER: &str = "worker-9";
    let node = ControlPlaneNode::start("api-meanwhile");
    let _fleet = join_unsecured(&node, OTHER);
    let json = ["-o", "json"];
    let except = ["--except", OTHER];
    let apply = node.tool(&[&APPLY[..], &except].concat()).run();
    assert_eq!(apply.code, Some(0), "{apply}");

    // It was out of reach with the flag, and is reached without.
    let disable = node
        .tool(&[&APPLY[..], &["--disable"], &json].concat())
        .run();
    assert_eq!(disable.code, Some(0), "{disable}");
    assert_old(&node, &disable);
    let named = |run: &Finished| {
        let nodes = run.json()["nodes"].as_array().expect("nodes").clone();
        nodes
            .into_iter()
            .find(|node| node["name"] == OTHER)
            .expect("it")
    };
    let was = named(&disable);
    assert_eq!(was["reached"], true, "{disable}");
    assert_eq!(was["reachedBefore"], false, "{disable}");

    // The rollback of that sets the flag again, and would lose it.
    let manifest = node.snapshot();
    let rollback = node.tool(&[&ROLLBACK[..], &json].concat()).run();
    assert_eq!(rollback.code, Some(78), "{rollback}");
    assert_eq!(node.snapshot().content, manifest.content, "{rollback}");
    assert_old(&node, &rollback);
    let why = "worker-9 no longer answers through this API server";
    assert!(rollback.stderr.contains(why), "{rollback}");
    assert!(
        rollback.stderr.contains("the change was restored"),
        "{rollback}"
    );
    assert_eq!(named(&rollback)["reached"], false, "{rollback}");
    assert_eq!(rollback.json()["changed"], false, "{rollback}");
}

/// The manifest that kubeadm renders without the flag, in a ready instance.
fn assert_old(node: &ControlPlaneNode, run: &Finished) {
    assert_eq!(node.manifest(), node.rendered(false), "{run}");
    assert_eq!(node.instance.readyz(), Some(200), "{run}");
    assert_eq!(node.process().expect("a process").1, None, "{run}");
    node.assert_alone();
}

/// With the flag the API server does not come back, and no other one can be asked: the old bytes are restored every time.
pub fn one_that_does_not_come_back_is_put_back() {
    let readyz = |readyz| Behaviour {
        readyz,
        ..Behaviour::default()
    };
    let ca_file = |ca_file| Behaviour {
        ca_file,
        ..Behaviour::default()
    };
    let dies = |after| Behaviour {
        die_after_ms: Some(after),
        ..Behaviour::default()
    };
    let ways = [
        [ca_file(CaFile::Missing), ca_file(CaFile::Garbage)],
        [readyz(Readyz::Hang), ca_file(CaFile::Empty)],
        [readyz(Readyz::Refuse), dies(100)],
        [readyz(Readyz::Error), dies(600)],
    ];
    thread::scope(|scope| {
        for (number, ways) in ways.into_iter().enumerate() {
            scope.spawn(move || {
                let node = ControlPlaneNode::start(&format!("api-back-{number}"));
                for way in ways {
                    is_put_back(&node, way);
                }
            });
        }
    });
}

fn is_put_back(node: &ControlPlaneNode, way: Behaviour) {
    const TIMEOUT: Duration = Duration::from_secs(8);
    let (before, configuration) = (node.snapshot(), node.cluster_configuration());
    let what = format!("{way:?}");
    node.behave(&Behaviour {
        only_verifying: true,
        ..way
    });
    let timeout = format!("{}s", TIMEOUT.as_secs());
    let arguments = ["--timeout", &timeout, "--settle", "2s", "-o", "json"];
    let apply = node.tool(&[&APPLY[..2], &arguments[..]].concat()).run();
    assert_eq!(apply.code, Some(78), "{what}: {apply}");
    assert!(apply.stderr.contains("\nhint: "), "{what}: {apply}");
    assert_eq!(node.snapshot().content, before.content, "{what}: {apply}");
    assert_old(node, &apply);
    let document = apply.json();
    assert_eq!(document["changed"], false, "{what}: {apply}");
    assert_eq!(document["error"]["code"], 78, "{what}: {apply}");
    // Once to come back with the flag, once to come back without.
    assert!(
        apply.took < TIMEOUT * 2 + Duration::from_secs(15),
        "{what}: {apply}"
    );
    assert_eq!(
        node.cluster_configuration(),
        configuration,
        "{what}: {apply}"
    );
    let receipt = node.worker.machine.read_text(RECEIPT);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect("a receipt");
    assert_eq!(receipt["state"], "PutBack", "{what}: {apply}");
}

/// A node that serves what it signed itself is named, before anything is written; an administrator may accept it.
pub fn a_node_that_is_not_secured_is_named_first() {
    const OTHER: &str = "worker-9";
    let node = ControlPlaneNode::start("api-named");
    let _fleet = join_unsecured(&node, OTHER);
    let before = node.snapshot();
    let process = node.process();
    for arguments in [&APPLY[..], &[&APPLY[..], &["--dry-run"]].concat()] {
        let refused = node.tool(arguments).run();
        assert_eq!(refused.code, Some(78), "{refused}");
        assert!(refused.stderr.contains(OTHER), "{refused}");
        assert!(refused.stderr.contains("\nhint: "), "{refused}");
        assert_eq!(node.snapshot(), before, "{refused}");
        assert_eq!(node.process(), process, "{refused}");
        assert!(!node.worker.machine.path(RECEIPT).exists(), "{refused}");
    }
    let accepted = node
        .tool(&[&APPLY[..], &["--except", OTHER]].concat())
        .run();
    assert_eq!(accepted.code, Some(0), "{accepted}");
    assert_verifies(&node, &accepted);
    let (code, why) = node.instance.healthz_of(OTHER).expect("an answer");
    assert_eq!(code, 503, "{why}");
}

/// Two control-plane nodes in turn: each is told by what runs on it, and the last one changes kubeadm's configuration.
pub fn two_control_planes_in_turn() {
    let api = Arc::new(ApiServer::start(Config::default()));
    api.auto_approve(Duration::ZERO);
    let [first, second] = [("a", "127.0.0.2"), ("b", "127.0.0.3")].map(|(name, address)| {
        let api = Arc::clone(&api);
        let label = format!("api-two-{name}");
        ControlPlaneNode::join(&label, api, name, address, Kubelet::Secured)
    });
    let configuration = first.cluster_configuration();
    let apply = first.tool(&APPLY).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_verifies(&first, &apply);
    assert_eq!(second.manifest(), second.rendered(false));
    assert!(!second.verifies());
    assert_eq!(first.cluster_configuration(), configuration, "{apply}");
    assert!(
        apply.stderr.contains("b: does not have the flag"),
        "{apply}"
    );
    for (node, verifies) in [(&first, "True"), (&second, "False")] {
        let found = conditions(node);
        assert_eq!(found["ProcessHasFlag"], verifies, "{found:?}");
        assert_eq!(found["ManifestHasFlag"], verifies, "{found:?}");
        assert_eq!(found["KubeletsSecured"], "True", "{found:?}");
        assert_eq!(found["KubeadmConfigHasFlag"], "False", "{found:?}");
        // Of one that does not verify it is not known what it would reach.
        assert_ne!(found["KubeletsReachable"], "False", "{found:?}");
    }
    let apply = second.tool(&APPLY).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_verifies(&second, &apply);
    assert!(first.cluster_configuration().contains(CA), "{apply}");
    for node in [&first, &second] {
        let found = conditions(node);
        assert_eq!(found["ProcessHasFlag"], "True", "{found:?}");
        assert_eq!(found["KubeadmConfigHasFlag"], "True", "{found:?}");
    }
}

/// Killed at random moments: the manifest is the old one or the new one, no other file lies beside it, and the next run
/// finishes. `KILLS=1000` does it a hundred times.
pub fn killed_at_any_moment() {
    const MACHINES: usize = 2;
    let kills = std::env::var("KILLS").map_or(Ok(80), |kills| kills.parse());
    let each = kills.expect("a number in KILLS") / 10 / MACHINES;
    thread::scope(|scope| {
        for number in 0..MACHINES {
            scope.spawn(move || {
                let node = ControlPlaneNode::start(&format!("api-kills-{number}"));
                let undisturbed = finishes(&node, "undisturbed");
                let mut left = Vec::new();
                for kill in 0..each {
                    let rollback = node.tool(&ROLLBACK).run();
                    assert_eq!(rollback.code, Some(0), "{rollback}");
                    // Apart from each other, and not the same in two machines.
                    let part = (kill * MACHINES + number) as f64 + 0.5;
                    let after = undisturbed.took.mul_f64(part / (each * MACHINES) as f64);
                    left.push(is_killed(&node, after));
                    finishes(&node, &format!("killed after {after:?}"));
                }
                println!("{each} runs of api-server apply killed, each finished by the next; they left {left:?}");
            });
        }
    });
}

fn is_killed(node: &ControlPlaneNode, after: Duration) -> &'static str {
    let seconds = format!("{:.4}", after.as_secs_f64());
    let mut argv = vec!["timeout", "--signal=KILL", &seconds, "kubelet-tls"];
    argv.extend(APPLY);
    let killed = node.worker.machine.run(&argv);
    let manifest = node.manifest();
    let (old, new) = (node.rendered(false), node.rendered(true));
    assert!(manifest == old || manifest == new, "{killed}: {manifest}");
    let names = node
        .worker
        .machine
        .must(&["ls", "/etc/kubernetes/manifests"]);
    assert_eq!(names, "kube-apiserver.yaml", "{killed}");
    if manifest == old {
        "the old"
    } else {
        "the new"
    }
}

fn finishes(node: &ControlPlaneNode, what: &str) -> Finished {
    let apply = node.tool(&APPLY).run();
    assert_eq!(apply.code, Some(0), "{what}: {apply}");
    assert_verifies(node, &apply);
    let receipt = node.worker.machine.read_text(RECEIPT);
    assert!(receipt.contains("\"Done\""), "{what}: {receipt}");
    assert!(node.cluster_configuration().contains(CA), "{what}: {apply}");
    apply
}

/// A run is killed while the API server cannot find its CA: the next one undoes the change, although neither the API nor the CA is available.
pub fn killed_while_it_does_not_come_back() {
    let node = ControlPlaneNode::start("api-killed");
    let before = node.snapshot();
    node.behave(&Behaviour {
        ca_file: CaFile::Missing,
        only_verifying: true,
        ..Behaviour::default()
    });
    let mut apply = node.tool(&["api-server", "apply"]).spawn();
    apply.wait_until(SOON, |_| node.manifest() == node.rendered(true));
    apply.signal(Signal::SIGKILL);
    apply.wait(SOON);
    assert_eq!(node.manifest(), node.rendered(true));
    let arguments = ["--settle", "500ms", "--timeout", "8s"];
    let next = node.tool(&[&APPLY[..2], &arguments[..]].concat()).run();
    assert_eq!(next.code, Some(78), "{next}");
    assert_eq!(node.snapshot().content, before.content, "{next}");
    assert_old(&node, &next);
}
