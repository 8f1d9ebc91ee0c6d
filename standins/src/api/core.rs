//! What else is asked of the API server: its version, Nodes and ConfigMaps.

use serde::Serialize;
use serde_json::{Value, json};

use super::auth::{self, User};
use super::http::{Request, Response};
use super::objects::{ConfigMap, NodeSpec, ObjectMeta};
use super::services::{list, page};
use super::status::{Resource, Status};
use super::{Cluster, patch, random_uid};
use crate::clock;

const CONFIGMAPS_1_19: &str = include_str!("../../../testdata/captured/1.19/configmaps.json");
const CONFIGMAPS_1_36: &str = include_str!("../../../testdata/captured/1.36/configmaps.json");

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMapJson<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(flatten)]
    object: &'a ConfigMap,
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
        let missing = || {
            Status::not_found(Resource {
                group: "",
                plural: "nodes",
                name,
            })
        };
        let (metadata, node) = store.nodes.get(name).ok_or_else(missing)?;
        Ok(Response::json(node_json(metadata, node, "Node", "v1")))
    }

    pub(crate) fn list_nodes(&self, user: &User, request: &Request) -> Result<Response, Status> {
        auth::nodes(user, "list", "")?;
        let store = self.store.lock().unwrap();
        let items: Vec<String> = store
            .nodes
            .values()
            .map(|(m, n)| node_json(m, n, "", ""))
            .collect();
        let (from, limit) = page(request)?;
        Ok(list("NodeList", store.version, &items, from, limit))
    }

    /// Makes the Node, or changes it.
    pub(crate) fn put_node(&self, node: NodeSpec) {
        let mut store = self.store.lock().unwrap();
        let version = store.next_version();
        let old = store.nodes.remove(&node.name);
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
        store.nodes.insert(node.name.clone(), (metadata, node));
    }

    pub(crate) fn get_configmap(
        &self,
        user: &User,
        namespace: &str,
        name: &str,
    ) -> Result<Response, Status> {
        auth::configmaps(user, "get", namespace, name)?;
        let store = self.store.lock().unwrap();
        let key = (namespace.to_owned(), name.to_owned());
        let object = store
            .configmaps
            .get(&key)
            .ok_or_else(|| missing_configmap(name))?;
        Ok(Response::json(configmap_json(object, "ConfigMap", "v1")))
    }

    pub(crate) fn list_configmaps(&self, user: &User, namespace: &str) -> Result<Response, Status> {
        auth::configmaps(user, "list", namespace, "")?;
        let store = self.store.lock().unwrap();
        let here = store
            .configmaps
            .iter()
            .filter(|((ns, _), _)| ns == namespace);
        let items: Vec<String> = here
            .map(|(_, object)| configmap_json(object, "", ""))
            .collect();
        Ok(Response::json(format!(
            r#"{{"kind":"ConfigMapList","apiVersion":"v1","metadata":{{"resourceVersion":"{}"}},"items":[{}]}}"#,
            store.version,
            items.join(",")
        )))
    }

    /// `PUT` or `PATCH` of a ConfigMap.
    pub(crate) fn update_configmap(
        &self,
        user: &User,
        namespace: &str,
        name: &str,
        request: &Request,
    ) -> Result<Response, Status> {
        let verb = if request.method == "PUT" {
            "update"
        } else {
            "patch"
        };
        auth::configmaps(user, verb, namespace, name)?;
        let mut store = self.store.lock().unwrap();
        let key = (namespace.to_owned(), name.to_owned());
        let current = store
            .configmaps
            .get(&key)
            .ok_or_else(|| missing_configmap(name))?
            .clone();
        let change: Value = serde_json::from_slice(&request.body)
            .map_err(|e| Status::bad_request(e.to_string()))?;
        let wanted = match (verb, request.header("content-type").unwrap_or("")) {
            ("update", _) => change,
            (_, "application/merge-patch+json" | "application/strategic-merge-patch+json") => {
                let mut value = serde_json::to_value(&current).unwrap();
                patch::merge(&mut value, &change);
                value
            }
            (_, other) => return Err(Status::unsupported_media_type(other)),
        };
        let wanted: ConfigMap = serde_json::from_value(wanted).map_err(|e| {
            Status::bad_request(format!(
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: {e}"
            ))
        })?;
        let version = &wanted.metadata.resource_version;
        if !version.is_empty() && *version != current.metadata.resource_version {
            return Err(Status::conflict(Resource {
                group: "",
                plural: "configmaps",
                name,
            }));
        }
        let metadata = ObjectMeta {
            labels: wanted.metadata.labels,
            annotations: wanted.metadata.annotations,
            resource_version: store.next_version(),
            ..current.metadata
        };
        let object = ConfigMap {
            metadata,
            data: wanted.data,
        };
        let body = configmap_json(&object, "ConfigMap", "v1");
        if request.param("dryRun").is_none() {
            store.configmaps.insert(key, object);
        }
        Ok(Response::json(body))
    }

    /// `kubelet-config` and `kubeadm-config` as kubeadm wrote them.
    pub(crate) fn seed_configmaps(&self) {
        let minor = self.minor();
        let captured = if minor <= 23 {
            CONFIGMAPS_1_19
        } else {
            CONFIGMAPS_1_36
        };
        let list: Value = serde_json::from_str(captured).unwrap();
        let mut store = self.store.lock().unwrap();
        for item in list["items"].as_array().into_iter().flatten() {
            let mut object: ConfigMap = serde_json::from_value(item.clone()).unwrap();
            // Named after the minor version up to 1.23.
            if object.metadata.name == "kubelet-config-1.19" {
                object.metadata.name = format!("kubelet-config-1.{minor}");
            }
            object.metadata.resource_version = store.next_version();
            let key = (
                object.metadata.namespace.clone(),
                object.metadata.name.clone(),
            );
            store.configmaps.insert(key, object);
        }
    }

    /// Makes the ConfigMap, or changes its data.
    pub(crate) fn put_configmap(&self, namespace: &str, name: &str, data: &[(&str, &str)]) {
        let mut store = self.store.lock().unwrap();
        let version = store.next_version();
        let key = (namespace.to_owned(), name.to_owned());
        let object = store.configmaps.entry(key).or_insert_with(|| ConfigMap {
            metadata: new_metadata(namespace, name),
            ..ConfigMap::default()
        });
        object.metadata.resource_version = version;
        object.data = data
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
    }
}

fn new_metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: name.into(),
        namespace: namespace.into(),
        uid: random_uid(),
        creation_timestamp: Some(clock::rfc3339()),
        ..ObjectMeta::default()
    }
}

fn missing_configmap(name: &str) -> Status {
    Status::not_found(Resource {
        group: "",
        plural: "configmaps",
        name,
    })
}

fn configmap_json(object: &ConfigMap, kind: &str, api_version: &str) -> String {
    // The real server puts data behind metadata, as the struct does.
    serde_json::to_string(&ConfigMapJson {
        kind,
        api_version,
        object,
    })
    .unwrap()
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
