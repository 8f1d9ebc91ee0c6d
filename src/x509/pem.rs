//! PEM and base64, as much of them as certificates take.

use k8s_openapi::ByteString;
use x509_parser::pem::Pem;

/// PEM's lines have this many characters (RFC 7468, 2).
const LINE: usize = 64;

/// The DER certificates of a PEM file, in its order, whatever else it holds.
///
/// # Errors
/// When a section is no PEM.
pub fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    Pem::iter_from_buffer(pem)
        .filter(|section| {
            section
                .as_ref()
                .map_or(true, |section| section.label == "CERTIFICATE")
        })
        .map(|section| {
            section
                .map(|section| section.contents)
                .map_err(|_| "a PEM section is broken".to_owned())
        })
        .collect()
}

/// One certificate as PEM.
pub(crate) fn encode(der: &[u8]) -> String {
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (index, letter) in base64(der).chars().enumerate() {
        if index > 0 && index % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

/// Several certificates, one after the other.
pub(crate) fn encode_all(ders: &[Vec<u8>]) -> String {
    ders.iter().map(|der| encode(der)).collect()
}

/// Base64 as the API writes bytes.
pub(crate) fn base64(bytes: &[u8]) -> String {
    // A string of bytes always becomes a string.
    serde_json::to_value(ByteString(bytes.to_vec()))
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
