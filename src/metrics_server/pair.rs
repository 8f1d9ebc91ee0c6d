//! The CA made for metrics-server alone, and the serving certificate that it signs.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::ServiceNames;
use crate::x509::pem;

/// Certificates are valid from a little before they are made, for clocks that are behind.
pub(super) const BACKDATED: Duration = Duration::from_secs(3600);
/// A CA whose key is kept signs for as long as kubeadm's do: ten years of 365 days.
const KEPT_CA: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A certificate, its key and its CA. It has no `Debug`: it holds keys.
pub struct Pair {
    /// The serving certificate, then its CA's, in DER.
    pub chain: Vec<Vec<u8>>,
    /// Its key, PKCS#8 PEM.
    pub key: String,
    /// The CA's key, PKCS#8 PEM; none where it is not known any more.
    pub ca_key: Option<String>,
}

impl Pair {
    /// The certificate, then its CA's, as PEM.
    pub fn bundle(&self) -> String {
        pem::encode_all(&self.chain)
    }
}

/// Why no certificate could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// rcgen made no key or signature, for lack of randomness for example.
    #[error(transparent)]
    Signing(#[from] rcgen::Error),
    /// The system's clock is wrong.
    #[error("the system clock is set before 1970")]
    Clock,
    /// X.509 cannot write the end.
    #[error("the certificate would end after the year 9999")]
    TooLong,
    /// The CA of an earlier run is broken.
    #[error("the CA is unreadable")]
    UnreadableCa,
}

/// Whether the CA's key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaKey {
    /// It is written, and signs the next certificate too.
    Kept,
    /// It is forgotten as soon as it has signed.
    Forgotten,
}

/// A CA of an earlier run whose key was kept.
pub(super) struct KeptCa {
    certificate: Vec<u8>,
    key: KeyPair,
}

/// The CA of an earlier run, if `key` is its key and it outlives a certificate made now for `lifetime`.
pub(super) fn kept(
    certificate: &[u8],
    key: &[u8],
    lifetime: Duration,
    now: Timestamp,
) -> Option<KeptCa> {
    let key = KeyPair::from_pem(std::str::from_utf8(key).ok()?).ok()?;
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let end = now.checked_add(lifetime).ok()?.as_second();
    let fits = parsed.public_key().raw == public_key(&key)
        && parsed.is_ca()
        && parsed.validity().not_after.timestamp() >= end;
    fits.then(|| KeptCa {
        certificate: certificate.to_vec(),
        key,
    })
}

/// Makes a key and a certificate for `names`, valid from `now` for `lifetime`; its CA is `ca`, or a new one.
///
/// # Errors
/// When the end is later than X.509 can write, or the system gives no random numbers.
pub(super) fn make(
    names: &ServiceNames,
    lifetime: Duration,
    now: Timestamp,
    ca: Option<KeptCa>,
    fate: CaKey,
) -> Result<Pair, CertificateError> {
    let ca = match ca {
        Some(ca) => ca,
        None => new_ca(lifetime, now, fate)?,
    };
    let mut params = params(&names.common_name(), now, lifetime)?;
    params.subject_alt_names = names
        .dns()
        .into_iter()
        .map(|name| name.try_into().map(SanType::DnsName))
        .collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.is_ca = IsCa::ExplicitNoCa;
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(
        ca_params(&ca_name(&ca.certificate)?, now, lifetime)?,
        &ca.key,
    );
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair {
        chain: vec![certificate.der().to_vec(), ca.certificate],
        key: key.serialize_pem(),
        ca_key: (fate == CaKey::Kept).then(|| ca.key.serialize_pem()),
    })
}

fn new_ca(lifetime: Duration, now: Timestamp, fate: CaKey) -> Result<KeptCa, CertificateError> {
    // Without its key it can sign nothing more, and need not outlive what it has signed.
    let lifetime = match fate {
        CaKey::Kept => lifetime.saturating_add(KEPT_CA),
        CaKey::Forgotten => lifetime,
    };
    // Two CAs stand side by side in a caBundle: their names tell them apart.
    let name = format!("metrics-server by kubelet-tls {now}");
    let key = KeyPair::generate()?;
    let certificate = ca_params(&name, now, lifetime)?.self_signed(&key)?;
    Ok(KeptCa {
        certificate: certificate.der().to_vec(),
        key,
    })
}

fn ca_params(
    name: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<CertificateParams, CertificateError> {
    let mut params = params(name, now, lifetime)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// The serial number is rcgen's: the beginning of the hash of a public key that is new each time.
fn params(
    name: &str,
    now: Timestamp,
    lifetime: Duration,
) -> Result<CertificateParams, CertificateError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = u64::try_from(now.as_second())
        .map(Duration::from_secs)
        .map_err(|_| CertificateError::Clock)?;
    // Year 9999 is the last that X.509 can write; long before it, arithmetic is safe.
    let end = now
        .checked_add(lifetime)
        .filter(|end| *end < Duration::from_secs(LAST))
        .ok_or(CertificateError::TooLong)?;
    params.not_before = epoch + now.saturating_sub(BACKDATED);
    params.not_after = epoch + Duration::from_secs(end.as_secs());
    Ok(params)
}

/// 9999-01-01, in seconds since 1970.
const LAST: u64 = 253_370_764_800;

fn ca_name(der: &[u8]) -> Result<String, CertificateError> {
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::UnreadableCa)?;
    let name = parsed.subject().iter_common_name().next();
    name.and_then(|name| name.as_str().ok())
        .map(str::to_owned)
        .ok_or(CertificateError::UnreadableCa)
}

/// The SubjectPublicKeyInfo in DER.
pub(super) fn public_key(key: &KeyPair) -> Vec<u8> {
    use rcgen::PublicKeyData as _;
    key.subject_public_key_info()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::x509::Certificate;

    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

    fn names() -> ServiceNames {
        ServiceNames {
            namespace: "kube-system".into(),
            service: "metrics-server".into(),
            cluster_domain: "cluster.local".into(),
        }
    }

    #[test]
    fn a_certificate_is_issued_by_its_own_ca() {
        let now: Timestamp = "2026-11-23T07:16:56Z".parse().unwrap();
        let pair = make(&names(), YEAR, now, None, CaKey::Forgotten).unwrap();
        let made = Certificate::from_der(&pair.chain[0]).unwrap();
        assert_eq!(
            made.common_name.as_deref(),
            Some("metrics-server.kube-system.svc")
        );
        assert_eq!(made.names.dns, names().dns());
        assert_eq!(made.not_before, "2026-11-23T06:16:56Z".parse().unwrap());
        assert_eq!(made.not_after, "2027-11-23T07:16:56Z".parse().unwrap());
        assert!(pair.ca_key.is_none() && !made.self_issued);
        let (_, leaf) = X509Certificate::from_der(&pair.chain[0]).unwrap();
        let (_, ca) = X509Certificate::from_der(&pair.chain[1]).unwrap();
        assert!(leaf.verify_signature(Some(ca.public_key())).is_ok());
        assert!(ca.is_ca() && !leaf.is_ca());
        assert!(ca.validity().not_after.timestamp() >= leaf.validity().not_after.timestamp());
        assert_ne!(leaf.raw_serial(), ca.raw_serial());
        assert_eq!(
            pem::certificates(pem::encode_all(&pair.chain).as_bytes()).unwrap(),
            pair.chain
        );
    }

    #[test]
    fn a_kept_ca_signs_again_while_it_lasts() {
        let now: Timestamp = "2026-11-23T07:16:56Z".parse().unwrap();
        let first = make(&names(), YEAR, now, None, CaKey::Kept).unwrap();
        let key = first.ca_key.clone().unwrap();
        let ca = kept(&first.chain[1], key.as_bytes(), YEAR, now).unwrap();
        let second = make(&names(), YEAR, now, Some(ca), CaKey::Kept).unwrap();
        assert_eq!(first.chain[1], second.chain[1]);
        assert!(first.key != second.key && second.ca_key == Some(key.clone()));
        let (_, leaf) = X509Certificate::from_der(&second.chain[0]).unwrap();
        let (_, ca) = X509Certificate::from_der(&second.chain[1]).unwrap();
        assert!(leaf.verify_signature(Some(ca.public_key())).is_ok());
        assert!(kept(&first.chain[1], key.as_bytes(), YEAR * 12, now).is_none());
        assert!(kept(&first.chain[1], first.key.as_bytes(), YEAR, now).is_none());
        assert!(kept(b"", b"", YEAR, now).is_none());
    }

    #[test]
    fn no_certificate_outlives_the_year_9999() {
        let now: Timestamp = "2026-11-23T07:16:56Z".parse().unwrap();
        for lifetime in [YEAR * 9000, Duration::MAX] {
            assert!(make(&names(), lifetime, now, None, CaKey::Kept).is_err());
        }
        make(&names(), YEAR * 290, now, None, CaKey::Kept).unwrap();
    }
}
