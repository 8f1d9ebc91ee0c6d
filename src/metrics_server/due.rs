//! Whether the certificate of an earlier run still does.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::KeyPair;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::x509::Certificate;

use super::Names;
use super::pair::{BACKDATED, CaKey, NotMade, Pair, kept as kept_ca, make, public_key};
use crate::x509::pem;

/// The files of an earlier run, as they read now; none where there is none.
#[derive(Default)]
pub struct Kept {
    /// `tls.crt`
    pub certificate: Option<Vec<u8>>,
    /// `tls.key`
    pub key: Option<Vec<u8>>,
    /// `ca.crt`
    pub ca: Option<Vec<u8>>,
    /// `ca.key`
    pub ca_key: Option<Vec<u8>>,
}

/// What a certificate must be like.
#[derive(Debug, Clone, Copy)]
pub struct Demand<'a> {
    /// Its names.
    pub names: &'a Names,
    /// How long it lives.
    pub lifetime: Duration,
    /// How long before its end it is due for renewal.
    pub renew_before: Duration,
    /// Whether the CA's key must be there.
    pub ca_key: CaKey,
    /// Now.
    pub now: Timestamp,
}

/// Why a new certificate is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// There was none.
    Missing,
    /// It or its key cannot be read, or they do not belong together.
    Unusable(&'static str),
    /// It is for other names.
    Names(String),
    /// It was made for another lifetime.
    Lifetime,
    /// It ends soon, or has ended.
    Ends(Timestamp),
    /// The CA's key is to be kept, and was not.
    CaKey,
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there was none"),
            Self::Unusable(why) => f.write_str(why),
            Self::Names(names) => write!(f, "the last one is for {names}"),
            Self::Lifetime => f.write_str("the last one was made for another lifetime"),
            Self::Ends(end) => write!(f, "the last one ends at {end}"),
            Self::CaKey => f.write_str("the key of the last one's CA was not kept"),
        }
    }
}

/// The pair of an earlier run, where it still does.
///
/// # Errors
/// Why a new one is due.
pub fn due(kept: &Kept, demand: &Demand<'_>) -> Result<Pair, Due> {
    let unusable = Due::Unusable;
    let (Some(certificate), Some(key)) = (&kept.certificate, &kept.key) else {
        return Err(match (&kept.certificate, &kept.key) {
            (None, None) => Due::Missing,
            _ => unusable("one of tls.crt and tls.key was missing"),
        });
    };
    let chain = pem::certificates(certificate).map_err(|_| unusable("tls.crt was damaged"))?;
    let [leaf, ca] = chain.as_slice() else {
        return Err(unusable("tls.crt did not hold a certificate and its CA"));
    };
    let key = pair_of(key).ok_or(unusable("tls.key was damaged"))?;
    let parse = |der| X509Certificate::from_der(der).map_err(|_| unusable("tls.crt was damaged"));
    let ((_, parsed), (_, parsed_ca)) = (parse(leaf)?, parse(ca)?);
    if parsed.public_key().raw != public_key(&key) {
        return Err(unusable("tls.key was not the key of tls.crt"));
    }
    let signed = parsed.verify_signature(Some(parsed_ca.public_key()));
    if signed.is_err() || !parsed_ca.is_ca() || parsed.issuer() != parsed_ca.subject() {
        return Err(unusable("the last one was not signed by its CA"));
    }
    let read = |der| Certificate::from_der(der).map_err(|_| unusable("tls.crt was damaged"));
    let (read_leaf, read_ca) = (read(leaf)?, read(ca)?);
    if read_leaf.names.dns != demand.names.dns() || !read_leaf.names.ips.is_empty() {
        return Err(Due::Names(read_leaf.names.describe()));
    }
    let end = read_leaf.not_after.min(read_ca.not_after);
    if read_leaf.not_before > demand.now
        || demand.now.duration_until(end) <= signed_duration(demand.renew_before)
    {
        return Err(Due::Ends(end));
    }
    let lived = read_leaf.not_before.duration_until(read_leaf.not_after);
    // X.509 counts whole seconds.
    let whole = Duration::from_secs(demand.lifetime.as_secs()).saturating_add(BACKDATED);
    if lived != signed_duration(whole) {
        return Err(Due::Lifetime);
    }
    let ca_key = kept.ca_key.as_deref().and_then(pair_of);
    let ca_key = ca_key.filter(|key| public_key(key) == parsed_ca.public_key().raw);
    let ca_key = match (demand.ca_key, ca_key) {
        (CaKey::Forgotten, _) => None,
        (CaKey::Kept, Some(key)) => Some(key.serialize_pem()),
        (CaKey::Kept, None) => return Err(Due::CaKey),
    };
    Ok(Pair {
        key: key.serialize_pem(),
        chain,
        ca_key,
    })
}

/// A new pair, of the same CA where its key was kept and is to be kept.
///
/// # Errors
/// When the end is later than X.509 can write, or there is no randomness.
pub fn renew(kept: &Kept, demand: &Demand<'_>) -> Result<Pair, NotMade> {
    let ca = match (demand.ca_key, &kept.ca_key, &kept.ca) {
        (CaKey::Kept, Some(key), Some(ca)) => pem::certificates(ca)
            .ok()
            .and_then(|ders| kept_ca(ders.first()?, key, demand.lifetime, demand.now)),
        _ => None,
    };
    make(demand.names, demand.lifetime, demand.now, ca, demand.ca_key)
}

fn signed_duration(duration: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(duration).unwrap_or(jiff::SignedDuration::MAX)
}

/// The key in a PEM file.
fn pair_of(pem: &[u8]) -> Option<KeyPair> {
    KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok()
}

/// The CA before `pair`'s, while it is valid: metrics-server serves what it signed until the new pod has taken over, so
/// the `caBundle` holds it beside the new one.
pub fn previous(kept: &Kept, pair: &Pair, now: Timestamp) -> Option<Vec<u8>> {
    let bundle = |pem: &Option<Vec<u8>>| {
        pem.as_deref()
            .and_then(|pem| pem::certificates(pem).ok())
            .unwrap_or_default()
    };
    let last = bundle(&kept.certificate).into_iter().skip(1);
    last.chain(bundle(&kept.ca))
        .filter(|der| !pair.chain.contains(der))
        .find(|der| {
            X509Certificate::from_der(der).is_ok_and(|(_, parsed)| {
                parsed.is_ca() && parsed.validity().not_after.timestamp() > now.as_second()
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn names() -> Names {
        Names {
            namespace: "kube-system".into(),
            service: "metrics-server".into(),
            cluster_domain: "cluster.local".into(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn demand(names: &Names) -> Demand<'_> {
        Demand {
            names,
            lifetime: DAY * 365,
            renew_before: DAY * 30,
            ca_key: CaKey::Forgotten,
            now: at("2026-11-23T08:00:00Z"),
        }
    }

    fn made(demand: &Demand<'_>) -> (Pair, Kept) {
        let pair = make(
            demand.names,
            demand.lifetime,
            at("2026-11-23T07:00:00Z"),
            None,
            demand.ca_key,
        )
        .unwrap();
        let kept = Kept {
            certificate: Some(pem::encode_all(&pair.chain).into_bytes()),
            key: Some(pair.key.clone().into_bytes()),
            ca: Some(pem::encode(&pair.chain[1]).into_bytes()),
            ca_key: pair.ca_key.clone().map(String::into_bytes),
        };
        (pair, kept)
    }

    fn why(kept: &Kept, demand: &Demand<'_>) -> String {
        due(kept, demand).map_or_else(|due| due.to_string(), |_| "not due".to_owned())
    }

    #[test]
    fn what_still_does_stays_as_it_is() {
        let names = names();
        let (pair, kept) = made(&demand(&names));
        let again = due(&kept, &demand(&names)).ok().unwrap();
        assert!(again.chain == pair.chain && again.key == pair.key && again.ca_key.is_none());
        assert_eq!(previous(&kept, &again, at("2026-11-23T08:00:00Z")), None);
    }

    #[test]
    fn each_reason_for_a_new_one() {
        let names = names();
        let demand = demand(&names);
        let (_, kept) = made(&demand);
        let (_, other) = made(&demand);
        assert_eq!(why(&Kept::default(), &demand), "there was none");
        let with = |change: fn(&mut Kept, Kept)| {
            let mut kept = Kept {
                certificate: kept.certificate.clone(),
                key: kept.key.clone(),
                ca: kept.ca.clone(),
                ca_key: None,
            };
            let other = Kept {
                certificate: other.certificate.clone(),
                key: other.key.clone(),
                ca: other.ca.clone(),
                ca_key: None,
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
            with(|kept, _| kept.key = Some(b"x".to_vec())),
            "tls.key was damaged"
        );
        assert_eq!(
            with(|kept, _| kept.certificate.as_mut().unwrap().truncate(300)),
            "tls.crt was damaged"
        );
        assert_eq!(
            with(|kept, _| kept.certificate = kept.ca.clone()),
            "tls.crt did not hold a certificate and its CA"
        );
        assert_eq!(
            with(|kept, other| {
                let leaf = pem::certificates(kept.certificate.as_ref().unwrap())
                    .unwrap()
                    .remove(0);
                let foreign = pem::certificates(other.ca.as_ref().unwrap())
                    .unwrap()
                    .remove(0);
                kept.certificate = Some(pem::encode_all(&[leaf, foreign]).into_bytes());
            }),
            "the last one was not signed by its CA"
        );
        let renamed = Names {
            service: "ms".into(),
            ..names.clone()
        };
        assert_eq!(
            why(
                &kept,
                &Demand {
                    names: &renamed,
                    ..demand
                }
            ),
            "the last one is for DNS metrics-server.kube-system.svc, DNS metrics-server.kube-system.svc.cluster.local"
        );
        assert_eq!(
            why(
                &kept,
                &Demand {
                    lifetime: DAY * 364,
                    ..demand
                }
            ),
            "the last one was made for another lifetime"
        );
        assert_eq!(
            why(
                &kept,
                &Demand {
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
                    &Demand {
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
        let demand = Demand {
            ca_key: CaKey::Kept,
            ..demand(&names)
        };
        let (first, kept) = made(&demand);
        let (second, _) = made(&demand);
        let now = at("2027-11-01T00:00:00Z");
        assert_eq!(
            previous(&kept, &second, now).as_ref(),
            Some(&first.chain[1])
        );
        assert_eq!(previous(&kept, &second, at("2040-01-01T00:00:00Z")), None);
        let third = renew(&kept, &Demand { now, ..demand }).unwrap();
        assert!(third.chain[1] == first.chain[1] && third.chain[0] != first.chain[0]);
        assert_eq!(previous(&kept, &third, now), None);
    }
}
