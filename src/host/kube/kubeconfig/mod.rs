//! A kubeconfig, read under an allow-list (docs/adr/0006-own-kubeconfig-reader.md).
//!
//! The client gets a value that is built from the allowed fields alone, with all files read, so that nothing else of a
//! kubeconfig reaches the network or a process.

mod error;
mod exec;
mod file;
mod reader;
mod source;

use std::path::{Path, PathBuf};

use http::{HeaderValue, Uri};

use crate::host::environment;
use crate::host::files::Stamp;
use crate::x509::pem::{each_certificate, from_base64};

use super::proxy::Proxies;
use super::resolver::HostSource;
use file::{Context, Section, choose};
use reader::Reader;

pub use error::KubeconfigError;
pub use source::Source;

/// Who may get a credential from a program that the kubeconfig names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plugins {
    /// No one: the verbs of a node.
    Refuse,
    /// Every user but root: the administrators' verbs, because clusters with OIDC log in that way.
    RunUnlessRoot,
}

/// One API server, how to reach it, and the credential for it.
#[derive(Clone)]
pub(super) struct Config {
    /// Its scheme is `https`; its path is before that of every request.
    pub(super) cluster_url: Uri,
    /// The CA's certificates in DER; none where the system's are used.
    pub(super) root_cert: Option<Vec<Vec<u8>>>,
    /// What its certificate is to be for, unless the host of its address.
    pub(super) tls_server_name: Option<String>,
    /// Its scheme is `http` or `https`; it may hold a password.
    pub(super) proxy_url: Option<Uri>,
    /// Who names the host that is dialled: the proxy's if there is one, else the API server's.
    pub(super) named: HostSource,
    pub(super) credential: Credential,
    /// `Bearer` and the credential's token.
    pub(super) authorization: Option<HeaderValue>,
    /// The files that all this was read from, each as it was before it was read.
    pub(super) files: Vec<Stamp>,
}

/// What a kubeconfig's context refers to, as far as the file alone can tell: an `https` server that is verified.
#[derive(Debug)]
pub struct Parsed {
    chosen: Context,
    /// `server`, whose scheme is `https`.
    pub server: Uri,
}

/// The credential, with every file read.
#[derive(Clone, Default)]
pub(super) struct Credential {
    /// The client certificate and its chain, PEM.
    pub(super) certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    token: Option<String>,
}

/// Reads the bytes of a kubeconfig, for its current context.
///
/// # Errors
/// What is wrong with it, without quoting it: it holds keys.
pub fn parse(bytes: &[u8]) -> Result<Parsed, KubeconfigError> {
    parse_all(&[(bytes, Path::new(""))], None)
}

fn parse_all(
    files: &[(impl AsRef<[u8]>, &Path)],
    context: Option<&str>,
) -> Result<Parsed, KubeconfigError> {
    let chosen = choose(files, context)?;
    let server = chosen.cluster.text("server")?.unwrap_or_default();
    let server: Uri = server
        .parse()
        .map_err(|_| KubeconfigError::Server("is not a URL"))?;
    if server.scheme_str() != Some("https") {
        return Err(KubeconfigError::Server("is not https"));
    }
    // The address is in every error; and the node proves itself by its certificate.
    let authority = server.authority().map_or("", http::uri::Authority::as_str);
    if authority.contains('@') {
        return Err(KubeconfigError::Server("has a user or a password in it"));
    }
    let has_port = authority.trim_end_matches(':') != server.host().unwrap_or_default();
    if has_port && server.port_u16().is_none() {
        return Err(KubeconfigError::Server("has a port that is not a number"));
    }
    Ok(Parsed { chosen, server })
}

impl Parsed {
    /// Reads the files that it names, and what of the environment belongs to it. `paths` are the kubeconfigs.
    fn access(
        self,
        plugins: Plugins,
        paths: &[PathBuf],
        mut reader: Reader,
    ) -> Result<Config, KubeconfigError> {
        let Self { chosen, server } = self;
        let Context { cluster, user } = chosen;
        let proxies = Proxies {
            of_cluster: cluster.text("proxy-url")?,
            https: environment::first_of(&["HTTPS_PROXY", "https_proxy"]),
            none: environment::first_of(&["NO_PROXY", "no_proxy"]),
        };
        let proxy_url = proxies.for_server(&server)?;
        let named = match (&proxy_url, &proxies.of_cluster) {
            (None, _) => HostSource::Server(paths.to_vec()),
            (Some(_), Some(_)) => HostSource::ProxyUrl(paths.to_vec()),
            (Some(_), None) => HostSource::ProxyVariable,
        };
        let mut config = Config {
            proxy_url,
            named,
            cluster_url: server,
            root_cert: roots(&cluster, &mut reader)?,
            tls_server_name: cluster.text("tls-server-name")?,
            credential: Credential::default(),
            authorization: None,
            files: Vec::new(),
        };
        // Nothing is compressed; what is not a truth value is refused nevertheless.
        cluster.check_flag("disable-compression")?;
        config.credential = match user.value("exec") {
            Some(plugin) => exec::credential(plugin, &user.directory, &config, plugins)?,
            None => static_credential(&user, &mut reader)?,
        };
        config.authorization = config.credential.authorization()?;
        config.files = reader.stamps();
        Ok(config)
    }
}

/// The credential that the user's fields hold or name.
fn static_credential(user: &Section, reader: &mut Reader) -> Result<Credential, KubeconfigError> {
    let token = match user.path("tokenFile")? {
        // client-go prefers the file, which a rotation rewrites, and trims white space around the token.
        Some(path) => {
            let bytes = reader.named("tokenFile", &path)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => user.text("token")?,
    };
    Ok(Credential {
        certificate: data_or_file(
            user,
            "client-certificate-data",
            "client-certificate",
            reader,
        )?,
        key: data_or_file(user, "client-key-data", "client-key", reader)?,
        token,
    })
}

impl Credential {
    /// Certificate and key; none without both.
    pub(super) fn identity(&self) -> Option<(&[u8], &[u8])> {
        self.certificate.as_deref().zip(self.key.as_deref())
    }

    /// The header that carries the token; none without one.
    fn authorization(&self) -> Result<Option<HeaderValue>, KubeconfigError> {
        let Some(token) = self.token() else {
            return Ok(None);
        };
        let header = HeaderValue::try_from(format!("Bearer {token}"));
        let mut header = header.map_err(|_| KubeconfigError::Token)?;
        header.set_sensitive(true);
        Ok(Some(header))
    }

    /// The token without white space around it; none where nothing is left.
    fn token(&self) -> Option<&str> {
        let token = self.token.as_deref().map(str::trim);
        token.filter(|token| !token.is_empty())
    }

    /// Whether it proves anything to the API server.
    pub(super) fn is_empty(&self) -> bool {
        self.certificate.is_none() && self.token().is_none()
    }
}

/// The CA's certificates in DER; none where the system's are used.
fn roots(cluster: &Section, reader: &mut Reader) -> Result<Option<Vec<Vec<u8>>>, KubeconfigError> {
    let pem = data_or_file(
        cluster,
        "certificate-authority-data",
        "certificate-authority",
        reader,
    )?;
    pem.map(|pem| certificates(&pem)).transpose()
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, KubeconfigError> {
    let certificates: Vec<_> = each_certificate(pem).map_while(Result::ok).collect();
    if certificates.is_empty() {
        return Err(KubeconfigError::NoAuthority);
    }
    Ok(certificates)
}

/// What `data` holds in base64, else what the file holds that `file` names.
fn data_or_file(
    section: &Section,
    data: &'static str,
    file: &'static str,
    reader: &mut Reader,
) -> Result<Option<Vec<u8>>, KubeconfigError> {
    if let Some(text) = section.text(data)? {
        return from_base64(&text)
            .map(Some)
            .ok_or(KubeconfigError::NotBase64(data));
    }
    section
        .path(file)?
        .map(|path| reader.named(file, &path))
        .transpose()
}
