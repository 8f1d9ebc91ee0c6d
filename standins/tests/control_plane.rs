//! An instance of the API server as a static Pod: what the kubelet makes of the directory, and what the flag does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use kubelet_tls_standins::kube_apiserver::{Behaviour, CaFile, Readyz};
use kubelet_tls_standins::{Node, Options, Release};

const TIMEOUT: Duration = Duration::from_secs(20);
/// Longer than the kubelet's next look takes to come.
const LOOK: Duration = Duration::from_millis(1500);

fn node(release: Release) -> Node {
    Node::new(Options {
        executable: Some(env!("CARGO_BIN_EXE_kubelet-tls-standins").into()),
        control_plane: true,
        release,
        ..Options::default()
    })
}

/// The process and the value of its flag.
fn process(node: &Node) -> Option<(u32, Option<String>)> {
    node.control_plane().process(Path::new("/proc"))
}

fn pid(node: &Node) -> u32 {
    process(node).expect("a process").0
}

/// Replaces the manifest as a careful program does.
fn replace(node: &Node, text: &str) {
    let path = node.manifest_path();
    let new = path.with_file_name(".new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, &path).unwrap();
}

fn manifest(node: &Node, verifies: bool) -> String {
    node.control_plane().manifest(node.api(), verifies)
}

fn ca(node: &Node) -> String {
    node.path("/etc/kubernetes/pki/ca.crt")
        .display()
        .to_string()
}

/// Waits for another process than `before` that is ready.
fn await_instance(node: &Node, before: u32) {
    let is_there = |node: &Node| {
        process(node).is_some_and(|(pid, _)| pid != before)
            && node.control_plane().readyz() == Some(200)
    };
    assert!(node.wait_for(TIMEOUT, is_there), "{}", node.journal());
}

fn healthz(node: &Node) -> (u16, String) {
    node.control_plane().healthz_of(node.name()).unwrap()
}

#[test]
fn the_flag_makes_it_verify_kubelets() {
    let node = node(Release::V1_36);
    let first = pid(&node);
    assert_eq!(process(&node), Some((first, None)));
    assert_eq!(healthz(&node), (200, "ok".into()));

    // Slowly enough for each answer on the way to be seen on a busy machine.
    node.behave(&Behaviour {
        start_ms: 2000,
        ..Behaviour::default()
    });
    replace(&node, &manifest(&node, true));
    let mut seen = Vec::new();
    let ready = |node: &Node| {
        let code = node.control_plane().readyz();
        process(node).is_some_and(|(pid, _)| pid != first) && code == Some(200)
    };
    while !ready(&node) {
        seen.extend(node.control_plane().readyz());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(seen.contains(&403) && seen.contains(&500), "{seen:?}");
    assert_eq!(process(&node).unwrap().1, Some(ca(&node)));
    let (code, body) = healthz(&node);
    let text = "error trying to reach service: tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs";
    assert_eq!(code, 503, "{body}");
    assert!(body.contains(text), "{body}");

    node.behave(&Behaviour::default());
    // It asks for a certificate: none yet, then the cluster's.
    node.edit_config(|config| config + "serverTLSBootstrap: true\n");
    node.restart_kubelet();
    let csr = node.api().wait_for_csr(node.name(), 0, TIMEOUT).unwrap();
    await_instance(&node, 0);
    let (code, body) = healthz(&node);
    assert_eq!(code, 503, "{body}");
    assert!(body.contains("remote error: tls: internal error"), "{body}");
    node.api().approve(&csr.metadata.name);
    let is_reached = |node: &Node| healthz(node) == (200, "ok".into());
    assert!(node.wait_for(TIMEOUT, is_reached), "{:?}", healthz(&node));
    // What the cluster holds outlives the instance, and is asked for through it with the client's own name.
    let path = "/api/v1/nodes/worker-1";
    let answer = node.control_plane().client().request("GET", path, None);
    let answer = answer.unwrap();
    assert_eq!(answer.code, 200, "{}", answer.body);
    let asked = node.api().requests().pop().unwrap();
    assert_eq!((&*asked.user, &*asked.target), ("kubernetes-admin", path));
    // The kubelet reports what it runs.
    let path = "/api/v1/namespaces/kube-system/pods?labelSelector=component%3Dkube-apiserver";
    let answer = node.control_plane().client().request("GET", path, None);
    let list: serde_json::Value = serde_json::from_str(&answer.unwrap().body).unwrap();
    let pod = &list["items"][0];
    assert_eq!(pod["metadata"]["name"], "kube-apiserver-worker-1");
    assert_eq!(pod["spec"]["nodeName"], "worker-1");
    let command = pod["spec"]["containers"][0]["command"].to_string();
    assert!(command.contains("kubelet-certificate-authority="), "{list}");
}

#[test]
fn the_kubelet_reads_every_file_of_the_directory() {
    let node = node(Release::V1_36);
    let (no, yes) = (manifest(&node, false), manifest(&node, true));
    let first = pid(&node);
    replace(&node, &format!("# a comment\n{no}"));
    fs::write(node.manifest_path().with_file_name(".hidden.yaml"), &yes).unwrap();
    std::thread::sleep(LOOK);
    assert_eq!(process(&node), Some((first, None)), "nothing has changed");

    // A copy is a twin: it is run at once, the edited manifest after it, and the twin again after the next look.
    let twin = node
        .manifest_path()
        .with_file_name("kube-apiserver.yaml.bak");
    fs::write(&twin, no.replace("requests:", "limits:")).unwrap();
    await_instance(&node, first);
    let second = pid(&node);
    replace(&node, &yes);
    let verifies = |node: &Node| process(node).is_some_and(|(_, flag)| flag.is_some());
    assert!(node.wait_for(TIMEOUT, verifies));
    let twin_wins =
        |node: &Node| process(node).is_some_and(|(pid, flag)| pid != second && flag.is_none());
    assert!(node.wait_for(TIMEOUT, twin_wins), "{}", node.journal());
    fs::remove_file(&twin).unwrap();
    assert!(node.wait_for(TIMEOUT, verifies));

    // What is not a Pod is passed over until the next look, and stops the Pod then.
    let third = pid(&node);
    replace(&node, "kind: [");
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(pid(&node), third);
    assert!(node.wait_for(TIMEOUT, |node| process(node).is_none()));
    replace(&node, &no);
    await_instance(&node, third);
}

#[test]
fn a_file_that_it_cannot_read_ends_it_and_an_empty_one_does_not() {
    let node = node(Release::V1_36);
    let missing = format!("open {}: no such file or directory", ca(&node));
    let garbage = "unable to parse bytes as PEM block";
    for (ca_file, why) in [(CaFile::Missing, &*missing), (CaFile::Garbage, garbage)] {
        node.behave(&Behaviour {
            ca_file,
            ..Behaviour::default()
        });
        replace(&node, &manifest(&node, true));
        let says_why = |node: &Node| {
            let journal = node.journal();
            let says = |text: &str| journal.contains(text);
            says("CrashLoopBackOff") && says("problem initializing API group") && says(why)
        };
        assert!(node.wait_for(TIMEOUT, says_why), "{}", node.journal());
        assert_eq!(node.control_plane().readyz(), None);
        let before = process(&node).map_or(0, |(pid, _)| pid);
        replace(&node, &manifest(&node, false));
        await_instance(&node, before);
        assert_eq!(healthz(&node).0, 200);
    }
    node.behave(&Behaviour {
        ca_file: CaFile::Empty,
        ..Behaviour::default()
    });
    let before = pid(&node);
    replace(&node, &manifest(&node, true));
    await_instance(&node, before);
    assert_ne!(process(&node).unwrap().1, None);
    node.edit_config(|config| config + "serverTLSBootstrap: true\n");
    node.api().auto_approve(Duration::ZERO);
    node.restart_kubelet();
    let is_issued = |node: &Node| node.handshake("127.0.0.1").is_ok();
    assert!(node.wait_for(TIMEOUT, is_issued));
    await_instance(&node, 0);
    let (code, body) = healthz(&node);
    assert_eq!(code, 503, "{body}");
    assert!(
        body.contains("x509: certificate signed by unknown authority"),
        "{body}"
    );
}

#[test]
fn a_fault_can_be_limited_to_runs_with_the_flag() {
    let node = node(Release::V1_19);
    let before = pid(&node);
    replace(&node, &manifest(&node, true));
    await_instance(&node, before);
    let (code, body) = healthz(&node);
    assert_eq!(code, 500, "{body}");
    let text = "error trying to reach service: x509: cannot validate certificate";
    assert!(body.contains(text), "{body}");
    for readyz in [Readyz::Error, Readyz::Refuse] {
        node.behave(&Behaviour {
            readyz,
            only_verifying: true,
            ..Behaviour::default()
        });
        let before = pid(&node);
        replace(&node, &manifest(&node, false));
        await_instance(&node, before);
        let before = pid(&node);
        replace(&node, &manifest(&node, true));
        let other = |node: &Node| process(node).is_some_and(|(pid, _)| pid != before);
        assert!(node.wait_for(TIMEOUT, other));
        std::thread::sleep(Duration::from_millis(600));
        let expected = (readyz == Readyz::Error).then_some(500);
        assert_eq!(node.control_plane().readyz(), expected);
    }
}
