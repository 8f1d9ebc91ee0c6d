//! The names that a request may ask for.

use super::*;

#[test]
fn names_that_a_node_must_not_have_are_refused() {
    for name in CLAIMED {
        let asked = match name.parse::<std::net::IpAddr>() {
            Ok(_) => ip(name),
            Err(_) => dns(name),
        };
        let verdict = verdict(&[dns("worker-1"), asked]);
        let wanted = match *name {
            "10.0.0.8" | "worker-2" | "WORKER-2" => Rule::NameIsNoOtherNodes,
            // Other Nodes' addresses give no claim to a name; worker-1 has no claim to these either.
            "host-2" | "w2.internal" | "worker-2.example" | "w2" => Rule::NameIsNodes,
            "10.0.0.2"
            | "10.0.0.3"
            | "10.0.0.100"
            | "198.51.100.6"
            | "198.51.100.7"
            | "198.51.100.8"
            | "api.example"
            | "api.public.example"
            | "presented.example"
            | "worker-1.wild.example"
            | "cp-1"
            | "kubernetes"
            | "kubernetes.default" => Rule::NameIsNotApiServers,
            "10.244.3.4" | "10.245.1.9" => Rule::NameIsNotPods,
            name if name.starts_with("kubernetes.default.svc") => Rule::NameIsNotApiServers,
            "10.96.0.1"
            | "fd00:96::1"
            | "10.111.0.5"
            | "fd00:96::abcd"
            | "172.30.0.9"
            | "198.51.100.1"
            | "198.51.100.2"
            | "198.51.100.3"
            | "198.51.100.10"
            | "db.example"
            | "db.shop"
            | "x.pod.example"
            | "lb.example"
            | "web"
            | "web.shop"
            | "pod-0.headless.shop"
            | "web.shop.svc"
            | "a.b.svc"
            | "svc"
            | "web.shop.svc.cluster.test"
            | "cluster.local"
            | "x.cluster.test"
            | "1-2-3-4.shop.pod.cluster.local" => Rule::NameIsNotServices,
            "*" | "*.example" | "127.1" | "0x7f000001" | "worker-1." | "a_b.example"
            | "-a.example" => Rule::NameIsValid,
            _ => Rule::NameIsUnicast,
        };
        assert_eq!(verdict, Err(wanted), "{name}");
    }
}

#[test]
fn names_that_are_not_the_nodes_are_refused() {
    for name in [
        "worker-3",
        "worker-1.other",
        "no-ip.example",
        "10.0.0.77.nip.io",
    ] {
        assert_eq!(verdict(&[dns(name)]), Err(Rule::NameIsNodes), "{name}");
    }
    // The address's type says what it is: an InternalDNS is not an IP address, and an unknown type is ignored.
    for address in [
        "10.0.0.9",
        "203.0.113.9",
        "fd00::8",
        "10.0.0.77",
        "10.0.0.78",
    ] {
        assert_eq!(verdict(&[ip(address)]), Err(Rule::NameIsNodes), "{address}");
    }
    for name in [
        "10.0.0.77",
        "10.0.0.7",
        "2130706433",
        "a.1",
        "worker 1",
        "worker-1\0",
        "worker-1\n",
        "",
    ] {
        assert_eq!(verdict(&[dns(name)]), Err(Rule::NameIsValid), "{name:?}");
    }
    for bytes in [
        &[][..],
        &[10],
        &[10, 0, 0, 7, 0],
        &[10, 0, 0, 0, 255, 255, 255, 0],
        &[0; 17],
    ] {
        assert_eq!(
            verdict(&[tlv(0x87, &[bytes])]),
            Err(Rule::NameIsValid),
            "{bytes:?}"
        );
    }
    assert_eq!(
        verdict(&[tlv(0x82, &[b"\xff\xfe"])]),
        Err(Rule::NameIsValid)
    );
    assert_eq!(
        verdict(&[tlv(0x82, &["wörker".as_bytes()])]),
        Err(Rule::NameIsValid)
    );
}

#[test]
fn names_of_other_kinds_are_refused() {
    for (kind, content) in [
        (0x81, &b"a@b.c"[..]),
        (0x86, b"spiffe://x/y"),
        (0x86, b"\x1b[2J"),
        (0x88, &[0x2a, 3]),
        (0xa0, &[6, 1, 0x2a]),
        (0xa3, &[]),
        (0xa4, &[0x30, 0]),
        (0xa5, &[]),
        (0x83, b"x"),
        (0xa2, b"worker-1"),
        (0x13, b"worker-1"),
        (0x30, &[]),
    ] {
        let names = [dns("worker-1"), tlv(kind, &[content])];
        assert_eq!(verdict(&names), Err(Rule::NamesAreDnsOrIp), "{kind:#x}");
    }
}

#[test]
fn requests_without_names_are_refused() {
    check(
        Rule::HasNames,
        vec![
            ("no attributes", made(|made| made.attributes = vec![])),
            (
                "no extensions",
                made(|made| made.attributes = vec![extensions(&[])]),
            ),
            (
                "an empty list",
                made(|made| made.attributes = vec![extensions(&[san(&[])])]),
            ),
        ],
    );
}
