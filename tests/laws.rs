//! The laws of the edit, over the corpus made worse and over documents made up. `PROPTEST_CASES` asks for more of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::time::{Duration, Instant};

use kubelet_tls::kubelet::{Bootstrap, Change, Edited, FileKind, Refusal, edit};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Deserialize;
use serde_yaml::Value;

mod mutate;

const KEY: &str = "serverTLSBootstrap";
/// What goyaml takes for true, as an independent reader gives it: as a boolean or as text.
const TRUE: [&str; 11] = [
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
];
const FALSE: [&str; 11] = [
    "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];

fn says(value: Option<&Value>, wanted: Bootstrap) -> bool {
    match (value, wanted) {
        (Some(Value::Bool(truth)), _) => *truth == (wanted == Bootstrap::Enabled),
        (Some(Value::String(word)), Bootstrap::Enabled) => TRUE.contains(&word.as_str()),
        (Some(Value::String(word)), Bootstrap::Disabled) => FALSE.contains(&word.as_str()),
        (None | Some(Value::Null), _) => wanted == Bootstrap::Disabled,
        _ => false,
    }
}

/// Every document as an independent reader has it, if it can read them all.
fn documents(bytes: &[u8]) -> Option<Vec<Value>> {
    let text = std::str::from_utf8(bytes)
        .ok()?
        .trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{')
        && let Ok(json) = serde_json::from_str::<Value>(text)
    {
        return Some(vec![json]);
    }
    serde_yaml::Deserializer::from_str(text)
        .map(|document| Value::deserialize(document).ok())
        .collect()
}

/// A document without the key, and the key's value.
fn without_key(document: &Value, kind: FileKind) -> (Value, Option<Value>) {
    let Value::Mapping(mapping) = document else {
        return (document.clone(), None);
    };
    let is_key = |key: &Value| match key.as_str() {
        Some(key) if kind == FileKind::DropIn => key.eq_ignore_ascii_case(KEY),
        Some(key) => key == KEY,
        None => false,
    };
    let value = mapping
        .iter()
        .find(|(key, _)| is_key(key))
        .map(|(_, value)| value.clone());
    let rest = mapping.iter().filter(|(key, _)| !is_key(key));
    (
        Value::Mapping(
            rest.map(|(key, value)| (key.clone(), value.clone()))
                .collect(),
        ),
        value,
    )
}

fn is_kubelets(document: &Value) -> bool {
    document.get("kind").and_then(Value::as_str) == Some("KubeletConfiguration")
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// How many lines lie between the common head and the common tail.
fn differing(before: &[u8], after: &[u8]) -> (usize, usize) {
    let (mut old, mut new) = (lines(before), lines(after));
    while !old.is_empty() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let head = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    (old.len() - head, new.len() - head)
}

fn opposite(wanted: Bootstrap) -> Bootstrap {
    match wanted {
        Bootstrap::Enabled => Bootstrap::Disabled,
        Bootstrap::Disabled => Bootstrap::Enabled,
    }
}

fn check(bytes: &[u8], kind: FileKind, wanted: Bootstrap) -> Result<(), TestCaseError> {
    let start = Instant::now();
    let result = edit(bytes, kind, wanted);
    prop_assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    match result {
        Ok(edited) => check_edited(bytes, &edited, kind, wanted),
        Err(refusal) => check_refusal(bytes, &refusal),
    }
}

fn check_edited(
    bytes: &[u8],
    edited: &Edited,
    kind: FileKind,
    wanted: Bootstrap,
) -> Result<(), TestCaseError> {
    // applying twice is applying once
    let again = edit(&edited.after, kind, wanted);
    prop_assert_eq!(again.as_ref().map(|again| again.change), Ok(Change::None));
    prop_assert_eq!(again.as_ref().map(|again| &again.after), Ok(&edited.after));

    // at most one line differs, or a document is appended
    match (edited.change, differing(bytes, &edited.after)) {
        (Change::None, lines) => prop_assert_eq!(lines, (0, 0)),
        (Change::Replaced { .. }, lines) => prop_assert_eq!(lines, (1, 1)),
        // in braces, or after a last line that had no end
        (Change::Inserted { .. }, lines) => {
            let is_one_line = matches!(lines, (0, 1) | (1, 1) | (1, 2));
            prop_assert!(is_one_line, "{:?}", lines);
        }
        (Change::Appended { .. }, lines) => {
            prop_assert!(edited.after.starts_with(bytes));
            prop_assert!(matches!(lines, (0, 3..=4) | (1, 4..=5)), "{:?}", lines);
        }
    }

    check_reading(bytes, edited, kind, wanted)?;

    // the way back: the file reads as before, but for a false that was not there
    let Ok(back) = edit(&edited.after, kind, opposite(wanted)) else {
        return Ok(());
    };
    check_reading(&edited.after, &back, kind, opposite(wanted))?;
    if edited.change != Change::None && wanted == Bootstrap::Enabled {
        let is_replaced = matches!(back.change, Change::Replaced { .. });
        prop_assert!(is_replaced, "{:?}", back.change);
    }
    Ok(())
}

/// An independent reader has the wanted value, and everything else as it was.
fn check_reading(
    before: &[u8],
    edited: &Edited,
    kind: FileKind,
    wanted: Bootstrap,
) -> Result<(), TestCaseError> {
    let Some(mut old) = documents(before) else {
        return Ok(());
    };
    let new = documents(&edited.after);
    prop_assert!(new.is_some(), "the result cannot be read");
    let mut new = new.unwrap_or_default();
    let at = match edited.change {
        Change::Appended { .. } => {
            let added = new.pop();
            prop_assert!(added.as_ref().is_some_and(is_kubelets));
            let (_, value) = without_key(&added.unwrap_or_default(), kind);
            prop_assert!(says(value.as_ref(), wanted));
            if old.len() > new.len() {
                prop_assert_eq!(old.pop(), Some(Value::Null));
            }
            None
        }
        _ if kind == FileKind::Kubeadm => old.iter().position(is_kubelets),
        _ => Some(0),
    };
    prop_assert_eq!(old.len(), new.len());
    for (number, (old, new)) in old.iter().zip(&new).enumerate() {
        if Some(number) != at {
            prop_assert_eq!(old, new);
            continue;
        }
        let ((old, _), (new, value)) = (without_key(old, kind), without_key(new, kind));
        prop_assert_eq!(old, new);
        prop_assert!(says(value.as_ref(), wanted), "{:?}", value);
    }
    Ok(())
}

fn check_refusal(bytes: &[u8], refusal: &Refusal) -> Result<(), TestCaseError> {
    prop_assert!(!refusal.reason.is_empty() && !refusal.reason.ends_with('.'));
    let starts_with_a_name = ["RotateKubeletServerCertificate", "AllBeta"]
        .iter()
        .any(|gate| refusal.reason.starts_with(gate));
    prop_assert!(
        starts_with_a_name || !refusal.reason.starts_with(char::is_uppercase),
        "{}",
        refusal
    );
    prop_assert!(
        refusal.hint.as_ref().is_some_and(|hint| !hint.is_empty()),
        "{}",
        refusal
    );
    if let Some(position) = refusal.position {
        prop_assert!(
            (1..=lines(bytes).len() + 1).contains(&position.line) && position.column >= 1,
            "{position}"
        );
    }
    Ok(())
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

#[test]
fn the_laws_hold_for_the_corpus_made_worse() {
    let corpus = mutate::corpus();
    let worse = vec(any::<mutate::Mutation>(), 0..5);
    let strategy = (0..corpus.len(), worse, any_kind(), any_wanted());
    let mut runner = proptest::test_runner::TestRunner::new(config(1500));
    let result = runner.run(&strategy, |(start, mutations, kind, wanted)| {
        let bytes = mutate::mutate(&corpus, start, &mutations);
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
