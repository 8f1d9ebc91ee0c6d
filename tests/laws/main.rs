//! The laws, over files made worse and documents made up. `PROPTEST_CASES` asks for more of them, `fuzz/` for no end of
//! them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::time::{Duration, Instant};

use kubelet_tls::parts::edit::{FileKind, edit};
use kubelet_tls::parts::kubelet::Bootstrap;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

#[macro_use]
mod law;
mod api_server;
mod certificate;
mod edit;
mod flags;
mod kubeconfig;
mod mutate;
mod receipt;

fn check(bytes: &[u8], kind: FileKind, wanted: Bootstrap) -> Result<(), TestCaseError> {
    let start = Instant::now();
    edit::check(bytes, kind, wanted).map_err(TestCaseError::fail)?;
    let spent = start.elapsed();
    prop_assert!(spent < Duration::from_secs(5), "{:?}", spent);
    Ok(())
}

/// The seeds that `fuzz/run` keeps: one a line, with what is not printable ASCII as `\n`, `\xNN` or `\\`.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let text = std::fs::read_to_string(root.join(name)).unwrap();
    text.lines().map(unescaped).collect()
}

fn unescaped(line: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().unwrap() {
                b'n' => b'\n',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            other => other,
        });
    }
    bytes
}

#[test]
fn the_laws_hold_for_inputs_that_fuzzing_found() {
    let mut accepted = 0;
    let seeds = seeds("edit.txt");
    assert!(seeds.len() > 2000, "{} seeds", seeds.len());
    for (number, data) in (1..).zip(&seeds) {
        let Some((bytes, kind, wanted)) = edit::input(data) else {
            continue;
        };
        match edit::check(bytes, kind, wanted) {
            Ok(change) => accepted += usize::from(change.is_some()),
            Err(broken) => panic!("fuzz/seeds/edit.txt:{number}: {broken}"),
        }
    }
    assert!(accepted > 200, "{accepted} of the seeds are accepted");
}

fn any_kind() -> impl Strategy<Value = Option<FileKind>> {
    prop_oneof![
        8 => Just(None),
        1 => select(vec![Some(FileKind::Kubelet), Some(FileKind::Kubeadm), Some(FileKind::DropIn)]),
    ]
}

fn any_wanted() -> impl Strategy<Value = Bootstrap> {
    prop_oneof![3 => Just(Bootstrap::Enabled), 1 => Just(Bootstrap::Disabled)]
}

/// Values of every style, each of them whole in block context, after a key and a space.
const VALUES: [&str; 20] = [
    "a",
    "1",
    "[]",
    "{}",
    "'it''s'",
    "\"a\\tb\"",
    "[a, b: c, {d: e}]",
    "{a: [b], 'c':d}",
    "&anchor x",
    "!!str 1",
    "|\n      block\n\n      text",
    ">-\n      folded\n      text",
    "|+\n      keep\n",
    "\n      nested: # comment\n        deeper: [1,\n          2]",
    "\n    - one\n    -\n      two: three",
    "a # comment",
    "plain\n      over lines",
    "\"quoted\n\n      over lines\"",
    "",
    "# comment",
];

/// A KubeletConfiguration in block style that no part of speaks against an edit.
fn made_up() -> impl Strategy<Value = Vec<u8>> {
    let bootstrap = select(vec![
        "",
        "serverTLSBootstrap: false",
        "serverTLSBootstrap: true",
        "serverTLSBootstrap:   no # c",
        "serverTLSBootstrap:",
        "\"serverTLSBootstrap\" : 'true'",
        "serverTLSBootstrap:\n    !!bool off",
        "? serverTLSBootstrap\n: false",
        "serverTLSBootstrap: # c",
        "serverTLSBootstrap: &b ~",
        "serverTLSBootstrap: 0",
    ]);
    let entries = vec(select(VALUES.to_vec()), 0..8);
    let head = select(vec![
        "",
        "---\n",
        "# c\n",
        "\u{feff}",
        "--- # c\n",
        "%TAG ! tag:x:\n---\n",
        "\n\n",
        "--- !!map\n",
    ]);
    let tail = select(vec![
        "",
        "\n",
        "...\n",
        "---\nother: document\n",
        "# c",
        "  \n",
    ]);
    let eol = select(vec!["\n", "\r\n"]);
    let order = any::<[u8; 3]>();
    (bootstrap, entries, head, tail, eol, order, 0..3_usize).prop_map(
        |(bootstrap, entries, head, tail, eol, order, indent)| {
            let mut lines: Vec<String> = entries
                .iter()
                .enumerate()
                .map(|(i, value)| format!("key{i}: {value}"))
                .collect();
            let own = [
                "apiVersion: kubelet.config.k8s.io/v1beta1",
                "kind: KubeletConfiguration # k",
                bootstrap,
            ];
            for (line, place) in own.iter().zip(order) {
                if !line.is_empty() {
                    lines.insert(usize::from(place) % (lines.len() + 1), (*line).to_owned());
                }
            }
            let margin = " ".repeat(indent);
            let body = lines
                .join("\n")
                .lines()
                .map(|line| format!("{margin}{line}\n"))
                .collect::<String>();
            format!("{head}{body}{tail}")
                .replace('\n', eol)
                .into_bytes()
        },
    )
}

fn config(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: cases.unwrap_or(default),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A file, made worse.
fn mutate(corpus: &[Vec<u8>], start: usize, mutations: &[mutate::Mutation]) -> Vec<u8> {
    let mut bytes = corpus[start % corpus.len()].clone();
    for mutation in mutations {
        bytes = mutate::worse(corpus, bytes, *mutation);
    }
    bytes
}

#[test]
fn the_laws_hold_for_the_corpus_made_worse() {
    let corpus = mutate::corpus();
    let worse = vec(any::<mutate::Mutation>(), 0..5);
    let strategy = (0..corpus.len(), worse, any_kind(), any_wanted());
    let mut runner = proptest::test_runner::TestRunner::new(config(1500));
    let result = runner.run(&strategy, |(start, mutations, kind, wanted)| {
        let bytes = mutate(&corpus, start, &mutations);
        let kind = kind.unwrap_or_else(|| FileKind::detect(&bytes));
        check(&bytes, kind, wanted).map_err(|error| {
            TestCaseError::fail(format!(
                "{error}\n{kind:?} {wanted:?}\n{:?}",
                String::from_utf8_lossy(&bytes)
            ))
        })
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn the_laws_hold_for_documents_made_up_and_none_is_refused(bytes in made_up(), wanted in any_wanted()) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let result = edit(&bytes, FileKind::Kubelet, wanted);
        prop_assert!(result.is_ok(), "{:?}\n{}", result, text);
        check(&bytes, FileKind::Kubelet, wanted)?;
    }

    #[test]
    fn the_laws_hold_for_any_bytes(bytes in vec(any::<u8>(), 0..200), text in "\\PC{0,200}", wanted in any_wanted()) {
        for kind in [FileKind::Kubelet, FileKind::Kubeadm, FileKind::DropIn] {
            check(&bytes, kind, wanted)?;
            check(text.as_bytes(), kind, wanted)?;
        }
    }
}

/// Bytes of a captured file, made worse.
fn worse(files: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let mutations = vec(any::<mutate::Mutation>(), 0..4);
    (0..files.len(), mutations)
        .prop_map(move |(start, mutations)| mutate(&files, start, &mutations))
}

fn captured(paths: &[&str]) -> Vec<Vec<u8>> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let read = |path: &&str| std::fs::read(root.join(path)).unwrap();
    paths.iter().map(read).collect()
}

fn lawful(check: fn(&[u8]) -> Result<(), law::Broken>, files: Vec<Vec<u8>>) {
    let strategy = worse(files);
    let mut runner = proptest::test_runner::TestRunner::new(config(400));
    let result = runner.run(&strategy, |bytes| {
        check(&bytes).map_err(|broken| {
            TestCaseError::fail(format!("{broken}\n{:?}", String::from_utf8_lossy(&bytes)))
        })
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_laws_hold_for_manifests_and_configurations_made_worse() {
    let mut files = captured(&[
        "captured/1.19/kube-apiserver-v1beta2-no.yaml",
        "captured/1.19/kubeadm-v1beta2-yes.yaml",
        "captured/1.36/kube-apiserver-v1beta4-yes.yaml",
        "captured/1.36/kubeadm-v1beta3-no.yaml",
        "captured/1.36/kubeadm-v1beta4-no.yaml",
        "captured/1.36/kubeadm-v1beta4-yes.yaml",
    ]);
    files.extend(api_server::SMALL.map(|text| text.as_bytes().to_vec()));
    let mut runner = proptest::test_runner::TestRunner::new(config(1500));
    let (accepted, changed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let result = runner.run(&worse(files), |bytes| {
        let counts = api_server::check(&bytes).map_err(|broken| {
            let text = String::from_utf8_lossy(&bytes);
            TestCaseError::fail(format!("{broken}\n{text}\n{text:?}"))
        })?;
        accepted.set(accepted.get() + counts.accepted);
        changed.set(changed.get() + counts.changed);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    // laws about refusals alone would prove little
    let (accepted, changed) = (accepted.get(), changed.get());
    assert!(accepted > 200 && changed > 100, "{accepted} {changed}");
}

#[test]
fn the_laws_hold_for_flags_made_worse() {
    let texts = [
        "--config=/c --feature-gates=A=true,B=false $KUBELET_KUBEADM_ARGS ${KUBELET_EXTRA_ARGS} $$x\0\
         KUBELET_KUBEADM_ARGS=--node-ip=1 \"A=b c\"\0KUBELET_EXTRA_ARGS=--rotate-server-certificates \\\n --cert-dir='/x y'\n",
        "$A --config /c\0A=\0# c\nA=\"--kubeconfig /k\"\n",
    ];
    lawful(flags::check, texts.map(|text| text.into()).to_vec());
}

#[test]
fn the_laws_hold_for_certificates_made_worse() {
    let mut files = captured(&[
        "captured/1.36/kubelet-server-current.crt.pem",
        "captured/1.19/ca.crt",
    ]);
    let der = |pem: &Vec<u8>| x509_parser::pem::parse_x509_pem(pem).unwrap().1.contents;
    files.extend(files.iter().map(der).collect::<Vec<_>>());
    lawful(certificate::check, files);
}

#[test]
fn the_laws_hold_for_kubeconfigs_made_worse() {
    lawful(
        kubeconfig::check,
        captured(&["captured/1.36/kubelet.conf", "captured/1.19/kubelet.conf"]),
    );
}

#[test]
fn the_laws_hold_for_receipts_made_worse() {
    let mut files = captured(&["receipt/v1/receipt.json"]);
    files.push(
        b"kind: a\nt\xc3\xa9: 1\n\0kind: a\nserverTLSBootstrap: true\nt\xc3\xa9: 1\n".to_vec(),
    );
    lawful(receipt::check, files);
}

/// Every one of these made some parser slow, or deep, or large.
#[test]
fn no_input_takes_long() {
    let units = [
        "[",
        "{",
        "]",
        "}",
        "a: ",
        "- ",
        "? ",
        ": ",
        "!a ",
        "!<a> ",
        "&a ",
        "*a ",
        "\"",
        "'",
        "|\n",
        ">\n ",
        "#",
        " ",
        "\t",
        "\n",
        "\r\n",
        "%TAG ! a\n",
        "%a\n",
        "---\n",
        "--- ",
        "...\n",
        "a\n",
        "a,",
        "[a,",
        "{a,",
        "a b ",
        "\\",
        "- - ",
        "? a\n",
        "a:\n",
        "a: [\n",
        "a: &a [*a]\n",
        "- &a [*a,*a]\n",
        "\"\\x41\" ",
        "a: |\n b\n",
        "é",
        "!!str a: b\n",
        "\u{1F600}",
        " a:\n",
        "<<: ",
    ];
    let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    for unit in units {
        for prefix in [
            String::new(),
            head.to_owned(),
            format!("{head}x: ["),
            format!("{head}x: \""),
            format!("{head}x:\n"),
        ] {
            let bytes = format!("{prefix}{}", unit.repeat(30_000 / unit.len())).into_bytes();
            for kind in [FileKind::Kubelet, FileKind::Kubeadm] {
                let start = Instant::now();
                let _ = (
                    FileKind::detect(&bytes),
                    edit(&bytes, kind, Bootstrap::Enabled),
                );
                assert!(
                    start.elapsed() < Duration::from_secs(3),
                    "{unit:?} {:?}",
                    start.elapsed()
                );
            }
        }
    }
}
