//! A certificate with its private key: whether they belong together and whether clients would accept them.

use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;

use super::tls::{unverified, verifier};
use crate::node::{NotServed, Unverified};
use crate::x509::{Certificate, Names, NotOne};

/// Why a certificate or its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// The file is not PEM.
    #[error(transparent)]
    Pem(#[from] pem::Error),
    /// The file has no certificate.
    #[error("it holds no certificate")]
    NoCertificate,
    /// The first certificate is malformed.
    #[error(transparent)]
    Malformed(#[from] NotOne),
    /// The file has no private key.
    #[error("it holds no private key")]
    NoKey,
    /// The key belongs to another certificate.
    #[error("its key is not its certificate's")]
    OtherKey(#[source] rustls::Error),
    /// The CA that the certificate is verified against cannot be used.
    #[error(transparent)]
    Roots(NotServed),
    /// The certificate is wanted for a name that no certificate can hold.
    #[error("{0:?} is not a DNS name")]
    NoDnsName(String),
    /// A client that dials `name` would not accept the certificate.
    #[error("for {name}")]
    Unverified {
        /// A DNS name or an IP address.
        name: String,
        /// Why a client would not accept it.
        source: Unverified,
    },
}

/// Verifies an issued certificate (PEM, its chain behind it) as clients of the kubelet will: against the DER
/// certificates `roots`, for serving, now, for every name of `names`.
///
/// # Errors
/// What they would not accept.
pub fn verify_issued(
    pem: &[u8],
    roots: &[Vec<u8>],
    names: &Names,
) -> Result<Certificate, PairError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    let (leaf, intermediates) = chain.split_first().ok_or(PairError::NoCertificate)?;
    let certificate = Certificate::from_der(leaf)?;
    let verifier = verifier(roots).map_err(PairError::Roots)?;
    let ips = names.ips.iter().map(ToString::to_string);
    for name in names.dns.iter().cloned().chain(ips) {
        let Ok(server) = ServerName::try_from(name.clone()) else {
            return Err(PairError::NoDnsName(name));
        };
        verifier
            .verify_server_cert(leaf, intermediates, &server, &[], UnixTime::now())
            .map_err(|error| PairError::Unverified {
                name,
                source: unverified(&error),
            })?;
    }
    Ok(certificate)
}

/// Whether the key of a PEM pair is its certificate's.
///
/// # Errors
/// When it is not, or the file has no key or no certificate.
pub fn keys_match(pem: &[u8]) -> Result<(), PairError> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| PairError::NoKey)?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .map(drop)
        .map_err(PairError::OtherKey)
}
