//! The kubelet's TLS port: the certificate it has, or an alert until it has one.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::klog;
use crate::api::User;

/// The TLS alert internal_error, as Go sends it when it has no certificate: what clients see as
/// `remote error: tls: internal error`.
const INTERNAL_ERROR: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x50];

/// The certificates the port may show.
#[derive(Default)]
pub(crate) struct Serving {
    /// The administrator's own, or the self-signed one.
    pub(crate) fixed: Option<Arc<CertifiedKey>>,
    /// With serverTLSBootstrap: what the cluster's CA issued, once it has.
    pub(crate) issued: Option<RwLock<Option<Arc<CertifiedKey>>>>,
    /// Up to 1.34 clients that name no server keep getting the fixed one.
    pub(crate) fixed_without_sni: bool,
    /// Verifies the certificates of clients; None: every client is anonymous.
    pub(crate) clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Serving {
    fn certificate(&self, server_name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        match (&self.issued, &self.fixed) {
            (Some(_), Some(fixed)) if self.fixed_without_sni && server_name.is_none() => {
                Some(Arc::clone(fixed))
            }
            (Some(issued), _) => issued.read().unwrap().clone(),
            (None, fixed) => fixed.clone(),
        }
    }

    /// From now on this one is served.
    pub(crate) fn set_issued(&self, certificate: Arc<CertifiedKey>) {
        if let Some(issued) = &self.issued {
            *issued.write().unwrap() = Some(certificate);
        }
    }

    /// Answers until the process ends.
    pub(crate) fn serve(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            let this = Arc::clone(self);
            std::thread::spawn(move || {
                // A client that goes away is its own affair.
                let _ = this.answer(stream);
            });
        }
    }

    pub(super) fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            if acceptor.read_tls(&mut stream)? == 0 {
                return Ok(());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((_, mut alert)) => return alert.write_all(&mut stream),
            }
        };
        let Some(certificate) = self.certificate(accepted.client_hello().server_name()) else {
            let peer = stream.peer_addr()?;
            klog::info(
                "server.go:1",
                &format!(
                    "http: TLS handshake error from {peer}: no serving certificate available for the kubelet"
                ),
            );
            return stream.write_all(&INTERNAL_ERROR);
        };
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(std::io::Error::other)?;
        let config = match &self.clients {
            Some(clients) => config.with_client_cert_verifier(Arc::clone(clients)),
            None => config.with_no_client_auth(),
        }
        .with_cert_resolver(Arc::new(Only(certificate)));
        let mut connection = match accepted.into_connection(Arc::new(config)) {
            Ok(connection) => connection,
            Err((_, mut alert)) => return alert.write_all(&mut stream),
        };
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        let certificate = connection.peer_certificates().and_then(|all| all.first());
        let user = certificate.and_then(User::of_certificate);
        respond(StreamOwned::new(connection, stream), user.as_ref())
    }
}

/// Answers one request. An administrator, which the API server is for the kubelet, gets `/healthz`; a client without a
/// certificate gets 401 for everything.
fn respond(
    mut tls: StreamOwned<ServerConnection, TcpStream>,
    user: Option<&User>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match tls.read(&mut part)? {
            0 => return Ok(()),
            n => head.extend(&part[..n]),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match user {
        None => ("401 Unauthorized", "Unauthorized"),
        Some(user) if !user.is_admin() => ("403 Forbidden", "Forbidden"),
        Some(_) if path == "/healthz" => ("200 OK", "ok"),
        Some(_) => ("404 Not Found", "404 page not found\n"),
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    tls.write_all(answer.as_bytes())?;
    tls.conn.send_close_notify();
    tls.flush()
}

/// Accepts clients without a certificate, and those with one of this CA; None where the PEM has no certificate.
pub(crate) fn clients_of(ca_pem: &[u8]) -> Option<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .allow_unauthenticated()
        .build()
        .ok()
}

#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate and its key from PEM, which may be one file; they must belong together.
pub(crate) fn certified_key(cert_pem: &[u8], key_pem: &[u8]) -> Result<Arc<CertifiedKey>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(cert_pem)
        .collect::<Result<_, _>>()
        .map_err(|e| e.to_string())?;
    if chain.is_empty() {
        return Err("tls: failed to find any PEM data in certificate input".into());
    }
    let key = PrivateKeyDer::from_pem_slice(key_pem)
        .map_err(|_| "tls: failed to find any PEM data in key input")?;
    let pair = CertifiedKey::from_der(chain, key, &provider()).map_err(|e| match e {
        rustls::Error::InconsistentKeys(_) => {
            "tls: private key does not match public key".to_owned()
        }
        other => other.to_string(),
    })?;
    Ok(Arc::new(pair))
}

/// The same from files.
pub(crate) fn read_pair(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, String> {
    let read = |path: &Path| {
        fs::read(path)
            .map_err(|e| format!("open {}: {}", path.display(), super::config::go_error(&e)))
    };
    certified_key(&read(cert)?, &read(key)?)
}
