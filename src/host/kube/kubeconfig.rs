//! A kubeconfig, read as client-go reads it.
//!
//! kube's own reader quotes the file in its errors, and the file holds keys; and it holds NO_PROXY against the proxy's
//! address, not the server's (kube 5.0.0).

use std::path::Path;

use k8s_openapi::ByteString;
use kube::config::{AuthInfo, Cluster, Config, Kubeconfig};
use x509_parser::pem::Pem;

use crate::host::environment;
use crate::host::files;

use super::proxy::Proxies;

/// A kubeconfig with everything inline is some ten kilobytes, in bytes.
pub(super) const KUBECONFIG_CAP: u64 = 1024 * 1024;

/// What a kubeconfig's current context refers to, as far as the file alone can tell: an `https` server that is verified.
#[derive(Debug)]
pub struct Parsed {
    /// `clusters[].cluster`.
    pub cluster: Cluster,
    /// `users[].user`, its paths as they are written.
    pub user: AuthInfo,
    /// `server`, whose scheme is `https`.
    pub server: http::Uri,
}

/// Reads the bytes of a kubeconfig.
///
/// # Errors
/// What is wrong with it, without quoting it: it holds keys.
pub fn parse(bytes: &[u8]) -> Result<Parsed, String> {
    let mut file: Kubeconfig = serde_yaml::from_slice(bytes).map_err(|error| {
        let place = error.location().map_or_else(String::new, |place| {
            format!(" at line {}, column {}", place.line(), place.column())
        });
        format!("it is no kubeconfig{place}")
    })?;
    let (cluster, user) = current(&mut file)?;
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(
            "insecure-skip-tls-verify is set, and what an unverified server says is not believed"
                .into(),
        );
    }
    let server = cluster.server.clone().unwrap_or_default();
    let server: http::Uri = server.parse().map_err(|error| format!("server: {error}"))?;
    if server.scheme_str() != Some("https") {
        return Err("the server's address is not https".into());
    }
    // The address is in every error; and the node proves itself by its certificate.
    let authority = server.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err("the server's address has a user or a password in it".into());
    }
    let has_port = authority.trim_end_matches(':') != server.host().unwrap_or_default();
    if has_port && server.port_u16().is_none() {
        return Err("the port in the server's address is no number".into());
    }
    Ok(Parsed {
        cluster,
        user,
        server,
    })
}

/// Reads the file and what of the environment belongs to it.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub(super) fn read(path: &Path) -> Result<Config, String> {
    let bytes = files::read(path, KUBECONFIG_CAP).map_err(|error| error.cause.to_string())?;
    let Parsed {
        cluster,
        mut user,
        server,
    } = parse(&bytes)?;
    // Where it names files, it means them from where it lies.
    let directory = path.parent().unwrap_or(Path::new(""));
    for file in [
        &mut user.client_certificate,
        &mut user.client_key,
        &mut user.token_file,
    ] {
        *file = nonempty(file.take()).map(|file| directory.join(file).display().to_string());
    }
    let proxies = Proxies {
        of_cluster: nonempty(cluster.proxy_url.clone()),
        https: environment::first_of(&["HTTPS_PROXY", "https_proxy"]),
        none: environment::first_of(&["NO_PROXY", "no_proxy"]),
    };
    let mut config = Config::new(server);
    config.proxy_url = proxies.for_server(&config.cluster_url)?;
    config.root_cert = roots(&cluster, directory)?;
    config.tls_server_name = cluster.tls_server_name;
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    config.auth_info = user;
    Ok(config)
}

/// What the current context refers to.
fn current(file: &mut Kubeconfig) -> Result<(Cluster, AuthInfo), String> {
    let name = nonempty(file.current_context.take()).ok_or("it has no current-context")?;
    let mut contexts = file.contexts.drain(..);
    let context = contexts
        .find(|named| named.name == name)
        .and_then(|named| named.context)
        .ok_or("its current-context is none of its contexts")?;
    let cluster = file
        .clusters
        .drain(..)
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster)
        .ok_or("the cluster of its current-context is none of its clusters")?;
    let user = file
        .auth_infos
        .drain(..)
        .find(|named| Some(&named.name) == context.user.as_ref())
        .and_then(|named| named.auth_info);
    Ok((cluster, user.unwrap_or_default()))
}

/// The CA's certificates in DER; none where the system's are to do.
fn roots(cluster: &Cluster, directory: &Path) -> Result<Option<Vec<Vec<u8>>>, String> {
    let data = nonempty(cluster.certificate_authority_data.clone());
    let file = nonempty(cluster.certificate_authority.clone());
    let pem = match (data, file) {
        (Some(data), _) => from_base64(&data).ok_or("certificate-authority-data is not base64")?,
        (None, Some(file)) => {
            files::read(&directory.join(file), KUBECONFIG_CAP).map_err(|error| error.to_string())?
        }
        (None, None) => return Ok(None),
    };
    let certificates: Vec<Vec<u8>> = Pem::iter_from_buffer(&pem)
        .map_while(Result::ok)
        .filter(|pem| pem.label == "CERTIFICATE")
        .map(|pem| pem.contents)
        .collect();
    if certificates.is_empty() {
        return Err("its certificate authority is no PEM certificate".into());
    }
    Ok(Some(certificates))
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    serde_json::from_value::<ByteString>(text.into())
        .ok()
        .map(|bytes| bytes.0)
}

fn nonempty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
