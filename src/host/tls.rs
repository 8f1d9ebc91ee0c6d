//! What a TLS server on the wire serves, verified as metrics-server and the API server would.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::certificate::Certificate;

/// A handshake on the same machine takes a few milliseconds.
const DEADLINE: Duration = Duration::from_secs(3);

/// What a server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its own certificate.
    pub certificate: Certificate,
    /// Whether it verifies for the address dialled, and why not.
    pub verified: Result<(), String>,
}

/// Chooses the one provider of cryptography. Before anything else that speaks TLS.
pub fn install_provider() {
    // It fails only where one is installed already, and that is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Does a TLS handshake with `address` and verifies what it presents against the DER certificates `roots`.
///
/// # Errors
/// When no certificate was presented: nothing listens, or the server has none yet (a kubelet that waits for its
/// certificate ends every handshake with the alert `internal error`).
pub fn probe(address: SocketAddr, roots: &[Vec<u8>]) -> Result<Served, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(CertificateDer::from(root.as_slice()))
            .map_err(|error| format!("the cluster's CA is unusable: {error}"))?;
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|error| format!("the cluster's CA is unusable: {error}"))?;
    let recorder = Arc::new(Recorder {
        inner,
        presented: Mutex::new(None),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(recorder.clone())
        .with_no_client_auth();
    let shaken = handshake(address, config);
    let presented = recorder
        .presented
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    match presented {
        Some((der, verdict)) => {
            let certificate = Certificate::from_der(&der).map_err(|error| error.to_string())?;
            // A good certificate whose key the server does not hold is not verified either.
            let verified = verdict.and_then(|()| shaken.map_err(|error| plain(&error)));
            Ok(Served {
                certificate,
                verified,
            })
        }
        None => Err(shaken.err().map_or_else(
            || "no certificate was presented".to_owned(),
            |error| plain(&error),
        )),
    }
}

fn handshake(address: SocketAddr, config: ClientConfig) -> io::Result<()> {
    let mut connection = ClientConnection::new(Arc::new(config), ServerName::from(address.ip()))
        .map_err(io::Error::other)?;
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(())
}

fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer within {DEADLINE:?}")
        }
        _ => error.to_string(),
    }
}

/// A certificate in DER, and what the verification said.
type Presented = (Vec<u8>, Result<(), String>);

/// Verifies as ever, and remembers what was presented and what came of it.
#[derive(Debug)]
struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    presented: Mutex<Option<Presented>>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let said = verdict.as_ref().map(|_| ()).map_err(ToString::to_string);
        *self
            .presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some((end_entity.to_vec(), said));
        verdict
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
