//! The CA that metrics-server verifies the kubelets against.

use jiff::Timestamp;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::x509::pem::{self, PemError};

/// Which CA that is, and how metrics-server comes by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubeletCa {
    /// The one in every pod. On kubeadm it signs kubelet-serving certificates (kubelet-facts, 7), so nothing is mounted.
    InCluster,
    /// These certificates, in DER, through a ConfigMap.
    Certificates(Vec<Vec<u8>>),
    /// The control plane's own file, through a hostPath, on a control-plane node.
    ControlPlane,
}

/// kubeadm's CA on a control-plane node (kubeadm, constants.CACertName in /etc/kubernetes/pki).
pub(super) const CONTROL_PLANE_FILE: &str = "/etc/kubernetes/pki/ca.crt";

/// Why a CA file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaFileError {
    /// It holds a private key.
    #[error("it holds a private key, which a ConfigMap would show to every reader")]
    PrivateKey,
    /// It is not PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// It holds no certificate.
    #[error("it holds no PEM certificate")]
    Empty,
    /// A certificate, counted from 1, cannot be read.
    #[error("its certificate {0} cannot be read")]
    Unreadable(usize),
    /// A certificate, counted from 1, may not sign others.
    #[error("its certificate {0} is not a CA's")]
    NotCa(usize),
    /// None of its certificates is valid any more.
    #[error("every CA in it has expired")]
    Expired,
}

/// The certificates of a CA file, in DER.
///
/// # Errors
/// When it holds anything that is not a CA's certificate: above all a private key, which a ConfigMap would show to every
/// reader.
pub fn authorities(pem: &[u8], now: Timestamp) -> Result<Vec<Vec<u8>>, CaFileError> {
    if pem.windows(11).any(|window| window == b"PRIVATE KEY") {
        return Err(CaFileError::PrivateKey);
    }
    let ders = pem::certificates(pem)?;
    if ders.is_empty() {
        return Err(CaFileError::Empty);
    }
    let mut is_any_valid = false;
    for (index, der) in ders.iter().enumerate() {
        let number = index + 1;
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| CaFileError::Unreadable(number))?;
        let signs = parsed
            .key_usage()
            .ok()
            .flatten()
            .is_none_or(|usage| usage.value.key_cert_sign());
        if !parsed.is_ca() || !signs {
            return Err(CaFileError::NotCa(number));
        }
        is_any_valid |= parsed.validity().not_after.timestamp() > now.as_second();
    }
    if is_any_valid {
        Ok(ders)
    } else {
        Err(CaFileError::Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_of_cas_are_accepted() {
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let ca = include_bytes!("../../testdata/captured/1.36/ca.crt");
        let leaf = include_bytes!("../../testdata/captured/1.36/kubelet-server-current.crt.pem");
        assert_eq!(authorities(ca, now).unwrap().len(), 1);
        let with = |more: &[u8]| {
            authorities(&[&ca[..], more].concat(), now)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(with(leaf), "its certificate 2 is not a CA's");
        assert!(
            with(b"-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n")
                .starts_with("it holds a private key")
        );
        assert_eq!(
            with(b"-----BEGIN CERTIFICATE-----\n!"),
            "a PEM section is broken"
        );
        assert_eq!(
            with(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "its certificate 2 cannot be read"
        );
        assert_eq!(authorities(b"", now).unwrap_err(), CaFileError::Empty);
        assert_eq!(
            authorities(ca, "2126-12-01T00:00:00Z".parse().unwrap()).unwrap_err(),
            CaFileError::Expired
        );
    }
}
