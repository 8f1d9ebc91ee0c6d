//! `--check`: each state of a cluster made on purpose, and named rightly.

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
fn an_unverified_first_channel_is_named() {
    let mut cluster = Cluster::new(&[]);
    cluster.api_service["spec"]["insecureSkipTLSVerify"] = true.into();
    let broken = "APIServerToMetricsServer=False(Broken)";
    assert_eq!(
        cluster.lacking(),
        ["APIServiceVerifies=False(SkipsVerification)", broken]
    );
    assert_eq!(
        cluster.message("APIServiceVerifies"),
        "insecureSkipTLSVerify is true: the API server accepts any process that answers in metrics-server's place"
    );
    assert_eq!(
        cluster.message("APIServerToMetricsServer"),
        "this channel is insecure or broken: see APIServiceVerifies"
    );
    cluster.api_service["spec"]["insecureSkipTLSVerify"] = false.into();
    cluster.api_service["spec"]["caBundle"] = Value::Null;
    assert_eq!(
        cluster.lacking(),
        [
            "APIServiceVerifies=False(NoCABundle)",
            "MetricsServerCertificateTrusted=Unknown(NotSeen)",
            broken
        ]
    );
    cluster.api_service["spec"]["caBundle"] = "!".into();
    assert_eq!(
        cluster.lacking()[0],
        "APIServiceVerifies=False(CABundleUnusable)"
    );
}

#[test]
fn a_served_certificate_that_does_not_verify_is_named() {
    let mut cluster = Cluster::new(&[]);
    let ca = Ca::new("other");
    let names = |name: &str| Sans {
        dns: vec![name.into()],
        ips: Vec::new(),
    };
    let host = "metrics-server.kube-system.svc";
    let mut with = |identity: Identity| {
        let port = kubelet(&identity).port();
        cluster.api_service["spec"]["service"]["port"] = port.into();
        let lacking = cluster.lacking();
        assert_eq!(lacking[1], "APIServerToMetricsServer=False(Broken)");
        lacking[0].clone()
    };
    assert_eq!(
        with(ca.server(host, &names(host))),
        "MetricsServerCertificateTrusted=False(UnknownAuthority)"
    );
    cluster.api_service["spec"]["caBundle"] = base64(ca.pem().as_bytes());
    let mut with = |identity: Identity| {
        let port = kubelet(&identity).port();
        cluster.api_service["spec"]["service"]["port"] = port.into();
        cluster.lacking().first().cloned().unwrap_or_default()
    };
    assert_eq!(with(ca.server(host, &names(host))), "");
    assert_eq!(
        with(ca.server(host, &Sans::default())),
        "MetricsServerCertificateTrusted=False(NameMissing)"
    );
    assert_eq!(
        with(ca.server(host, &names("metrics-server"))),
        "MetricsServerCertificateTrusted=False(NameMissing)"
    );
    assert_eq!(
        with(ca.expired_server(host, &names(host))),
        "MetricsServerCertificateTrusted=False(Expired)"
    );
}

#[test]
fn if_the_service_cannot_be_reached_the_secret_is_read_and_named() {
    let mut cluster = Cluster::new(&[]);
    cluster.api_service["spec"]["service"]["port"] = nowhere().port().into();
    assert_eq!(
        cluster.lacking(),
        ["APIServerToMetricsServer=Unknown(NotReached)"]
    );
    let message = cluster.message("MetricsServerCertificateTrusted");
    let secret = format!("secret/kube-system/{}", secret_name(&cluster.deployment));
    assert!(
        message.starts_with(&format!(
            "{secret} verifies for metrics-server.kube-system.svc, valid until "
        )),
        "{message}"
    );
    assert!(
        message.ends_with("cannot be reached from here: connection refused"),
        "{message}"
    );
    // The Secret of another directory.
    let other = Scene::new();
    other.write(&[]);
    let secret = json!({"data": {"tls.crt": base64(&other.files()["tls.crt"])}});
    let path = format!("{SYSTEM}/secrets/{}", secret_name(&cluster.deployment));
    cluster.api.set_object(&path, secret.to_string());
    assert_eq!(
        cluster.lacking()[0],
        "MetricsServerCertificateTrusted=False(UnknownAuthority)"
    );
    cluster.container()["args"] = json!([
        "--cert-dir=/tmp",
        "--kubelet-preferred-address-types=InternalIP"
    ]);
    assert_eq!(
        cluster.lacking(),
        [
            "MetricsServerCertificateTrusted=Unknown(NotSeen)",
            "APIServerToMetricsServer=Unknown(NotSeen)"
        ]
    );
}

#[test]
fn an_unverified_second_channel_is_named() {
    let mut cluster = Cluster::new(&[]);
    cluster.container()["args"]
        .as_array_mut()
        .unwrap()
        .push("--kubelet-insecure-tls".into());
    assert_eq!(
        cluster.lacking(),
        [
            "KubeletsVerified=False(InsecureFlag)",
            "MetricsServerToKubelets=False(Broken)"
        ]
    );
}

#[test]
fn a_stalled_rollout_is_seen_in_the_pods() {
    let mut cluster = Cluster::new(&[]);
    cluster.pod_args = Some(json!(["--cert-dir=/tmp", "--kubelet-insecure-tls"]));
    cluster.deployment["status"]["updatedReplicas"] = 0.into();
    assert_eq!(
        cluster.lacking(),
        [
            "KubeletsVerified=False(InsecureFlag)",
            "MetricsServerToKubelets=False(Broken)"
        ]
    );
    assert_eq!(
        cluster.message("KubeletsVerified"),
        "pod/metrics-server-x7f2k still runs with --kubelet-insecure-tls, which deployment/metrics-server no longer has"
    );
    cluster.pod_args = None;
    let unknown = |reason: &str| {
        [
            format!("KubeletsVerified=Unknown({reason})"),
            "MetricsServerToKubelets=Unknown(NotSeen)".to_owned(),
        ]
    };
    assert_eq!(cluster.lacking(), unknown("RolloutUnfinished"));
    cluster.deployment["status"]["updatedReplicas"] = 1.into();
    cluster.deployment["status"]["unavailableReplicas"] = 1.into();
    assert_eq!(cluster.lacking(), unknown("RolloutUnfinished"));
    cluster.deployment["status"]["unavailableReplicas"] = 0.into();
    cluster.deployment["metadata"]["generation"] = 3.into();
    assert_eq!(cluster.lacking(), unknown("RolloutUnfinished"));
    cluster.deployment["metadata"]["generation"] = 2.into();
    cluster.pod_args = Some(json!(["--kubelet-preferred-address-types=Hostname"]));
    assert_eq!(cluster.lacking(), unknown("PodsDiffer"));
}

#[test]
fn a_kubelet_that_does_not_verify_is_named() {
    let other = Ca::new("kubernetes");
    for (address, reason) in [
        (
            kubelet(&kubelet_self_signed("worker-3", &loopback())),
            "SelfSigned",
        ),
        (
            kubelet(&other.server("system:node:worker-3", &loopback())),
            "UnknownAuthority",
        ),
        (waiting_kubelet(), "NoCertificate"),
    ] {
        let mut cluster = Cluster::new(&[]);
        cluster.add_node("worker-3", address);
        assert_eq!(
            cluster.lacking(),
            [
                format!("KubeletsTrusted=False({reason})"),
                "MetricsServerToKubelets=False(Broken)".to_owned()
            ]
        );
        let message = cluster.message("KubeletsTrusted");
        assert!(
            message.contains("worker-3") && !message.contains("worker-1"),
            "{message}"
        );
    }
    let mut cluster = Cluster::new(&[]);
    let ca = cluster.api.ca();
    let expired = kubelet(&ca.expired_server("system:node:worker-3", &loopback()));
    let nameless = kubelet(&ca.server(
        "system:node:worker-4",
        &Sans {
            dns: vec!["worker-4".into()],
            ips: vec![],
        },
    ));
    cluster.add_node("worker-4", nameless);
    assert_eq!(cluster.lacking()[0], "KubeletsTrusted=False(NameMissing)");
    cluster.add_node("worker-3", expired);
    assert_eq!(cluster.lacking()[0], "KubeletsTrusted=False(Expired)");
    assert!(cluster.message("KubeletsTrusted").contains("worker-4"));
    // By name it would be good: the arguments say which address is dialled.
    cluster.nodes.pop();
    cluster.container()["args"] = json!([
        "--tls-cert-file=/etc/kubelet-tls/serving/tls.crt",
        "--kubelet-preferred-address-types=Hostname"
    ]);
    assert_eq!(cluster.lacking()[0], "KubeletsTrusted=False(NameMissing)");
    assert!(
        cluster.message("KubeletsTrusted").starts_with("worker-2 "),
        "{}",
        cluster.message("KubeletsTrusted")
    );
    let mut cluster = Cluster::new(&[]);
    cluster.add_node("worker-3", nowhere());
    assert_eq!(
        cluster.lacking(),
        [
            "KubeletsTrusted=Unknown(Unreachable)",
            "MetricsServerToKubelets=Unknown(NotSeen)"
        ]
    );
}

#[test]
fn the_kubelets_ca_comes_from_where_the_pod_has_it() {
    let mut cluster = Cluster::new(&["--kubelet-ca", "ca.crt"]);
    // ca.crt is the CA of another cluster.
    let path = format!("{SYSTEM}/configmaps/metrics-server-kubelet-ca");
    let config_map = |pem: &str| json!({"data": {"ca.crt": pem}}).to_string();
    let other = fs::read_to_string(cluster.scene.path("ca.crt")).unwrap();
    cluster.api.set_object(&path, config_map(&other));
    assert_eq!(
        cluster.lacking()[0],
        "KubeletsTrusted=False(UnknownAuthority)"
    );
    cluster
        .api
        .set_object(&path, config_map(cluster.api.ca_pem()));
    assert_eq!(cluster.lacking(), [""; 0]);
    // From a file of the host, if this is the host.
    let file = cluster.scene.path("host-ca.crt");
    let volumes = &mut cluster.deployment["spec"]["template"]["spec"]["volumes"];
    volumes[1] =
        json!({"name": "kubelet-tls-kubelet-ca", "hostPath": {"path": cluster.scene.work.path()}});
    cluster.container()["volumeMounts"][1]["subPath"] = "host-".into();
    cluster.container()["volumeMounts"][1]["mountPath"] = "/etc/kubelet-tls/kubelet-ca".into();
    assert_eq!(cluster.lacking()[0], "KubeletsVerified=Unknown(CANotSeen)");
    cluster.container()["volumeMounts"][1]
        .as_object_mut()
        .unwrap()
        .remove("subPath");
    fs::write(cluster.scene.path("ca.crt"), cluster.api.ca_pem()).unwrap();
    assert_eq!(cluster.lacking(), [""; 0], "{}", file.display());
}

#[test]
fn a_cluster_without_the_cas_configmap_is_checked_too() {
    let cluster = Cluster::new(&[]);
    let path = format!("{SYSTEM}/configmaps/kube-root-ca.crt");
    cluster.api.set_object(&path, "{}");
    assert_eq!(
        cluster.lacking()[..2],
        [
            "KubeletsVerified=Unknown(CANotSeen)",
            "KubeletsTrusted=Unknown(NotSeen)"
        ]
    );
    cluster.api.remove_object(&path);
    assert_eq!(cluster.lacking(), [""; 0]);
    let message = cluster.message("KubeletsVerified");
    assert!(
        message.ends_with("against the in-cluster CA, that of the kubeconfig"),
        "{message}"
    );
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
