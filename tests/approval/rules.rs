//! Every rule with requests that break it alone.

mod form;
mod names;

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
