//! `--check`: each state of a cluster made on purpose, and named rightly.

mod first_channel;
mod second_channel;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};

use serde_json::{Value, json};
use standins::api::Config;
use standins::pki::{Ca, Identity, Sans, kubelet_self_signed};
use standins::{ApiServer, Fault, Matcher, hostile};

use super::certificates::serve;
use super::{Output, Scene};

const APISERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";
const SYSTEM: &str = "/api/v1/namespaces/kube-system";

/// A cluster in which all is well, over the directory that was written.
struct Cluster {
    scene: Scene,
    api: ApiServer,
    api_service: Value,
    service: Value,
    deployment: Value,
    /// The Pods' own args; those of the Deployment where it is `None`.
    pod_args: Option<Value>,
    nodes: Vec<Value>,
}

impl Cluster {
    fn new(options: &[&str]) -> Self {
        let scene = Scene::new();
        scene.write(&[&["--base", "base.yaml"], options].concat());
        let files = scene.files();
        let address = serve(&files["tls.crt"], &files["tls.key"]);
        let api = ApiServer::start(Config::default());
        let mut api_service = scene.yaml("apiservice.yaml");
        api_service["spec"]["service"]["port"] = address.port().into();
        api_service["status"] = json!({"conditions": [
            {"type": "Available", "status": "True", "reason": "Passed", "message": "all checks passed"},
        ]});
        let labels = json!({"k8s-app": "metrics-server"});
        let mut deployment = scene.yaml("deployment.yaml");
        deployment["spec"]["template"]["metadata"] = json!({"labels": labels});
        deployment["metadata"]["generation"] = 2.into();
        deployment["status"] =
            json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1});
        let secret = json!({"data": {"tls.crt": base64(&files["tls.crt"]), "tls.key": "c2VjcmV0"}});
        let name = secret_name(&deployment);
        api.set_object(&format!("{SYSTEM}/secrets/{name}"), secret.to_string());
        let root = json!({"data": {"ca.crt": api.ca_pem()}});
        api.set_object(
            &format!("{SYSTEM}/configmaps/kube-root-ca.crt"),
            root.to_string(),
        );
        let service = json!({"spec": {"clusterIP": "127.0.0.1", "selector": labels}});
        let mut cluster = Self {
            scene,
            api,
            api_service,
            service,
            deployment,
            pod_args: None,
            nodes: Vec::new(),
        };
        for name in ["worker-1", "worker-2"] {
            let identity = cluster
                .api
                .ca()
                .server(&format!("system:node:{name}"), &loopback());
            cluster.add_node(name, kubelet(&identity));
        }
        cluster
    }

    fn add_node(&mut self, name: &str, kubelet: SocketAddr) {
        self.nodes
            .push(json!({"metadata": {"name": name}, "status": {
                "addresses": [
                    {"type": "Hostname", "address": name},
                    {"type": "InternalIP", "address": kubelet.ip()},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port()}},
            }}));
    }

    fn container(&mut self) -> &mut Value {
        &mut self.deployment["spec"]["template"]["spec"]["containers"][0]
    }

    fn command(&self, options: &[&str]) -> Output {
        self.api
            .set_object(APISERVICE, self.api_service.to_string());
        self.api.set_object(
            &format!("{SYSTEM}/services/metrics-server"),
            self.service.to_string(),
        );
        self.api.set_object(
            "/apis/apps/v1/namespaces/kube-system/deployments",
            list(json!([self.deployment])),
        );
        let template = &self.deployment["spec"]["template"];
        let mut pod = json!({"metadata": template["metadata"], "spec": template["spec"], "status": {"phase": "Running"}});
        pod["metadata"]["name"] = "metrics-server-x7f2k".into();
        if let Some(args) = &self.pod_args {
            pod["spec"]["containers"][0]["args"] = args.clone();
        }
        self.api
            .set_object(&format!("{SYSTEM}/pods"), list(json!([pod])));
        self.api
            .set_object("/api/v1/nodes", list(self.nodes.clone().into()));
        let kubeconfig = self.api.admin_kubeconfig(self.scene.work.path());
        let arguments = ["--check", "--kubeconfig", kubeconfig.to_str().unwrap()];
        self.scene.run(&[&arguments, options].concat())
    }

    /// `Status(Reason)` of each condition, by type; and the whole.
    fn check(&self) -> (Vec<String>, Value) {
        let output = self.command(&["-o", "json"]);
        let document: Value = serde_json::from_str(&output.stdout).unwrap();
        assert!(!output.stdout.contains("c2VjcmV0") && !output.stdout.contains("PRIVATE"));
        let conditions = document["conditions"].as_array().unwrap();
        let word = |condition: &Value, field: &str| condition[field].as_str().unwrap().to_owned();
        let said: Vec<String> = conditions
            .iter()
            .map(|condition| {
                assert!(
                    condition["status"] != "False" || condition["hint"].is_string(),
                    "{condition}"
                );
                format!(
                    "{}={}({})",
                    word(condition, "type"),
                    word(condition, "status"),
                    word(condition, "reason")
                )
            })
            .collect();
        let all_true = conditions
            .iter()
            .all(|condition| condition["status"] == "True");
        assert_eq!(output.code, i32::from(!all_true), "{}", output.stderr);
        (said, document)
    }

    /// The conditions that are not True, each with its reason.
    fn lacking(&self) -> Vec<String> {
        let (said, _) = self.check();
        assert_eq!(said.len(), 7);
        said.into_iter()
            .filter(|said| !said.contains("=True("))
            .collect()
    }

    fn message(&self, kind: &str) -> String {
        let (_, document) = self.check();
        let conditions = document["conditions"].as_array().unwrap();
        let condition = conditions
            .iter()
            .find(|condition| condition["type"] == kind)
            .unwrap();
        condition["message"].as_str().unwrap().to_owned()
    }
}

fn list(items: Value) -> String {
    json!({"metadata": {"resourceVersion": "7"}, "items": items}).to_string()
}

fn secret_name(deployment: &Value) -> String {
    let volumes = &deployment["spec"]["template"]["spec"]["volumes"];
    let name = volumes[0]["secret"]["secretName"].as_str().unwrap();
    assert!(name.starts_with("metrics-server-tls-"));
    name.to_owned()
}

fn base64(bytes: &[u8]) -> Value {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).unwrap()
}

fn loopback() -> Sans {
    Sans {
        dns: vec!["worker-1".into()],
        ips: vec![[127, 0, 0, 1].into()],
    }
}

fn kubelet(identity: &Identity) -> SocketAddr {
    serve(identity.cert_pem.as_bytes(), identity.key_pem.as_bytes())
}

/// A kubelet that waits for its certificate: it ends every handshake with the alert internal_error.
fn waiting_kubelet() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 80]);
        }
    });
    address
}

/// Where nothing listens.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn every_condition_is_true_when_both_channels_verify() {
    let cluster = Cluster::new(&[]);
    assert_eq!(cluster.lacking(), [""; 0]);
    assert!(
        cluster
            .message("KubeletsVerified")
            .ends_with("verifies kubelets against the in-cluster CA")
    );
    assert_eq!(cluster.message("KubeletsTrusted"), "all 2 kubelets verify");
    let output = cluster.command(&[]);
    assert!(output.stdout.starts_with("CONDITION "), "{}", output.stdout);
    assert_eq!(output.stdout.lines().count(), 8, "{}", output.stdout);
}

#[test]
fn no_name_of_a_node_is_printed_as_it_is() {
    let mut cluster = Cluster::new(&[]);
    let names = hostile::names();
    let address = nowhere();
    for name in &names {
        cluster.add_node(name, address);
    }
    for format in ["text", "json", "yaml", "name"] {
        let output = cluster.command(&["-o", format]);
        hostile::assert_harmless(&format!("{}{}", output.stdout, output.stderr), &names);
    }
}

#[test]
fn without_metrics_server_the_conditions_say_so() {
    let api = ApiServer::start(Config::default());
    let scene = Scene::new();
    let kubeconfig = api.admin_kubeconfig(scene.work.path());
    let output = scene.run(&["--check", "--kubeconfig", kubeconfig.to_str().unwrap()]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(
        output
            .stdout
            .contains("APIServiceVerifies               False    NotFound"),
        "{}",
        output.stdout
    );
    // By the environment, as kubectl has it.
    let output = scene
        .command(&["--check", "-o", "name"])
        .env("KUBECONFIG", &kubeconfig)
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .starts_with("APIServiceVerifies\nMetricsServer")
    );
}

#[test]
fn without_an_answer_of_the_api_the_conditions_are_unknown() {
    let api = ApiServer::start(Config::default());
    let scene = Scene::new();
    let node = api.kubeconfig_for_node(
        "worker-1",
        scene.work.path(),
        standins::api::KubeconfigStyle::Inline,
    );
    let output = scene.run(&[
        "--check",
        "--kubeconfig",
        node.to_str().unwrap(),
        "-o",
        "json",
    ]);
    assert!(
        matches!(output.code, 69 | 77 | 1),
        "{} {}",
        output.code,
        output.stderr
    );
    let admin = api.admin_kubeconfig(scene.work.path());
    api.inject(Matcher::new().path("apiservices"), Fault::Status(403, None));
    let output = scene.run(&["--check", "--kubeconfig", admin.to_str().unwrap()]);
    assert_eq!(output.code, 77, "{}", output.stderr);
    let output = scene.run(&["--check", "--kubeconfig", "none"]);
    assert_eq!(output.code, 69, "{}", output.stderr);
    drop(api);
    let output = scene.run(&[
        "--check",
        "--kubeconfig",
        admin.to_str().unwrap(),
        "-o",
        "json",
    ]);
    assert_eq!(output.code, 69, "{}", output.stderr);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(document["error"]["code"], 69);
}
