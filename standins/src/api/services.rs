//! Services of all namespaces, and the Endpoints of `default/kubernetes`: only read, and only by administrators and those
//! whom RBAC allows it.

use serde_json::{Value, json};

use super::Cluster;
use super::auth::User;
use super::http::{Request, Response};
use super::status::{Resource, Status};
use crate::clock;

/// What a kubeadm cluster begins with.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) services: Vec<Value>,
    /// Where the API server's instances listen.
    pub(crate) endpoints: Vec<String>,
}

impl Default for Services {
    fn default() -> Self {
        Self {
            services: vec![
                service("default", "kubernetes", "10.96.0.1"),
                service("kube-system", "kube-dns", "10.96.0.10"),
            ],
            // Its stand-in listens on loopback, which no node may have anyway.
            endpoints: vec!["10.0.0.2".into()],
        }
    }
}

pub(crate) fn service(namespace: &str, name: &str, cluster_ip: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": cluster_ip, "clusterIPs": [cluster_ip], "type": "ClusterIP"},
        "status": {"loadBalancer": {}},
    })
}

impl Cluster {
    pub(crate) fn list_services(&self, user: &User, request: &Request) -> Result<Response, Status> {
        read(user, "list", "services", "", "at the cluster scope")?;
        let (from, limit) = page(request)?;
        let store = self.store.lock().unwrap();
        let here = from..from.saturating_add(limit);
        let written = |(number, service): (usize, &Value)| match here.contains(&number) {
            true => service.to_string(),
            // It is on another page, and there may be thousands.
            false => String::new(),
        };
        let all = store.services.services.iter().enumerate();
        let items: Vec<String> = all.map(written).collect();
        Ok(list("ServiceList", store.version, &items, from, limit))
    }

    pub(crate) fn get_endpoints(
        &self,
        user: &User,
        namespace: &str,
        name: &str,
    ) -> Result<Response, Status> {
        let scope = format!("in the namespace {namespace:?}");
        read(user, "get", "endpoints", name, &scope)?;
        let resource = Resource {
            group: "",
            plural: "endpoints",
            name,
        };
        if (namespace, name) != ("default", "kubernetes") {
            return Err(Status::not_found(resource));
        }
        let store = self.store.lock().unwrap();
        let addresses: Vec<Value> = store
            .services
            .endpoints
            .iter()
            .map(|ip| json!({ "ip": ip }))
            .collect();
        let subsets = json!([{
            "addresses": addresses,
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
        }]);
        Ok(Response::json(
            json!({
                "kind": "Endpoints", "apiVersion": "v1", "subsets": subsets,
                "metadata": {"name": name, "namespace": namespace},
            })
            .to_string(),
        ))
    }
}

impl Cluster {
    /// EndpointSlices of the namespace `default`, v1 since 1.21: those of the Service `kubernetes`.
    pub(crate) fn list_endpoint_slices(
        &self,
        user: &User,
        request: &Request,
    ) -> Result<Response, Status> {
        let scope = "in the namespace \"default\"";
        read(user, "list", "endpointslices", "", scope)?;
        let store = self.store.lock().unwrap();
        let endpoints: Vec<Value> = store
            .services
            .endpoints
            .iter()
            .map(|ip| json!({"addresses": [ip], "conditions": {"ready": true}}))
            .collect();
        let slice = json!({
            "metadata": {
                "name": "kubernetes", "namespace": "default",
                "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
        });
        let (from, limit) = page(request)?;
        let items = [slice.to_string()];
        Ok(list(
            "EndpointSliceList",
            store.version,
            &items,
            from,
            limit,
        ))
    }

    /// ServiceCIDR objects, v1 since 1.33.
    pub(crate) fn list_service_cidrs(
        &self,
        user: &User,
        request: &Request,
    ) -> Result<Response, Status> {
        read(user, "list", "servicecidrs", "", "at the cluster scope")?;
        let store = self.store.lock().unwrap();
        let object = json!({
            "metadata": {"name": "kubernetes"},
            "spec": {"cidrs": ["10.96.0.0/12"]},
            "status": {"conditions": [{
                "type": "Ready", "status": "True", "lastTransitionTime": clock::rfc3339(),
                "reason": "", "message": "Kubernetes Service CIDR is ready",
            }]},
        });
        let (from, limit) = page(request)?;
        let items = [object.to_string()];
        Ok(list("ServiceCIDRList", store.version, &items, from, limit))
    }
}

pub(crate) fn read(
    user: &User,
    verb: &str,
    plural: &str,
    name: &str,
    scope: &str,
) -> Result<(), Status> {
    let group = match plural {
        "endpointslices" => "discovery.k8s.io",
        "servicecidrs" => "networking.k8s.io",
        _ => "",
    };
    if user.may(verb, group, plural, name) {
        return Ok(());
    }
    let resource = Resource {
        group,
        plural,
        name,
    };
    Err(Status::forbidden(&user.name, verb, resource, scope, ""))
}

/// Where a page begins, and how long it is.
pub(crate) fn page(request: &Request) -> Result<(usize, usize), Status> {
    let number = |name: &str| {
        let value = request.param(name).filter(|value| !value.is_empty());
        value.map(str::parse::<usize>).transpose()
    };
    let invalid = |_| Status::bad_request("continue key is not valid: incorrect encoding");
    let from = number("continue").map_err(invalid)?.unwrap_or(0);
    let limit = number("limit").map_err(invalid)?.filter(|l| *l > 0);
    Ok((from, limit.unwrap_or(usize::MAX)))
}

/// A page of a list whose continue token is a number: real ones tell nothing either.
pub(crate) fn list(
    kind: &str,
    version: u64,
    items: &[String],
    from: usize,
    limit: usize,
) -> Response {
    let rest = items.get(from..).unwrap_or_default();
    let here = &rest[..rest.len().min(limit)];
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if here.len() < rest.len() {
        metadata["continue"] = (from + here.len()).to_string().into();
    }
    Response::json(format!(
        r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{metadata},"items":[{}]}}"#,
        here.join(",")
    ))
}
