//! `rollback --cluster`.

use std::fs;

use serde_json::json;

use super::scene::Scene;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.expect(&["cluster", "apply"], 0);
    scene
}

#[test]
fn rollback_restores_every_byte_and_only_once() {
    let scene = Scene::new();
    let before = scene.text();
    scene.expect(&["cluster", "apply"], 0);
    let applied = json!(scene.configmap());
    let dry = scene.expect(&["rollback", "--cluster", "--dry-run"], 0);
    assert_eq!(json!(scene.configmap()), applied);
    assert_eq!(scene.receipt()["state"], "Done");
    let done = scene.expect(&["rollback", "--cluster"], 0);
    snapbox::assert_data_eq!(
        done.stdout.clone(),
        snapbox::str![[r#"
--- configmap/kube-system/kubelet-config
+++ configmap/kube-system/kubelet-config
@@ -27,7 +27,6 @@
 imageMaximumGCAge: 0s
 imageMinimumGCAge: 0s
 kind: KubeletConfiguration
-serverTLSBootstrap: true
 logging:
   flushFrequency: 0
   options:

"#]]
    );
    assert_eq!(done.stdout, dry.stdout);
    assert_eq!(scene.text(), before);
    assert_eq!(scene.receipt()["state"], "RolledBack");
    let writes = scene.writes();
    let again = scene.document(&["rollback", "--cluster"], 0);
    assert_eq!(
        (&again["kind"], &again["changed"]),
        (&json!("RollbackResult"), &json!(false))
    );
    assert_eq!(scene.writes(), writes);
    // What other clients changed beside the text does not matter, and stays.
    scene.expect(&["cluster", "apply"], 0);
    scene.change(|map| {
        map.metadata.labels.insert("a".into(), "b".into());
    });
    scene.expect(&["rollback", "--cluster"], 0);
    assert_eq!(scene.text(), before);
    assert_eq!(scene.configmap().metadata.labels["a"], "b");
}

#[test]
fn a_text_that_was_edited_since_is_left_alone() {
    let scene = scene();
    scene.change(|map| {
        let text = map.data["kubelet"].replace("cluster.local", "other.local");
        map.data.insert("kubelet".into(), text);
    });
    let before = json!(scene.configmap());
    let output = scene.expect(&["rollback", "--cluster"], 78);
    assert!(
        output
            .stderr
            .contains("its text was edited since the cluster apply of ")
            && output
                .stderr
                .contains("; to change only that key, after a look at the diff: kubelet-tls cluster apply --disable")
            && output
                .stderr
                .contains("\nhint: kubelet-tls cluster diff --disable\n"),
        "{}",
        output.stderr
    );
    assert_eq!(json!(scene.configmap()), before);
    assert_eq!(scene.receipt()["state"], "Done");
}

#[test]
fn another_cluster_is_left_alone() {
    let scene = scene();
    let other = Scene::new();
    other.change(|map| {
        map.data = scene.configmap().data;
        map.metadata.uid = "0c5b7be1-0000-4000-8000-000000000000".into();
    });
    let before = json!(other.configmap());
    let kubeconfig = other.directory.path().join("admin.conf");
    let arguments = [
        "rollback",
        "--cluster",
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let output = scene.expect(&arguments, 78);
    assert!(
        output
            .stderr
            .contains(&format!("was to another cluster, at {}", scene.api.url())),
        "{}",
        output.stderr
    );
    assert_eq!(json!(other.configmap()), before);
    other.api.remove_configmap("kube-system", &other.name);
    scene.expect(&arguments, 78);
    scene.expect(&["rollback", "--cluster"], 0);
}

#[test]
fn without_an_apply_there_is_nothing_to_undo() {
    let scene = Scene::new();
    let output = scene.expect(&["rollback", "--cluster"], 0);
    assert!(
        output
            .stderr
            .starts_with("nothing to roll back: no cluster apply of this user"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.api.requests().len(), 0);
    // A receipt that is torn, or of another kind, does not count.
    for text in [
        "",
        "{",
        include_str!("../../testdata/receipt/v1/receipt.json"),
    ] {
        fs::create_dir_all(scene.state()).unwrap();
        fs::write(scene.state().join("cluster-receipt.json"), text).unwrap();
        let output = scene.expect(&["rollback", "--cluster"], 0);
        assert!(output.stderr.contains("ignoring "), "{}", output.stderr);
    }
    scene.expect(&["cluster", "apply"], 0);
    scene.expect(&["rollback", "--cluster"], 0);
}

#[test]
fn a_run_that_is_killed_at_any_moment_is_completed_or_undone() {
    let scene = scene();
    let (receipt, applied) = (scene.receipt(), scene.configmap());
    let set = |state: &str| {
        let mut receipt = receipt.clone();
        receipt["state"] = state.into();
        fs::write(
            scene.state().join("cluster-receipt.json"),
            receipt.to_string(),
        )
        .unwrap();
    };
    let plain = Scene::new().text();
    for (state, made, code, end) in [
        // An apply: before its write, after it.
        ("Started", false, 0, "PutBack"),
        ("Started", true, 0, "RolledBack"),
        // A rollback: before its write, after it.
        ("RollingBack", true, 0, "RolledBack"),
        ("RollingBack", false, 0, "RolledBack"),
    ] {
        scene.change(|map| {
            let text = if made {
                applied.data["kubelet"].clone()
            } else {
                plain.clone()
            };
            map.data.insert("kubelet".into(), text);
        });
        set(state);
        scene.expect(&["rollback", "--cluster"], code);
        assert_eq!(scene.text(), plain, "{state} {made}");
        assert_eq!(scene.receipt()["state"], end, "{state} {made}");
    }
}
