//! What `kubectl apply -k` makes of the directory: a real kubectl computes the patches, against an API server that keeps the
//! objects and fills in default values.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Scene;
use super::objects::Objects;
use super::rendered::kubectl;

const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server";
const API_SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";

const OFFICIAL_STRATEGY: &str = "{rollingUpdate: {maxUnavailable: 0}}";

/// Applies, and returns a line for each object: what it is, and what became of it.
fn apply(kubectl: &Path, scene: &Scene, objects: &Objects, what: &[&str]) -> Vec<String> {
    let output = Command::new(kubectl)
        .current_dir(scene.work.path())
        .env("HOME", scene.work.path())
        .env("KUBECONFIG", "/dev/null")
        // Validation would need a schema; nothing else of it is needed.
        .args(["apply", "--validate=false", "--server", &objects.url])
        .args(what)
        .output()
        .unwrap();
    assert!(output.status.success(), "{what:?}: {output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

/// The manifest with this strategy of its Deployment.
fn with_strategy(scene: &Scene, strategy: &str) {
    let path = scene.path("base.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let selector = "spec:\n  selector:\n    matchLabels:\n";
    assert_eq!(text.matches(selector).count(), 1);
    let changed = format!("spec:\n  strategy: {strategy}\n  selector:\n    matchLabels:\n");
    fs::write(&path, text.replace(selector, &changed)).unwrap();
}

/// Writes the directory for the official manifest, which is not read; nothing can be fetched in a test, so the manifest then
/// takes the place of its URL.
fn official(scene: &Scene) {
    scene.write(&[]);
    let path = scene.out().join("kustomization.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let url = kubelet_tls::parts::metrics_server::OFFICIAL_MANIFEST;
    fs::write(&path, text.replace(url, "official.yaml")).unwrap();
    fs::copy(scene.path("base.yaml"), scene.out().join("official.yaml")).unwrap();
}

#[test]
fn applying_an_unchanged_directory_again_changes_nothing() {
    let Some(kubectl) = kubectl() else { return };
    for (strategy, options) in [
        (None, &[][..]),
        (Some(OFFICIAL_STRATEGY), &["--kubelet-ca", "ca.crt"]),
        (Some(OFFICIAL_STRATEGY), &["--official"]),
        (Some("{type: RollingUpdate}"), &["--control-plane-ca"]),
        (Some("{type: Recreate}"), &[]),
    ] {
        let scene = Scene::new();
        if let Some(strategy) = strategy {
            with_strategy(&scene, strategy);
        }
        match options {
            ["--official"] => official(&scene),
            options => drop(scene.write(&[&["--base", "base.yaml"], options].concat())),
        }
        for is_installed in [false, true] {
            let objects = Objects::start(&kubectl);
            if is_installed {
                apply(&kubectl, &scene, &objects, &["-f", "base.yaml"]);
                assert_eq!(
                    objects.get(API_SERVICE)["spec"]["insecureSkipTLSVerify"],
                    true
                );
            }
            let first = apply(&kubectl, &scene, &objects, &["-k", "out"]);
            let deployment = objects.get(DEPLOYMENT);
            assert_eq!(
                deployment["spec"]["template"]["spec"]["containers"][0]["args"]
                    .to_string()
                    .matches("insecure")
                    .count(),
                0
            );
            assert!(objects.get(API_SERVICE)["spec"]["insecureSkipTLSVerify"].is_null());
            assert!(!objects.writes().is_empty());
            let again = apply(&kubectl, &scene, &objects, &["-k", "out"]);
            assert_eq!(again.len(), first.len(), "{first:?}");
            let changed: Vec<_> = again
                .iter()
                .filter(|line| !line.ends_with(" unchanged"))
                .collect();
            assert!(changed.is_empty(), "{strategy:?} {options:?}: {changed:?}");
            assert_eq!(objects.writes(), [""; 0], "{strategy:?} {options:?}");
        }
    }
}

/// The way back of docs/metrics-server.md: the manifest that was installed before.
#[test]
fn applying_the_manifest_again_undoes_the_overlay() {
    let Some(kubectl) = kubectl() else { return };
    let scene = Scene::new();
    scene.write(&["--base", "base.yaml", "--kubelet-ca", "ca.crt"]);
    let objects = Objects::start(&kubectl);
    apply(&kubectl, &scene, &objects, &["-f", "base.yaml"]);
    let before = (objects.get(API_SERVICE), objects.get(DEPLOYMENT));
    apply(&kubectl, &scene, &objects, &["-k", "out"]);
    assert!(objects.get(API_SERVICE)["spec"]["caBundle"].is_string());
    apply(&kubectl, &scene, &objects, &["-f", "base.yaml"]);
    let after = (objects.get(API_SERVICE), objects.get(DEPLOYMENT));
    assert_eq!(after.0["spec"], before.0["spec"]);
    assert_eq!(after.1["spec"], before.1["spec"]);
}
