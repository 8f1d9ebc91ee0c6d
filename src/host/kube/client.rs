//! HTTP/1.1 over verified TLS to one API server, directly or through a proxy (docs/adr/0008-hyper-client.md).

use std::io;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, pem};
use rustls::{ClientConfig, RootCertStore};

use super::kubeconfig::Config;
use super::resolver::Resolver;
use crate::host::tls;
use crate::x509::pem::base64;

/// How long one address may take to accept a TCP connection; the name's next address is tried after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) type Sent = Full<Bytes>;
/// What comes, frame by frame.
pub(super) type Body = Incoming;

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error(transparent)]
    Runtime(#[from] io::Error),
    #[error("a certificate of the CA is unusable")]
    Root(#[source] rustls::Error),
    #[error("the client certificate is not PEM")]
    Certificate(#[source] pem::Error),
    #[error("the client key is not PEM")]
    Key(#[source] pem::Error),
    #[error("the client certificate and key are unusable")]
    Identity(#[source] rustls::Error),
    #[error("tls-server-name is not a name of a server")]
    Name(#[from] InvalidDnsNameError),
}

type Tcp = HttpConnector<Resolver>;
type Through<C> = legacy::Client<HttpsConnector<C>, Sent>;

#[derive(Clone)]
enum Way {
    Direct(Through<Tcp>),
    Proxy(Through<Tunnel<Tcp>>),
    TlsProxy(Through<Tunnel<HttpsConnector<Tcp>>>),
}

/// A pool of connections to one API server.
#[derive(Clone)]
pub(super) struct Client {
    way: Way,
    /// Before the path of every request, without `/` at its end.
    base: String,
    authorization: Option<HeaderValue>,
}

impl Client {
    /// Connects when something is sent.
    ///
    /// # Errors
    /// When certificates, key or names cannot be used.
    pub(super) fn new(config: &Config) -> Result<Self, ClientError> {
        // Here and not at the start: a run on files alone speaks no TLS and need not pay for it.
        tls::install_provider();
        let tls = tls_config(config)?;
        let name = config.tls_server_name.clone().map(ServerName::try_from);
        let name = name.transpose()?;
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(config.named.clone()));
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let way = match &config.proxy_url {
            None => Way::Direct(pool(https(tcp, tls, name))),
            Some(proxy) if proxy.scheme_str() == Some("https") => {
                // As client-go: the proxy is verified by the same CA.
                let to_proxy = https(tcp, tls.clone(), None);
                Way::TlsProxy(pool(https(tunnel(proxy, to_proxy), tls, name)))
            }
            Some(proxy) => Way::Proxy(pool(https(tunnel(proxy, tcp), tls, name))),
        };
        Ok(Self {
            way,
            base: config.cluster_url.to_string().trim_end_matches('/').into(),
            authorization: config.authorization.clone(),
        })
    }

    /// Sends a request whose URI is a path below the server's address.
    ///
    /// # Errors
    /// When no answer begins.
    pub(super) async fn send(
        &self,
        mut request: Request<Sent>,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        *request.uri_mut() = format!("{}{}", self.base, request.uri()).parse()?;
        if let Some(authorization) = &self.authorization {
            let headers = request.headers_mut();
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        Ok(match &self.way {
            Way::Direct(client) => client.request(request).await,
            Way::Proxy(client) => client.request(request).await,
            Way::TlsProxy(client) => client.request(request).await,
        }?)
    }
}

/// The client's side of TLS, for the API server and for a proxy that is spoken to in TLS.
pub(super) fn tls_config(config: &Config) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    match &config.root_cert {
        Some(ders) => {
            for der in ders {
                let root = CertificateDer::from(der.as_slice());
                roots.add(root).map_err(ClientError::Root)?;
            }
        }
        // As client-go: what of the system's store cannot be read is passed over, and then nothing verifies.
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let Some((certificate, key)) = config.credential.identity() else {
        return Ok(builder.with_no_client_auth());
    };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(ClientError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(ClientError::Key)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(ClientError::Identity)
}

fn https<C>(
    connector: C,
    tls: ClientConfig,
    name: Option<ServerName<'static>>,
) -> HttpsConnector<C> {
    let builder = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only();
    match name {
        Some(name) => builder.with_server_name_resolver(FixedServerNameResolver::new(name)),
        None => builder,
    }
    .enable_http1()
    .wrap_connector(connector)
}

/// What `Proxy-Authorization` is to be for the user and the password in a proxy's address; none without them.
pub(super) fn login(proxy: &Uri) -> Option<String> {
    let (login, _) = proxy.authority()?.as_str().rsplit_once('@')?;
    let login: Vec<u8> = percent_decode_str(login).collect();
    Some(format!("Basic {}", base64(&login)))
}

/// The way through an HTTP proxy (RFC 9110, 9.3.6), with the login that its address holds.
fn tunnel<C>(proxy: &Uri, connector: C) -> Tunnel<C> {
    let tunnel = Tunnel::new(proxy.clone(), connector);
    match login(proxy).and_then(|login| HeaderValue::try_from(login).ok()) {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

fn pool<C: Connect + Clone>(connector: C) -> legacy::Client<C, Sent> {
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}
