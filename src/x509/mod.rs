//! Certificates and PKCS#10 requests: the subject, the names, the issuer, the expiry.

mod der;
mod key;
pub(crate) mod pem;
pub(crate) mod pkcs10;

use std::net::IpAddr;

use jiff::Timestamp;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

use crate::text::harmless;

/// Why a PKCS#10 request is not of the form that kubelets write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Pkcs10Error {
    /// It is not one PEM block with one request in strict DER.
    #[error("{0}")]
    Malformed(&'static str),
    /// The subject is not one CN and one O.
    #[error("{0}")]
    Subject(&'static str),
    /// It asks for more than subject alternative names.
    #[error("{0}")]
    Extensions(&'static str),
    /// It asks for no name.
    #[error("it does not ask for any name")]
    NoNames,
    /// It asks for a name that is neither a DNS name nor an IP address.
    #[error("{0}")]
    KindOfName(String),
    /// It asks for bytes that no DNS name and no IP address has.
    #[error("{0}")]
    Name(String),
    /// Its key is too weak, or of a kind that is not verified here.
    #[error("{0}")]
    Key(String),
    /// It is not signed with its own key.
    #[error("{0}")]
    Signature(&'static str),
}

/// Subject alternative names, in the order given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// The entries of type dNSName.
    pub dns: Vec<String>,
    /// The entries of type iPAddress.
    pub ips: Vec<IpAddr>,
}

impl Names {
    /// For people: `DNS worker-1, IP 10.0.0.7`.
    pub fn describe(&self) -> String {
        let dns = self.dns.iter().map(|name| format!("DNS {name}"));
        let ips = self.ips.iter().map(|ip| format!("IP {ip}"));
        let all: Vec<_> = dns.chain(ips).collect();
        if all.is_empty() {
            "no names".to_owned()
        } else {
            all.join(", ")
        }
    }

    /// Whether it has neither a DNS name nor an IP address.
    pub fn is_empty(&self) -> bool {
        self.dns.is_empty() && self.ips.is_empty()
    }

    /// How many names it has, repeated ones counted.
    pub fn len(&self) -> usize {
        self.dns.len() + self.ips.len()
    }

    /// The subject alternative names among `extensions`.
    fn of<'e, 'a: 'e>(extensions: impl Iterator<Item = &'e ParsedExtension<'a>>) -> Self {
        let mut names = Self::default();
        let general = extensions.filter_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(san) => Some(&san.general_names),
            _ => None,
        });
        for name in general.flatten() {
            match name {
                GeneralName::DNSName(dns) => names.dns.push(harmless(dns)),
                GeneralName::IPAddress(bytes) => names.ips.extend(ip(bytes)),
                _ => {}
            }
        }
        names
    }
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// A certificate, as far as this program looks at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's common name; for a kubelet's, `system:node:NODE`.
    pub common_name: Option<String>,
    /// The subject's organizations; for a kubelet's, `system:nodes` alone.
    pub organizations: Vec<String>,
    /// The issuer's distinguished name.
    pub issuer: String,
    /// `notBefore`, the first second of its validity.
    pub not_before: Timestamp,
    /// `notAfter`, the last second of its validity.
    pub not_after: Timestamp,
    /// What it is good for.
    pub names: Names,
    /// Issuer and subject are the same, as in the certificate a kubelet makes for itself.
    pub self_issued: bool,
}

/// Why bytes are not a certificate or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {0}")]
pub struct NotOne(&'static str);

impl Certificate {
    /// Reads the first certificate of a PEM file, which may hold keys and further certificates.
    ///
    /// # Errors
    /// When the text holds no certificate.
    pub fn from_pem(pem: &[u8]) -> Result<Self, NotOne> {
        match pem::each_certificate(pem).next() {
            Some(Ok(der)) => Self::from_der(&der),
            Some(Err(_)) | None => Err(NotOne("a PEM certificate")),
        }
    }

    /// Reads a DER certificate.
    ///
    /// # Errors
    /// When it is not a certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, NotOne> {
        let (_, parsed) =
            X509Certificate::from_der(der).map_err(|_| NotOne("an X.509 certificate"))?;
        let time = |at: x509_parser::time::ASN1Time| {
            Timestamp::from_second(at.timestamp())
                .map_err(|_| NotOne("a certificate with a valid time"))
        };
        let extensions = parsed.extensions().iter();
        Ok(Self {
            common_name: common_name(parsed.subject()),
            organizations: parsed
                .subject()
                .iter_organization()
                .filter_map(|attribute| attribute.as_str().ok())
                .map(harmless)
                .collect(),
            issuer: harmless(&parsed.issuer().to_string()),
            not_before: time(parsed.validity().not_before)?,
            not_after: time(parsed.validity().not_after)?,
            names: Names::of(extensions.map(X509Extension::parsed_extension)),
            self_issued: parsed.issuer() == parsed.subject(),
        })
    }

    /// Whether a kubelet made it for itself: such a one is issued by `HOST-ca@SECONDS`
    /// (client-go/util/cert, GenerateSelfSignedCertKey).
    pub fn is_kubelets_own(&self) -> bool {
        let seconds = self.issuer.rsplit_once("-ca@").map(|(_, seconds)| seconds);
        self.self_issued
            || seconds.is_some_and(|seconds| {
                !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit())
            })
    }

    /// Whether it is within its validity at `now`.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// The common name, as the kubelet's own authorizer reads it: the last one given.
fn common_name(name: &X509Name<'_>) -> Option<String> {
    name.iter_common_name()
        .last()
        .and_then(|attribute| attribute.as_str().ok())
        .map(harmless)
}

/// The names a PKCS#10 request (PEM, as in `spec.request`) asks for.
///
/// # Errors
/// When it is not a request.
pub fn requested_names(pem: &[u8]) -> Result<Names, NotOne> {
    requested(pem).map(|(_, names)| names)
}

/// The subject of a PKCS#10 request (PEM), and the names it asks for.
pub(crate) fn requested(pem: &[u8]) -> Result<(String, Names), NotOne> {
    read_request(pem, |request| {
        let extensions = request.requested_extensions().into_iter().flatten();
        let subject = &request.certification_request_info.subject;
        (harmless(&subject.to_string()), Names::of(extensions))
    })
}

/// The public key (SubjectPublicKeyInfo in DER) that a PKCS#10 request (PEM) wants certified.
///
/// # Errors
/// When it is not a request.
pub fn requested_key(pem: &[u8]) -> Result<Vec<u8>, NotOne> {
    read_request(pem, |request| {
        request.certification_request_info.subject_pki.raw.to_vec()
    })
}

fn read_request<T>(
    pem: &[u8],
    read: impl FnOnce(&X509CertificationRequest<'_>) -> T,
) -> Result<T, NotOne> {
    let not_one = NotOne("a PKCS#10 certificate request");
    if pem.len() > pkcs10::PEM_CAP {
        return Err(not_one);
    }
    let (_, section) = x509_parser::pem::parse_x509_pem(pem).map_err(|_| not_one.clone())?;
    let (_, request) =
        X509CertificationRequest::from_der(&section.contents).map_err(|_| not_one)?;
    Ok(read(&request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serving_certificate_of_the_controller_manager_is_read() {
        let pem = include_bytes!("../../testdata/captured/1.36/kubelet-server-current.crt.pem");
        let certificate = Certificate::from_pem(pem).unwrap();
        assert_eq!(
            certificate.common_name.as_deref(),
            Some("system:node:node36")
        );
        assert_eq!(certificate.issuer, "CN=kubernetes");
        assert!(!certificate.self_issued);
        assert_eq!(certificate.names.describe(), "DNS node36, IP 10.77.0.21");
        assert!(certificate.is_valid_at("2026-11-24T00:00:00Z".parse().unwrap()));
        assert!(!certificate.is_valid_at("2028-11-24T00:00:00Z".parse().unwrap()));
    }

    #[test]
    fn bytes_that_are_not_a_certificate_are_an_error() {
        for bytes in [
            &b""[..],
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            b"\xff",
            b"kind: x",
        ] {
            assert!(Certificate::from_pem(bytes).is_err());
            assert!(requested_names(bytes).is_err());
        }
    }

    #[test]
    fn an_address_of_a_wrong_length_is_not_read() {
        assert_eq!(ip(&[10, 0, 0, 7]), Some("10.0.0.7".parse().unwrap()));
        assert_eq!(ip(&[0; 16]), Some("::".parse().unwrap()));
        assert_eq!(ip(&[10, 0, 0]), None);
    }
}
