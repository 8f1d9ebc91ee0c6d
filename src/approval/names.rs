//! Names and addresses as such: what no certificate of a node may be for, whatever the cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rule::{Broken, Rule, quoted};

/// One spelling for all spellings of a DNS name: lower case, without the root's dot.
pub(super) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether `name` is a host's name (RFC 1123), and no address in disguise. `own` is the Node's name, which its kubelet
/// cannot choose, and which may be a number.
pub(super) fn check_dns(name: &str, own: &str) -> Result<(), Broken> {
    let invalid = |why: &str| {
        let message = format!("DNS {} {why}", quoted(name));
        Err(Broken::new(Rule::NameIsValid, message))
    };
    if name.contains('*') {
        return invalid("is a wildcard");
    }
    let label = |label: &str| {
        let inner = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if name.len() > 253 || !name.split('.').all(label) {
        return invalid("is not a host's name");
    }
    // `127.1`, `0x7f000001` and `2130706433` are addresses to many resolvers.
    let last = canonical(name.rsplit('.').next().unwrap_or_default());
    let digits = last.strip_prefix("0x").unwrap_or(&last);
    let hexadecimal = last.starts_with("0x") && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let number = hexadecimal || digits.bytes().all(|b| b.is_ascii_digit());
    if number && (canonical(name) != own || name.parse::<IpAddr>().is_ok()) {
        return invalid("is an address in a name's place");
    }
    Ok(())
}

/// Names that every machine has for itself (RFC 6761, 6.3, and the usual `/etc/hosts`).
pub(super) fn is_local(canonical: &str) -> bool {
    let last = canonical.rsplit('.').next().unwrap_or_default();
    let hosts = [
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
        "broadcasthost",
    ];
    last == "localhost"
        || hosts.contains(&canonical)
        || canonical.ends_with("localdomain")
        || canonical.ends_with("localdomain4")
        || canonical.ends_with("localdomain6")
}

/// Why this is no address of one host alone.
pub(super) fn not_unicast(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => not_unicast_v4(ip),
        IpAddr::V6(ip) => not_unicast_v6(ip),
    }
}

fn not_unicast_v4(ip: Ipv4Addr) -> Option<&'static str> {
    match ip.octets() {
        [0, ..] => Some("unspecified"),
        [127, ..] => Some("loopback"),
        [169, 254, ..] => Some("link-local"),
        [255, 255, 255, 255] => Some("broadcast"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn not_unicast_v6(ip: Ipv6Addr) -> Option<&'static str> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // Ways to write an IPv4 address that is another's (RFC 4291, 2.5.5.1; RFC 6052; RFC 8215).
        [0, 0, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 0 | 1, ..] => Some("an embedded IPv4 address"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_and_others() {
        for good in [
            "worker-1",
            "Worker-1.Example.COM",
            "1a.b2",
            "10.0.0.7.example",
            "7",
        ] {
            assert_eq!(check_dns(good, "7"), Ok(()), "{good}");
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "*",
            "*.a",
            "a.*",
            "-a",
            "a-",
            "a_b",
            "a b",
            "a\0",
            "a/b",
            "ä",
            &long,
            &"a.".repeat(127),
            "127.1",
            "10.0.0.7",
            "0x7f000001",
            "2130706433",
            "a.0x",
            "a.1",
            "8",
            "a:1",
            "[::1]",
        ] {
            assert!(check_dns(bad, "7").is_err(), "{bad}");
        }
        assert!(check_dns("10.0.0.7", "10.0.0.7").is_err());
    }

    #[test]
    fn addresses_of_one_host_and_others() {
        for bad in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::10.0.0.7",
            "64:ff9b::a00:7",
            "64:ff9b:1::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
        ] {
            assert!(not_unicast(bad.parse().unwrap()).is_some(), "{bad}");
        }
        for good in [
            "10.0.0.7",
            "192.168.1.1",
            "203.0.113.9",
            "2001:db8::1",
            "fd00::7",
            "fec0::1",
        ] {
            assert_eq!(not_unicast(good.parse().unwrap()), None, "{good}");
        }
        for name in [
            "localhost",
            "a.localhost",
            "localhost.localdomain",
            "ip6-localhost",
        ] {
            assert!(is_local(name), "{name}");
        }
        assert!(!is_local("localhosts") && !is_local("localhost.example"));
    }
}
