//! Certificates as PEM, and base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pem::{EncodeConfig, LineEnding, Pem};

/// The tag of a certificate's section (RFC 7468, 5.1).
const CERTIFICATE: &str = "CERTIFICATE";

/// A file that is not PEM: a section has no end, or is not base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a PEM section is broken")]
pub struct PemError;

/// The DER certificates of a PEM file, in its order, whatever else it holds.
///
/// # Errors
/// When a section is broken.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    each_certificate(pem).collect()
}

/// The DER certificates of a PEM file, in its order, with an error for each section that is broken.
pub(crate) fn each_certificate(pem: &[u8]) -> impl Iterator<Item = Result<Vec<u8>, PemError>> {
    let sections = x509_parser::pem::Pem::iter_from_buffer(pem);
    sections.filter_map(|section| match section {
        Ok(section) => (section.label == CERTIFICATE).then_some(Ok(section.contents)),
        Err(_) => Some(Err(PemError)),
    })
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

/// The bytes that [`base64()`] is of; `None` if it is not of any.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
