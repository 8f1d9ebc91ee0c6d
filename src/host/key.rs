//! A private key made here, and what is asked and told with it.

use std::net::IpAddr;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, PublicKeyData as _, SanType,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

use crate::csr::requestor_of;
use crate::x509::Names;

/// Why no key or no request could be made.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct KeyError(#[from] rcgen::Error);

/// An ECDSA P-256 key, as a kubelet makes for its serving certificate.
pub struct Key(KeyPair);

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        // rcgen's default is ECDSA P-256 with SHA-256, which is what the kubelet's is (client-go/util/certificate,
        // generateCSR).
        Ok(Self(KeyPair::generate()?))
    }

    /// Reads one that [`Self::to_pem`] wrote; `None` if it is not such a key.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).ok()?;
        let pair =
            KeyPair::from_pkcs8_der_and_sign_algo(&key, &rcgen::PKCS_ECDSA_P256_SHA256).ok()?;
        Some(Self(pair))
    }

    /// As PKCS#8 in PEM.
    pub fn to_pem(&self) -> String {
        // RFC 7468 ends lines with a line feed too.
        self.0.serialize_pem().replace('\r', "")
    }

    /// Its public half, as a request or a certificate holds it (SubjectPublicKeyInfo in DER).
    pub fn public(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// The PKCS#10 request, in PEM, that the kubelet of `node` with the addresses `names` would make: subject
    /// `O=system:nodes, CN=system:node:NODE`, the names in a stable order (pkg/kubelet/certificate/kubelet.go).
    ///
    /// # Errors
    /// When a certificate cannot hold one of the names.
    pub fn request(&self, node: &str, names: &Names) -> Result<String, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in [
            (DnType::OrganizationName, "system:nodes".to_owned()),
            (DnType::CommonName, requestor_of(node)),
        ] {
            // As Go writes them.
            let value = match text.as_str().try_into() {
                Ok(printable) => DnValue::PrintableString(printable),
                Err(_) => DnValue::Utf8String(text),
            };
            params.distinguished_name.push(kind, value);
        }
        let mut dns = names.dns.clone();
        dns.sort();
        dns.dedup();
        let mut ips: Vec<IpAddr> = names.ips.clone();
        ips.sort_by_key(ToString::to_string);
        ips.dedup();
        for name in dns {
            let name = name.as_str().try_into()?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params
            .subject_alt_names
            .extend(ips.into_iter().map(SanType::IpAddress));
        let request = params.serialize_request(&self.0)?;
        Ok(request.pem()?.replace('\r', ""))
    }
}

/// Says nothing of the key.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::{requested_key, requested_names};

    #[test]
    fn the_request_is_the_one_that_the_kubelet_would_make() {
        let key = Key::generate().unwrap();
        let names = Names {
            dns: vec!["worker-1".into(), "a.example".into(), "worker-1".into()],
            ips: vec!["10.0.0.7".parse().unwrap(), "fd00::7".parse().unwrap()],
        };
        let pem = key.request("worker-1", &names).unwrap();
        let asked = requested_names(pem.as_bytes()).unwrap();
        assert_eq!(
            asked.describe(),
            "DNS a.example, DNS worker-1, IP 10.0.0.7, IP fd00::7"
        );
        assert_eq!(requested_key(pem.as_bytes()).unwrap(), key.public());
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).unwrap();
        let (_, parsed) = x509_parser::prelude::FromDer::from_der(&pem.contents)
            .map(
                |(rest, request): (_, x509_parser::prelude::X509CertificationRequest<'_>)| {
                    (rest, request)
                },
            )
            .unwrap();
        parsed.verify_signature().unwrap();
        let subject = &parsed.certification_request_info.subject;
        assert_eq!(
            subject.to_string(),
            "O=system:nodes, CN=system:node:worker-1"
        );
        assert_eq!(parsed.requested_extensions().unwrap().count(), 1);
    }

    #[test]
    fn a_key_is_read_back_from_its_file() {
        let key = Key::generate().unwrap();
        let back = Key::from_pem(key.to_pem().as_bytes()).unwrap();
        assert_eq!(back.public(), key.public());
        assert!(Key::from_pem(b"").is_none());
        assert!(
            Key::from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                .is_none()
        );
        assert_eq!(format!("{key:?}"), "Key");
    }
}
