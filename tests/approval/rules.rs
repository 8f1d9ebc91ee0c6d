//! Every rule with requests that break it alone.

use kubelet_tls::parts::approval::Rule;
use kubelet_tls::parts::csr::{Request, State};

use super::cluster::{CLAIMED, asking, cluster, good, judge};
use super::request::*;

/// The verdict on worker-1's request for these names.
fn verdict(names: &[Vec<u8>]) -> Result<(), Rule> {
    judge(&cluster(), &asking(Made::new(names).pem()))
        .map(drop)
        .map_err(|violation| violation.rule)
}

fn made(change: impl FnOnce(&mut Made)) -> Request {
    let mut made = Made::new(&[dns("worker-1"), ip("10.0.0.7")]);
    change(&mut made);
    asking(made.pem())
}

fn check(wanted: Rule, cases: Vec<(&str, Request)>) {
    let cluster = cluster();
    for (name, asked) in cases {
        let broken = judge(&cluster, &asked)
            .map(drop)
            .map_err(|violation| violation.rule);
        assert_eq!(broken, Err(wanted), "{name}");
    }
}

#[test]
fn good_requests_are_approved() {
    for names in [
        vec![dns("worker-1"), ip("10.0.0.7")],
        vec![ip("10.0.0.7")],
        vec![dns("worker-1")],
        vec![
            dns("WORKER-1.example"),
            ip("10.0.0.7"),
            ip("fd00::7"),
            ip("203.0.113.7"),
        ],
        vec![ip("10.0.0.7"), ip("10.0.0.7")],
    ] {
        assert_eq!(verdict(&names), Ok(()), "{names:?}");
    }
    let three = ["server auth", "digital signature", "key encipherment"];
    let asked = Request {
        usages: three.map(str::to_owned).to_vec(),
        expiration_seconds: Some(365 * 86_400),
        ..good()
    };
    assert!(judge(&cluster(), &asked).is_ok());
    let utf8 = made(|made| {
        let cn = pair(3, UTF8, b"system:node:worker-1");
        made.subject = vec![tlv(SET, &[&cn]), rdn(10, "system:nodes")];
    });
    assert!(judge(&cluster(), &utf8).is_ok());
    let critical = made(|made| {
        let names = tlv(4, &[&tlv(SEQUENCE, &[&dns("worker-1")])]);
        let san = tlv(SEQUENCE, &[&oid(&[0x55, 0x1d, 17]), &[1, 1, 0xff], &names]);
        made.attributes = vec![extensions(&[san])];
    });
    assert!(judge(&cluster(), &critical).is_ok());
}

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

#[test]
fn other_extensions_and_attributes_are_refused() {
    let names = || san(&[dns("worker-1")]);
    let basic_constraints = extension(&[0x55, 0x1d, 19], &[0x30, 3, 1, 1, 0xff]);
    let key_usage = extension(&[0x55, 0x1d, 15], &[3, 2, 2, 4]);
    let extended = extension(
        &[0x55, 0x1d, 37],
        &tlv(SEQUENCE, &[&oid(&[0x2b, 6, 1, 5, 5, 7, 3, 2])]),
    );
    let with = |all: Vec<Vec<u8>>| made(|made| made.attributes = vec![extensions(&all)]);
    let challenge = tlv(
        SEQUENCE,
        &[
            &oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7]),
            &tlv(SET, &[&tlv(PRINTABLE, &[b"x"])]),
        ],
    );
    let other = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 13];
    check(
        Rule::OnlyAlternativeNames,
        vec![
            ("CA", with(vec![names(), basic_constraints.clone()])),
            ("CA first", with(vec![basic_constraints, names()])),
            ("key usage", with(vec![names(), key_usage])),
            ("client auth", with(vec![extended])),
            ("names twice", with(vec![names(), names()])),
            (
                "names of other nodes behind",
                with(vec![names(), san(&[dns("worker-2")])]),
            ),
            (
                "two extension requests",
                made(|made| {
                    made.attributes = vec![
                        extensions(&[names()]),
                        extensions(&[san(&[dns("worker-2")])]),
                    ]
                }),
            ),
            (
                "a challenge password",
                made(|made| made.attributes.push(challenge.clone())),
            ),
            (
                "a challenge password alone",
                made(|made| made.attributes = vec![challenge.clone()]),
            ),
            (
                "another attribute",
                made(|made| made.attributes = vec![tlv(SEQUENCE, &[&oid(&other), &tlv(SET, &[])])]),
            ),
        ],
    );
}

#[test]
fn ill_formed_requests_are_refused() {
    let names = || san(&[dns("worker-1")]);
    let attribute = |content: &[&[u8]]| tlv(SEQUENCE, content);
    let sequence = || tlv(SEQUENCE, &[&names()]);
    let request = oid(EXTENSION_REQUEST);
    let text = String::from_utf8(good().pem).unwrap();
    let raw = |pem: Vec<u8>| Request { pem, ..good() };
    let edited = |from: &str, to: &str| raw(text.replacen(from, to, 1).into_bytes());
    let body = text.lines().nth(1).unwrap();
    let der = Made::new(&[dns("worker-1")]).der();
    let long_length = {
        // The outer length in one byte more than it needs.
        let mut der = der.clone();
        assert_eq!(der[1], 0x82);
        der.splice(1..2, [0x83, 0]);
        der
    };
    check(
        Rule::RequestIsWellFormed,
        vec![
            ("nothing", raw(vec![])),
            ("no PEM", raw(b"hello".to_vec())),
            ("DER without PEM", raw(der.clone())),
            (
                "not UTF-8",
                raw(b"-----BEGIN CERTIFICATE REQUEST-----\n\xff\n".to_vec()),
            ),
            (
                "another label",
                raw(text
                    .replace("CERTIFICATE REQUEST", "CERTIFICATE")
                    .into_bytes()),
            ),
            (
                "an old label",
                raw(text
                    .replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
                    .into_bytes()),
            ),
            (
                "two blocks",
                raw([text.clone(), text.clone()].concat().into_bytes()),
            ),
            ("text before", raw(format!("hello\n{text}").into_bytes())),
            ("text behind", raw(format!("{text}hello\n").into_bytes())),
            (
                "a header",
                edited(body, &format!("Proc-Type: 4,ENCRYPTED\n\n{body}")),
            ),
            ("no base64", edited(body, "!")),
            (
                "too large",
                raw(text
                    .replacen(body, &format!("{}{body}", "\n".repeat(70_000)), 1)
                    .into_bytes()),
            ),
            ("cut short", raw(pem(&der[..der.len() - 1]))),
            ("a length that is not the shortest", raw(pem(&long_length))),
            ("bytes behind", made(|made| made.trailing = vec![0])),
            (
                "a second request behind",
                made(|made| made.trailing = der.clone()),
            ),
            ("bytes inside", made(|made| made.surplus = vec![5, 0])),
            (
                "two values of an attribute",
                made(|made| {
                    made.attributes = vec![attribute(&[
                        &request,
                        &tlv(SET, &[&sequence(), &sequence()]),
                    ])];
                }),
            ),
            (
                "no value",
                made(|made| made.attributes = vec![attribute(&[&request, &tlv(SET, &[])])]),
            ),
            (
                "bytes behind a value",
                made(|made| {
                    made.attributes =
                        vec![attribute(&[&request, &tlv(SET, &[&sequence()]), &[5, 0]])];
                }),
            ),
            (
                "names that are not a list",
                made(|made| {
                    made.attributes = vec![extensions(&[extension(&[0x55, 0x1d, 17], b"x")])]
                }),
            ),
            (
                "bytes behind the names",
                made(|made| {
                    let value = [tlv(SEQUENCE, &[&dns("worker-1")]), vec![5, 0]].concat();
                    made.attributes = vec![extensions(&[extension(&[0x55, 0x1d, 17], &value)])];
                }),
            ),
            (
                "a name longer than its list",
                made(|made| made.attributes = vec![extensions(&[san(&[vec![0x82, 9, b'a']])])]),
            ),
        ],
    );
}

#[test]
fn subjects_other_than_the_nodes_are_refused() {
    let (o, cn) = ("system:nodes", "system:node:worker-1");
    let subject = |all: Vec<Vec<u8>>| made(|made| made.subject = all);
    let two = tlv(
        SET,
        &[
            &pair(10, PRINTABLE, o.as_bytes()),
            &pair(3, PRINTABLE, cn.as_bytes()),
        ],
    );
    let utf16: Vec<u8> = cn.bytes().flat_map(|byte| [0, byte]).collect();
    check(
        Rule::SubjectIsPlain,
        vec![
            ("empty", subject(vec![])),
            ("no CN", subject(vec![rdn(10, o)])),
            ("no O", subject(vec![rdn(3, cn)])),
            (
                "O twice",
                subject(vec![rdn(10, o), rdn(10, "system:masters"), rdn(3, cn)]),
            ),
            (
                "O twice the same",
                subject(vec![rdn(10, o), rdn(10, o), rdn(3, cn)]),
            ),
            (
                "CN twice",
                subject(vec![rdn(10, o), rdn(3, "system:node:worker-2"), rdn(3, cn)]),
            ),
            ("OU", subject(vec![rdn(10, o), rdn(11, "x"), rdn(3, cn)])),
            (
                "serial number",
                subject(vec![rdn(10, o), rdn(3, cn), rdn(5, "1")]),
            ),
            ("both in one set", subject(vec![two])),
            (
                "an empty set",
                subject(vec![rdn(10, o), rdn(3, cn), tlv(SET, &[])]),
            ),
            (
                "BMPString",
                subject(vec![rdn(10, o), tlv(SET, &[&pair(3, 0x1e, &utf16)])]),
            ),
            (
                "T61String",
                subject(vec![rdn(10, o), tlv(SET, &[&pair(3, 0x14, cn.as_bytes())])]),
            ),
            (
                "no UTF-8",
                subject(vec![rdn(10, o), tlv(SET, &[&pair(3, UTF8, b"\xff")])]),
            ),
        ],
    );
    check(
        Rule::CommonNameIsRequestor,
        vec![
            (
                "another node",
                subject(vec![rdn(10, o), rdn(3, "system:node:worker-2")]),
            ),
            ("no prefix", subject(vec![rdn(10, o), rdn(3, "worker-1")])),
            (
                "another case",
                subject(vec![rdn(10, o), rdn(3, "system:node:Worker-1")]),
            ),
            (
                "a space behind",
                subject(vec![rdn(10, o), rdn(3, "system:node:worker-1 ")]),
            ),
            (
                "a NUL behind",
                subject(vec![rdn(10, o), rdn(3, "system:node:worker-1\0")]),
            ),
            ("empty", subject(vec![rdn(10, o), rdn(3, "")])),
            (
                "another's request, sent by worker-2",
                Request {
                    requestor: "system:node:worker-2".into(),
                    ..good()
                },
            ),
        ],
    );
    check(
        Rule::OrganizationIsSystemNodes,
        vec![
            (
                "masters",
                subject(vec![rdn(10, "system:masters"), rdn(3, cn)]),
            ),
            (
                "another case",
                subject(vec![rdn(10, "System:nodes"), rdn(3, cn)]),
            ),
            ("empty", subject(vec![rdn(10, ""), rdn(3, cn)])),
        ],
    );
}

#[test]
fn weak_keys_and_bad_signatures_are_refused() {
    let read = |name: &str| {
        let path = format!("testdata/approval/{name}.pem");
        asking(std::fs::read(path).unwrap())
    };
    for good in ["rsa-2048", "rsa-4096", "p384"] {
        assert!(judge(&cluster(), &read(good)).is_ok(), "{good}");
    }
    for (rule, names) in [
        (
            Rule::KeyIsStrong,
            &[
                "rsa-1024",
                "rsa-2040",
                "rsa-8200",
                "rsa-exponent-3",
                "rsa-pss",
                "p224",
                "p521",
                "secp256k1",
                "ed25519",
            ][..],
        ),
        (Rule::SignatureVerifies, &["rsa-sha1", "p256-sha1"]),
    ] {
        check(rule, names.iter().map(|name| (*name, read(name))).collect());
    }
    check(
        Rule::SignatureVerifies,
        vec![("a bit is wrong", made(|made| made.spoilt = Some(0)))],
    );
    // The request of another node with one name changed is not signed with its key any more.
    let mut der = Made::new(&[dns("worker-9")]).der();
    let at = der.windows(8).position(|part| part == b"worker-9").unwrap();
    der[at + 7] = b'1';
    check(
        Rule::SignatureVerifies,
        vec![("a name was changed", asking(pem(&der)))],
    );
}

#[test]
fn each_field_of_the_api_object_is_checked() {
    let texts = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
    let usages = |all: &[&str]| Request {
        usages: texts(all),
        ..good()
    };
    let requestor = |requestor: &str| Request {
        requestor: requestor.into(),
        ..good()
    };
    let lasting = |seconds| Request {
        expiration_seconds: Some(seconds),
        ..good()
    };
    let decided = |state| Request { state, ..good() };
    let signer = |signer: &str| Request {
        signer: signer.into(),
        ..good()
    };
    check(
        Rule::Undecided,
        vec![
            ("approved", decided(State::Approved)),
            ("issued", decided(State::Issued)),
            ("denied", decided(State::Denied)),
            ("failed", decided(State::Failed)),
            (
                "a certificate that no one approved",
                Request {
                    odd: true,
                    ..good()
                },
            ),
        ],
    );
    check(
        Rule::SignerIsKubeletServing,
        vec![
            (
                "client",
                signer("kubernetes.io/kube-apiserver-client-kubelet"),
            ),
            ("legacy", signer("kubernetes.io/legacy-unknown")),
            ("none", signer("")),
        ],
    );
    check(
        Rule::RequestorIsNode,
        [
            "kubernetes-admin",
            "system:node:",
            "system:nodes:worker-1",
            "worker-1",
            "",
        ]
        .map(|name| (name, requestor(name)))
        .to_vec(),
    );
    check(
        Rule::RequestorInSystemNodes,
        [&["system:authenticated"][..], &["System:nodes"], &[]]
            .map(|groups| {
                let asked = Request {
                    groups: texts(groups),
                    ..good()
                };
                ("groups", asked)
            })
            .to_vec(),
    );
    check(
        Rule::UsagesAreServing,
        vec![
            ("none", usages(&[])),
            (
                "client auth",
                usages(&[
                    "digital signature",
                    "key encipherment",
                    "server auth",
                    "client auth",
                ]),
            ),
            (
                "client auth instead",
                usages(&["digital signature", "client auth"]),
            ),
            (
                "no server auth",
                usages(&["digital signature", "key encipherment"]),
            ),
            ("server auth alone", usages(&["server auth"])),
            (
                "twice",
                usages(&["digital signature", "server auth", "server auth"]),
            ),
            (
                "cert sign",
                usages(&["digital signature", "server auth", "cert sign"]),
            ),
            ("any", usages(&["any"])),
        ],
    );
    check(
        Rule::DurationWithinMaximum,
        [365 * 86_400 + 1, i64::MAX, 0, -1]
            .map(|seconds| ("duration", lasting(seconds)))
            .to_vec(),
    );
    let stranger = made(|made| made.subject[1] = rdn(3, "system:node:worker-9"));
    check(
        Rule::NodeExists,
        vec![(
            "no such Node",
            Request {
                requestor: "system:node:worker-9".into(),
                ..stranger
            },
        )],
    );
}

#[test]
fn text_that_a_message_quotes_is_escaped() {
    let evil = "\u{1b}[2J\u{202e}\n";
    let odd = [
        Request {
            signer: evil.into(),
            ..good()
        },
        Request {
            requestor: evil.into(),
            ..good()
        },
        Request {
            usages: vec![evil.into()],
            ..good()
        },
        made(|made| made.subject[1] = rdn(3, evil)),
        made(|made| made.subject[0] = rdn(10, evil)),
        asking(Made::new(&[dns(evil)]).pem()),
        asking(Made::new(&[dns("\u{1b}[2J\n")]).pem()),
        asking(Made::new(&[tlv(0x86, &[evil.as_bytes()])]).pem()),
    ];
    for asked in odd {
        let broken = judge(&cluster(), &asked).unwrap_err();
        assert!(
            broken
                .message
                .bytes()
                .all(|byte| (b' '..0x7f).contains(&byte)),
            "{broken:?}"
        );
    }
}
