//! deploy/approver, as kustomize builds it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize as _;
use serde_json::{Value, json};
use support::harness::is_required;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn objects(yaml: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(yaml)
        .map(|one| Value::deserialize(one).unwrap())
        .collect()
}

/// What kustomize 5 makes of a directory: the kubectl that `.ci/run` installs has it, else the system's.
fn build(directory: &Path) -> Option<Vec<Value>> {
    let binary = Path::new(env!("CARGO_BIN_EXE_kubelet-tls"));
    let target = binary.ancestors().nth(2).unwrap();
    let candidates = [target.join("tools/kubectl"), "kubectl".into()];
    let mut found = candidates.into_iter().filter(|kubectl| {
        let version = Command::new(kubectl).args(["version", "--client"]).output();
        version.is_ok_and(|said| {
            String::from_utf8_lossy(&said.stdout).contains("Kustomize Version: v5")
        })
    });
    let Some(kubectl) = found.next() else {
        assert!(!is_required(), "no kubectl with kustomize 5");
        eprintln!("skipped: no kubectl with kustomize 5");
        return None;
    };
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    Some(objects(&String::from_utf8(output.stdout).unwrap()))
}

fn of<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|one| one["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "{kind}");
    found[0]
}

fn pod(objects: &[Value]) -> &Value {
    &of(objects, "Deployment")["spec"]["template"]
}

/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
#[test]
fn its_pods_keep_the_restricted_standard() {
    let Some(objects) = build(&deploy().join("approver")) else {
        return;
    };
    let labels = &of(&objects, "Namespace")["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    let spec = &pod(&objects)["spec"];
    let of_pod = &spec["securityContext"];
    assert_eq!(of_pod["runAsNonRoot"], true);
    assert_eq!(of_pod["runAsUser"], 65532);
    assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault");
    for host in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
        assert_eq!(spec[host], Value::Null, "{host}");
    }
    let [container] = spec["containers"].as_array().unwrap().as_slice() else {
        panic!("{spec}");
    };
    assert_eq!(
        container["securityContext"],
        json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    for needed in ["requests", "limits"] {
        let memory = &container["resources"][needed]["memory"];
        assert!(memory.is_string(), "{needed}");
    }
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(
            container[probe]["httpGet"]["port"],
            container["ports"][0]["name"]
        );
    }
}

#[test]
fn two_replicas_run_on_control_plane_nodes_and_one_stays_up() {
    let Some(objects) = build(&deploy().join("approver")) else {
        return;
    };
    let deployment = of(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let label = "node-role.kubernetes.io/control-plane";
    let spec = &pod(&objects)["spec"];
    assert_eq!(spec["nodeSelector"][label], "");
    assert_eq!(spec["tolerations"][0]["key"], label);
    let pods = &pod(&objects)["metadata"]["labels"];
    for selector in [
        &deployment["spec"]["selector"]["matchLabels"],
        &of(&objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &of(&objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        &of(&objects, "Service")["spec"]["selector"],
    ] {
        assert_eq!(selector, pods);
    }
    assert_eq!(
        of(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"],
        1
    );
    // The rights are those of its own account.
    let account = of(&objects, "ServiceAccount")["metadata"].clone();
    assert_eq!(spec["serviceAccountName"], account["name"]);
    let subject = &of(&objects, "ClusterRoleBinding")["subjects"][0];
    assert_eq!(
        (&subject["name"], &subject["namespace"]),
        (&account["name"], &account["namespace"])
    );
}

/// The program takes the arguments of the Deployment; it ends because no API server can be reached here.
#[test]
fn its_arguments_are_the_programs() {
    let Some(objects) = build(&deploy().join("approver")) else {
        return;
    };
    let container = pod(&objects)["spec"]["containers"][0].clone();
    let arguments = container["args"].as_array().unwrap().iter();
    let arguments: Vec<&str> = arguments
        .map(|word| word.as_str().unwrap())
        // Its port may be taken here.
        .map(|word| {
            if word == "[::]:9095" {
                "127.0.0.1:0"
            } else {
                word
            }
        })
        .collect();
    assert!(arguments.contains(&"127.0.0.1:0"), "{arguments:?}");
    assert_eq!(container["ports"][0]["containerPort"], 9095);
    let output = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"))
        .args(arguments)
        .args(["--kubeconfig", "/nonexistent"])
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(69), "{output:?}");
}

#[test]
fn the_component_for_the_prometheus_operator_renders_and_has_the_alerts() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("approver");
    let status = Command::new("cp")
        .arg("-r")
        .arg(deploy().join("approver"))
        .arg(&copy)
        .status()
        .unwrap();
    assert!(status.success());
    let overlay = directory.path().join("overlay");
    fs::create_dir(&overlay).unwrap();
    fs::write(
        overlay.join("kustomization.yaml"),
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [../approver]\ncomponents: [../approver/monitoring]\n",
    )
    .unwrap();
    let Some(built) = build(&overlay) else {
        return;
    };
    let (monitor, service) = (of(&built, "ServiceMonitor"), of(&built, "Service"));
    assert_eq!(
        monitor["metadata"]["namespace"],
        service["metadata"]["namespace"]
    );
    assert_eq!(
        monitor["spec"]["selector"]["matchLabels"],
        service["metadata"]["labels"]
    );
    assert_eq!(
        monitor["spec"]["endpoints"][0]["port"],
        service["spec"]["ports"][0]["name"]
    );
    // Its alerts are the tested ones, and promtool takes them as they are there.
    let rules = fs::read_to_string(deploy().join("prometheus/rules.yaml")).unwrap();
    let spec = &of(&built, "PrometheusRule")["spec"];
    assert_eq!(*spec, objects(&rules)[0]);
    let file = directory.path().join("rules.yaml");
    fs::write(&file, spec.to_string()).unwrap();
    match Command::new("promtool")
        .args(["check", "rules"])
        .arg(&file)
        .output()
    {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success() && said.contains("SUCCESS"),
                "{output:?}"
            );
        }
        Err(error) => {
            assert!(!is_required(), "promtool: {error}");
            eprintln!("skipped: no promtool: {error}");
        }
    }
}
