//! The form of a PKCS#10 request: extensions, subject, key and signature.

use super::*;

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
