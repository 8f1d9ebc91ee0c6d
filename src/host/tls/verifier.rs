//! The verification of a server's certificate, as rustls does it for its clients.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::node::{NotServed, Unverified};

pub(in crate::host) fn verifier(roots: &[Vec<u8>]) -> Result<Arc<WebPkiServerVerifier>, NotServed> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(CertificateDer::from(root.as_slice()))
            .map_err(|error| NotServed::Other(format!("the cluster's CA is unusable: {error}")))?;
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|error| NotServed::Other(format!("the cluster's CA is unusable: {error}")))
}

pub(in crate::host) fn unverified(error: &rustls::Error) -> Unverified {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            // A signature that is bad, or of another kind of key, is another CA's of the same name: every kubeadm
            // cluster calls its CA `kubernetes`.
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                Unverified::UnknownAuthority
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Unverified::Expired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Unverified::WrongName
            }
            other => Unverified::Other(other.to_string()),
        },
        other => Unverified::Other(other.to_string()),
    }
}

/// A certificate in DER, and what the verification said.
type Presented = (Vec<u8>, Result<(), Unverified>);

/// Verifies as ever, and remembers what was presented and what came of it.
#[derive(Debug)]
pub(super) struct Recorder {
    inner: Arc<WebPkiServerVerifier>,
    /// What was presented, once something is.
    pub(super) presented: OnceLock<Presented>,
}

impl Recorder {
    /// # Errors
    /// When `roots` cannot be used.
    pub(super) fn new(roots: &[Vec<u8>]) -> Result<Self, NotServed> {
        Ok(Self {
            inner: verifier(roots)?,
            presented: OnceLock::new(),
        })
    }
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
        let said = verdict.as_ref().map(|_| ()).map_err(unverified);
        let _ = self.presented.set((end_entity.to_vec(), said));
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
