//! Looks at a metrics-server that runs, from where an administrator is.

use std::fmt::Display;
use std::time::Instant;

use serde_json::Value;

use crate::cli;
use crate::host::kube::Admin;
use crate::host::tls;
use crate::metrics_server::certificates;
use crate::metrics_server::check::{
    self, ApiService, ChannelEvidence, Deployment, MountSource, Pod, SeenAt, Service, Serving,
    of_secret,
};
use crate::node::Explanation;
use crate::node::conditions::Condition;
use crate::report::{Outcome, Problem};

use super::super::{Ui, admin, status};
use super::MetricsServerResult;
use super::ask::{LIST_DEADLINE, get, seen, seen_in};
use super::kubelets::{kubelet_ca, kubelets};

const API_SERVICE: &str = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io";

/// Prints the conditions. Exit 1 when one is not True; an error when the API cannot be reached.
pub(super) fn run(arguments: &cli::MetricsServer, ui: &Ui) -> Outcome<MetricsServerResult> {
    let (conditions, ending) = match examine(arguments) {
        Ok(conditions) => status::show(conditions, ui),
        Err(problem) => return Outcome::failed(MetricsServerResult::default(), problem),
    };
    Outcome {
        ending,
        result: MetricsServerResult {
            conditions: Some(conditions),
            ..MetricsServerResult::default()
        },
    }
}

fn examine(
    arguments: &cli::MetricsServer,
) -> Result<Vec<Condition<check::MetricsServerConditionType>>, Problem> {
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

fn look(api: &Admin, api_service: Option<ApiService>) -> ChannelEvidence {
    let named = api_service
        .as_ref()
        .and_then(|api_service| api_service.service.clone())
        .ok_or_else(|| Explanation::new("no APIService names a Service"));
    let (namespace, name, port) = match named {
        Ok(named) => named,
        Err(why) => return unnamed(api_service, &why),
    };
    let service = seen_in(api, &namespace, ("services", &name));
    let service = service.map(|object| Service::read(&object));
    let deployment = service.clone().and_then(|service| {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        Deployment::behind(&service, &seen(api, &path)?).ok_or_else(|| {
            Explanation::new(format!(
                "no Deployment is behind the Service {namespace}/{name}"
            ))
        })
    });
    let pods = service
        .clone()
        .and_then(|service| pods(api, &namespace, &service));
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
    ChannelEvidence {
        api_service,
        serving,
        deployment,
        pods,
        kubelet_ca: kubelet_ca.map(|(words, _)| words),
        kubelets,
    }
}

/// What is known where no Service is named.
fn unnamed(api_service: Option<ApiService>, why: &Explanation) -> ChannelEvidence {
    ChannelEvidence {
        api_service,
        serving: Err(why.clone()),
        deployment: Err(why.clone()),
        pods: Err(why.clone()),
        kubelet_ca: Err(why.clone()),
        kubelets: Err(why.clone()),
    }
}

fn pods(api: &Admin, namespace: &str, service: &Service) -> Result<Vec<Pod>, Explanation> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let take = |all: &mut Vec<Pod>, pod: Value| all.extend(Pod::behind(service, &[pod]));
    let end = Instant::now() + LIST_DEADLINE;
    api.list(&path, take, end).map_err(Explanation::of)
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
    deployment: &Result<Deployment, Explanation>,
) -> Result<Serving, Explanation> {
    if ca_bundle.is_empty() {
        return Err(Explanation::new(
            "the APIService has no caBundle to verify it against",
        ));
    }
    let unreached = match service.ip.map(|ip| (ip, port).into()) {
        None => "the Service has no address".to_owned(),
        Some(address) => match tls::probe_as(address, host, ca_bundle) {
            Ok(served) => {
                return Ok(Serving {
                    place: SeenAt::Wire(address),
                    name: host.to_owned(),
                    served,
                });
            }
            Err(why) => format!("{address} cannot be reached from here: {why}"),
        },
    };
    let not_seen = |why: &dyn Display| Explanation::new(format!("{unreached}; {why}"));
    let deployment = deployment.as_ref().map_err(|why| not_seen(why))?;
    let file = deployment.program.flag("tls-cert-file").ok_or_else(|| {
        not_seen(&"the Deployment sets no --tls-cert-file, so metrics-server serves a self-signed certificate")
    })?;
    let Some(MountSource::Secret(secret, key)) = deployment.program.source(file) else {
        return Err(not_seen(&"its --tls-cert-file is in no Secret"));
    };
    let object = seen_in(api, namespace, ("secrets", &secret)).map_err(|why| not_seen(&why))?;
    let pem = of_secret(&object, &key)
        .ok_or_else(|| not_seen(&format!("the Secret {secret} has no {key}")))?;
    let chain = certificates(&pem).map_err(|why| not_seen(&why))?;
    let served = tls::examine(&chain, host, ca_bundle)
        .map_err(|why| not_seen(&format!("the Secret {secret}: {why}")))?;
    Ok(Serving {
        place: SeenAt::Secret(format!("{namespace}/{secret}"), unreached),
        name: host.to_owned(),
        served,
    })
}
