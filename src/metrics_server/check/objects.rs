//! The cluster's objects, as far as the two channels go: pure, from the API's JSON.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::ByteString;
use serde_json::Value;

use super::program::Program;
use crate::kubelet::DEFAULT_PORT;
use crate::metrics_server::base::list;
use crate::text::harmless;
use crate::text::names::is_label;
use crate::x509::pem::{self, PemError};

/// The APIService `v1beta1.metrics.k8s.io`, as far as it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiService {
    /// `insecureSkipTLSVerify`
    pub skips_verification: bool,
    /// The CAs of `caBundle`, in DER, or why they cannot be read; empty without a `caBundle`.
    pub ca_bundle: Result<Vec<Vec<u8>>, BadBundle>,
    /// Namespace, name and port of the Service.
    pub service: Option<(String, String, u16)>,
    /// The condition Available: whether, and why.
    pub available: Option<(bool, String)>,
}

/// Why a `caBundle` cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadBundle {
    /// The field is not base64.
    #[error("it is not base64")]
    NotBase64,
    /// What it encodes is not PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
}

impl ApiService {
    /// Reads `v1beta1.metrics.k8s.io`.
    pub fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        let service = &spec["service"];
        let text = |value: &Value| value.as_str().map(harmless);
        let bundle = spec["caBundle"].as_str().unwrap_or_default();
        let available = list(&object["status"]["conditions"])
            .iter()
            .find(|condition| condition["type"] == "Available");
        Self {
            skips_verification: spec["insecureSkipTLSVerify"] == true,
            ca_bundle: bytes(bundle)
                .ok_or(BadBundle::NotBase64)
                .and_then(|pem| Ok(pem::certificates(&pem)?)),
            service: text(&service["namespace"])
                .zip(text(&service["name"]))
                .filter(|(namespace, name)| is_label(namespace) && is_label(name))
                .map(|(namespace, name)| (namespace, name, port(&service["port"], 443))),
            available: available.map(|condition| {
                let words = ["reason", "message"].map(|field| text(&condition[field]));
                let words: Vec<String> = words.into_iter().flatten().collect();
                (condition["status"] == "True", words.join(": "))
            }),
        }
    }
}

/// A Service: where it is, and which pods it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// `clusterIP`; none of a headless one.
    pub ip: Option<IpAddr>,
    selector: Vec<(String, String)>,
}

impl Service {
    /// Whether it means the Pods with these metadata.
    fn selects(&self, metadata: &Value) -> bool {
        let labels = pairs(&metadata["labels"]);
        !self.selector.is_empty() && self.selector.iter().all(|label| labels.contains(label))
    }

    /// Reads a Service from its JSON; what is missing there reads as empty.
    pub fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        Self {
            ip: spec["clusterIP"].as_str().and_then(|ip| ip.parse().ok()),
            selector: pairs(&spec["selector"]),
        }
    }
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let labels = value.as_object().into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// The Deployment behind the Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its `metadata.name`, for messages.
    pub name: String,
    /// What it is to run.
    pub program: Program,
    /// Why its Pods are not all as it says, where they are not.
    pub unfinished: Option<String>,
}

/// A Pod behind the Service that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its `metadata.name`, for messages.
    pub name: String,
    /// Image and arguments of its container.
    pub program: Program,
}

impl Deployment {
    /// The one of a list whose pods the Service means.
    pub fn behind(service: &Service, items: &Value) -> Option<Self> {
        let item = list(&items["items"])
            .iter()
            .find(|item| service.selects(&item["spec"]["template"]["metadata"]))?;
        Some(Self {
            name: harmless(item["metadata"]["name"].as_str()?),
            program: Program::read(&item["spec"]["template"]["spec"])?,
            unfinished: unfinished(item),
        })
    }
}

/// Why the Pods of a Deployment are not all as it says, as `kubectl rollout status` tells it.
fn unfinished(deployment: &Value) -> Option<String> {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let updated = number(&status["updatedReplicas"]);
    if number(&status["observedGeneration"]) < number(&deployment["metadata"]["generation"]) {
        return Some("its latest change is not rolled out yet".to_owned());
    }
    if updated < wanted {
        return Some(format!("{updated} of its {wanted} Pods are updated"));
    }
    if number(&status["replicas"]) > updated {
        return Some("Pods from before its latest change still run".to_owned());
    }
    match number(&status["unavailableReplicas"]) {
        0 => None,
        unavailable => Some(format!(
            "{unavailable} of its {wanted} Pods are unavailable"
        )),
    }
}

impl Pod {
    /// The Pods of a list that the Service means and that have not ended.
    pub fn behind(service: &Service, items: &[Value]) -> Vec<Self> {
        let read = |item: &Value| {
            Some(Self {
                name: harmless(item["metadata"]["name"].as_str()?),
                program: Program::read(&item["spec"])?,
            })
        };
        let has_ended = |item: &Value| {
            matches!(
                item["status"]["phase"].as_str(),
                Some("Succeeded" | "Failed")
            )
        };
        items
            .iter()
            .filter(|item| service.selects(&item["metadata"]) && !has_ended(item))
            .filter_map(read)
            .collect()
    }
}

/// A kubelet as metrics-server dials it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// The name of the Node object.
    pub node: String,
    /// Where it can be dialled from here.
    pub address: SocketAddr,
    /// The name that is verified.
    pub name: String,
}

/// metrics-server's own order, where it is given none (metrics-server, cmd/metrics-server/app/options).
pub const ADDRESS_TYPES: &str = "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP";

/// How a Node is dialled: its first address of the first of `types` that it has. A name is dialled at an IP address of
/// the Node's, because it need not resolve here.
pub fn dialled(node: &Value, types: &str) -> Option<Dialled> {
    let status = &node["status"];
    let addresses: Vec<(&str, &str)> = list(&status["addresses"])
        .iter()
        .filter_map(|address| Some((address["type"].as_str()?, address["address"].as_str()?)))
        .collect();
    let of = |wanted: &str| addresses.iter().find(|(kind, _)| *kind == wanted);
    let (_, name) = types.split(',').find_map(|kind| of(kind.trim()))?;
    let ip = name.parse::<IpAddr>().ok().or_else(|| {
        let ips = of("InternalIP").into_iter().chain(of("ExternalIP"));
        ips.filter_map(|(_, address)| address.parse().ok()).next()
    })?;
    let port = port(
        &status["daemonEndpoints"]["kubeletEndpoint"]["Port"],
        DEFAULT_PORT,
    );
    Some(Dialled {
        node: harmless(node["metadata"]["name"].as_str()?),
        address: SocketAddr::new(ip, port),
        name: harmless(name),
    })
}

/// The text under `key` of a ConfigMap.
pub fn of_config_map(object: &Value, key: &str) -> Option<Vec<u8>> {
    object["data"][key]
        .as_str()
        .map(|text| text.as_bytes().to_vec())
}

/// The bytes under `key` of a Secret.
pub fn of_secret(object: &Value, key: &str) -> Option<Vec<u8>> {
    object["data"][key].as_str().and_then(bytes)
}

fn bytes(base64: &str) -> Option<Vec<u8>> {
    serde_json::from_value::<ByteString>(base64.into())
        .ok()
        .map(|bytes| bytes.0)
}

fn port(value: &Value, default: u16) -> u16 {
    value
        .as_u64()
        .and_then(|port| port.try_into().ok())
        .unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_service_means_the_deployment_that_has_all_its_labels() {
        let service = Service::read(
            &json!({"spec": {"clusterIP": "10.96.0.9", "selector": {"k8s-app": "m"}}}),
        );
        let deployment = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"template": {
                "metadata": {"labels": {"k8s-app": name, "x": "y"}},
                "spec": {"containers": [{"name": "metrics-server", "args": ["--v=2"]}]},
            }}})
        };
        let items = json!({"items": [deployment("other"), deployment("m")]});
        assert_eq!(Deployment::behind(&service, &items).unwrap().name, "m");
    }

    #[test]
    fn a_node_is_dialled_as_metrics_server_dials_it() {
        let node: Value =
            serde_json::from_slice(include_bytes!("../../../testdata/captured/1.36/node.json"))
                .unwrap();
        let by_ip = dialled(&node, "InternalIP,ExternalIP,Hostname").unwrap();
        assert_eq!(
            (by_ip.name.as_str(), by_ip.address.to_string().as_str()),
            ("10.77.0.21", "10.77.0.21:10250")
        );
        let by_name = dialled(&node, ADDRESS_TYPES).unwrap();
        assert_eq!(
            (by_name.name.as_str(), by_name.address),
            ("node36", by_ip.address)
        );
        assert_eq!(dialled(&node, "ExternalDNS"), None);
        assert_eq!(dialled(&json!({}), ADDRESS_TYPES), None);
    }

    #[test]
    fn a_rollout_is_finished_when_every_pod_is_as_the_deployment_says() {
        let with = |status: Value| {
            unfinished(
                &json!({"metadata": {"generation": 3}, "spec": {"replicas": 2}, "status": status}),
            )
        };
        let done = json!({"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2});
        assert_eq!(with(done.clone()), None);
        for (field, value, why) in [
            (
                "observedGeneration",
                2,
                "its latest change is not rolled out yet",
            ),
            ("updatedReplicas", 1, "1 of its 2 Pods are updated"),
            (
                "replicas",
                3,
                "Pods from before its latest change still run",
            ),
            ("unavailableReplicas", 1, "1 of its 2 Pods are unavailable"),
        ] {
            let mut status = done.clone();
            status[field] = value.into();
            assert_eq!(with(status).as_deref(), Some(why));
        }
        assert!(with(Value::Null).is_some());
    }

    #[test]
    fn the_apiservice_is_read() {
        let read = ApiService::read(
            &json!({"spec": {"insecureSkipTLSVerify": true, "service": {"namespace": "n", "name": "s"}},
            "status": {"conditions": [{"type": "Available", "status": "False", "reason": "R", "message": "m\u{1b}"}]}}),
        );
        assert!(read.skips_verification && read.ca_bundle == Ok(Vec::new()));
        assert_eq!(read.service, Some(("n".into(), "s".into(), 443)));
        assert_eq!(read.available, Some((false, "R: m\u{fffd}".into())));
        let odd = ApiService::read(
            &json!({"spec": {"caBundle": "!", "service": {"namespace": "a/b", "name": "s"}}}),
        );
        assert!(odd.ca_bundle.is_err() && odd.service.is_none() && odd.available.is_none());
        assert_eq!(ApiService::read(&Value::Null).available, None);
    }
}
