//! ConfigMaps and Nodes as the API server keeps them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use kubelet_tls_standins::api::NodeSpec;
use kubelet_tls_standins::client::{Client, Kubeconfig};
use kubelet_tls_standins::{ApiServer, Config, KubeconfigStyle};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/namespaces/kube-system/configmaps/kubelet-config";

fn admin(api: &ApiServer) -> Client {
    let files = tempfile::tempdir().unwrap();
    let path = api.admin_kubeconfig(files.path());
    Client::new(&Kubeconfig::read(&path).unwrap(), "kubectl/v1.36.2").unwrap()
}

fn patch(admin: &Client, query: &str, patch: &Value) -> (u16, Value) {
    let target = format!("{PATH}{query}");
    let answer = admin.typed(
        "PATCH",
        &target,
        "application/merge-patch+json",
        &patch.to_string(),
    );
    let answer = answer.unwrap();
    (answer.code, serde_json::from_str(&answer.body).unwrap())
}

fn version(api: &ApiServer) -> String {
    let map = api.configmap("kube-system", "kubelet-config").unwrap();
    map.metadata.resource_version
}

#[test]
fn a_merge_patch_is_conditional_where_it_names_a_version() {
    let api = ApiServer::start(Config::default());
    let admin = admin(&api);
    let old = version(&api);
    let with = |version: &str, text: &str| json!({"metadata": {"resourceVersion": version}, "data": {"kubelet": text}});
    let (code, dry) = patch(&admin, "?dryRun=All", &with(&old, "dry"));
    assert_eq!((code, &dry["data"]["kubelet"]), (200, &json!("dry")));
    assert_eq!(version(&api), old);
    let (code, now) = patch(&admin, "?fieldManager=me", &with(&old, "a"));
    assert_eq!((code, &now["data"]["kubelet"]), (200, &json!("a")));
    let entry = &now["metadata"]["managedFields"][0];
    assert_eq!(entry["manager"], "me");
    assert_eq!(entry["fieldsV1"], json!({"f:data": {"f:kubelet": {}}}));
    let (code, conflict) = patch(&admin, "", &with(&old, "b"));
    assert_eq!((code, &conflict["reason"]), (409, &json!("Conflict")));
    let (code, _) = patch(&admin, "", &json!({"data": {"kubelet": "c"}}));
    assert_eq!(code, 200);
}

#[test]
fn an_immutable_configmap_keeps_only_its_data() {
    let api = ApiServer::start(Config::default());
    let admin = admin(&api);
    let mut map = api.configmap("kube-system", "kubelet-config").unwrap();
    map.immutable = Some(true);
    map.binary_data.insert("blob".into(), "AAEC".into());
    api.set_configmap_object(map);
    let (code, invalid) = patch(&admin, "", &json!({"data": {"kubelet": "a"}}));
    assert_eq!(code, 422);
    assert_eq!(
        invalid["message"],
        "ConfigMap \"kubelet-config\" is invalid: data: Forbidden: field is immutable when `immutable` is set"
    );
    let labels = json!({"metadata": {"labels": {"a": "b"}}});
    let (code, now) = patch(&admin, "", &labels);
    assert_eq!((code, &now["binaryData"]["blob"]), (200, &json!("AAEC")));
}

#[test]
fn nodes_come_in_pages_and_tell_what_their_kubelets_run_with() {
    let api = ApiServer::start(Config::default());
    let admin = admin(&api);
    for (name, value) in [("a", Some(true)), ("b", Some(false)), ("c", None)] {
        api.set_node(NodeSpec {
            server_tls_bootstrap: value,
            ..NodeSpec::new(name, "10.0.0.1")
        });
    }
    let get = |target: &str| {
        let answer = admin.request("GET", target, None).unwrap();
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        (answer.code, body)
    };
    let (_, first) = get("/api/v1/nodes?limit=2");
    let token = first["metadata"]["continue"].as_str().unwrap();
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    let (_, last) = get(&format!("/api/v1/nodes?limit=2&continue={token}"));
    assert_eq!(last["items"][0]["metadata"]["name"], "c");
    assert_eq!(last["metadata"]["continue"], Value::Null);
    api.compact();
    let (code, _) = get(&format!("/api/v1/nodes?limit=2&continue={token}"));
    assert_eq!(code, 410);
    let configz = |name: &str| get(&format!("/api/v1/nodes/{name}/proxy/configz"));
    assert_eq!(configz("a").1["kubeletconfig"]["serverTLSBootstrap"], true);
    assert_eq!(
        configz("b").1["kubeletconfig"]["serverTLSBootstrap"],
        Value::Null
    );
    assert_eq!((configz("c").0, configz("d").0), (503, 404));
}

#[test]
fn a_node_may_read_the_name_of_its_version_alone() {
    for (version, node, other, captured) in [
        (
            "v1.19.16",
            "node1",
            "kubelet-config",
            include_str!("../../testdata/captured/1.19/configmap-other-name-as-node.json"),
        ),
        (
            "v1.36.2",
            "node36",
            "kubelet-config-1.36",
            include_str!("../../testdata/captured/1.36/configmap-other-name-as-node.json"),
        ),
    ] {
        let api = ApiServer::start(Config {
            version: version.into(),
            ..Config::default()
        });
        let files = tempfile::tempdir().unwrap();
        let path = api.kubeconfig_for_node(node, files.path(), KubeconfigStyle::Kubelet);
        let client = Client::new(&Kubeconfig::read(&path).unwrap(), "kubelet").unwrap();
        let target = format!("/api/v1/namespaces/kube-system/configmaps/{other}");
        let answer = client.request("GET", &target, None).unwrap();
        let captured: Value = serde_json::from_str(captured).unwrap();
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer, captured);
    }
}
