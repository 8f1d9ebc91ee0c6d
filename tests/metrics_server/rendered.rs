//! What kustomize makes of it, compared with what is expected.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;
use support::harness::is_required;

use super::Scene;

/// A kubectl with kustomize 5: the one that `.ci/run` installs, else the system's.
pub(crate) fn kubectl() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_BIN_EXE_kubelet-tls"))
        .ancestors()
        .nth(2)
        .unwrap();
    let found = [target.join("tools/kubectl"), "kubectl".into()]
        .into_iter()
        .find(|kubectl| {
            let version = Command::new(kubectl).args(["version", "--client"]).output();
            version.is_ok_and(|output| {
                String::from_utf8_lossy(&output.stdout).contains("Kustomize Version: v5")
            })
        });
    if found.is_none() {
        assert!(!is_required(), "no kubectl with kustomize 5");
        eprintln!("skipped: no kubectl with kustomize 5");
    }
    found
}

fn render(scene: &Scene, kubectl: &Path) -> String {
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(scene.out())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without what is another each time: the certificate, its key, and the hash of both in the Secret's name.
fn constant(text: &str) -> String {
    let mut lines = Vec::new();
    let mut in_block = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if in_block.is_some_and(|block| indent > block) {
            continue;
        }
        in_block = None;
        let key = line.trim_start().trim_start_matches("- ");
        if ["caBundle: ", "tls.crt: ", "tls.key: "]
            .iter()
            .any(|name| key.starts_with(name))
        {
            in_block = Some(indent);
            let (name, _) = line.split_once(": ").unwrap();
            lines.push(format!("{name}: HIDDEN"));
        } else if line.starts_with("# written by kubelet-tls metrics-server; ") {
            lines.push("# written by kubelet-tls metrics-server; HIDDEN".to_owned());
        } else if let Some((head, _)) = line.split_once("metrics-server-tls-") {
            lines.push(format!("{head}metrics-server-tls-HASH"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n") + "\n"
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/metrics-server")
        .join(name);
    snapbox::assert_data_eq!(constant(text), snapbox::Data::read_from(&path, None).raw());
}

fn objects(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

fn find<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects
        .iter()
        .find(|object| object["kind"] == kind)
        .unwrap()
}

/// Pod Security Standards, restricted, as far as it is about what the manifest has.
fn assert_restricted(objects: &[Value]) {
    let pod = &find(objects, "Deployment")["spec"]["template"]["spec"];
    for volume in pod["volumes"].as_array().unwrap() {
        let mut kinds = volume
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "name");
        assert!(
            kinds.all(|kind| matches!(kind.as_str(), "secret" | "configMap" | "emptyDir")),
            "{volume}"
        );
    }
    for container in pod["containers"].as_array().unwrap() {
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false);
        assert_eq!(context["capabilities"]["drop"][0], "ALL");
        assert_eq!(context["runAsNonRoot"], true);
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
    }
    assert!(pod["hostNetwork"].is_null() && pod["securityContext"].is_null());
}

/// What must be so whatever the options: both ends of both channels fit each other.
fn assert_coherent(scene: &Scene, objects: &[Value]) {
    let api_service = &find(objects, "APIService")["spec"];
    // Not false: the API server stores none, and kubectl would find a difference each time.
    assert!(api_service["insecureSkipTLSVerify"].is_null());
    let (service, deployment) = (find(objects, "Service"), find(objects, "Deployment"));
    let secret = find(objects, "Secret");
    let namespace = &api_service["service"]["namespace"];
    assert_eq!(api_service["service"]["name"], service["metadata"]["name"]);
    for object in [service, deployment, secret, find(objects, "ServiceAccount")] {
        assert_eq!(&object["metadata"]["namespace"], namespace);
    }
    for object in objects
        .iter()
        .filter(|object| object["kind"].as_str().unwrap().ends_with("RoleBinding"))
    {
        assert_eq!(&object["subjects"][0]["namespace"], namespace);
    }
    assert_eq!(
        find(objects, "RoleBinding")["metadata"]["namespace"],
        "kube-system"
    );
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(
        pod["volumes"][0]["secret"]["secretName"],
        secret["metadata"]["name"]
    );
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let args: Vec<&str> = pod["containers"][0]["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap())
        .collect();
    assert!(!args.iter().any(|arg| arg.contains("insecure")));
    // The port that is served is the one that the Service and the probes mean.
    let port = &pod["containers"][0]["ports"];
    assert_eq!(port.as_array().unwrap().len(), 1);
    assert!(args.contains(&format!("--secure-port={}", port[0]["containerPort"]).as_str()));
    let data = |key: &str| {
        // kustomize breaks it into lines.
        let text = secret["data"][key].as_str().unwrap().replace('\n', "");
        let bytes: k8s_openapi::ByteString = serde_json::from_value(text.into()).unwrap();
        bytes.0
    };
    assert_eq!(data("tls.crt"), scene.files()["tls.crt"]);
    let name = format!(
        "{}.{}.svc",
        service["metadata"]["name"].as_str().unwrap(),
        namespace.as_str().unwrap()
    );
    let bundle: k8s_openapi::ByteString =
        serde_json::from_value(api_service["caBundle"].clone()).unwrap();
    let roots = kubelet_tls::parts::metrics_server::certificates(&bundle.0).unwrap();
    let address = super::certificates::serve(&data("tls.crt"), &data("tls.key"));
    let served = kubelet_tls::parts::host::probe_as(address, &name, &roots).unwrap();
    assert_eq!(served.verified, Ok(()));
}

fn over_a_file(golden: &str, options: &[&str]) -> Option<Vec<Value>> {
    let kubectl = kubectl()?;
    let scene = Scene::new();
    scene.write(&[&["--base", "base.yaml"], options].concat());
    let text = render(&scene, &kubectl);
    let objects = objects(&text);
    assert_coherent(&scene, &objects);
    check(golden, &text);
    Some(objects)
}

#[test]
fn an_own_manifest_is_patched() {
    if let Some(objects) = over_a_file("file.yaml", &[]) {
        assert_restricted(&objects);
    }
}

#[test]
fn the_kubelets_ca_comes_from_a_configmap() {
    if let Some(objects) = over_a_file("kubelet-ca.yaml", &["--kubelet-ca", "ca.crt"]) {
        assert_restricted(&objects);
    }
}

#[test]
fn the_kubelets_ca_comes_from_the_control_plane_node() {
    over_a_file("control-plane-ca.yaml", &["--control-plane-ca"]);
}

#[test]
fn another_namespace_and_name_are_used_throughout() {
    let options = [
        "--namespace",
        "monitoring",
        "--service",
        "ms",
        "--cluster-domain",
        "k8s.example",
        "--kubelet-ca",
        "ca.crt",
    ];
    if let Some(objects) = over_a_file("elsewhere.yaml", &options) {
        assert_restricted(&objects);
        let config_map = find(&objects, "ConfigMap");
        assert_eq!(config_map["metadata"]["namespace"], "monitoring");
        let volumes = &find(&objects, "Deployment")["spec"]["template"]["spec"]["volumes"];
        assert_eq!(
            volumes[1]["configMap"]["name"],
            config_map["metadata"]["name"]
        );
    }
}

/// Nothing can be fetched in a test: the manifest takes the URL's place after the overlay was written without a look at
/// it. It is one of an older release, so that the port is another.
#[test]
fn the_official_manifest_is_patched_by_its_url() {
    let Some(kubectl) = kubectl() else { return };
    let scene = Scene::new();
    scene.write(&[]);
    let path = scene.out().join("kustomization.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let url = kubelet_tls::parts::metrics_server::OFFICIAL_MANIFEST;
    assert!(text.contains(&format!("resources:\n- {url}\n")));
    fs::write(&path, text.replace(url, "official.yaml")).unwrap();
    fs::copy(scene.path("base.yaml"), scene.out().join("official.yaml")).unwrap();
    let text = render(&scene, &kubectl);
    let objects = objects(&text);
    assert_coherent(&scene, &objects);
    assert_restricted(&objects);
    check("url.yaml", &text);
}

#[test]
fn a_renewed_certificate_rolls_the_deployment() {
    let Some(kubectl) = kubectl() else { return };
    let scene = Scene::new();
    let name = |options: &[&str]| {
        scene.write(&[&["--base", "base.yaml"], options].concat());
        let objects = objects(&render(&scene, &kubectl));
        let volumes = &find(&objects, "Deployment")["spec"]["template"]["spec"]["volumes"];
        volumes[0]["secret"]["secretName"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let first = name(&[]);
    assert_eq!(first, name(&[]));
    assert_ne!(first, name(&["--duration", "90d"]));
}

#[test]
fn values_for_the_chart_render() {
    for (golden, options) in [
        ("helm", &[][..]),
        (
            "helm-kubelet-ca",
            &[
                "--kubelet-ca",
                "ca.crt",
                "--namespace",
                "monitoring",
                "--service",
                "ms",
            ],
        ),
        ("helm-control-plane-ca", &["--control-plane-ca"]),
    ] {
        let scene = Scene::new();
        scene.write(&[&["--format", "helm"], options].concat());
        assert!(!scene.names().contains(&"kustomization.yaml".to_owned()));
        let files = scene.files();
        let text = |name: &str| String::from_utf8(files[name].clone()).unwrap();
        check(&format!("{golden}-values.yaml"), &text("values.yaml"));
        check(&format!("{golden}-manifests.yaml"), &text("manifests.yaml"));
        let values = scene.yaml("values.yaml");
        let manifests = objects(&text("manifests.yaml"));
        let secret = find(&manifests, "Secret");
        assert_eq!(
            values["extraVolumes"][0]["secret"]["secretName"],
            secret["metadata"]["name"]
        );
        if let Some(config_map) = manifests
            .iter()
            .find(|object| object["kind"] == "ConfigMap")
        {
            assert_eq!(
                values["extraVolumes"][1]["configMap"]["name"],
                config_map["metadata"]["name"]
            );
        }
        // The chart takes the bundle as PEM and encodes it itself.
        let bundle = values["apiService"]["caBundle"].as_str().unwrap();
        let roots = kubelet_tls::parts::metrics_server::certificates(bundle.as_bytes()).unwrap();
        let of = |key: &str| {
            secret["stringData"][key]
                .as_str()
                .unwrap()
                .as_bytes()
                .to_vec()
        };
        let address = super::certificates::serve(&of("tls.crt"), &of("tls.key"));
        let host = format!(
            "{}.{}.svc",
            values["fullnameOverride"].as_str().unwrap(),
            secret["metadata"]["namespace"].as_str().unwrap()
        );
        assert_eq!(
            kubelet_tls::parts::host::probe_as(address, &host, &roots)
                .unwrap()
                .verified,
            Ok(())
        );
    }
}

/// Manifests as older releases and exports have them.
#[test]
fn every_manifest_that_is_accepted_is_patched() {
    let field = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("testdata/metrics-server/field")
            .join(name)
    };
    for name in [
        "apiservice-v1beta1.yaml",
        "list-with-apiservice-v1beta1.yaml",
    ] {
        let scene = Scene::new();
        let file = field(name);
        let output = scene.write(&["--base", file.to_str().unwrap()]);
        assert!(
            output
                .stderr
                .contains("which Kubernetes 1.22 and later refuse"),
            "{}",
            output.stderr
        );
        let Some(kubectl) = kubectl() else { return };
        let objects = objects(&render(&scene, &kubectl));
        let api_service = find(&objects, "APIService");
        assert_eq!(api_service["apiVersion"], "apiregistration.k8s.io/v1beta1");
        assert!(api_service["spec"]["insecureSkipTLSVerify"].is_null());
        assert!(api_service["spec"]["caBundle"].is_string());
        let pod = &find(&objects, "Deployment")["spec"]["template"]["spec"];
        let args = pod["containers"][0]["args"].to_string();
        assert!(!args.contains("insecure") && args.contains("--tls-cert-file="));
    }
    let scene = Scene::new();
    let file = field("deployment-extensions-v1beta1.yaml");
    let output = scene.run(&["--dir", "out", "--base", file.to_str().unwrap()]);
    assert_eq!(output.code, 65);
    assert!(
        output.stderr.contains(
            "its Deployment has the apiVersion extensions/v1beta1; only apps/v1 can be patched"
        ),
        "{}",
        output.stderr
    );
    assert!(!scene.out().exists());
}

/// What the API server adds or leaves out must not be in what is applied, or `kubectl apply` finds a difference each time.
#[test]
fn a_second_apply_finds_no_difference() {
    let Some(kubectl) = kubectl() else { return };
    let scene = Scene::new();
    let base = fs::read_to_string(scene.path("base.yaml")).unwrap();
    let part = "  selector:\n    matchLabels:";
    assert!(base.contains(part));
    let strategies = [
        ("", Value::Null),
        (
            "  strategy: {rollingUpdate: {maxUnavailable: 0}}\n",
            serde_json::json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0}}),
        ),
        (
            "  strategy: {type: RollingUpdate}\n",
            serde_json::json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
        ),
        (
            "  strategy: {type: Recreate}\n",
            serde_json::json!({"type": "Recreate"}),
        ),
    ];
    for (given, whole) in strategies {
        fs::write(
            scene.path("base.yaml"),
            base.replacen(part, &format!("{given}{part}"), 1),
        )
        .unwrap();
        scene.write(&["--base", "base.yaml"]);
        let objects = objects(&render(&scene, &kubectl));
        assert_eq!(find(&objects, "Deployment")["spec"]["strategy"], whole);
        assert!(find(&objects, "APIService")["spec"]["insecureSkipTLSVerify"].is_null());
        let secret = find(&objects, "Secret");
        for key in ["tls.crt", "tls.key"] {
            assert!(!secret["data"][key].as_str().unwrap().contains('\n'));
        }
    }
}
