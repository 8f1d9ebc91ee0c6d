//! Looks at a metrics-server that runs, from where an administrator is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli;
use crate::host::kube::{Admin, ApiError};
use crate::host::{files, tls};
use crate::metrics_server::certificates;
use crate::metrics_server::check::{
    self, ADDRESS_TYPES, ApiService, Deployment, Dialled, Evidence, Kubelets, Place, Service,
    Serving, Source, dialled, of_config_map, of_secret,
};
use crate::node::conditions::{Condition, Status};
use crate::report::{Ending, Outcome, Problem};

use super::super::{Ui, admin, status};
use super::MetricsServerResult;

/// How long each question to the API may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long the Nodes may take, page by page.
const LIST_DEADLINE: Duration = Duration::from_secs(30);
/// A Node is some ten kilobytes, and an answer is read up to 4 MiB.
const NODES_AT_ONCE: u32 = 100;
/// How many kubelets are dialled at once; one that is silent takes a second.
const DIALLED_AT_ONCE: usize = 32;
/// A CA file, in bytes.
const PEM_CAP: u64 = 1024 * 1024;
/// Where the CA in every pod is.
const IN_CLUSTER: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

const API_SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";

/// Prints the conditions; the answer is no when one is not True. It fails when the API cannot be asked.
pub(super) fn run(arguments: &cli::MetricsServer, ui: &Ui) -> Outcome<MetricsServerResult> {
    let conditions = match examine(arguments) {
        Ok(conditions) => conditions,
        Err(problem) => return Outcome::failed(MetricsServerResult::default(), problem),
    };
    ui.table(&status::table(&conditions));
    let lacking: Vec<_> = conditions
        .iter()
        .filter(|condition| condition.status != Status::True)
        .collect();
    lacking
        .iter()
        .for_each(|condition| ui.bare_name(&condition.kind.to_string()));
    Outcome {
        ending: match lacking.is_empty() {
            true => Ending::Done,
            false => Ending::Negative(None),
        },
        result: MetricsServerResult {
            conditions: Some(conditions),
            ..MetricsServerResult::default()
        },
    }
}

fn examine(arguments: &cli::MetricsServer) -> Result<Vec<Condition<check::Kind>>, Problem> {
    let api = admin::open(&cli::Access {
        kubeconfig: arguments.kubeconfig.clone(),
        context: arguments.context.clone(),
    })?;
    let api_service = match get(&api, API_SERVICE) {
        Ok(object) => Some(ApiService::read(&object)),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(admin::problem("get", "apiservices", &error)),
    };
    Ok(check::conditions(&look(&api, api_service)))
}

fn get(api: &Admin, path: &str) -> Result<Value, ApiError> {
    let bytes = api.get(path, Instant::now() + DEADLINE)?;
    // What is no JSON has no field that anything here asks for.
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

fn seen(api: &Admin, path: &str) -> Result<Value, String> {
    get(api, path).map_err(|error| error.to_string())
}

fn look(api: &Admin, api_service: Option<ApiService>) -> Evidence {
    let named = api_service
        .as_ref()
        .and_then(|api_service| api_service.service.clone())
        .ok_or("there is no APIService that names a Service");
    let (namespace, name, port) = match named {
        Ok(named) => named,
        Err(why) => {
            return Evidence {
                api_service,
                serving: Err(why.into()),
                deployment: Err(why.into()),
                kubelet_ca: Err(why.into()),
                kubelets: Err(why.into()),
            };
        }
    };
    let service = seen(
        api,
        &format!("/api/v1/namespaces/{namespace}/services/{name}"),
    )
    .map(|object| Service::read(&object));
    let deployment = service.clone().and_then(|service| {
        let items = seen(
            api,
            &format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
        )?;
        Deployment::behind(&service, &items)
            .ok_or_else(|| format!("no Deployment is behind the Service {namespace}/{name}"))
    });
    let ca_bundle = api_service
        .as_ref()
        .and_then(|api_service| api_service.ca_bundle.clone().ok())
        .unwrap_or_default();
    let host = format!("{name}.{namespace}.svc");
    let serving = service.and_then(|service| {
        serving(
            api,
            &service,
            port,
            &host,
            &ca_bundle,
            &namespace,
            &deployment,
        )
    });
    let kubelet_ca = deployment
        .clone()
        .and_then(|deployment| kubelet_ca(api, &deployment, &namespace));
    let kubelets = match (&deployment, &kubelet_ca) {
        (Ok(deployment), Ok((_, cas))) => kubelets(api, deployment, cas),
        (Err(why), _) | (_, Err(why)) => Err(why.clone()),
    };
    Evidence {
        api_service,
        serving,
        deployment,
        kubelet_ca: kubelet_ca.map(|(words, _)| words),
        kubelets,
    }
}

/// The serving certificate on the wire, else in the Secret that the pod mounts: a Service's address is reached from the
/// cluster's nodes and hardly from elsewhere.
fn serving(
    api: &Admin,
    service: &Service,
    port: u16,
    host: &str,
    ca_bundle: &[Vec<u8>],
    namespace: &str,
    deployment: &Result<Deployment, String>,
) -> Result<Serving, String> {
    if ca_bundle.is_empty() {
        return Err("there is no caBundle to verify it against".into());
    }
    let unreached = match service.ip.map(|ip| (ip, port).into()) {
        None => "the Service has no address".to_owned(),
        Some(address) => match tls::probe_as(address, host, ca_bundle) {
            Ok(served) => {
                return Ok(Serving {
                    place: Place::Wire(address),
                    name: host.to_owned(),
                    served,
                });
            }
            Err(why) => format!("{address} cannot be reached from here: {why}"),
        },
    };
    let not_seen = |why: &str| format!("{unreached}; {why}");
    let deployment = deployment.as_ref().map_err(|why| not_seen(why))?;
    let file = deployment.flag("tls-cert-file").ok_or_else(|| {
        not_seen("the Deployment names no --tls-cert-file, so it serves what it made itself")
    })?;
    let Some(Source::Secret(secret, key)) = deployment.source(file) else {
        return Err(not_seen("its --tls-cert-file is in no Secret"));
    };
    let object = seen(
        api,
        &format!("/api/v1/namespaces/{namespace}/secrets/{secret}"),
    )
    .map_err(|why| not_seen(&why))?;
    let pem = of_secret(&object, &key)
        .ok_or_else(|| not_seen(&format!("the Secret {secret} has no {key}")))?;
    let chain = certificates(&pem).map_err(|why| not_seen(&why.to_string()))?;
    let served = tls::examine(&chain, host, ca_bundle)
        .map_err(|why| not_seen(&format!("the Secret {secret}: {why}")))?;
    Ok(Serving {
        place: Place::Secret(format!("{namespace}/{secret}"), unreached),
        name: host.to_owned(),
        served,
    })
}

/// What metrics-server verifies kubelets against: in words, and in DER.
fn kubelet_ca(
    api: &Admin,
    deployment: &Deployment,
    namespace: &str,
) -> Result<(String, Vec<Vec<u8>>), String> {
    let path = deployment
        .flag("kubelet-certificate-authority")
        .filter(|path| !path.is_empty())
        .unwrap_or(IN_CLUSTER);
    if path == IN_CLUSTER {
        return in_cluster_ca(api, namespace);
    }
    let object = |kind: &str, name: &str| {
        seen(
            api,
            &format!("/api/v1/namespaces/{namespace}/{kind}/{name}"),
        )
    };
    let (words, pem) = match deployment.source(path) {
        Some(Source::ConfigMap(name, key)) => (
            format!("configmap/{namespace}/{name}"),
            of_config_map(&object("configmaps", &name)?, &key),
        ),
        Some(Source::Secret(name, key)) => (
            format!("secret/{namespace}/{name}"),
            of_secret(&object("secrets", &name)?, &key),
        ),
        Some(Source::Host(file)) => {
            let pem = files::read(file.as_ref(), PEM_CAP);
            let pem = pem.map_err(|error| {
                format!("{error}; it lies on the node that metrics-server runs on: run this there")
            })?;
            (format!("{file} of this machine"), Some(pem))
        }
        None => return Err(format!("where {path} comes from cannot be seen")),
    };
    let pem = pem.unwrap_or_default();
    cas(&pem, &words).map(|cas| (words, cas))
}

fn cas(pem: &[u8], words: &str) -> Result<Vec<Vec<u8>>, String> {
    match certificates(pem) {
        Ok(cas) if cas.is_empty() => Err(format!("{words} holds no certificate")),
        cas => cas.map_err(|why| format!("{words}: {why}")),
    }
}

/// The CA in every pod is a ConfigMap in every namespace from 1.20 on; before, it is what kubeadm's kubeconfig holds.
fn in_cluster_ca(api: &Admin, namespace: &str) -> Result<(String, Vec<Vec<u8>>), String> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt");
    match get(api, &path) {
        Ok(object) => {
            let pem = of_config_map(&object, "ca.crt").unwrap_or_default();
            let words = "the in-cluster CA".to_owned();
            cas(&pem, &words).map(|cas| (words, cas))
        }
        Err(error) if error.is_not_found() => Ok((
            "the in-cluster CA, that of the kubeconfig".into(),
            api.roots().to_vec(),
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Dials every kubelet, some at once.
fn kubelets(api: &Admin, deployment: &Deployment, cas: &[Vec<u8>]) -> Result<Kubelets, String> {
    let types = deployment
        .flag("kubelet-preferred-address-types")
        .filter(|types| !types.is_empty())
        .unwrap_or(ADDRESS_TYPES);
    let nodes = nodes(api, types)?;
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let dial = || {
        while let Some(node) = nodes.get(next.fetch_add(1, Ordering::Relaxed)) {
            let served = tls::probe_as(node.address, &node.name, cas);
            found
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((node.clone(), served));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..DIALLED_AT_ONCE.min(nodes.len()) {
            // Where no more threads are to be had, those that there are dial the rest.
            let _ = std::thread::Builder::new().spawn_scoped(scope, dial);
        }
        dial();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by(|(a, _), (b, _)| a.node.cmp(&b.node));
    Ok(found)
}

fn nodes(api: &Admin, types: &str) -> Result<Vec<Dialled>, String> {
    let end = Instant::now() + LIST_DEADLINE;
    let mut all = Vec::new();
    let mut further = String::new();
    while Instant::now() < end {
        let page = seen(
            api,
            &format!("/api/v1/nodes?limit={NODES_AT_ONCE}{further}"),
        )?;
        let items = page["items"]
            .as_array()
            .ok_or("a list of Nodes without items")?;
        all.extend(items.iter().filter_map(|node| dialled(node, types)));
        match page["metadata"]["continue"].as_str().unwrap_or_default() {
            "" => return Ok(all),
            token => {
                let token: String = token
                    .bytes()
                    .map(|byte| match byte {
                        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => {
                            char::from(byte).to_string()
                        }
                        _ => format!("%{byte:02X}"),
                    })
                    .collect();
                further = format!("&continue={token}");
            }
        }
    }
    Err("the list of Nodes does not end in time".into())
}
