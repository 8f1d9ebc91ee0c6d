//! Words of the command line, read as what they mean.

use std::time::Duration;

use ipnet::IpNet;

use crate::approval::{parse_ip, parse_network};
use crate::text::names;

/// What is wrong with a word of the command line, for clap to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongValue {
    /// Neither a number with a unit nor several.
    #[error("not a duration; write it as 90s, 2m or 1h30m")]
    Duration,
    /// The same where years and days are allowed.
    #[error("not a lifetime; write it as 1y, 90d or 12h")]
    Lifetime,
    /// It begins with a minus sign.
    #[error("a duration cannot be negative")]
    Negative,
    /// More than Go's `time.Duration` holds.
    #[error("longer than 292 years")]
    TooLong,
    /// No object can have this name.
    #[error("not a valid CSR name")]
    CsrName,
    /// No Node can have this name.
    #[error("not a valid Node name")]
    NodeName,
    /// It is not an address and a length.
    #[error("not a network; write it as 10.0.0.0/16")]
    Network,
    /// It is not labels with dots between.
    #[error("not a DNS domain; write it as nodes.example.com")]
    Domain,
    /// It is neither of the two.
    #[error("neither a DNS name nor an IP address")]
    NameOrIp,
}

/// Reads a duration as Go and humantime write them: `90s`, `1m30s`, `1.5h`, `2 minutes`.
///
/// # Errors
/// What is wrong with it.
pub fn duration(text: &str) -> Result<Duration, WrongValue> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| WrongValue::Duration)?;
    let duration = Duration::try_from(parsed).map_err(|_| WrongValue::Negative)?;
    if duration > LONGEST {
        return Err(WrongValue::TooLong);
    }
    Ok(duration)
}

/// Writes a duration as [`duration`] reads it: `2m`, `90s`, `1500ms`.
pub fn written(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (duration.subsec_nanos(), seconds % 60, seconds % 3600) {
        (0, _, 0) if seconds > 0 => format!("{}h", seconds / 3600),
        (0, 0, _) if seconds > 0 => format!("{}m", seconds / 60),
        (0, _, _) => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// Reads a lifetime: as [`duration`], and with years (of 365 days), weeks and days before: `1y`, `90d`, `1y12h`.
///
/// # Errors
/// What is wrong with it.
pub fn lifetime(text: &str) -> Result<Duration, WrongValue> {
    let mut rest = text.trim();
    let mut sum = Duration::ZERO;
    while let Some(end) = rest.find(|c: char| !c.is_ascii_digit()) {
        let (number, unit) = rest.split_at(end);
        let mut letters = unit.chars();
        let days = match (letters.next(), letters.clone().next()) {
            // `days`, `weeks` and `years` are for `duration` to refuse.
            (_, Some(next)) if next.is_ascii_alphabetic() => break,
            (Some('y'), _) => 365,
            (Some('w'), _) => 7,
            (Some('d'), _) => 1,
            _ => break,
        };
        let term = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(days * 24 * 3600));
        sum = term
            .and_then(|term| sum.checked_add(Duration::from_secs(term)))
            .filter(|sum| *sum <= LONGEST)
            .ok_or(WrongValue::TooLong)?;
        rest = letters.as_str();
    }
    if sum > Duration::ZERO && rest.is_empty() {
        return Ok(sum);
    }
    let rest = duration(rest).map_err(|error| match error {
        WrongValue::Duration => WrongValue::Lifetime,
        other => other,
    })?;
    sum.checked_add(rest)
        .filter(|sum| *sum <= LONGEST)
        .ok_or(WrongValue::TooLong)
}

/// Reads a request's name, with or without its kind before it, as `kubectl get csr -o name` prints it.
///
/// # Errors
/// When no object can be called so.
pub fn request_name(text: &str) -> Result<String, WrongValue> {
    let kinds = [
        "csr/",
        "certificatesigningrequest/",
        "certificatesigningrequest.certificates.k8s.io/",
    ];
    without_kind(text, &kinds, names::is_csr_name).ok_or(WrongValue::CsrName)
}

/// Reads a Node's name, with or without its kind before it.
///
/// # Errors
/// When no Node can be called so.
pub fn node_name(text: &str) -> Result<String, WrongValue> {
    let kinds = ["node/", "nodes/", "no/"];
    without_kind(text, &kinds, names::is_node_name).ok_or(WrongValue::NodeName)
}

/// An object's name without its kind, if it can be one.
fn without_kind(text: &str, kinds: &[&str], can_be: fn(&str) -> bool) -> Option<String> {
    let name = kinds.iter().find_map(|kind| text.strip_prefix(kind));
    let name = name.unwrap_or(text);
    can_be(name).then(|| name.to_owned())
}

/// Reads a network such as `10.0.0.0/16` or `fd00::/64`.
///
/// # Errors
/// When it is not one.
pub fn network(text: &str) -> Result<IpNet, WrongValue> {
    parse_network(text).ok_or(WrongValue::Network)
}

/// Reads a DNS domain, with or without a dot before it, in any case.
///
/// # Errors
/// When it is not one.
pub fn domain(text: &str) -> Result<String, WrongValue> {
    let domain = text.strip_prefix('.').unwrap_or(text);
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    if names::is_host_name(domain) && parse_ip(domain).is_none() {
        Ok(domain.to_ascii_lowercase())
    } else {
        Err(WrongValue::Domain)
    }
}

/// Reads a DNS name or an IP address.
///
/// # Errors
/// When it is neither.
pub fn name_or_ip(text: &str) -> Result<String, WrongValue> {
    if parse_ip(text).is_some() || names::is_host_name(text) {
        Ok(text.to_owned())
    } else {
        Err(WrongValue::NameOrIp)
    }
}

/// As Go's; more could not be added to a clock without an overflow.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_have_years_weeks_and_days_too() {
        const HOUR: u64 = 3600;
        for (text, hours) in [
            ("1y", 365 * 24),
            ("90d", 90 * 24),
            ("2w", 14 * 24),
            ("1y2w3d", (365 + 14 + 3) * 24),
            ("1y12h", 365 * 24 + 12),
            ("0d12h", 12),
            ("12h", 12),
            ("0", 0),
            ("292y", 292 * 365 * 24),
        ] {
            assert_eq!(
                lifetime(text),
                Ok(Duration::from_secs(hours * HOUR)),
                "{text}"
            );
        }
        for text in [
            "",
            "y",
            "1",
            "-1y",
            "1y-1h",
            "1.5y",
            "1yy",
            "1 y",
            "293y",
            "99999999999999999999y",
            "soon",
            "1y5",
        ] {
            assert!(lifetime(text).is_err(), "{text} {:?}", lifetime(text));
        }
    }

    #[test]
    fn durations_read_as_go_and_humantime_write_them() {
        for (text, millis) in [
            ("2m", 120_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("2 minutes", 120_000),
            ("1m 30s", 90_000),
            ("2min", 120_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "2x",
            "-3s",
            "1y",
            "soon",
            "2562048h",
            "9223372036854775807s",
            "99999999999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn certificate_lifetimes_are_parsed_within_their_bounds() {
        let day = Duration::from_secs(86_400);
        for (text, life) in [("1y", day * 365), ("90d", day * 90), ("12h", day / 2)] {
            assert_eq!(lifetime(text), Ok(life), "{text}");
        }
        for text in ["", "y", "-1y", "1.5y", "soon", "999999999999999999y"] {
            assert!(lifetime(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_domains_and_names_are_parsed_or_refused() {
        assert_eq!(network("10.0.0.7/16").unwrap().to_string(), "10.0.0.0/16");
        assert!(network("10.0.0.0").is_err() && network("fd00::/129").is_err());
        assert_eq!(domain(".Nodes.Example.").unwrap(), "nodes.example");
        assert!(domain("").is_err() && domain("*.a").is_err() && domain("10.0.0.1").is_err());
        assert!(name_or_ip("fd00::7").is_ok() && name_or_ip("a.b").is_ok());
        assert!(name_or_ip("a b").is_err() && name_or_ip("").is_err());
        assert_eq!(node_name("node/worker-1").unwrap(), "worker-1");
        assert!(node_name("a;b").is_err() && node_name("").is_err());
    }

    #[test]
    fn requests_are_named_as_kubectl_names_them() {
        for text in [
            "csr-1",
            "csr/csr-1",
            "certificatesigningrequest.certificates.k8s.io/csr-1",
        ] {
            assert_eq!(request_name(text).as_deref(), Ok("csr-1"), "{text}");
        }
        for text in [
            "",
            "csr/",
            "..",
            "a/b",
            "a%2fb",
            "node/csr-1",
            "--all",
            "x;reboot",
            "A",
        ] {
            assert!(request_name(text).is_err(), "{text}");
        }
    }
}
