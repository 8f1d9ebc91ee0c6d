//! The certificate that the API server itself presents, and what its names resolve to.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use http::Uri;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::client::{self, login};
use super::kubeconfig::Config;
use super::proxy::host_of;
use super::{Admin, Api, Unreachable, chain};
use crate::host::tls::{self, Until};
use crate::node::{NotServed, Unverified};
use crate::x509::Names;

/// How long one connection, or one name, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest head of a proxy's answer, in bytes.
const HEAD_CAP: u64 = 16 * 1024;

/// Why the names in the API server's certificate are not known.
#[derive(Debug, thiserror::Error)]
pub enum PresentedError {
    /// No connection to the server or its proxy.
    #[error("cannot connect to {to}")]
    Connect {
        /// The host and port that were dialled: the API server's or its proxy's.
        to: String,
        /// Why the connection failed.
        source: io::Error,
    },
    /// No proxy that is spoken to in TLS, or one that does not verify.
    #[error("cannot use the proxy https://{proxy}: {source}")]
    Proxy {
        /// The proxy's host and port.
        proxy: String,
        /// Why no tunnel can be asked for.
        source: Unreachable,
    },
    /// The handshake showed no certificate.
    #[error(transparent)]
    NotServed(#[from] NotServed),
    /// The certificate does not verify.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// The kubeconfig leaves verification to the CAs of this machine.
    #[error("the kubeconfig has no certificate-authority")]
    NoAuthority,
}

impl Api {
    /// The subject alternative names of the certificate that the API server of the kubeconfig presents, verified against
    /// the kubeconfig's CA.
    ///
    /// # Errors
    /// When no such certificate can be seen.
    pub fn presented_names(&self, end: Instant) -> Result<Names, PresentedError> {
        let config = &self.connection.config;
        let roots = config.root_cert.as_deref().unwrap_or_default();
        if roots.is_empty() {
            return Err(PresentedError::NoAuthority);
        }
        let host = host_of(&config.cluster_url);
        let port = config.cluster_url.port_u16().unwrap_or(443);
        let name = config.tls_server_name.as_deref().unwrap_or(host);
        let stream: Box<dyn Transport> = match &config.proxy_url {
            Some(proxy) => tunnel(proxy, config, end)?,
            None => {
                let stream = connect(host, port, end)?;
                Box::new(Until::new(stream, Instant::now() + tls::DEADLINE))
            }
        };
        let served = tls::presented(stream, name, roots)?;
        served.verified?;
        Ok(served.certificate.names)
    }

    /// The host in the kubeconfig's server address, without brackets.
    pub(super) fn server_host(&self) -> &str {
        host_of(&self.connection.config.cluster_url)
    }

    /// Whether the server is reached through a proxy, which is where its name is resolved.
    pub(super) fn is_proxied(&self) -> bool {
        self.connection.config.proxy_url.is_some()
    }
}

impl Admin {
    /// As [`Api::presented_names`].
    ///
    /// # Errors
    /// As [`Api::presented_names`].
    pub fn presented_names(&self, end: Instant) -> Result<Names, PresentedError> {
        self.0.presented_names(end)
    }
}

/// What `host` resolves to, asked of this machine's resolver.
///
/// # Errors
/// When the resolver gives no answer.
pub fn resolve(host: &str, end: Instant) -> io::Result<Vec<IpAddr>> {
    let (told, answer) = sync_channel(1);
    let asked = host.to_owned();
    // The resolver knows no deadline.
    thread::Builder::new().spawn(move || {
        let resolved = (asked.as_str(), 0).to_socket_addrs();
        let _ = told.send(resolved.map(|found| found.map(|found| found.ip()).collect()));
    })?;
    answer
        .recv_timeout(left(end))
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn left(end: Instant) -> Duration {
    let left = end.saturating_duration_since(Instant::now());
    // Zero is refused by connect_timeout.
    left.clamp(Duration::from_millis(1), PATIENCE)
}

fn connect(host: &str, port: u16, end: Instant) -> Result<TcpStream, PresentedError> {
    let failed = |source| PresentedError::Connect {
        to: format!("{host}:{port}"),
        source,
    };
    let addresses = match host.parse::<IpAddr>() {
        Ok(ip) => vec![ip],
        Err(_) => resolve(host, end).map_err(failed)?,
    };
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    for ip in addresses {
        match TcpStream::connect_timeout(&SocketAddr::from((ip, port)), left(end)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}

/// A way to the API server, on which everything ends in time.
trait Transport: io::Read + io::Write {}

impl<S: io::Read + io::Write> Transport for S {}

/// A connection to the API server through an HTTP proxy (RFC 9110, 9.3.6), which is spoken to as its scheme says.
fn tunnel(
    proxy: &Uri,
    config: &Config,
    end: Instant,
) -> Result<Box<dyn Transport>, PresentedError> {
    let server = &config.cluster_url;
    let host = server.host().unwrap_or_default();
    let port = server.port_u16().unwrap_or(443);
    let is_tls = proxy.scheme_str() == Some("https");
    let usual = if is_tls { 443 } else { 80 };
    let stream = connect(host_of(proxy), proxy.port_u16().unwrap_or(usual), end)?;
    let stream = Until::new(stream, Instant::now() + left(end));
    let mut stream: Box<dyn Transport> = match is_tls {
        true => Box::new(to_proxy(proxy, config, stream)?),
        false => Box::new(stream),
    };
    let mut ask = || -> io::Result<bool> {
        let login = login(proxy).map_or_else(String::new, |login| {
            format!("Proxy-Authorization: {login}\r\n")
        });
        let request =
            format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n");
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        // Byte by byte: what follows the head is the server's.
        let mut answer = BufReader::with_capacity(1, io::Read::take(&mut stream, HEAD_CAP));
        let (mut first, mut line) = (String::new(), String::new());
        answer.read_line(&mut first)?;
        while answer.read_line(&mut line)? > 2 {
            line.clear();
        }
        Ok(first.split(' ').nth(1) == Some("200"))
    };
    let failed = |source| PresentedError::Connect {
        to: format!("{host}:{port} through the proxy"),
        source,
    };
    match ask() {
        Ok(true) => Ok(stream),
        Ok(false) => Err(failed(io::ErrorKind::ConnectionRefused.into())),
        Err(error) => Err(failed(error)),
    }
}

/// TLS with the proxy, which is verified as the API server is, as client-go does it.
fn to_proxy(
    proxy: &Uri,
    config: &Config,
    mut stream: Until,
) -> Result<StreamOwned<ClientConnection, Until>, PresentedError> {
    let host = host_of(proxy);
    let failed = |source| PresentedError::Proxy {
        proxy: format!("{host}:{}", proxy.port_u16().unwrap_or(443)),
        source,
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| failed(Unreachable::Other(error.to_string())))?;
    let tls =
        client::tls_config(config).map_err(|error| failed(Unreachable::Other(chain(&error))))?;
    let mut connection = ClientConnection::new(Arc::new(tls), name)
        .map_err(|error| failed(Unreachable::of(&error)))?;
    while connection.is_handshaking() {
        connection
            .complete_io(&mut stream)
            .map_err(|error| failed(Unreachable::of(&error)))?;
    }
    Ok(StreamOwned::new(connection, stream))
}
