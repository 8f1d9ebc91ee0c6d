//! Pods: the mirrors of static Pods, which kubelets report and no one else makes here.

use serde_json::{Value, json};

use super::Cluster;
use super::auth::User;
use super::core::new_metadata;
use super::http::{Request, Response};
use super::status::{Resource, Status};

impl Cluster {
    /// `GET …/namespaces/NAMESPACE/pods`, with a selector of one label.
    pub(crate) fn list_pods(
        &self,
        user: &User,
        namespace: &str,
        request: &Request,
    ) -> Result<Response, Status> {
        if !user.may("list", "", "pods", "") {
            return Err(forbidden(user, "list", namespace, ""));
        }
        let selector = request.param("labelSelector").unwrap_or_default();
        let label = selector.split_once('=');
        let is_selected = |pod: &&Value| match label {
            Some((label, value)) => pod["metadata"]["labels"][label] == value,
            None => true,
        };
        let store = self.store.lock().unwrap();
        let here = store.pods.iter().filter(|((ns, _), _)| ns == namespace);
        let items: Vec<&Value> = here.map(|(_, pod)| pod).filter(is_selected).collect();
        let list = json!({
            "kind": "PodList", "apiVersion": "v1",
            "metadata": {"resourceVersion": store.version.to_string()}, "items": items,
        });
        Ok(Response::json(list.to_string()))
    }

    /// `PUT …/pods/NAME`: a node may report the static Pods that it runs itself.
    pub(crate) fn report_pod(
        &self,
        user: &User,
        namespace: &str,
        name: &str,
        request: &Request,
    ) -> Result<Response, Status> {
        let mut pod: Value = serde_json::from_slice(&request.body)
            .map_err(|error| Status::bad_request(error.to_string()))?;
        if user.node().is_none() || pod["spec"]["nodeName"].as_str() != user.node() {
            return Err(forbidden(user, "create", namespace, name));
        }
        let metadata = serde_json::to_value(new_metadata(namespace, name)).unwrap();
        super::patch::merge(&mut pod["metadata"], &metadata);
        let mut store = self.store.lock().unwrap();
        pod["metadata"]["resourceVersion"] = store.next_version().into();
        let body = pod.to_string();
        store.pods.insert((namespace.into(), name.into()), pod);
        Ok(Response::json(body))
    }
}

fn forbidden(user: &User, verb: &str, namespace: &str, name: &str) -> Status {
    let resource = Resource {
        group: "",
        plural: "pods",
        name,
    };
    let scope = format!("in the namespace {namespace:?}");
    Status::forbidden(&user.name, verb, resource, &scope, "")
}
