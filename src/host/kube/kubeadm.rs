//! What kubeadm was told of the cluster, read from the ConfigMap `kube-system/kubeadm-config`.

use k8s_openapi::api::core::v1::ConfigMap;
use serde::Deserialize;

use super::{Fact, FactError};
use crate::approval::{Networks, parse_ip, parse_network};
use crate::text::quoted;
use crate::x509::Names;

/// What kubeadm was told of the cluster.
#[derive(Debug)]
pub struct KubeadmFacts {
    /// `networking`.
    pub networks: Networks,
    /// `controlPlaneEndpoint`.
    pub endpoint: Names,
    /// `controlPlaneEndpoint` and `apiServer.certSANs`.
    pub api_server: Names,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ClusterConfiguration {
    control_plane_endpoint: Option<String>,
    api_server: Option<Server>,
    networking: Option<Networking>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Server {
    #[serde(rename = "certSANs")]
    cert_sans: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Networking {
    dns_domain: Option<String>,
    service_subnet: Option<String>,
    pod_subnet: Option<String>,
}

/// Reads the `ClusterConfiguration` of the ConfigMap `kube-system/kubeadm-config`.
///
/// # Errors
/// When it is not one.
pub fn kubeadm_facts(map: &ConfigMap) -> Result<KubeadmFacts, FactError> {
    let malformed = |reason: String| FactError::Malformed {
        fact: Fact::KubeadmConfig,
        object: "configmap/kube-system/kubeadm-config".to_owned(),
        reason,
    };
    let text = map
        .data
        .as_ref()
        .and_then(|data| data.get("ClusterConfiguration"));
    let text = text.ok_or_else(|| malformed("it has no ClusterConfiguration".to_owned()))?;
    let configuration: ClusterConfiguration = serde_yaml::from_str(text).map_err(|error| {
        malformed(format!(
            "its ClusterConfiguration: {}",
            quoted(&error.to_string())
        ))
    })?;
    let networking = configuration.networking.unwrap_or_default();
    let networks = |text: Option<String>| {
        let text = text.unwrap_or_default();
        let all = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        all.map(|one| {
            parse_network(one).ok_or_else(|| malformed(format!("{} is not a network", quoted(one))))
        })
        .collect::<Result<Vec<_>, _>>()
    };
    let endpoint = configuration.control_plane_endpoint.unwrap_or_default();
    let endpoint = names_of_address(&endpoint);
    let mut api_server = endpoint.clone();
    let server = configuration.api_server.unwrap_or_default();
    for san in server.cert_sans.unwrap_or_default() {
        let Names { dns, ips } = names_of_address(&san);
        api_server.dns.extend(dns);
        api_server.ips.extend(ips);
    }
    Ok(KubeadmFacts {
        networks: Networks {
            services: networks(networking.service_subnet)?,
            pods: networks(networking.pod_subnet)?,
            domains: networking
                .dns_domain
                .into_iter()
                .filter(|domain| !domain.is_empty())
                .collect(),
        },
        endpoint,
        api_server,
    })
}

/// The name or address in `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
pub(super) fn names_of_address(address: &str) -> Names {
    let host = match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !host.contains(':') => {
            host
        }
        Some((host, _)) if host.starts_with('[') && host.ends_with(']') => host,
        _ => address,
    };
    let host = host.trim_matches(['[', ']']);
    let mut names = Names::default();
    match parse_ip(host) {
        Some(ip) => names.ips.push(ip),
        None if host.is_empty() => {}
        None => names.dns.push(host.to_owned()),
    }
    names
}
