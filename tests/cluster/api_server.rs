//! `api-server diff`: the manifest of this node's API server and the ConfigMap kubeadm-config.

use std::fs;

use snapbox::{assert_data_eq, str};
use standins::{Fault, Matcher};

use super::scene::Scene;

const NO: &str = include_str!("../../testdata/captured/1.36/kube-apiserver-v1beta4-no.yaml");
const YES: &str = include_str!("../../testdata/captured/1.36/kube-apiserver-v1beta4-yes.yaml");

/// Writes the manifest and returns the arguments that name it.
fn manifest(scene: &Scene, text: &str) -> [String; 4] {
    let path = scene.directory.path().join("manifests/kube-apiserver.yaml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    ["api-server", "diff", "--manifest", &path].map(str::to_owned)
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn diff_shows_the_manifest_and_the_configmap_and_changes_neither() {
    let scene = Scene::new();
    let arguments = manifest(&scene, NO);
    let before = scene.api.configmap("kube-system", "kubeadm-config");
    let output = scene.expect(&words(&arguments), 1);
    let shown = output
        .stdout
        .replace(scene.directory.path().to_str().unwrap(), "");
    assert_data_eq!(
        shown,
        str![[r#"
--- /manifests/kube-apiserver.yaml
+++ /manifests/kube-apiserver.yaml
@@ -39,6 +39,7 @@
     - --service-cluster-ip-range=10.96.0.0/12
     - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
     - --tls-private-key-file=/etc/kubernetes/pki/apiserver.key
+    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt
     image: registry.k8s.io/kube-apiserver:v1.36.2
     imagePullPolicy: IfNotPresent
     livenessProbe:
--- configmap/kube-system/kubeadm-config
+++ configmap/kube-system/kubeadm-config
@@ -1,4 +1,7 @@
-apiServer: {}
+apiServer:
+  extraArgs:
+  - name: kubelet-certificate-authority
+    value: /etc/kubernetes/pki/ca.crt
 apiVersion: kubeadm.k8s.io/v1beta4
[..]
[..]

"#]]
    );
    assert_eq!(
        output.stderr.matches("warning:").count(),
        2,
        "{}",
        output.stderr
    );
    assert_eq!(scene.writes(), 0);
    assert_eq!(fs::read_to_string(&arguments[3]).unwrap(), NO);
    let after = scene.api.configmap("kube-system", "kubeadm-config");
    assert_eq!(serde_json::json!(before), serde_json::json!(after));

    let names = scene.expect(&[&words(&arguments)[..], &["-o", "name"]].concat(), 1);
    assert_eq!(
        names.stdout,
        format!("{}\nconfigmap/kube-system/kubeadm-config\n", arguments[3])
    );
    let document = scene.document(&words(&arguments), 1);
    assert_eq!(document["kind"], "ApiServerResult");
    assert_eq!(document["changed"], true);
    assert_eq!(document["edits"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_set_already_is_exit_0_and_disable_is_the_opposite() {
    let scene = Scene::of("v1.19.16");
    let old = include_str!("../../testdata/captured/1.19/kube-apiserver-v1beta2-no.yaml");
    let arguments = manifest(&scene, old);
    let disable = [&words(&arguments)[..], &["--disable"]].concat();
    assert_eq!(scene.expect(&disable, 0).stdout, "");
    let document = scene.document(&words(&arguments), 1);
    let added = |number: usize| {
        let diff = document["edits"][number]["diff"].as_str().unwrap();
        let added = diff.lines().filter(|line| line.starts_with('+')).skip(1);
        added.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        [added(0), added(1)],
        [
            "+    - --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt",
            "+  extraArgs:\n+    kubelet-certificate-authority: /etc/kubernetes/pki/ca.crt",
        ]
    );

    let scene = Scene::new();
    let arguments = manifest(&scene, YES);
    let mut map = scene
        .api
        .configmap("kube-system", "kubeadm-config")
        .unwrap();
    let text = map.data.get_mut("ClusterConfiguration").unwrap();
    *text = text.replace(
        "apiServer: {}\n",
        "apiServer:\n  extraArgs:\n  - name: kubelet-certificate-authority\n    value: /etc/kubernetes/pki/ca.crt\n",
    );
    scene.api.set_configmap_object(map);
    let output = scene.expect(&words(&arguments), 0);
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    let disable = [&words(&arguments)[..], &["--disable"]].concat();
    assert_eq!(scene.document(&disable, 1)["edits"][1]["changed"], true);
}

#[test]
fn what_cannot_be_read_or_is_refused_leaves_the_other_edit_shown() {
    let scene = Scene::new();
    let arguments = manifest(&scene, NO);
    let forbidden = Matcher::new().path("/configmaps/kubeadm-config");
    scene.api.inject(forbidden, Fault::Status(403, None));
    let document = scene.document(&words(&arguments), 77);
    assert_eq!(document["edits"].as_array().unwrap().len(), 1);
    assert_eq!(document["error"]["code"], 77);

    let scene = Scene::new();
    let arguments = manifest(&scene, &YES.replace("authority=/etc", "authority=/other"));
    let document = scene.document(&words(&arguments), 65);
    assert_eq!(
        document["edits"][0]["target"],
        "configmap/kube-system/kubeadm-config"
    );
    fs::remove_file(&arguments[3]).unwrap();
    let output = scene.expect(&words(&arguments), 74);
    assert!(
        output.stderr.contains("is this a control-plane node"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_second_file_that_the_kubelet_would_run_is_named() {
    let scene = Scene::new();
    let arguments = manifest(&scene, YES);
    let directory = scene.directory.path().join("manifests");
    for (name, text) in [
        ("kube-apiserver.yaml.bak", NO),
        (".kube-apiserver.yaml", NO),
        ("etcd.yaml", "apiVersion: v1\nkind: Pod\n"),
    ] {
        fs::write(directory.join(name), text).unwrap();
    }
    let document = scene.document(&words(&arguments), 1);
    let warnings = document["warnings"].to_string();
    assert!(
        warnings.contains("kube-apiserver.yaml.bak as a Pod"),
        "{warnings}"
    );
    assert!(
        !warnings.contains("/.kube") && !warnings.contains("etcd"),
        "{warnings}"
    );
}

/// The manifest whose volume `pki` lies in the scene's directory, with this CA file; the arguments of `apply` that name it.
fn switchable(scene: &Scene, text: &str, ca: Option<&str>) -> [String; 4] {
    let pki = scene.directory.path().join("pki");
    fs::create_dir_all(&pki).unwrap();
    if let Some(ca) = ca {
        fs::write(pki.join("ca.crt"), ca).unwrap();
    }
    let volume = "      path: /etc/kubernetes/pki\n";
    assert!(text.contains(volume));
    let text = text.replace(volume, &format!("      path: {}\n", pki.display()));
    let mut arguments = manifest(scene, &text);
    arguments[1] = "apply".to_owned();
    arguments
}

#[test]
fn apply_refuses_before_it_writes_anything() {
    let ca = include_str!("../../testdata/captured/1.36/ca.crt");
    let elsewhere = NO.replace("mountPath: /etc/kubernetes/pki\n", "mountPath: /pki\n");
    let other = YES.replace("authority=/etc/kubernetes", "authority=/other");
    for (text, file, twin, code, said) in [
        (NO, None, false, 74, "pki/ca.crt"),
        (NO, Some(""), false, 78, "it has no certificate"),
        (NO, Some("not PEM\n"), false, 78, "it has no certificate"),
        (&elsewhere, Some(ca), false, 65, "no hostPath volume"),
        (&other, Some(ca), false, 65, "is already"),
        (NO, Some(ca), true, 78, "kube-apiserver.yaml.bak as a Pod"),
        (
            NO,
            Some(ca),
            false,
            78,
            "no kube-apiserver process of this manifest runs; nothing was changed",
        ),
    ] {
        let scene = Scene::new();
        let arguments = switchable(&scene, text, file);
        let before = fs::read(&arguments[3]).unwrap();
        let directory = scene.directory.path().join("manifests");
        if twin {
            fs::write(directory.join("kube-apiserver.yaml.bak"), NO).unwrap();
        }
        let files = fs::read_dir(&directory).unwrap().count();
        for dry_run in [&["--dry-run"][..], &[]] {
            let output = scene.expect(&[&words(&arguments)[..], dry_run].concat(), code);
            assert!(output.stderr.contains(said), "{said}\n{}", output.stderr);
        }
        let document = scene.document(&words(&arguments), code);
        assert_eq!(document["kind"], "ApiServerApplyResult");
        assert_eq!(
            (&document["changed"], &document["rolledBack"]),
            (&false.into(), &false.into())
        );
        assert_eq!(fs::read(&arguments[3]).unwrap(), before);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), files);
        assert_eq!(scene.writes(), 0);
        assert!(!scene.state().join("api-server-receipt.json").exists());
    }
    let scene = Scene::new();
    let arguments = switchable(&scene, NO, Some(ca));
    fs::remove_file(&arguments[3]).unwrap();
    let output = scene.expect(&words(&arguments), 74);
    assert!(
        output.stderr.contains("is this a control-plane node"),
        "{}",
        output.stderr
    );
}

#[test]
fn rollback_without_an_apply_has_nothing_to_undo() {
    let scene = Scene::new();
    let output = scene.expect(&["api-server", "rollback"], 0);
    assert!(
        output
            .stderr
            .contains("no api-server apply has changed this node"),
        "{}",
        output.stderr
    );
    let document = scene.document(&["api-server", "rollback"], 0);
    assert_eq!(document["kind"], "ApiServerRollbackResult");
    assert_eq!(document["changed"], false);
    assert_eq!(scene.writes(), 0);
    // No kubeconfig is needed to say so.
    let mut without = scene.command(&["api-server", "rollback"]);
    let output = standins::Output::of(without.env("KUBECONFIG", "/nope"));
    let expected =
        "nothing to roll back in the manifest: no api-server apply has changed this node\n";
    assert_eq!((output.code, output.stderr.as_str()), (0, expected));
    // Nor a directory that could be written.
    let mut without = scene.command(&["api-server", "rollback"]);
    let output = standins::Output::of(without.env("KUBELET_TLS_STATE_DIR", "/proc/none"));
    assert_eq!((output.code, output.stderr.as_str()), (0, expected));
}

/// `api-server status` of a manifest whose CA file is this cluster's.
fn status(scene: &Scene) -> [String; 4] {
    let pki = scene.directory.path().join("pki");
    fs::create_dir_all(&pki).unwrap();
    fs::write(pki.join("ca.crt"), scene.api.ca_pem()).unwrap();
    let text = YES.replace("/etc/kubernetes/pki", pki.to_str().unwrap());
    let [verb, _, option, path] = manifest(scene, &text);
    [verb, "status".to_owned(), option, path]
}

/// Each condition as its type, status and reason.
fn conditions(document: &serde_json::Value) -> Vec<String> {
    let conditions = document["conditions"].as_array().unwrap().iter();
    let text =
        |condition: &serde_json::Value, key: &str| condition[key].as_str().unwrap().to_owned();
    conditions
        .map(|one| {
            format!(
                "{} {}({})",
                text(one, "type"),
                text(one, "status"),
                text(one, "reason")
            )
        })
        .collect()
}

#[test]
fn status_says_unknown_for_answers_that_are_not_the_apis() {
    let scene = Scene::new();
    let words_of = status(&scene);
    let nodes = serde_json::json!({
        "kind": "NodeList", "metadata": {"resourceVersion": "1"},
        "items": [
            null,
            {"metadata": {"name": "\u{1b}[2Jx;reboot"}},
            {"metadata": {"name": "a"}, "status": {"addresses": "none"}},
            {"metadata": {"name": "b"}, "status": {
                "addresses": [{"type": "InternalIP", "address": "\u{1b}]0;x\u{7}"}],
                "conditions": [{"type": "Ready", "status": "\u{1b}[2J"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 70000}},
            }},
            {"metadata": {"name": "c"}, "status": {
                "addresses": [{"type": "InternalIP", "address": "127.9.9.9"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}},
            }},
        ],
    });
    scene.api.set_object("/api/v1/nodes", nodes.to_string());
    scene.api.set_object("/apis/apps/v1/deployments", "[1]");
    let output = scene.expect(&words(&words_of), 1);
    assert!(
        !output.stdout.contains("\u{1b}[2J") && !output.stdout.contains('\u{7}'),
        "{}",
        output.stdout
    );
    assert_eq!(
        conditions(&scene.document(&words(&words_of), 1)),
        [
            "KubeletsSecured Unknown(NotSeen)",
            "ManifestHasFlag True(Set)",
            "NoOtherManifest True(OnlyOne)",
            "ProcessHasFlag Unknown(NotRunning)",
            "KubeadmConfigHasFlag False(NotSet)",
            "KubeletsReachable Unknown(NotSeen)",
            "ApproverSeen Unknown(NotSeen)",
        ]
    );
}

#[test]
fn status_without_an_api_server_is_about_this_machine() {
    let scene = Scene::new();
    let words_of = status(&scene);
    let forbidden = Matcher::new().path("/api");
    scene.api.inject(forbidden, Fault::Status(403, None));
    let document = scene.document(&words(&words_of), 1);
    let known = conditions(&document);
    assert_eq!(known[1], "ManifestHasFlag True(Set)");
    let unknown = known.iter().filter(|one| one.contains("Unknown"));
    assert_eq!(unknown.count(), 5, "{known:?}");
    fs::write(&words_of[3], "kind: Pod\n").unwrap();
    let document = scene.document(&words(&words_of), 65);
    assert_eq!(document["kind"], "ApiServerStatusResult");
    fs::remove_file(&words_of[3]).unwrap();
    scene.expect(&words(&words_of), 74);
}
