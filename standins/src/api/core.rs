//! What else is asked of the API server: its version and Nodes.

use serde::Serialize;
use serde_json::{Value, json};

use super::auth::{self, User};
use super::http::{Request, Response};
use super::objects::{NodeSpec, ObjectMeta};
use super::status::{Resource, Status};
use super::store::Watched;
use super::{Cluster, random_uid, to_base64};
use crate::clock;

/// A Node, its parts in the API's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeJson<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    metadata: &'a ObjectMeta,
    spec: Value,
    status: Value,
}

impl Cluster {
    /// `GET /version`, indented as the real one is.
    pub(crate) fn version(&self) -> Response {
        let version = json!({
            "major": "1",
            "minor": self.minor().to_string(),
            "gitVersion": self.config.version,
            "gitCommit": "3f1ac0b7ab4e6e63d8e7c5a1d8b0bcd1b4b5d7a2",
            "gitTreeState": "clean",
            "buildDate": "2026-06-10T08:47:25Z",
            "goVersion": "go1.26.1",
            "compiler": "gc",
            "platform": "linux/amd64",
        });
        let body = serde_json::to_string_pretty(&version).unwrap();
        Response {
            body: body.into_bytes(),
            ..Response::json(String::new())
        }
    }

    pub(crate) fn get_node(&self, user: &User, name: &str) -> Result<Response, Status> {
        auth::nodes(user, "get", name)?;
        let store = self.store.lock().unwrap();
        let (metadata, node) = store.nodes.get(name).ok_or_else(|| missing_node(name))?;
        Ok(Response::json(node_json(metadata, node, "Node", "v1")))
    }

    /// Pages as [`Self::list_csrs`] does; as PartialObjectMetadataList where that is asked for.
    pub(crate) fn list_nodes(&self, user: &User, request: &Request) -> Result<Response, Status> {
        auth::nodes(user, "list", "")?;
        let limit = request.param("limit").and_then(|l| l.parse().ok());
        let limit = limit.filter(|l| *l > 0).unwrap_or(usize::MAX);
        let store = self.store.lock().unwrap();
        let (version, start) = match request.param("continue").filter(|c| !c.is_empty()) {
            Some(token) => self.resume(token, store.oldest)?,
            None => (store.version, String::new()),
        };
        let names_alone = request
            .header("accept")
            .is_some_and(|accept| accept.contains("as=PartialObjectMetadataList"));
        let mut rest = store.nodes.range::<String, _>(start..);
        let items: Vec<String> = rest
            .by_ref()
            .take(limit)
            .map(|(_, (metadata, node))| match names_alone {
                true => json!({ "metadata": metadata }).to_string(),
                false => node_json(metadata, node, "", ""),
            })
            .collect();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let Some((name, _)) = rest.next() {
            let token = json!({"v": "meta.k8s.io/v1", "rv": version, "start": name});
            metadata["continue"] = to_base64(token.to_string().as_bytes()).into();
            metadata["remainingItemCount"] = (rest.count() + 1).into();
        }
        let (kind, api_version) = match names_alone {
            true => ("PartialObjectMetadataList", "meta.k8s.io/v1"),
            false => ("NodeList", "v1"),
        };
        Ok(Response::json(format!(
            r#"{{"kind":"{kind}","apiVersion":"{api_version}","metadata":{metadata},"items":[{}]}}"#,
            items.join(",")
        )))
    }

    /// `GET …/nodes/NAME/proxy/configz`: what the kubelet of that node runs with.
    pub(crate) fn get_configz(&self, user: &User, name: &str) -> Result<Response, Status> {
        auth::node_proxy(user, name)?;
        let store = self.store.lock().unwrap();
        let (_, node) = store.nodes.get(name).ok_or_else(|| missing_node(name))?;
        let mut config =
            json!({"enableServer": true, "port": node.kubelet_port, "rotateCertificates": true});
        match node.server_tls_bootstrap {
            // Left out where it is false (`omitempty`).
            Some(true) => config["serverTLSBootstrap"] = true.into(),
            Some(false) => {}
            None => {
                return Err(Status::unreachable(
                    "error trying to reach service: remote error: tls: internal error",
                ));
            }
        }
        Ok(Response::json(
            json!({ "kubeletconfig": config }).to_string(),
        ))
    }

    /// Makes the Node, or changes it.
    pub(crate) fn put_node(&self, node: NodeSpec) {
        let mut store = self.store.lock().unwrap();
        let version = store.next_version();
        let old = store.nodes.remove(&node.name);
        let is_new = old.is_none();
        let mut metadata =
            old.map_or_else(|| new_metadata("", &node.name), |(metadata, _)| metadata);
        metadata.resource_version = version;
        metadata.labels = [
            ("kubernetes.io/arch", "amd64"),
            ("kubernetes.io/hostname", node.name.as_str()),
            ("kubernetes.io/os", "linux"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        metadata.labels.extend(node.labels.clone());
        let kind = if is_new { "ADDED" } else { "MODIFIED" };
        let json = node_json(&metadata, &node, "", "");
        store.tell(Watched::Nodes, kind, &node.name, json);
        store.nodes.insert(node.name.clone(), (metadata, node));
        drop(store);
        self.changed.notify_all();
    }

    /// Removes the Node.
    pub(crate) fn delete_node(&self, name: &str) {
        let mut store = self.store.lock().unwrap();
        let Some((mut metadata, node)) = store.nodes.remove(name) else {
            return;
        };
        metadata.resource_version = store.next_version();
        let json = node_json(&metadata, &node, "", "");
        store.tell(Watched::Nodes, "DELETED", name, json);
        drop(store);
        self.changed.notify_all();
    }
}

pub(crate) fn new_metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: name.into(),
        namespace: namespace.into(),
        uid: random_uid(),
        creation_timestamp: Some(clock::rfc3339()),
        ..ObjectMeta::default()
    }
}

fn node_json(metadata: &ObjectMeta, node: &NodeSpec, kind: &str, api_version: &str) -> String {
    let pairs = |all: &[(String, String)], first: &str, second: &str| -> Value {
        all.iter()
            .map(|(a, b)| json!({ first: a, second: b }))
            .collect()
    };
    let mut spec = json!({"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]});
    if !node.taints.is_empty() {
        spec["taints"] = pairs(&node.taints, "key", "effect");
    }
    let status = json!({
        "addresses": pairs(&node.addresses, "type", "address"),
        "allocatable": {"cpu": "2", "memory": "4028604Ki", "pods": "110"},
        "capacity": {"cpu": "2", "memory": "4131004Ki", "pods": "110"},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status",
            "lastHeartbeatTime": clock::rfc3339(), "lastTransitionTime": metadata.creation_timestamp,
        }],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": node.kubelet_port}},
        "nodeInfo": {
            "architecture": "amd64", "bootID": "75843abf-61be-42f7-9eb3-49bc95e58481",
            "containerRuntimeVersion": "containerd://2.1.9", "kernelVersion": "6.18.44",
            "kubeProxyVersion": "", "kubeletVersion": node.kubelet_version,
            "machineID": "538f8e07d2dc4421862847135ed5e8c4", "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 12 (bookworm)", "systemUUID": "538f8e07d2dc4421862847135ed5e8c4",
        },
    });
    serde_json::to_string(&NodeJson {
        kind,
        api_version,
        metadata,
        spec,
        status,
    })
    .unwrap()
}

fn missing_node(name: &str) -> Status {
    Status::not_found(Resource {
        group: "",
        plural: "nodes",
        name,
    })
}
