//! An HTTPS client: what the stand-in kubelet speaks to the API server with, and tests to anything.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde::Deserialize;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, http};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How long a server may say nothing.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The parts of a kubeconfig, read in.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    /// `https://HOST:PORT`
    pub server: String,
    /// The CA's certificates.
    pub ca_pem: Vec<u8>,
    /// The client certificate and key, if any.
    pub client: Option<(Vec<u8>, Vec<u8>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    clusters: Vec<Cluster>,
    users: Vec<User>,
}

#[derive(Deserialize)]
struct Cluster {
    cluster: Fields,
}

#[derive(Deserialize)]
struct User {
    user: Fields,
}

/// Of clusters and users alike: each lacks the other's.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Fields {
    server: String,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<String>,
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
}

impl Kubeconfig {
    /// Reads the file and those it refers to. The stand-ins' kubeconfigs have one context.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|e| format!("open {}: {e}", path.display()))?;
        let file: File =
            serde_yaml::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        let load = |file: &Option<String>, data: &Option<String>| match (file, data) {
            (_, Some(data)) => crate::api::from_base64(data)
                .ok_or_else(|| "illegal base64 data".to_owned())
                .map(Some),
            (Some(name), None) => fs::read(dir.join(name))
                .map(Some)
                .map_err(|e| format!("unable to read {name}: {e}")),
            (None, None) => Ok(None),
        };
        let cluster = &file.clusters.first().ok_or("no clusters")?.cluster;
        let user = &file.users.first().ok_or("no users")?.user;
        let cert = load(&user.client_certificate, &user.client_certificate_data)?;
        let key = load(&user.client_key, &user.client_key_data)?;
        Ok(Self {
            server: cluster.server.clone(),
            ca_pem: load(
                &cluster.certificate_authority,
                &cluster.certificate_authority_data,
            )?
            .unwrap_or_default(),
            client: cert.zip(key),
        })
    }

    /// The CN of the client certificate.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        let (cert, _) = self.client.as_ref()?;
        let der = CertificateDer::from_pem_slice(cert).ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let name = parsed
            .subject()
            .iter_common_name()
            .next()?
            .as_str()
            .ok()?
            .to_owned();
        Some(name)
    }
}

/// A client of one server; a connection per request.
pub struct Client {
    server: String,
    agent: Agent,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub code: u16,
    /// The header `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Client {
    /// A client with this kubeconfig's server and identity, called `agent`.
    pub fn new(kubeconfig: &Kubeconfig, agent: &str) -> Result<Self, String> {
        let roots = certificates(&kubeconfig.ca_pem)?;
        let identity = match &kubeconfig.client {
            None => None,
            Some((chain, key)) => {
                let key = PrivateKey::from_pem(key).map_err(words)?;
                Some(ClientCert::new_with_certs(&certificates(chain)?, key))
            }
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .client_cert(identity)
            .build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .user_agent(agent)
            .accept("application/json")
            .http_status_as_error(false)
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(0)
            .timeout_per_read(Some(READ_TIMEOUT));
        Ok(Self {
            server: kubeconfig.server.trim_end_matches('/').to_owned(),
            agent: config.build().new_agent(),
        })
    }

    /// One request and its whole answer.
    pub fn request(
        &self,
        method: &str,
        target: &str,
        body: Option<&str>,
    ) -> Result<Answer, String> {
        self.typed(method, target, "application/json", body.unwrap_or(""))
    }

    /// The same, with a content type, for patches.
    pub fn typed(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &str,
    ) -> Result<Answer, String> {
        let mut answer = self.send(method, target, content_type, body)?;
        let code = answer.status().as_u16();
        let content_type = answer.headers().get("Content-Type");
        let content_type = content_type.and_then(|value| value.to_str().ok());
        Ok(Answer {
            code,
            content_type: content_type.unwrap_or_default().to_owned(),
            body: {
                let body = answer.body_mut().with_config().limit(u64::MAX);
                body.lossy_utf8(true).read_to_string().map_err(words)?
            },
        })
    }

    /// A watch: `on_line` sees each event and returns whether it wants more.
    pub fn watch(&self, target: &str, mut on_line: impl FnMut(&str) -> bool) -> Result<(), String> {
        let mut answer = self.send("GET", target, "", "")?;
        if answer.status() != 200 {
            return Err(format!("the server answered {}", answer.status().as_u16()));
        }
        let mut reader = BufReader::new(answer.body_mut().as_reader());
        let mut line = String::new();
        // A line that was cut off does not count.
        while reader.read_line(&mut line).map_err(words)? > 0 && line.ends_with('\n') {
            if !on_line(line.trim_end()) {
                break;
            }
            line.clear();
        }
        Ok(())
    }

    fn send(
        &self,
        method: &str,
        target: &str,
        content_type: &str,
        body: &str,
    ) -> Result<http::Response<Body>, String> {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.server));
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).map_err(words)?)
        } else {
            let request = request.header("Content-Type", content_type);
            self.agent.run(request.body(body).map_err(words)?)
        };
        answer.map_err(words)
    }
}

/// The certificates among the blocks of a PEM file.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let blocks = parse_pem(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(words)?;
    let certificate = |block| match block {
        PemItem::Certificate(certificate) => Some(certificate),
        _ => None,
    };
    Ok(blocks.into_iter().filter_map(certificate).collect())
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The client's side of TLS.
pub fn client_config(
    ca_pem: &[u8],
    client: Option<(&[u8], &[u8])>,
) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(words)?).map_err(words)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(words)?
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = CertificateDer::pem_slice_iter(cert)
                .collect::<Result<_, _>>()
                .map_err(words)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(words)?;
            builder.with_client_auth_cert(chain, key).map_err(words)?
        }
    };
    Ok(Arc::new(config))
}

/// A TLS handshake with `address`, whose certificate must be for `name`.
pub fn connect(
    address: &str,
    name: ServerName<'static>,
    tls: &Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(READ_TIMEOUT))?;
    stream.set_nodelay(true)?;
    let mut connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}
