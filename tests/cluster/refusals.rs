//! What is refused, and that nothing is written then.

use serde_json::json;
use standins::{ApiServer, Config, Fault};

use super::scene::{Scene, reads, writes};

const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

#[track_caller]
fn refused(scene: &Scene, code: i32, error: &str, hint: &str) {
    let before = json!(scene.configmap());
    let output = scene.expect(&["cluster", "apply"], code);
    assert_eq!(output.stdout, "");
    let said = output
        .stderr
        .lines()
        .find(|line| line.starts_with("error: "));
    assert!(
        said.is_some_and(|said| said.contains(error)),
        "{}",
        output.stderr
    );
    let said = output
        .stderr
        .lines()
        .find(|line| line.starts_with("hint: "));
    assert!(
        said.is_some_and(|said| said.contains(hint)),
        "{}",
        output.stderr
    );
    assert_eq!(scene.writes(), 0);
    assert_eq!(json!(scene.configmap()), before);
    assert!(!scene.state().join("cluster-receipt.json").exists());
}

#[test]
fn a_text_that_cannot_be_edited_for_certain_is_refused() {
    let edit = "kubectl -n kube-system edit configmap kubelet-config";
    for (text, at) in [
        (format!("{HEAD}a: 1\na: 2\n"), ":4:1: "),
        (format!("{HEAD}serverTLSBootstrap: [true]\n"), ":3:1: "),
        (format!("{HEAD}\tx: 1\n"), ":2:7: "),
        (format!("{HEAD}x: \u{1b}[2J\n"), ":3:4: "),
        ("kind: ConfigMap\napiVersion: v1\n".into(), ":1:1: "),
        (String::new(), ":1:1: "),
        (format!("a: 1\n---\n{HEAD}"), ":3:1: "),
    ] {
        let scene = Scene::with_text(&text);
        refused(
            &scene,
            65,
            &format!("cannot edit configmap/kube-system/kubelet-config{at}"),
            edit,
        );
        scene.expect(&["cluster", "diff"], 65);
    }
}

#[test]
fn a_change_that_would_keep_kubelets_from_starting_is_refused() {
    let scene = Scene::with_text(&format!(
        "{HEAD}featureGates:\n  RotateKubeletServerCertificate: false\n"
    ));
    refused(
        &scene,
        78,
        "RotateKubeletServerCertificate",
        "kubectl -n kube-system edit configmap",
    );
}

#[test]
fn a_configmap_without_a_text_is_refused() {
    let scene = Scene::new();
    scene.change(|map| map.data.clear());
    refused(
        &scene,
        65,
        "it has no data key kubelet",
        "get configmap kubelet-config -o yaml",
    );
}

#[test]
fn an_immutable_configmap_is_refused() {
    let scene = Scene::new();
    scene.change(|map| map.immutable = Some(true));
    refused(
        &scene,
        74,
        "it is immutable",
        "get configmap kubelet-config -o yaml",
    );
    let document = scene.document(&["cluster", "diff"], 1);
    assert!(
        document["warnings"][1]
            .as_str()
            .unwrap()
            .contains("immutable")
    );
    // It does not matter if there is nothing to change.
    scene.expect(&["cluster", "apply", "--disable"], 0);
}

#[test]
fn a_configmap_that_another_tool_manages_is_changed_with_a_warning() {
    let scene = Scene::new();
    scene.change(|map| {
        let applied = "kubectl.kubernetes.io/last-applied-configuration";
        map.metadata.annotations.insert(applied.into(), "{}".into());
        let owner =
            json!({"apiVersion": "x/v1", "kind": "Fleet", "name": "\u{1b}[2Jx", "uid": "1"});
        map.metadata.owner_references.push(owner);
    });
    let output = scene.expect(&["cluster", "apply"], 0);
    let warnings: Vec<_> = output
        .stderr
        .lines()
        .filter(|line| line.starts_with("warning: configmap"))
        .collect();
    assert_eq!(
        warnings,
        [
            "warning: configmap/kube-system/kubelet-config may be rewritten by its owner Fleet \u{fffd}[2Jx: make the same change at its source",
            "warning: configmap/kube-system/kubelet-config may be rewritten by kubectl apply, whose kubectl.kubernetes.io/last-applied-configuration it has: make the same change at its source",
        ]
    );
    assert_eq!(scene.configmap().metadata.owner_references.len(), 1);
}

#[test]
fn a_credential_without_permission_is_77() {
    let scene = Scene::new();
    let viewer = scene.api.client_identity("viewer", &["team"]);
    let style = standins::KubeconfigStyle::Inline;
    let directory = scene.directory.path();
    scene
        .api
        .write_kubeconfig(&directory.join("admin.conf"), directory, &viewer, style);
    refused(
        &scene,
        77,
        "cannot get configmap/kube-system/kubelet-config: ",
        "kubectl auth can-i get configmaps/kubelet-config -n kube-system",
    );
    // A node may read it, and no more.
    let node = scene.api.node_identity("worker-1");
    scene
        .api
        .write_kubeconfig(&directory.join("admin.conf"), directory, &node, style);
    let before = json!(scene.configmap());
    for options in [&["--dry-run"][..], &[]] {
        let output = scene.expect(&[&["cluster", "apply"], options].concat(), 77);
        assert!(
            output
                .stderr
                .contains("error: cannot patch configmap/kube-system/kubelet-config: ")
                && output.stderr.ends_with(
                    "hint: kubectl auth can-i patch configmaps/kubelet-config -n kube-system\n"
                ),
            "{}",
            output.stderr
        );
    }
    assert_eq!(json!(scene.configmap()), before);
    assert_eq!(scene.receipt()["state"], "PutBack");
    assert_eq!(scene.expect(&["rollback", "--cluster"], 0).stdout, "");
}

#[test]
fn an_unexpected_answer_is_an_error() {
    let unversioned = r#"{"kind":"ConfigMap","metadata":{"name":"kubelet-config","uid":"u"},"data":{"kubelet":"a"}}"#;
    let faults = [
        Fault::WrongTypes,
        Fault::WebPage,
        Fault::NestedJson,
        Fault::Garbage,
        Fault::Body(unversioned.into()),
    ];
    // Each is asked for a while whether it means that.
    std::thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let scene = Scene::new();
                scene.api.inject(reads(), fault);
                let output = scene.expect(&["cluster", "apply"], 69);
                let said = output.stderr;
                assert!(!said.contains('\u{1b}') && !said.contains('\0'), "{said}");
                assert_eq!(scene.writes(), 0);
            });
        }
    });
    // An error of the server's own passes.
    let scene = Scene::new();
    scene.api.inject(reads().times(3), Fault::Status(500, None));
    scene.expect(&["cluster", "diff"], 1);
}

#[test]
fn a_missing_server_or_kubeconfig_is_an_error() {
    let scene = Scene::new();
    let mut gone = ApiServer::start(Config::default());
    let path = gone.admin_kubeconfig(&scene.directory.path().join("gone"));
    gone.stop();
    let path = path.to_str().unwrap();
    let output = scene.expect(&["cluster", "apply", "--kubeconfig", path], 69);
    assert!(
        output.stderr.contains("cannot reach https://"),
        "{}",
        output.stderr
    );
    let output = scene.expect(&["cluster", "diff", "--kubeconfig", "/nowhere/x.conf"], 69);
    assert!(
        output
            .stderr
            .contains("set --kubeconfig or KUBECONFIG to a cluster administrator's kubeconfig\nhint: ls -l /nowhere\n"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_wrong_command_line_is_64() {
    let scene = Scene::new();
    for arguments in [
        &["cluster"][..],
        &["cluster", "nope"],
        &["cluster", "diff", "file.yaml"],
        &["cluster", "diff", "--dry-run"],
        &["rollback", "--cluster", "file"],
        &["rollback", "--cluster", "--settle", "1s"],
        &["rollback", "--kubeconfig", "x"],
    ] {
        scene.expect(arguments, 64);
    }
    let document = scene.document(&["cluster", "apply", "--nope"], 64);
    assert_eq!(document["kind"], "ClusterResult");
    // What is written is what was asked for, also where writing is tried and refused.
    scene.api.inject(writes(), Fault::Status(422, None));
    scene.expect(&["cluster", "apply"], 69);
    assert_eq!(scene.receipt()["state"], "PutBack");
}
