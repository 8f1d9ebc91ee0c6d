//! The cluster's objects, as far as the two channels go: pure, from the API's JSON.

use std::net::{IpAddr, SocketAddr};

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::text::harmless;
use crate::text::names::{is_label, is_subdomain};
use crate::x509::pem;

/// metrics-server's APIService.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiService {
    /// `insecureSkipTLSVerify`
    pub skips_verification: bool,
    /// The CAs of `caBundle`, in DER, or why they cannot be read; none where there are none.
    pub ca_bundle: Result<Vec<Vec<u8>>, String>,
    /// Namespace, name and port of the Service.
    pub service: Option<(String, String, u16)>,
    /// The condition Available: whether, and why.
    pub available: Option<(bool, String)>,
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
                .ok_or_else(|| "it is not base64".to_owned())
                .and_then(|pem| pem::certificates(&pem).map_err(|error| error.to_string())),
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

    /// Reads a Service.
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
    /// Its name.
    pub name: String,
    /// What it is to run.
    pub program: Program,
    /// Why its Pods are not all as it says, where they are not.
    pub unfinished: Option<String>,
}

/// A Pod behind the Service that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub program: Program,
}

/// The metrics-server of a Pod's spec: its command line, and where its files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
    mounts: Value,
    volumes: Value,
}

/// Where a file in the pod comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The key of a ConfigMap in the pod's namespace.
    ConfigMap(String, String),
    /// The key of a Secret in the pod's namespace.
    Secret(String, String),
    /// A file of the node that the pod runs on.
    Host(String),
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

impl Program {
    fn read(pod: &Value) -> Option<Self> {
        let containers = list(&pod["containers"]);
        let container = containers
            .iter()
            .find(|container| container["name"] == "metrics-server")
            .or(containers.first())?;
        let words = ["command", "args"]
            .iter()
            .flat_map(|field| list(&container[*field]))
            .filter_map(|word| word.as_str().map(harmless))
            .collect();
        Some(Self {
            words,
            mounts: container["volumeMounts"].clone(),
            volumes: pod["volumes"].clone(),
        })
    }

    /// Whether it verifies kubelets as `other` does: against the same CA, at the same kind of address.
    pub fn verifies_as(&self, other: &Self) -> bool {
        let flags = [
            "kubelet-certificate-authority",
            "kubelet-preferred-address-types",
        ];
        let source = |program: &Self| {
            let file = program.flag("kubelet-certificate-authority")?;
            program.source(file)
        };
        flags.iter().all(|flag| self.flag(flag) == other.flag(flag))
            && source(self) == source(other)
    }

    /// The value of the flag `name`, the last one given; empty where it has none.
    pub fn flag(&self, name: &str) -> Option<&str> {
        let mut found = None;
        let mut words = self.words.iter().peekable();
        while let Some(word) = words.next() {
            let Some(rest) = word.strip_prefix("--") else {
                continue;
            };
            let (flag, value) = rest
                .split_once('=')
                .map_or((rest, None), |(flag, value)| (flag, Some(value)));
            if flag.replace('_', "-") == name {
                let next = words.peek().filter(|next| !next.starts_with("--"));
                found = Some(value.or(next.map(|next| next.as_str())).unwrap_or_default());
            }
        }
        found
    }

    /// Whether it takes any certificate for a kubelet's.
    pub fn takes_any_kubelet(&self) -> bool {
        // Go's ParseBool; anything else ends metrics-server.
        let is_true = |value: &str| !matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False");
        [
            "kubelet-insecure-tls",
            "deprecated-kubelet-completely-insecure",
        ]
        .iter()
        .any(|name| self.flag(name).is_some_and(is_true))
    }

    /// Where the file at `path` in the pod comes from.
    pub fn source(&self, path: &str) -> Option<Source> {
        let below = |mount: &&Value| {
            let at = mount["mountPath"].as_str()?.trim_end_matches('/');
            let rest = path.strip_prefix(at)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((at.len(), rest))
        };
        let mount = list(&self.mounts)
            .iter()
            .filter(|mount| below(mount).is_some())
            .max_by_key(|mount| below(mount))?;
        let (_, rest) = below(&mount)?;
        let rest = format!("{}{rest}", mount["subPath"].as_str().unwrap_or_default());
        let rest = rest.trim_start_matches('/');
        let volume = list(&self.volumes)
            .iter()
            .find(|volume| volume["name"] == mount["name"])?;
        let key = |items: &Value| {
            let item = list(items).iter().find(|item| item["path"] == rest);
            item.and_then(|item| item["key"].as_str())
                .unwrap_or(rest)
                .to_owned()
        };
        let named = |volume: &Value, field: &str| {
            let name = volume[field].as_str().filter(|name| is_subdomain(name))?;
            Some((name.to_owned(), key(&volume["items"])))
        };
        if let Some((name, key)) = named(&volume["configMap"], "name") {
            return Some(Source::ConfigMap(name, key));
        }
        if let Some((name, key)) = named(&volume["secret"], "secretName") {
            return Some(Source::Secret(name, key));
        }
        let host = volume["hostPath"]["path"].as_str()?;
        let slash = if rest.is_empty() { "" } else { "/" };
        Some(Source::Host(format!("{host}{slash}{rest}")))
    }
}

/// A kubelet as metrics-server dials it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    /// Its Node.
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
    let port = port(&status["daemonEndpoints"]["kubeletEndpoint"]["Port"], 10250);
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

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(args: &[&str], volume: Value) -> Program {
        let service = Service::read(
            &json!({"spec": {"clusterIP": "10.96.0.9", "selector": {"k8s-app": "m"}}}),
        );
        let pod = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"template": {
                "metadata": {"labels": {"k8s-app": name, "x": "y"}},
                "spec": {
                    "containers": [{"name": "side"}, {"name": "metrics-server", "args": args, "volumeMounts": [
                        {"name": "a", "mountPath": "/etc"},
                        {"name": "v", "mountPath": "/etc/ca/"},
                        {"name": "f", "mountPath": "/etc/one.crt"},
                    ]}],
                    "volumes": [volume, {"name": "f", "hostPath": {"path": "/etc/kubernetes/pki/ca.crt"}}],
                },
            }}})
        };
        Deployment::behind(&service, &json!({"items": [pod("other"), pod("m")]}))
            .unwrap()
            .program
    }

    #[test]
    fn flags_read_as_pflag_reads_them() {
        let with = |args: &[&str]| deployment(args, Value::Null);
        assert!(with(&["--kubelet-insecure-tls"]).takes_any_kubelet());
        assert!(with(&["--kubelet_insecure_tls=true"]).takes_any_kubelet());
        assert!(
            !with(&[
                "--kubelet-insecure-tls=true",
                "--kubelet-insecure-tls=false"
            ])
            .takes_any_kubelet()
        );
        assert!(!with(&["--v=2"]).takes_any_kubelet());
        assert_eq!(with(&["--a", "b", "--a=c"]).flag("a"), Some("c"));
        assert_eq!(with(&["--a", "b"]).flag("a"), Some("b"));
        assert_eq!(with(&["--a"]).flag("b"), None);
    }

    #[test]
    fn a_file_is_traced_to_where_it_comes_from() {
        let of = |volume: Value, path: &str| deployment(&[], volume).source(path);
        assert_eq!(
            of(
                json!({"name": "v", "configMap": {"name": "c"}}),
                "/etc/ca/ca.crt"
            ),
            Some(Source::ConfigMap("c".into(), "ca.crt".into()))
        );
        assert_eq!(
            of(
                json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "ca.crt"}]}}),
                "/etc/ca/ca.crt"
            ),
            Some(Source::Secret("s".into(), "k".into()))
        );
        assert_eq!(
            of(Value::Null, "/etc/one.crt"),
            Some(Source::Host("/etc/kubernetes/pki/ca.crt".into()))
        );
        assert_eq!(
            of(
                json!({"name": "v", "hostPath": {"path": "/pki"}}),
                "/etc/ca/x/ca.crt"
            ),
            Some(Source::Host("/pki/x/ca.crt".into()))
        );
        assert_eq!(
            of(
                json!({"name": "v", "secret": {"secretName": "../x"}}),
                "/etc/ca/ca.crt"
            ),
            None
        );
        assert_eq!(
            of(json!({"name": "v", "emptyDir": {}}), "/etc/ca/ca.crt"),
            None
        );
        assert_eq!(of(Value::Null, "/elsewhere"), None);
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
    fn the_apiservice() {
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
