//! ConfigMaps, and those that kubeadm leaves in a cluster.

use serde::Serialize;
use serde_json::{Value, json};

use super::auth::{self, User};
use super::core::new_metadata;
use super::csr::manager;
use super::http::{Request, Response};
use super::objects::{ConfigMap, ManagedFields, ObjectMeta};
use super::status::{Resource, Status};
use super::{Cluster, patch, random_uid};

const CONFIGMAPS_1_19: &str = include_str!("../../../testdata/captured/1.19/configmaps.json");
const CONFIGMAPS_1_36: &str = include_str!("../../../testdata/captured/1.36/configmaps.json");

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
    pub(crate) fn get_configmap(
        &self,
        user: &User,
        namespace: &str,
        name: &str,
    ) -> Result<Response, Status> {
        auth::configmaps(user, "get", namespace, name, self.minor())?;
        let store = self.store.lock().unwrap();
        let key = (namespace.to_owned(), name.to_owned());
        let object = store
            .configmaps
            .get(&key)
            .ok_or_else(|| missing_configmap(name))?;
        Ok(Response::json(configmap_json(object, "ConfigMap", "v1")))
    }

    pub(crate) fn list_configmaps(&self, user: &User, namespace: &str) -> Result<Response, Status> {
        auth::configmaps(user, "list", namespace, "", self.minor())?;
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
        let verb = request.verb_of_update();
        auth::configmaps(user, verb, namespace, name, self.minor())?;
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
        let same = wanted.data == current.data && wanted.binary_data == current.binary_data;
        if current.immutable == Some(true) && !same {
            let resource = Resource {
                group: "",
                plural: "configmaps",
                name,
            };
            let why = "data: Forbidden: field is immutable when `immutable` is set";
            return Err(Status::invalid("ConfigMap", resource, why));
        }
        let mut metadata = ObjectMeta {
            labels: wanted.metadata.labels,
            annotations: wanted.metadata.annotations,
            resource_version: store.next_version(),
            ..current.metadata
        };
        let changed = wanted
            .data
            .iter()
            .filter(|(k, v)| current.data.get(*k) != Some(v));
        let fields: serde_json::Map<String, Value> = changed
            .map(|(k, _)| (format!("f:{k}"), json!({})))
            .collect();
        let manager = manager(request);
        let entry = ManagedFields::update(&manager, "v1", json!({ "f:data": fields }), "");
        match metadata
            .managed_fields
            .iter_mut()
            .find(|m| m.is(&manager, ""))
        {
            Some(mine) => mine.merge(entry),
            None => metadata.managed_fields.push(entry),
        }
        let object = ConfigMap { metadata, ..wanted };
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
            if object.data.contains_key("kubelet") {
                object.metadata.name = auth::kubelet_config(minor);
            }
            object.metadata.resource_version = store.next_version();
            let key = (
                object.metadata.namespace.clone(),
                object.metadata.name.clone(),
            );
            store.configmaps.insert(key, object);
        }
    }

    /// Makes the ConfigMap, or replaces it.
    pub(crate) fn put_configmap_object(&self, mut object: ConfigMap) {
        let mut store = self.store.lock().unwrap();
        if object.metadata.uid.is_empty() {
            object.metadata.uid = random_uid();
        }
        object.metadata.resource_version = store.next_version();
        let key = (
            object.metadata.namespace.clone(),
            object.metadata.name.clone(),
        );
        store.configmaps.insert(key, object);
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
