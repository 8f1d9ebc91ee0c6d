//! The API server's answers against the captured ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use kubelet_tls_standins::api::{Csr, KUBELET_SERVING, NodeSpec, ServerCertificate};
use kubelet_tls_standins::client::{Client, Kubeconfig};
use kubelet_tls_standins::pki::Sans;
use kubelet_tls_standins::{ApiServer, Config, KubeconfigStyle};
use serde_json::{Value, json};

const CSRS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

struct Cluster {
    api: ApiServer,
    node: Client,
    admin: Client,
    _files: tempfile::TempDir,
}

fn cluster() -> Cluster {
    with(Config::default())
}

fn with(config: Config) -> Cluster {
    let api = ApiServer::start(config);
    api.set_node(NodeSpec::new("w1", "127.0.0.1"));
    let files = tempfile::tempdir().unwrap();
    let node = api.kubeconfig_for_node("w1", files.path(), KubeconfigStyle::Kubelet);
    let admin = api.admin_kubeconfig(files.path());
    let client = |path, agent| Client::new(&Kubeconfig::read(path).unwrap(), agent).unwrap();
    let (node, admin) = (
        client(&node, "kubelet/v1.36.2 (linux/amd64)"),
        client(&admin, "kubectl/v1.36.2"),
    );
    Cluster {
        api,
        node,
        admin,
        _files: files,
    }
}

fn sans() -> Sans {
    Sans {
        dns: vec!["w1".into()],
        ips: vec!["127.0.0.1".parse().unwrap()],
    }
}

fn new_csr(node: &str) -> String {
    let csr = Csr::kubelet_serving(node, &sans());
    let mut spec = serde_json::to_value(&csr.spec).unwrap();
    spec["username"] = "another-user".into();
    json!({"kind": "CertificateSigningRequest", "apiVersion": "certificates.k8s.io/v1", "metadata": {"generateName": "csr-"}, "spec": spec}).to_string()
}

fn get(client: &Client, target: &str) -> (u16, Value) {
    let answer = client.request("GET", target, None).unwrap();
    (answer.code, serde_json::from_str(&answer.body).unwrap())
}

/// The names and order of all fields, and everything that does not differ from request to request.
fn shape(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    // Strings that are values and vary: shown as their kind.
    while let Some(at) = rest.find("\":\"") {
        let (key, after) = rest.split_at(at);
        let name = key.rsplit('"').next().unwrap();
        let end = after[3..].find('"').unwrap() + 3;
        let value = &after[3..end];
        let varies = [
            "name",
            "uid",
            "resourceVersion",
            "creationTimestamp",
            "time",
            "request",
            "certificate",
            "lastUpdateTime",
            "lastTransitionTime",
            "username",
        ];
        out += key;
        out += "\":\"";
        out += if varies.contains(&name) { "…" } else { value };
        rest = &after[end..];
    }
    out += rest;
    let hash = out
        .find("X509SHA256=")
        .map(|at| out[at..at + 11 + 64].to_owned());
    hash.map_or(out.clone(), |hash| out.replace(&hash, "X509SHA256=…"))
}

#[test]
fn a_watch_from_creation_to_certificate_is_as_captured() {
    let cluster = cluster();
    let target = format!(
        "{CSRS}?fieldSelector=spec.signerName%3Dkubernetes.io%2Fkubelet-serving&watch=true&resourceVersion=1&allowWatchBookmarks=true"
    );
    let mut lines = Vec::new();
    let created = cluster
        .node
        .request("POST", CSRS, Some(&new_csr("w1")))
        .unwrap();
    assert_eq!(created.code, 201, "{}", created.body);
    let name = cluster.api.csrs()[0].metadata.name.clone();
    cluster
        .node
        .watch(&target, |line| {
            lines.push(line.to_owned());
            if lines.len() == 1 {
                cluster.api.approve(&name);
            }
            lines.len() < 4
        })
        .unwrap();
    let captured = include_str!("../../testdata/captured/1.36/csr-watch-restart-approve.jsonl");
    let captured: Vec<&str> = captured.lines().collect();
    for (ours, theirs) in lines.iter().zip(&captured[..3]) {
        // Managers are kept sorted by time there, by appearance here.
        if !ours.contains("kube-controller-manager") {
            assert_eq!(shape(ours), shape(theirs));
        }
    }
    let (ours, theirs): (Value, Value) = (
        serde_json::from_str(&lines[2]).unwrap(),
        serde_json::from_str(captured[2]).unwrap(),
    );
    assert_eq!(
        ours["object"]["status"]["conditions"][0]["reason"],
        theirs["object"]["status"]["conditions"][0]["reason"]
    );
    assert!(ours["object"]["status"]["certificate"].is_string());
    assert_eq!(shape(&lines[3]), shape(captured.last().unwrap()));
}

#[test]
fn an_empty_list_is_as_captured() {
    let cluster = cluster();
    let answer = cluster.node.request("GET", CSRS, None).unwrap();
    let captured = include_str!("../../testdata/captured/1.36/csr-list-empty.json");
    assert_eq!(shape(&answer.body), shape(captured));
    assert_eq!(answer.content_type, "application/json");
}

#[test]
fn the_requestor_is_the_authenticated_user() {
    let cluster = cluster();
    cluster
        .node
        .request("POST", CSRS, Some(&new_csr("w1")))
        .unwrap();
    let csr = cluster.api.csrs_of("w1").pop().unwrap();
    assert_eq!(csr.spec.groups, ["system:nodes", "system:authenticated"]);
    let id = &csr.spec.extra["authentication.kubernetes.io/credential-id"][0];
    assert_eq!(id.len(), "X509SHA256=".len() + 64);
    // NodeRestriction: not for another node.
    let refused = cluster
        .node
        .request("POST", CSRS, Some(&new_csr("w2")))
        .unwrap();
    assert_eq!(refused.code, 403);
    assert!(
        refused
            .body
            .contains("can only create a node CSR with CN=system:node:w1"),
        "{}",
        refused.body
    );
}

#[test]
fn a_node_may_do_only_what_the_authorizer_allows() {
    let cluster = cluster();
    let name = cluster.api.add_csr(Csr::kubelet_serving("w1", &sans()));
    let approval = format!("{CSRS}/{name}/approval");
    let body = cluster
        .node
        .request("GET", &format!("{CSRS}/{name}"), None)
        .unwrap()
        .body;
    let refused = cluster.node.request("PUT", &approval, Some(&body)).unwrap();
    assert_eq!(refused.code, 403);
    let status: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(
        status,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
            "message": format!("certificatesigningrequests.certificates.k8s.io {name:?} is forbidden: User \"system:node:w1\" cannot update resource \"certificatesigningrequests/approval\" in API group \"certificates.k8s.io\" at the cluster scope"),
            "details": {"name": name, "group": "certificates.k8s.io", "kind": "certificatesigningrequests"},
        })
    );
    for (target, code) in [
        ("/api/v1/nodes/w1", 200),
        ("/api/v1/nodes/w2", 403),
        ("/api/v1/nodes", 403),
        (
            "/api/v1/namespaces/kube-system/configmaps/kubelet-config",
            200,
        ),
        (
            "/api/v1/namespaces/kube-system/configmaps/kubeadm-config",
            403,
        ),
        ("/api/v1/namespaces/kube-system/configmaps", 403),
        ("/version", 200),
        ("/nonsense", 404),
    ] {
        assert_eq!(get(&cluster.node, target).0, code, "{target}");
    }
    let unknown = Client::new(
        &Kubeconfig {
            server: cluster.api.url(),
            ca_pem: cluster.api.ca_pem().into(),
            client: None,
        },
        "unknown",
    )
    .unwrap();
    let (code, status) = get(&unknown, CSRS);
    assert_eq!(code, 403);
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .contains("User \"system:anonymous\" cannot list"),
        "{status}"
    );
}

#[test]
fn an_approval_conflicts_with_a_later_change() {
    let cluster = cluster();
    let name = cluster.api.add_csr(Csr::kubelet_serving("w1", &sans()));
    let (_, mut csr) = get(&cluster.admin, &format!("{CSRS}/{name}"));
    csr["status"]["conditions"] =
        json!([{"type": "Approved", "status": "True", "reason": "Tested", "message": "m"}]);
    let approval = format!("{CSRS}/{name}/approval");
    let mut stale = csr.clone();
    stale["metadata"]["resourceVersion"] = "7".into();
    assert_eq!(
        cluster
            .admin
            .request("PUT", &approval, Some(&stale.to_string()))
            .unwrap()
            .code,
        409
    );
    assert_eq!(
        cluster
            .admin
            .request("PUT", &approval, Some(&csr.to_string()))
            .unwrap()
            .code,
        200
    );
    assert_eq!(
        cluster
            .admin
            .request("PUT", &approval, Some(&csr.to_string()))
            .unwrap()
            .code,
        409
    );
    let deny =
        json!({"status": {"conditions": [{"type": "Denied", "status": "True"}]}}).to_string();
    let both = cluster
        .admin
        .typed(
            "PATCH",
            &approval,
            "application/strategic-merge-patch+json",
            &deny,
        )
        .unwrap();
    assert_eq!(both.code, 422, "{}", both.body);
}

#[test]
fn a_signer_refuses_what_the_real_one_refuses() {
    for (version, usages, state) in [
        (
            "v1.36.2",
            vec!["digital signature", "server auth"],
            "Issued",
        ),
        (
            "v1.36.2",
            vec!["digital signature", "key encipherment", "server auth"],
            "Issued",
        ),
        (
            "v1.36.2",
            vec!["digital signature", "client auth"],
            "Failed",
        ),
        (
            "v1.19.16",
            vec!["digital signature", "server auth"],
            "Failed",
        ),
        (
            "v1.19.16",
            vec!["digital signature", "key encipherment", "server auth"],
            "Issued",
        ),
    ] {
        let api = ApiServer::start(Config {
            version: version.into(),
            ..Config::default()
        });
        let mut csr = Csr::kubelet_serving("w1", &sans());
        csr.spec.usages = usages.iter().map(|u| (*u).to_owned()).collect();
        let name = api.add_csr(csr);
        api.approve(&name);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(
            api.csr(&name).unwrap().state(),
            state,
            "{version} {usages:?}"
        );
    }
    let api = ApiServer::start(Config {
        signs: false,
        ..Config::default()
    });
    let name = api.add_csr(Csr::kubelet_serving("w1", &sans()));
    api.approve(&name);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(api.csr(&name).unwrap().state(), "Approved");
}

#[test]
fn thousands_of_requests_come_in_pages() {
    let cluster = cluster();
    let one = Csr::kubelet_serving("other", &sans());
    cluster.api.add_csrs((0..2500).map(|i| {
        let mut csr = one.clone();
        csr.metadata.name = format!("bulk-{i:05}");
        csr
    }));
    let (mut next, mut names) = (String::new(), Vec::new());
    loop {
        let (code, page) = get(&cluster.node, &format!("{CSRS}?limit=1000&continue={next}"));
        assert_eq!(code, 200, "{page}");
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i["metadata"]["name"].to_string()),
        );
        next = page["metadata"]["continue"]
            .as_str()
            .unwrap_or_default()
            .replace('=', "%3D");
        if next.is_empty() {
            break;
        }
        assert_eq!(page["metadata"]["remainingItemCount"], 2500 - names.len());
    }
    names.dedup();
    assert_eq!(names.len(), 2500);
    let (_, page) = get(&cluster.node, &format!("{CSRS}?limit=1"));
    cluster.api.compact();
    let token = page["metadata"]["continue"]
        .as_str()
        .unwrap()
        .replace('=', "%3D");
    assert_eq!(
        get(&cluster.node, &format!("{CSRS}?limit=1&continue={token}")).0,
        410
    );
    let mut lines = Vec::new();
    cluster
        .node
        .watch(&format!("{CSRS}?watch=1&resourceVersion=5"), |l| {
            lines.push(l.to_owned());
            true
        })
        .unwrap();
    assert!(lines[0].starts_with(r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 5"#), "{lines:?}");
}

#[test]
fn only_two_fields_can_be_selected_by() {
    let cluster = cluster();
    let name = cluster.api.add_csr(Csr::kubelet_serving("w1", &sans()));
    cluster.api.add_csr(Csr::kubelet_serving("w2", &sans()));
    let (_, list) = get(
        &cluster.node,
        &format!("{CSRS}?fieldSelector=metadata.name%3D{name},spec.signerName%3D{KUBELET_SERVING}"),
    );
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (code, status) = get(
        &cluster.node,
        &format!("{CSRS}?fieldSelector=spec.username%3Dx"),
    );
    assert_eq!(
        (code, status["message"].as_str().unwrap()),
        (400, "field label not supported: spec.username")
    );
}

#[test]
fn only_an_administrator_may_change_the_configmap() {
    let cluster = cluster();
    let target = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";
    let (_, mut configmap) = get(&cluster.node, target);
    configmap["data"]["kubelet"] = "changed".into();
    assert_eq!(
        cluster
            .node
            .request("PUT", target, Some(&configmap.to_string()))
            .unwrap()
            .code,
        403
    );
    assert_eq!(
        cluster
            .admin
            .request("PUT", target, Some(&configmap.to_string()))
            .unwrap()
            .code,
        200
    );
    assert_eq!(
        cluster
            .admin
            .request("PUT", target, Some(&configmap.to_string()))
            .unwrap()
            .code,
        409
    );
    assert_eq!(
        cluster
            .api
            .configmap("kube-system", "kubelet-config")
            .unwrap()
            .data["kubelet"],
        "changed"
    );
}

#[test]
fn initial_events_end_with_a_bookmark_where_the_server_knows_them() {
    let target = format!(
        "{CSRS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    );
    let cluster = cluster();
    cluster.api.add_csr(Csr::kubelet_serving("w1", &sans()));
    let mut lines = Vec::new();
    cluster
        .node
        .watch(&target, |line| {
            lines.push(line.to_owned());
            lines.len() < 2
        })
        .unwrap();
    assert!(
        lines[1].contains(
            r#""annotations":{"k8s.io/initial-events-end":"true"}},"spec":{"request":null"#
        ),
        "{lines:?}"
    );
    let old = with(Config {
        version: "v1.30.1".into(),
        ..Config::default()
    });
    assert_eq!(get(&old.node, &target).0, 422);
    assert!(old.api.configmap("kube-system", "kubelet-config").is_some());
    let older = ApiServer::start(Config {
        version: "v1.22.0".into(),
        ..Config::default()
    });
    assert!(
        older
            .configmap("kube-system", "kubelet-config-1.22")
            .is_some()
    );
}

#[test]
fn every_style_of_kubeconfig_works() {
    let api = ApiServer::start(Config::default());
    for style in [
        KubeconfigStyle::Kubelet,
        KubeconfigStyle::Inline,
        KubeconfigStyle::Paths,
        KubeconfigStyle::RelativePaths,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let kubeconfig =
            Kubeconfig::read(&api.kubeconfig_for_node("w1", dir.path(), style)).unwrap();
        assert_eq!(kubeconfig.user().unwrap(), "system:node:w1");
        assert_eq!(
            Client::new(&kubeconfig, "test")
                .unwrap()
                .request("GET", CSRS, None)
                .unwrap()
                .code,
            200
        );
    }
}

#[test]
fn tls_fails_where_it_should() {
    for (certificate, words) in [
        (ServerCertificate::OtherCa, "BadSignature"),
        (ServerCertificate::Expired, "expired"),
        (ServerCertificate::OtherName, "not valid for name"),
    ] {
        let cluster = with(Config {
            server_certificate: certificate,
            ..Config::default()
        });
        let why = cluster.node.request("GET", "/version", None).unwrap_err();
        assert!(why.contains(words), "{certificate:?}: {why}");
    }
    // A client certificate of another cluster's.
    let (api, other) = (
        ApiServer::start(Config::default()),
        ApiServer::start(Config::default()),
    );
    let stranger = other.node_identity("w1");
    let kubeconfig = Kubeconfig {
        server: api.url(),
        ca_pem: api.ca_pem().into(),
        client: Some((stranger.cert_pem.into(), stranger.key_pem.into())),
    };
    assert!(
        Client::new(&kubeconfig, "stranger")
            .unwrap()
            .request("GET", "/version", None)
            .is_err()
    );
}
