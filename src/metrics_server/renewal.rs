//! Whether the certificate of an earlier run can be used again.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::KeyPair;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::x509::{Certificate, pem};

use super::ServiceNames;
use super::pair::{BACKDATED, CaKey, CertificateError, Pair, kept as kept_ca, make, public_key};
use super::record::CaRecord;

/// A generated file as it was found. It has no `Debug`: it may be a key.
#[derive(Clone)]
pub struct ExistingFile {
    /// Its name in the directory, one of [`GENERATED`](super::files::GENERATED).
    pub name: &'static str,
    /// The whole file as it was read.
    pub bytes: Vec<u8>,
    /// The permission bits, such as 0644.
    pub mode: u32,
    /// Whether it belongs to the caller and no other user can read it.
    pub is_private: bool,
}

/// The files of an earlier run, as they read now; `None` where a file does not exist.
#[derive(Default)]
pub(super) struct ExistingFiles {
    /// `tls.crt`
    pub(super) certificate: Option<ExistingFile>,
    /// `tls.key`
    pub(super) key: Option<ExistingFile>,
    /// `ca.crt`
    pub(super) ca: Option<ExistingFile>,
    /// `ca.key`
    pub(super) ca_key: Option<ExistingFile>,
    /// The CAs that kubelet-tls created in this directory.
    pub(super) record: CaRecord,
}

/// What the certificate is to be like.
#[derive(Debug, Clone, Copy)]
pub struct CertificateSpec<'a> {
    /// The Service whose names the certificate is for.
    pub names: &'a ServiceNames,
    /// How long it is valid.
    pub lifetime: Duration,
    /// How long before its end it is renewed.
    pub renew_before: Duration,
    /// Whether the CA's key is kept.
    pub ca_key: CaKey,
    /// The time from which validity is counted, by the system clock.
    pub now: Timestamp,
}

/// Why a new certificate is issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenewalReason {
    /// The directory has no certificate.
    #[error("none existed")]
    Missing,
    /// It or its key cannot be read, or they do not belong together.
    #[error("{0}")]
    Unusable(&'static str),
    /// Another user can read its key, or owns it.
    #[error("tls.key was not private (0600 and your own)")]
    KeyNotPrivate,
    /// Its CA is not one that kubelet-tls created in this directory.
    #[error("no record says that kubelet-tls created the CA of the last one in this directory")]
    Unrecorded,
    /// It is for other names, these.
    #[error("the last one is for {0}")]
    Names(String),
    /// It was issued for another lifetime.
    #[error("the last one was made for another lifetime")]
    Lifetime,
    /// It ends soon, or has ended.
    #[error("the last one ends at {0}")]
    Ends(Timestamp),
    /// The CA's key is to be kept, and was not.
    #[error("the key of the last one's CA was not kept")]
    CaKey,
}

/// The pair of an earlier run, if it can be used again.
///
/// # Errors
/// Why a new one is issued.
pub(super) fn reusable(
    files: &ExistingFiles,
    spec: &CertificateSpec<'_>,
) -> Result<Pair, RenewalReason> {
    let unusable = RenewalReason::Unusable;
    let (Some(certificate), Some(key)) = (&files.certificate, &files.key) else {
        return Err(match (&files.certificate, &files.key) {
            (None, None) => RenewalReason::Missing,
            _ => unusable("one of tls.crt and tls.key was missing"),
        });
    };
    if !key.is_private {
        return Err(RenewalReason::KeyNotPrivate);
    }
    let chain = certificate
        .certificates()
        .ok_or(unusable("tls.crt was damaged"))?;
    let [leaf, ca] = chain.as_slice() else {
        return Err(unusable("tls.crt did not hold a certificate and its CA"));
    };
    let key = key.key().ok_or(unusable("tls.key was damaged"))?;
    require_pair(leaf, ca, &key)?;
    if !files.record.contains(ca) {
        return Err(RenewalReason::Unrecorded);
    }
    require_spec(leaf, ca, spec)?;
    let ca_key = match (spec.ca_key, ca_key_of(files, ca)) {
        (CaKey::Forgotten, _) => None,
        (CaKey::Kept, Some(key)) => Some(key.serialize_pem()),
        (CaKey::Kept, None) => return Err(RenewalReason::CaKey),
    };
    Ok(Pair {
        key: key.serialize_pem(),
        chain,
        ca_key,
    })
}

/// Checks that the three belong together.
fn require_pair(leaf: &[u8], ca: &[u8], key: &KeyPair) -> Result<(), RenewalReason> {
    let unusable = RenewalReason::Unusable;
    let parse = |der| match X509Certificate::from_der(der) {
        Ok((_, parsed)) => Ok(parsed),
        Err(_) => Err(unusable("tls.crt was damaged")),
    };
    let (leaf, ca) = (parse(leaf)?, parse(ca)?);
    if leaf.public_key().raw != public_key(key) {
        return Err(unusable("tls.key was not the key of tls.crt"));
    }
    let signed = leaf.verify_signature(Some(ca.public_key()));
    if signed.is_err() || !ca.is_ca() || ca.issuer() != ca.subject() {
        return Err(unusable("the last one was not signed by its CA"));
    }
    Ok(())
}

/// Checks that the certificate is what is asked for.
fn require_spec(leaf: &[u8], ca: &[u8], spec: &CertificateSpec<'_>) -> Result<(), RenewalReason> {
    let read = |der| {
        Certificate::from_der(der).map_err(|_| RenewalReason::Unusable("tls.crt was damaged"))
    };
    let (leaf, ca) = (read(leaf)?, read(ca)?);
    if leaf.names.dns != spec.names.dns() || !leaf.names.ips.is_empty() {
        return Err(RenewalReason::Names(leaf.names.describe()));
    }
    let end = leaf.not_after.min(ca.not_after);
    if leaf.not_before > spec.now
        || spec.now.duration_until(end) <= signed_duration(spec.renew_before)
    {
        return Err(RenewalReason::Ends(end));
    }
    let lived = leaf.not_before.duration_until(leaf.not_after);
    // X.509 counts whole seconds.
    let whole = Duration::from_secs(spec.lifetime.as_secs()).saturating_add(BACKDATED);
    if lived != signed_duration(whole) {
        return Err(RenewalReason::Lifetime);
    }
    Ok(())
}

/// The key of this CA, if it was kept and is private.
fn ca_key_of(files: &ExistingFiles, ca: &[u8]) -> Option<KeyPair> {
    let key = files.ca_key.as_ref().filter(|key| key.is_private)?;
    let key = key.key()?;
    let (_, ca) = X509Certificate::from_der(ca).ok()?;
    (public_key(&key) == ca.public_key().raw).then_some(key)
}

/// A new pair. The CA is the same where its key was kept and is to be kept.
///
/// # Errors
/// When the end is later than X.509 can write, or the system gives no random numbers.
pub(super) fn renew(
    files: &ExistingFiles,
    spec: &CertificateSpec<'_>,
) -> Result<Pair, CertificateError> {
    let ca = match (spec.ca_key, &files.ca_key, &files.ca) {
        (CaKey::Kept, Some(key), Some(ca)) if key.is_private => ca
            .certificates()
            .and_then(|ders| ders.into_iter().next())
            .filter(|der| files.record.contains(der))
            .and_then(|der| kept_ca(&der, &key.bytes, spec.lifetime, spec.now)),
        _ => None,
    };
    make(spec.names, spec.lifetime, spec.now, ca, spec.ca_key)
}

fn signed_duration(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

impl ExistingFile {
    fn key(&self) -> Option<KeyPair> {
        KeyPair::from_pem(std::str::from_utf8(&self.bytes).ok()?).ok()
    }

    fn certificates(&self) -> Option<Vec<Vec<u8>>> {
        pem::certificates(&self.bytes).ok()
    }
}

/// The CA before `pair`'s, if kubelet-tls created it in this directory, while it is valid. metrics-server serves what that CA
/// signed until the new Pod has taken over, so the `caBundle` holds it beside the new one.
pub(super) fn previous_ca(files: &ExistingFiles, pair: &Pair, now: Timestamp) -> Option<Vec<u8>> {
    others(files, pair, now).find(|der| files.record.contains(der))
}

/// Whether an earlier CA is left out of the `caBundle` for want of a record of it, so that the metrics API fails until the
/// new Pod has taken over.
pub(super) fn leaves_out_previous_ca(files: &ExistingFiles, pair: &Pair, now: Timestamp) -> bool {
    previous_ca(files, pair, now).is_none() && others(files, pair, now).next().is_some()
}

/// The valid CAs in the directory other than `pair`'s, that of `tls.crt` first.
fn others(files: &ExistingFiles, pair: &Pair, now: Timestamp) -> impl Iterator<Item = Vec<u8>> {
    let bundle = |file: &Option<ExistingFile>| {
        let certificates = file.as_ref().and_then(ExistingFile::certificates);
        certificates.unwrap_or_default()
    };
    let last = bundle(&files.certificate).into_iter().skip(1);
    last.chain(bundle(&files.ca))
        .filter(|der| !pair.chain.contains(der))
        .filter(move |der| {
            X509Certificate::from_der(der).is_ok_and(|(_, parsed)| {
                parsed.is_ca() && parsed.validity().not_after.timestamp() > now.as_second()
            })
        })
        .collect::<Vec<_>>()
        .into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn names() -> ServiceNames {
        ServiceNames {
            namespace: "kube-system".into(),
            service: "metrics-server".into(),
            cluster_domain: "cluster.local".into(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn demand(names: &ServiceNames) -> CertificateSpec<'_> {
        CertificateSpec {
            names,
            lifetime: DAY * 365,
            renew_before: DAY * 30,
            ca_key: CaKey::Forgotten,
            now: at("2026-11-23T08:00:00Z"),
        }
    }

    fn private(pem: impl Into<Vec<u8>>) -> ExistingFile {
        ExistingFile {
            name: "",
            bytes: pem.into(),
            mode: 0o600,
            is_private: true,
        }
    }

    fn made(demand: &CertificateSpec<'_>) -> (Pair, ExistingFiles) {
        let pair = make(
            demand.names,
            demand.lifetime,
            at("2026-11-23T07:00:00Z"),
            None,
            demand.ca_key,
        )
        .unwrap();
        let kept = ExistingFiles {
            certificate: Some(private(pem::encode_all(&pair.chain))),
            key: Some(private(pair.key.clone())),
            ca: Some(private(pem::encode(&pair.chain[1]))),
            ca_key: pair.ca_key.clone().map(private),
            record: CaRecord::read(&CaRecord::default().with("/d", &pair.chain[1])),
        };
        (pair, kept)
    }

    fn why(kept: &ExistingFiles, demand: &CertificateSpec<'_>) -> String {
        reusable(kept, demand).map_or_else(|reason| reason.to_string(), |_| "not due".to_owned())
    }

    #[test]
    fn a_certificate_that_is_still_good_is_kept() {
        let names = names();
        let (pair, kept) = made(&demand(&names));
        let again = reusable(&kept, &demand(&names)).ok().unwrap();
        assert!(again.chain == pair.chain && again.key == pair.key && again.ca_key.is_none());
        assert_eq!(previous_ca(&kept, &again, at("2026-11-23T08:00:00Z")), None);
    }

    #[test]
    fn each_reason_for_a_renewal_is_named() {
        let names = names();
        let demand = demand(&names);
        let (_, kept) = made(&demand);
        let (_, other) = made(&demand);
        assert_eq!(why(&ExistingFiles::default(), &demand), "none existed");
        let with = |change: fn(&mut ExistingFiles, ExistingFiles)| {
            let mut kept = ExistingFiles {
                certificate: kept.certificate.clone(),
                key: kept.key.clone(),
                ca: kept.ca.clone(),
                ca_key: None,
                record: kept.record.clone(),
            };
            let other = ExistingFiles {
                certificate: other.certificate.clone(),
                key: other.key.clone(),
                ca: other.ca.clone(),
                ca_key: None,
                record: CaRecord::default(),
            };
            change(&mut kept, other);
            why(&kept, &demand)
        };
        assert_eq!(with(|_, _| {}), "not due");
        assert_eq!(
            with(|kept, _| kept.key = None),
            "one of tls.crt and tls.key was missing"
        );
        assert_eq!(
            with(|kept, other| kept.key = other.key),
            "tls.key was not the key of tls.crt"
        );
        assert_eq!(
            with(|kept, _| kept.key = Some(private("x"))),
            "tls.key was damaged"
        );
        assert_eq!(
            with(|kept, _| kept.certificate.as_mut().unwrap().bytes.truncate(300)),
            "tls.crt was damaged"
        );
        assert_eq!(
            with(|kept, _| kept.certificate = kept.ca.clone()),
            "tls.crt did not hold a certificate and its CA"
        );
        assert_eq!(
            with(|kept, other| {
                let first =
                    |file: Option<ExistingFile>| file.unwrap().certificates().unwrap().remove(0);
                let chain = [first(kept.certificate.take()), first(other.ca)];
                kept.certificate = Some(private(pem::encode_all(&chain)));
            }),
            "the last one was not signed by its CA"
        );
        assert_eq!(
            with(|kept, _| kept.key.as_mut().unwrap().is_private = false),
            "tls.key was not private (0600 and your own)"
        );
        assert_eq!(
            with(|kept, _| kept.record = CaRecord::default()),
            "no record says that kubelet-tls created the CA of the last one in this directory"
        );
        let renamed = ServiceNames {
            service: "ms".into(),
            ..names.clone()
        };
        assert_eq!(
            why(
                &kept,
                &CertificateSpec {
                    names: &renamed,
                    ..demand
                }
            ),
            "the last one is for DNS metrics-server.kube-system.svc, DNS metrics-server.kube-system.svc.cluster.local"
        );
        assert_eq!(
            why(
                &kept,
                &CertificateSpec {
                    lifetime: DAY * 364,
                    ..demand
                }
            ),
            "the last one was made for another lifetime"
        );
        assert_eq!(
            why(
                &kept,
                &CertificateSpec {
                    ca_key: CaKey::Kept,
                    ..demand
                }
            ),
            "the key of the last one's CA was not kept"
        );
    }

    #[test]
    fn renewal_is_due_when_the_time_before_the_end_has_come() {
        let names = names();
        let demand = demand(&names);
        let (_, kept) = made(&demand);
        for (now, expected) in [
            ("2027-10-24T06:59:59Z", "not due"),
            (
                "2027-10-24T07:00:00Z",
                "the last one ends at 2027-11-23T07:00:00Z",
            ),
            (
                "2029-01-01T00:00:00Z",
                "the last one ends at 2027-11-23T07:00:00Z",
            ),
            (
                "2026-11-23T05:59:59Z",
                "the last one ends at 2027-11-23T07:00:00Z",
            ),
        ] {
            assert_eq!(
                why(
                    &kept,
                    &CertificateSpec {
                        now: at(now),
                        ..demand
                    }
                ),
                expected,
                "{now}"
            );
        }
    }

    #[test]
    fn the_last_ca_stays_trusted_while_it_is_valid_unless_it_is_the_same() {
        let names = names();
        let demand = CertificateSpec {
            ca_key: CaKey::Kept,
            ..demand(&names)
        };
        let (first, kept) = made(&demand);
        let (second, _) = made(&demand);
        let now = at("2027-11-01T00:00:00Z");
        assert_eq!(
            previous_ca(&kept, &second, now).as_ref(),
            Some(&first.chain[1])
        );
        assert_eq!(
            previous_ca(&kept, &second, at("2040-01-01T00:00:00Z")),
            None
        );
        let third = renew(&kept, &CertificateSpec { now, ..demand }).unwrap();
        assert!(third.chain[1] == first.chain[1] && third.chain[0] != first.chain[0]);
        assert_eq!(previous_ca(&kept, &third, now), None);
        assert!(!leaves_out_previous_ca(&kept, &second, now));
    }

    #[test]
    fn a_ca_without_a_record_is_neither_trusted_nor_signs_again() {
        let names = names();
        let demand = CertificateSpec {
            ca_key: CaKey::Kept,
            ..demand(&names)
        };
        let (first, mut kept) = made(&demand);
        kept.record = CaRecord::default();
        let second = renew(&kept, &demand).unwrap();
        assert!(second.chain[1] != first.chain[1]);
        assert_eq!(previous_ca(&kept, &second, demand.now), None);
        assert!(leaves_out_previous_ca(&kept, &second, demand.now));
        let (third, mut kept) = made(&demand);
        kept.ca_key.as_mut().unwrap().is_private = false;
        assert!(renew(&kept, &demand).unwrap().chain[1] != third.chain[1]);
    }
}
