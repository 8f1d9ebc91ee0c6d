//! Addresses and networks, read as Kubernetes reads them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Reads an IP address as Kubernetes does (netutils.ParseIPSloppy), which passes over leading zeros in IPv4's numbers:
/// what one party reads as an address must not pass for something else here. IPv4 in IPv6's form is the IPv4 address.
pub fn parse_ip(text: &str) -> Option<IpAddr> {
    let strict = |text: &str| text.parse::<IpAddr>().ok();
    let parsed = strict(text).or_else(|| {
        let (start, v4) = text
            .rfind(':')
            .map_or(("", text), |at| text.split_at(at + 1));
        let numbers: Vec<&str> = v4.split('.').collect();
        let numbers = numbers
            .iter()
            .map(|number| match number.trim_start_matches('0') {
                "" if !number.is_empty() => "0",
                rest => rest,
            });
        strict(&format!("{start}{}", numbers.collect::<Vec<_>>().join(".")))
    });
    parsed.map(|ip| ip.to_canonical())
}

/// Reads a network such as `10.0.0.0/16`, with leading zeros passed over as [`parse_ip`] does.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let (ip, length) = text.trim().split_once('/')?;
    let ip = ip.parse::<IpAddr>().ok().or_else(|| parse_ip(ip))?;
    IpNet::new(ip, length.parse().ok()?)
        .ok()
        .map(|network| network.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_kubernetes_reads_them() {
        for (text, ip) in [
            ("10.0.0.7", "10.0.0.7"),
            ("010.000.0.07", "10.0.0.7"),
            ("::ffff:10.0.0.7", "10.0.0.7"),
            ("::ffff:010.0.0.7", "10.0.0.7"),
            ("fd00::7", "fd00::7"),
        ] {
            assert_eq!(parse_ip(text), Some(ip.parse().unwrap()), "{text}");
        }
        for text in [
            "",
            "a",
            "10.0.0",
            "10.0.0.",
            "10.0.0.256",
            "0x10.0.0.1",
            "None",
        ] {
            assert_eq!(parse_ip(text), None, "{text}");
        }
        assert_eq!(
            parse_network("10.1.2.3/16"),
            Some("10.1.0.0/16".parse().unwrap())
        );
        assert_eq!(
            parse_network("010.96.0.0/12"),
            Some("10.96.0.0/12".parse().unwrap())
        );
        for text in ["10.0.0.0", "10.0.0.0/33", "/8", "a/8", "10.0.0.0/"] {
            assert_eq!(parse_network(text), None, "{text}");
        }
    }
}
