//! Names and addresses as such: what no certificate of a node may be for, whatever the cluster.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rule::{Rule, Violation};
use crate::text::names::{is_address_in_disguise, is_host_name};
use crate::text::quoted;

/// One spelling for all spellings of a DNS name: lower case, without the root's dot.
pub(super) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether `name` is a host's name, and not an address in disguise. `own` is the Node's name, which its kubelet cannot
/// choose any more, and which may be a number.
pub(super) fn check_dns(name: &str, own: &str) -> Result<(), Violation> {
    let invalid = |why: &str| {
        let message = format!("DNS {} {why}", quoted(name));
        Err(Violation::new(Rule::NameIsValid, message))
    };
    if name.contains('*') {
        return invalid("is a wildcard");
    }
    if !is_host_name(name) {
        return invalid("is not a host's name");
    }
    let is_own = canonical(name) == own && name.parse::<IpAddr>().is_err();
    if is_address_in_disguise(name) && !is_own {
        return invalid("is an address in the place of a name");
    }
    Ok(())
}

/// Names that every machine has for itself (RFC 6761, 6.3, and the usual `/etc/hosts`). Whole labels count:
/// `worker-1.localdomain` is an honest name of one machine.
pub(super) fn is_local(canonical: &str) -> bool {
    let hosts = [
        "localhost",
        "localhost4",
        "localhost6",
        "ip6-localhost",
        "ip6-loopback",
        "broadcasthost",
    ];
    let domains = ["localdomain", "localdomain4", "localdomain6"];
    let host = match canonical.rsplit_once('.') {
        Some((host, domain)) if domains.contains(&domain) => host,
        Some((_, "localhost")) => return true,
        _ => canonical,
    };
    hosts.contains(&host) || domains.contains(&host)
}

/// Why an address is not one host's alone; none where it is.
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
        // Ways to write an IPv4 address, which may be another's (RFC 4291, 2.5.5; RFC 2765, 2.1; RFC 6052; RFC 8215;
        // RFC 3056; RFC 4380).
        [0, 0, 0, 0, 0, 0xffff, ..] => Some("IPv4 mapped into IPv6"),
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => Some("IPv4 embedded in IPv6"),
        [0x64, 0xff9b, 0 | 1, ..] => Some("IPv4 behind NAT64"),
        [0x2002, ..] => Some("a 6to4 address, which holds an IPv4 address"),
        [0x2001, 0, ..] => Some("a Teredo address, which holds an IPv4 address"),
        [0xfe80..=0xfebf, ..] => Some("link-local"),
        [0xff00..=0xffff, ..] => Some("multicast"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_are_told_from_other_names() {
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
        assert!(check_dns("10.0.0.7", "10.0.0.7").is_err() && check_dns("7", "7").is_ok());
    }

    #[test]
    fn unicast_addresses_are_told_from_others() {
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
            "::ffff:10.0.0.7",
            "::ffff:0:10.0.0.7",
            "2002:a00:7::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
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
            "localhost6.localdomain6",
            "localdomain",
            "ip6-localhost",
        ] {
            assert!(is_local(name), "{name}");
        }
        for name in [
            "localhosts",
            "localhost.example",
            "worker-1.localdomain",
            "mylocaldomain",
        ] {
            assert!(!is_local(name), "{name}");
        }
    }
}
