//! The ConfigMaps that real kubeadms left: one line of the text differs, and nothing else of the object.

use serde_json::json;
use snapbox::{assert_data_eq, str};

use super::scene::Scene;

/// The lines that were added and taken away, and that nothing else differs.
fn check_only_line(scene: &Scene, before: &standins::api::ConfigMap, line: &str) {
    let after = scene.configmap();
    let (old, new) = (&before.data["kubelet"], &after.data["kubelet"]);
    let kept: String = new
        .split_inclusive('\n')
        .filter(|one| *one != line)
        .collect();
    assert_eq!((&kept, new.len()), (old, old.len() + line.len()));
    // All but what the server itself keeps.
    let rest = |map: &standins::api::ConfigMap| {
        let mut value = serde_json::to_value(map).unwrap();
        value["data"]["kubelet"].take();
        value["metadata"]["resourceVersion"].take();
        value["metadata"]
            .as_object_mut()
            .unwrap()
            .remove("managedFields");
        value
    };
    assert_eq!(rest(before), rest(&after));
    let mut others = after.metadata.managed_fields.clone();
    others.truncate(before.metadata.managed_fields.len());
    assert_eq!(json!(others), json!(before.metadata.managed_fields));
}

#[test]
fn the_configmap_of_1_36_is_changed_as_expected() {
    let scene = Scene::new();
    scene.change(|map| {
        let data = [("other".to_owned(), "x: 1 # kept\r\n".to_owned())];
        map.data.extend(data);
        map.binary_data.insert("blob".into(), "AAEC/w==".into());
        let note = [("example.org/note".to_owned(), "kept".to_owned())];
        map.metadata.annotations.extend(note.clone());
        map.metadata.labels.extend(note);
    });
    let before = scene.configmap();
    let diff = scene.expect(&["cluster", "diff"], 1);
    assert_data_eq!(
        diff.stdout.clone(),
        str![[r#"
--- configmap/kube-system/kubelet-config
+++ configmap/kube-system/kubelet-config
@@ -27,6 +27,7 @@
 imageMaximumGCAge: 0s
 imageMinimumGCAge: 0s
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 logging:
   flushFrequency: 0
   options:

"#]]
    );
    assert_data_eq!(
        diff.stderr,
        str![[r#"
warning: a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved
3 of 3 nodes run without the change: control-plane-1, worker-1, worker-2
on each of them, as root: kubelet-tls apply

"#]]
    );
    assert_eq!(scene.writes(), 0);

    let dry = scene.expect(&["cluster", "apply", "--dry-run"], 0);
    assert_eq!(dry.stdout, diff.stdout);
    assert_data_eq!(
        dry.stderr,
        str![[r#"
warning: a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved
(dry run) configmap/kube-system/kubelet-config: the API server would accept the change
3 of 3 nodes run without the change: control-plane-1, worker-1, worker-2
on each of them, as root: kubelet-tls apply

"#]]
    );
    assert_eq!(json!(scene.configmap()), json!(before));
    assert!(!scene.state().exists());

    let apply = scene.expect(&["cluster", "apply"], 0);
    assert_eq!(apply.stdout, diff.stdout);
    assert_data_eq!(
        apply.stderr,
        str![[r#"
warning: a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved
configmap/kube-system/kubelet-config: updated; applies to new nodes and at the next kubeadm upgrade
3 of 3 nodes run without the change: control-plane-1, worker-1, worker-2
on each of them, as root: kubelet-tls apply

"#]]
    );
    check_only_line(&scene, &before, "serverTLSBootstrap: true\n");

    let again = scene.expect(&["cluster", "apply"], 0);
    assert_eq!(again.stdout, "");
    assert_data_eq!(
        again.stderr,
        str![[r#"
configmap/kube-system/kubelet-config: unchanged: serverTLSBootstrap is already true
3 of 3 nodes run without the change: control-plane-1, worker-1, worker-2
on each of them, as root: kubelet-tls apply

"#]]
    );
    assert_eq!(scene.expect(&["cluster", "diff"], 0).stdout, "");
    assert_eq!(
        scene
            .expect(&["cluster", "diff", "--disable"], 1)
            .stderr
            .matches("nodes run with serverTLSBootstrap: false")
            .count(),
        1
    );
}

#[test]
fn the_configmap_of_1_19_is_changed_as_expected() {
    let scene = Scene::of("v1.19.16");
    let before = scene.configmap();
    let apply = scene.expect(&["cluster", "apply", "-q"], 0);
    assert_data_eq!(
        apply.stdout,
        str![[r#"
--- configmap/kube-system/kubelet-config-1.19
+++ configmap/kube-system/kubelet-config-1.19
@@ -23,6 +23,7 @@
 httpCheckFrequency: 0s
 imageMinimumGCAge: 0s
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 logging: {}
 nodeStatusReportFrequency: 0s
 nodeStatusUpdateFrequency: 0s

"#]]
    );
    assert_eq!(apply.stderr.lines().count(), 1, "{}", apply.stderr);
    check_only_line(&scene, &before, "serverTLSBootstrap: true\n");
    // The mark by which kubeadm knows what is its own no longer fits, which is what makes it keep the change.
    let hash = "kubeadm.kubernetes.io/component-config.hash";
    assert_eq!(
        scene.configmap().metadata.annotations[hash],
        before.metadata.annotations[hash]
    );
    let disable = scene.expect(&["cluster", "apply", "--disable"], 0);
    assert!(
        disable
            .stdout
            .contains("-serverTLSBootstrap: true\n+serverTLSBootstrap: false\n"),
        "{}",
        disable.stdout
    );
}

#[test]
fn each_verb_prints_its_result_document() {
    let scene = Scene::new();
    assert_data_eq!(
        scene.expect(&["cluster", "apply", "-o", "json"], 0).stdout,
        str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "kind": "ClusterResult",
  "changed": true,
  "dryRun": false,
  "edits": [
    {
      "target": "configmap/kube-system/kubelet-config",
      "changed": true,
      "diff": "--- configmap/kube-system/kubelet-config/n+++ configmap/kube-system/kubelet-config/n@@ -27,6 +27,7 @@/n imageMaximumGCAge: 0s/n imageMinimumGCAge: 0s/n kind: KubeletConfiguration/n+serverTLSBootstrap: true/n logging:/n   flushFrequency: 0/n   options:/n"
    }
  ],
  "nodes": [
    {
      "name": "control-plane-1",
      "serverTLSBootstrap": false
    },
    {
      "name": "worker-1",
      "serverTLSBootstrap": false
    },
    {
      "name": "worker-2",
      "serverTLSBootstrap": false
    }
  ],
  "warnings": [
    "a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved"
  ]
}

"#]]
    );
    let none = scene.document(&["cluster", "diff"], 0);
    assert_eq!(none["kind"], "ClusterResult");
    assert_eq!(none["changed"], false);
    assert_eq!(none["edits"][0]["diff"], "");
    let dry = scene.document(&["cluster", "apply", "--disable", "--dry-run"], 0);
    assert_eq!(
        (&dry["changed"], &dry["dryRun"]),
        (&json!(true), &json!(true))
    );
    assert_data_eq!(
        scene
            .expect(&["rollback", "--cluster", "-o", "yaml"], 0)
            .stdout,
        str![[r#"
apiVersion: kubelet-tls/v1
kind: RollbackResult
changed: true
dryRun: false
edits:
- target: configmap/kube-system/kubelet-config
  changed: true
  diff: |
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
rolledBack: true
warnings: []

"#]]
    );
    assert_eq!(
        scene.expect(&["cluster", "diff", "-o", "name"], 1).stdout,
        "configmap/kube-system/kubelet-config\n"
    );
}

#[test]
fn crlf_quoted_and_json_texts_are_edited_in_their_own_form() {
    let head = "apiVersion: kubelet.config.k8s.io/v1beta1\r\nkind: KubeletConfiguration\r\n";
    let quoted = "\"apiVersion\": 'kubelet.config.k8s.io/v1beta1' # why\n\"kind\": KubeletConfiguration\n\"serverTLSBootstrap\": no # not yet\n";
    let json = r#"{"kind":"KubeletConfiguration","apiVersion":"kubelet.config.k8s.io/v1beta1"}"#;
    for (text, wanted) in [
        (
            head.to_owned(),
            format!("{head}serverTLSBootstrap: true\r\n"),
        ),
        (quoted.to_owned(), quoted.replace(": no", ": true")),
        (
            json.to_owned(),
            json.replace("{", "{\"serverTLSBootstrap\":true,"),
        ),
    ] {
        let scene = Scene::with_text(&text);
        let before = scene.configmap();
        scene.expect(&["cluster", "apply"], 0);
        assert_eq!(scene.text(), wanted);
        scene.expect(&["rollback", "--cluster"], 0);
        assert_eq!(scene.text(), text);
        assert_eq!(json!(scene.configmap().data), json!(before.data));
    }
}
