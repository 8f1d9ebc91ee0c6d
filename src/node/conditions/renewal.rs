//! Whether the kubelet's next certificate comes before the present one ends.

use jiff::Timestamp;

use super::{NodeEvidence, Stored, Verdict, fails, holds, unknown};
use crate::csr::{Listing, State};
use crate::text::hint::Command;
use crate::x509::Certificate;

/// The kubelet requests a renewal at a random moment between these parts of the certificate's life, in percent
/// (client-go/util/certificate/certificate_manager.go, nextRotationDeadline).
const REQUESTED: (i64, i64) = (70, 90);
const DAY: i64 = 86_400;

pub(super) fn renewal_on_time(seen: &NodeEvidence) -> Verdict {
    let certificate = match &seen.stored {
        Stored::Pair(_, certificate) => certificate,
        Stored::Missing(_) | Stored::NotSymlink(_) | Stored::Broken(..) => {
            return unknown("NoCertificate", "the kubelet has no certificate to renew");
        }
    };
    let now = seen.now.1;
    let left = left(certificate, now);
    let listing = match &seen.requests {
        Ok(listing) => listing,
        Err(why) if is_past(certificate, now, REQUESTED.0) => {
            return unknown("NotReadable", format!("{left}; {why}"));
        }
        Err(_) => return not_due(certificate, left),
    };
    if let Some((name, age)) = pending(listing, now) {
        let age = age.map_or_else(String::new, |seconds| {
            format!(", {} old,", duration(seconds))
        });
        return fails(
            "RenewalPending",
            format!("the renewal {name}{age} is Pending; {left}"),
            Command::new("kubelet-tls").arg("approve").arg(name),
        );
    }
    if certificate.not_after <= now {
        return fails("Expired", left, JOURNAL);
    }
    if is_past(certificate, now, REQUESTED.1) {
        let message = format!(
            "{left}, and no renewal is pending although {} % of its life has passed",
            REQUESTED.1
        );
        return fails("NotRequested", message, JOURNAL);
    }
    not_due(certificate, left)
}

const JOURNAL: &str = "journalctl -u kubelet --no-pager -n 50";

fn not_due(certificate: &Certificate, left: String) -> Verdict {
    let from = at(certificate, REQUESTED.0).map_or_else(String::new, |from| {
        format!("; the kubelet requests the next one after {from}")
    });
    holds("NotDue", format!("{left}{from}"))
}

/// The newest request, where it is Pending, and its age in seconds by the server's clock.
fn pending(listing: &Listing, now: Timestamp) -> Option<(&str, Option<i64>)> {
    let newest = listing.newest.as_ref()?;
    let age =
        |created: Timestamp| (now.as_second() + listing.clock_ahead - created.as_second()).max(0);
    (newest.state == State::Pending).then(|| (newest.name.as_str(), newest.created.map(age)))
}

/// When this part of its life has passed, in percent.
fn at(certificate: &Certificate, percent: i64) -> Option<Timestamp> {
    let (from, until) = (
        certificate.not_before.as_second(),
        certificate.not_after.as_second(),
    );
    let life = until.checked_sub(from).filter(|life| *life > 0)?;
    Timestamp::from_second(from + life / 100 * percent + life % 100 * percent / 100).ok()
}

fn is_past(certificate: &Certificate, now: Timestamp, percent: i64) -> bool {
    at(certificate, percent).is_none_or(|at| at <= now)
}

fn left(certificate: &Certificate, now: Timestamp) -> String {
    let seconds = certificate.not_after.as_second() - now.as_second();
    if seconds <= 0 {
        format!("the certificate expired at {}", certificate.not_after)
    } else {
        format!(
            "the certificate has {} left, until {}",
            duration(seconds),
            certificate.not_after
        )
    }
}

fn duration(seconds: i64) -> String {
    let (number, unit) = match seconds {
        seconds if seconds >= 2 * DAY => (seconds / DAY, "days"),
        seconds if seconds >= 2 * 3_600 => (seconds / 3_600, "hours"),
        seconds if seconds >= 120 => (seconds / 60, "minutes"),
        seconds => (seconds, "seconds"),
    };
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::super::tests::well;
    use super::*;
    use crate::csr::Request;
    use crate::node::conditions::ConditionStatus;

    /// What is said this many percent into the life of the captured certificate.
    fn said(percent: i64, change: impl Fn(&mut NodeEvidence)) -> (String, String) {
        let mut seen = well();
        let Stored::Pair(_, certificate) = &seen.stored else {
            unreachable!();
        };
        seen.now.1 = at(certificate, percent).unwrap();
        change(&mut seen);
        let (status, reason, message, hint) = renewal_on_time(&seen);
        assert_eq!(hint.is_some(), status == ConditionStatus::False);
        (format!("{status}({reason})"), message)
    }

    fn pend(seen: &mut NodeEvidence) {
        let hour_ago = Timestamp::from_second(seen.now.1.as_second() - 3_600 * 5).unwrap();
        let listing = seen.requests.as_mut().unwrap();
        listing.newest = Some(Request {
            created: Some(hour_ago),
            ..Request::new("csr-a", "node36")
        });
    }

    #[test]
    fn the_condition_follows_a_certificate_from_issue_to_expiry() {
        let same = |_: &mut NodeEvidence| {};
        let until = "until 2027-11-23T07:11:53Z";
        let due = "; the kubelet requests the next one after 2027-08-05T19:11:53Z";
        let overdue = ", and no renewal is pending although 90 % of its life has passed";
        for (percent, expected, left, then) in [
            (0, "True(NotDue)", "365 days", due),
            (69, "True(NotDue)", "113 days", due),
            (75, "True(NotDue)", "91 days", due),
            (89, "True(NotDue)", "40 days", due),
            (90, "False(NotRequested)", "36 days", overdue),
            (99, "False(NotRequested)", "3 days", overdue),
        ] {
            let message = format!("the certificate has {left} left, {until}{then}");
            assert_eq!(said(percent, same), (expected.to_owned(), message));
        }
        let (verdict, message) = said(100, same);
        assert_eq!(verdict, "False(Expired)");
        assert_eq!(message, "the certificate expired at 2027-11-23T07:11:53Z");
        for percent in [10, 75, 95, 101] {
            let (verdict, message) = said(percent, pend);
            assert_eq!(verdict, "False(RenewalPending)");
            assert!(
                message.starts_with("the renewal csr-a, 5 hours old, is Pending; "),
                "{message}"
            );
        }
        assert!(
            said(95, pend)
                .1
                .contains("the certificate has 18 days left"),
            "{}",
            said(95, pend).1
        );
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        let unread =
            |seen: &mut NodeEvidence| seen.requests = Err(crate::node::Explanation::new("403"));
        assert_eq!(said(50, unread).0, "True(NotDue)");
        assert_eq!(said(75, unread).0, "Unknown(NotReadable)");
        let missing = |seen: &mut NodeEvidence| seen.stored = Stored::Missing("/p".into());
        assert_eq!(said(50, missing).0, "Unknown(NoCertificate)");
        // The server's clock is ahead: the request is older than this machine thinks.
        let ahead = |seen: &mut NodeEvidence| {
            pend(seen);
            seen.requests.as_mut().unwrap().clock_ahead = 3_600 * 5;
        };
        assert!(said(80, ahead).1.contains("10 hours old"));
    }
}
