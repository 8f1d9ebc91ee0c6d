//! What the cluster has for names and addresses: read from the API, once.

use std::time::Instant;

use serde::Deserialize;

use crate::approval::{Cluster, NodeObject, ServiceObject};
use crate::host::kube::{Admin, ApiError};
use crate::report::{Code, Document, Problem};

use super::super::{Ui, admin};

const NODES: &str = "/api/v1/nodes";
const SERVICES: &str = "/api/v1/services";
/// In every version cared for, if deprecated since 1.33; the slices are v1 from 1.21 on.
const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints/kubernetes";
const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";
const KUBEADM: &str = "/api/v1/namespaces/kube-system/configmaps/kubeadm-config";

/// Reads them.
///
/// # Errors
/// Why one of them cannot be read: without all Nodes, all Services and the API server's addresses nothing can be
/// vouched for.
pub(super) fn look(
    api: &Admin,
    ui: &Ui,
    document: &mut Document,
    end: Instant,
) -> Result<Cluster, Problem> {
    let mut cluster: Cluster = api
        .list(
            NODES,
            |cluster: &mut Cluster, node: NodeObject| cluster.add_node(node),
            end,
        )
        .map_err(|error| admin::problem("list", "nodes", &error))?;
    let services: Vec<ServiceObject> = api
        .list(SERVICES, Vec::push, end)
        .map_err(|error| admin::problem("list", "services of all namespaces", &error))?;
    services
        .into_iter()
        .for_each(|service| cluster.add_service(service));
    for address in endpoints(api, end).map_err(|error| {
        admin::problem("get", "the endpoints of service default/kubernetes", &error)
    })? {
        cluster.add_api_endpoint(&address);
    }
    if !cluster.knows_api_server() {
        return Err(Problem::new(
            Code::Refused,
            "cannot judge requests: service default/kubernetes has no endpoints, so the API server's addresses are not known",
        )
        .hint("kubectl -n default get endpoints kubernetes"));
    }
    if let Some(host) = api.server().host() {
        cluster.add_api_address(host);
    }
    let doubt = match kubeadm(api, end) {
        Ok(Some(yaml)) => cluster
            .add_kubeadm(&yaml)
            .err()
            .map(|_| "it is not YAML".to_owned()),
        Ok(None) => Some("it is not there".to_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(doubt) = doubt {
        ui.warn(format!("configmap/kube-system/kubeadm-config is not heeded ({doubt}): a control plane endpoint that only it names can be approved for a node that claims it"),
        );
    }
    Ok(cluster)
}

/// The addresses of the API server's instances.
fn endpoints(api: &Admin, end: Instant) -> Result<Vec<String>, ApiError> {
    #[derive(Deserialize)]
    struct Endpoints {
        subsets: Option<Vec<Subset>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Subset {
        addresses: Option<Vec<Address>>,
        not_ready_addresses: Option<Vec<Address>>,
    }
    #[derive(Deserialize)]
    struct Address {
        ip: String,
    }
    #[derive(Deserialize)]
    struct Slice {
        endpoints: Option<Vec<Endpoint>>,
    }
    #[derive(Deserialize)]
    struct Endpoint {
        addresses: Vec<String>,
    }
    let nonsense = |error: serde_json::Error| api.nonsense(&error.to_string());
    match api.get(ENDPOINTS, end) {
        Ok(bytes) => {
            let endpoints: Endpoints = serde_json::from_slice(&bytes).map_err(nonsense)?;
            let subsets = endpoints.subsets.unwrap_or_default().into_iter();
            Ok(subsets
                .flat_map(|subset| [subset.addresses, subset.not_ready_addresses])
                .flatten()
                .flatten()
                .map(|address| address.ip)
                .collect())
        }
        Err(error) if error.is_not_found() => {
            let slice: Slice = serde_json::from_slice(&api.get(SLICE, end)?).map_err(nonsense)?;
            let endpoints = slice.endpoints.unwrap_or_default().into_iter();
            Ok(endpoints.flat_map(|endpoint| endpoint.addresses).collect())
        }
        Err(error) => Err(error),
    }
}

/// What kubeadm was told.
fn kubeadm(api: &Admin, end: Instant) -> Result<Option<String>, ApiError> {
    #[derive(Deserialize)]
    struct ConfigMap {
        data: Option<Data>,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(rename = "ClusterConfiguration")]
        cluster_configuration: Option<String>,
    }
    match api.get(KUBEADM, end) {
        Ok(bytes) => {
            let map: ConfigMap =
                serde_json::from_slice(&bytes).map_err(|error| api.nonsense(&error.to_string()))?;
            Ok(map.data.and_then(|data| data.cluster_configuration))
        }
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
