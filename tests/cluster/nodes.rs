//! Which nodes still run without the change.

use standins::api::NodeSpec;
use standins::{Fault, Matcher, Node, Options, Output};

use super::scene::Scene;

fn set(scene: &Scene, name: &str, value: Option<bool>) {
    scene.api.set_node(NodeSpec {
        server_tls_bootstrap: value,
        ..NodeSpec::new(name, "10.0.0.9")
    });
}

#[test]
fn each_node_has_the_value_that_its_kubelet_reports() {
    let scene = Scene::new();
    set(&scene, "worker-1", Some(true));
    set(&scene, "worker-2", None);
    let document = scene.document(&["cluster", "diff"], 1);
    assert_eq!(
        document["nodes"],
        serde_json::json!([
            {"name": "control-plane-1", "serverTLSBootstrap": false},
            {"name": "worker-1", "serverTLSBootstrap": true},
            {"name": "worker-2"},
        ])
    );
    let output = scene.expect(&["cluster", "apply"], 0);
    snapbox::assert_data_eq!(
        output.stderr,
        snapbox::str![[r#"
warning: a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved
configmap/kube-system/kubelet-config: updated; applies to new nodes and at the next kubeadm upgrade
1 of 3 nodes run without the change: control-plane-1
on each of them, as root: kubelet-tls apply
1 of 3 nodes did not answer, as one that waits for its certificate does not: worker-2
on each of them, as root: kubelet-tls status

"#]]
    );
    let output = scene.expect(&["cluster", "apply", "--disable"], 0);
    snapbox::assert_data_eq!(
        output.stderr,
        snapbox::str![[r#"
configmap/kube-system/kubelet-config: updated; applies to new nodes and at the next kubeadm upgrade
1 of 3 nodes run without the change: worker-1
on each of them, as root: kubelet-tls apply --disable
1 of 3 nodes did not answer, as one that waits for its certificate does not: worker-2
on each of them, as root: kubelet-tls status

"#]]
    );
    for name in ["control-plane-1", "worker-2"] {
        set(&scene, name, Some(true));
    }
    let output = scene.expect(&["cluster", "apply"], 0);
    assert!(
        output
            .stderr
            .ends_with("all 3 nodes run with serverTLSBootstrap: true\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn windows_nodes_are_named_in_a_warning() {
    let scene = Scene::new();
    for (name, value) in [("win-1", Some(false)), ("win-2", None)] {
        scene.api.set_node(NodeSpec {
            server_tls_bootstrap: value,
            labels: [("kubernetes.io/os".to_owned(), "windows".to_owned())].into(),
            ..NodeSpec::new(name, "10.0.0.11")
        });
    }
    set(&scene, "worker-2", Some(true));
    let output = scene.expect(&["cluster", "apply"], 0);
    snapbox::assert_data_eq!(
        output.stderr,
        snapbox::str![[r#"
warning: a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved
configmap/kube-system/kubelet-config: updated; applies to new nodes and at the next kubeadm upgrade
warning: 2 of 5 nodes run Windows: win-1, win-2. A Windows node that joins gets serverTLSBootstrap: true too, and refuses TLS on port 10250 until its CSR is approved; kubelet-tls runs on Linux only, so it cannot change or check that node: kubelet-tls approve --node NODE
2 of 3 Linux nodes run without the change: control-plane-1, worker-1
on each of them, as root: kubelet-tls apply

"#]]
    );
    let document = scene.document(&["cluster", "apply"], 0);
    let warnings = document["warnings"].to_string();
    assert!(warnings.contains("win-1, win-2"), "{warnings}");
    assert_eq!(document["nodes"].as_array().unwrap().len(), 5);

    // Without the setting no CSR has to be approved for a Windows node.
    let output = scene.expect(&["cluster", "apply", "--disable"], 0);
    assert!(!output.stderr.contains("warning"), "{}", output.stderr);
}

#[test]
fn what_may_not_be_read_is_one_warning_and_no_error() {
    let scene = Scene::new();
    let proxy = Matcher::new().path("/proxy/configz");
    scene.api.inject(proxy, Fault::Status(403, None));
    let document = scene.document(&["cluster", "apply"], 0);
    assert_eq!(document["nodes"].as_array().unwrap().len(), 3);
    assert_eq!(
        document["nodes"][0],
        serde_json::json!({"name": "control-plane-1"})
    );
    let warnings = document["warnings"].as_array().unwrap();
    // One besides that of the change itself.
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[1]
            .as_str()
            .unwrap()
            .starts_with("cannot get nodes/proxy: ")
    );
    let asked = scene.api.requests();
    assert_eq!(
        asked
            .iter()
            .filter(|one| one.target.contains("configz"))
            .count(),
        1
    );

    scene.api.clear_faults();
    let list = Matcher::new().path("/api/v1/nodes?").list();
    scene.api.inject(list, Fault::Status(403, None));
    let document = scene.document(&["cluster", "apply", "--disable"], 0);
    assert_eq!(document["nodes"], serde_json::Value::Null);
    let warnings = document["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]
            .as_str()
            .unwrap()
            .starts_with("cannot list nodes: ")
    );
}

#[test]
fn hundreds_of_nodes_are_read_page_by_page() {
    let scene = Scene::new();
    for number in 0..700 {
        set(&scene, &format!("n-{number:03}"), Some(number % 2 == 0));
    }
    // The history is compacted while the list is read: the list is started again.
    let second = Matcher::new().path("continue=").once();
    scene.api.inject(second, Fault::Status(410, None));
    let document = scene.document(&["cluster", "diff"], 1);
    let nodes = document["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 703);
    let on = nodes
        .iter()
        .filter(|node| node["serverTLSBootstrap"] == true);
    assert_eq!(on.count(), 350);
    let pages = scene.api.requests();
    let pages = pages
        .iter()
        .filter(|one| one.target.starts_with("/api/v1/nodes?"));
    assert_eq!(pages.count(), 2 + 2);
    let output = scene.expect(&["cluster", "diff"], 1);
    assert!(
        output
            .stderr
            .contains("353 of 703 nodes run without the change: control-plane-1, n-001, n-003,")
            && output.stderr.contains(" and 333 more, which -o json has\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_run_takes_a_bounded_number_of_calls() {
    let scene = Scene::new();
    scene.expect(&["cluster", "apply"], 0);
    let log = scene.api.requests();
    let mut asked: Vec<String> = log
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    // The kubelets behind the first are asked at the same time.
    asked[6..].sort();
    let map = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";
    assert_eq!(
        asked,
        [
            "GET /version".to_owned(),
            format!("GET {map}"),
            // The check that no other one exists.
            format!("GET {map}-1.36"),
            format!("PATCH {map}?fieldManager=kubelet-tls"),
            "GET /api/v1/nodes?limit=500".to_owned(),
            "GET /api/v1/nodes/control-plane-1/proxy/configz".to_owned(),
            "GET /api/v1/nodes/worker-1/proxy/configz".to_owned(),
            "GET /api/v1/nodes/worker-2/proxy/configz".to_owned(),
        ]
    );
}

/// From what `status` says on a node to its being so.
#[test]
fn the_hint_of_status_is_the_command() {
    let node = Node::new(Options::default());
    let binary = env!("CARGO_BIN_EXE_kubelet-tls");
    assert_eq!(node.run(binary, &["apply", "--settle", "0s"]).code, 0);
    let condition = || {
        let output = node.run(binary, &["status", "-o", "json"]);
        let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let conditions = document["conditions"].as_array().unwrap();
        let found = conditions
            .iter()
            .find(|condition| condition["type"] == "ClusterConfigAgrees");
        found.unwrap().clone()
    };
    let before = condition();
    assert_eq!(before["status"], "False");
    let words: Vec<&str> = before["hint"].as_str().unwrap().split(' ').collect();
    assert_eq!(words, ["kubelet-tls", "cluster", "apply"]);
    let admin = node.api().admin_kubeconfig(node.root());
    let output = Output::of(
        node.command(binary)
            .args(&words[1..])
            .env("KUBECONFIG", admin),
    );
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(condition()["status"], "True");
}

#[test]
fn a_kubelet_that_answers_something_else_has_no_value() {
    let scene = Scene::new();
    let of = |name: &str| Matcher::new().path(&format!("{name}/proxy/configz"));
    scene.api.inject(of("control-plane-1"), Fault::WebPage);
    scene.api.inject(of("worker-1"), Fault::Close);
    scene.api.inject(
        of("worker-2"),
        Fault::Body(br#"{"kubeletconfig":{"serverTLSBootstrap":"yes"}}"#.to_vec()),
    );
    let document = scene.document(&["cluster", "diff"], 1);
    for node in document["nodes"].as_array().unwrap() {
        assert_eq!(node.as_object().unwrap().len(), 1, "{node}");
    }
}
