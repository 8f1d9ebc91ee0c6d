//! The laws of reading certificates and requests for them: what anybody wrote who wished to.

use k8s_openapi::ByteString;
use kubelet_tls::parts::x509::{Certificate, Names, requested_names};

use crate::law::{Broken, is_one_line};

/// `bytes` as DER, as the same in PEM, and as PEM themselves.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Broken> {
    let of_der = Certificate::from_der(bytes);
    check_certificate(of_der.as_ref().ok())?;
    let of_pem = Certificate::from_pem(pem("CERTIFICATE", bytes).as_bytes());
    law!(of_pem == of_der, "{of_pem:?} {of_der:?}");
    if let Ok(names) = requested_names(pem("CERTIFICATE REQUEST", bytes).as_bytes()) {
        check_names(&names)?;
    }
    check_certificate(Certificate::from_pem(bytes).as_ref().ok())?;
    match requested_names(bytes) {
        Ok(names) => check_names(&names),
        Err(error) => {
            law!(is_one_line(&error.to_string()), "{error}");
            Ok(())
        }
    }
}

fn check_certificate(certificate: Option<&Certificate>) -> Result<(), Broken> {
    let Some(certificate) = certificate else {
        return Ok(());
    };
    check_names(&certificate.names)?;
    law!(is_harmless(&certificate.issuer), "{:?}", certificate.issuer);
    if let Some(name) = &certificate.common_name {
        law!(is_harmless(name), "{name:?}");
    }
    let is_ordered = certificate.not_before < certificate.not_after;
    law!(certificate.is_valid_at(certificate.not_before) == is_ordered);
    law!(!certificate.is_valid_at(certificate.not_after));
    law!(!certificate.self_issued || certificate.is_kubelets_own());
    Ok(())
}

fn check_names(names: &Names) -> Result<(), Broken> {
    for name in &names.dns {
        law!(is_harmless(name), "{name:?}");
    }
    law!(is_harmless(&names.describe()), "{names:?}");
    Ok(())
}

/// Nothing in it that a terminal takes for more than text.
fn is_harmless(text: &str) -> bool {
    !text.contains(char::is_control)
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = serde_json::to_value(ByteString(der.to_vec())).unwrap_or_default();
    let body = body.as_str().unwrap_or_default();
    let mut text = format!("-----BEGIN {label}-----\n");
    for (at, letter) in body.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    format!("{text}\n-----END {label}-----\n")
}
