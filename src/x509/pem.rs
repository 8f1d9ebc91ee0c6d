//! Certificates as PEM, and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pem::{EncodeConfig, LineEnding, Pem};

/// The tag of a certificate's section (RFC 7468, 5.1).
const CERTIFICATE: &str = "CERTIFICATE";

/// A file that is not PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// A section has no end, or is not base64.
    #[error("a PEM section is broken")]
    Broken,
}

/// The DER certificates of a PEM file, in its order, whatever else it holds.
///
/// # Errors
/// When a section is broken.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    x509_parser::pem::Pem::iter_from_buffer(pem)
        .filter(|section| {
            section
                .as_ref()
                .map_or(true, |section| section.label == CERTIFICATE)
        })
        .map(|section| {
            section
                .map(|section| section.contents)
                .map_err(|_| PemError::Broken)
        })
        .collect()
}

/// One certificate as PEM.
pub(crate) fn encode(der: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new(CERTIFICATE, der), config)
}

/// Several certificates, one after the other.
pub(crate) fn encode_all(ders: &[Vec<u8>]) -> String {
    ders.iter().map(|der| encode(der)).collect()
}

/// Base64 as the API writes bytes.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
