//! Every file of the corpus: the edit does what its case says, and its diff has the shape it should.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::fs;
use std::path::Path;

use kubelet_tls::parts::edit::{Change, FileKind, edit};
use kubelet_tls::parts::kubelet::Bootstrap;

struct Case {
    file: String,
    expect: String,
    why: String,
    bytes: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus");
    let cases: serde_json::Value =
        serde_json::from_slice(&fs::read(corpus.join("cases.json")).unwrap()).unwrap();
    let text = |case: &serde_json::Value, key: &str| case[key].as_str().unwrap().to_owned();
    let case = |case: &serde_json::Value| {
        let file = text(case, "file");
        let bytes = fs::read(corpus.join(&file)).unwrap();
        Case {
            file,
            expect: text(case, "expect"),
            why: text(case, "why"),
            bytes,
        }
    };
    cases.as_array().unwrap().iter().map(case).collect()
}

fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}

/// The lines between the common head and the common tail.
fn differing<'a>(before: &'a [u8], after: &'a [u8]) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
    let (mut old, mut new) = (lines(before), lines(after));
    while old.last().is_some() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let head = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    (old.split_off(head), new.split_off(head))
}

#[test]
fn enabling_does_what_each_case_says() {
    let mut failures = Vec::new();
    let cases = cases();
    assert_eq!(cases.len(), 122);
    for Case {
        file,
        expect,
        why,
        bytes,
    } in cases
    {
        let edited = edit(&bytes, FileKind::detect(&bytes), Bootstrap::Enabled);
        let done = match &edited {
            Ok(edited) => match edited.change {
                Change::None => "noop",
                Change::Replaced { .. } => "replace",
                Change::Inserted { .. } => "insert",
                Change::Appended { .. } => "append",
                Change::Removed { .. } => "remove",
            },
            Err(_) => "refuse",
        };
        let may_refuse = why.contains("(or refuse)") && done == "refuse";
        if done != expect && !may_refuse {
            failures.push(format!(
                "{file} ({why}): {expect} expected, {done}: {:?}",
                edited.map(|edited| edited.warnings)
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_difference_has_the_shape_of_the_change() {
    for Case { file, bytes, .. } in cases() {
        let Ok(edited) = edit(&bytes, FileKind::detect(&bytes), Bootstrap::Enabled) else {
            continue;
        };
        let (old, new) = differing(&bytes, &edited.after);
        let at = lines(&edited.after).len()
            - lines(&edited.after)
                .iter()
                .rev()
                .zip(lines(&bytes).iter().rev())
                .take_while(|(a, b)| a == b)
                .count();
        match edited.change {
            Change::None => assert_eq!(edited.after, bytes, "{file}"),
            Change::Replaced { line } => {
                assert_eq!((old.len(), new.len(), line), (1, 1, at), "{file}")
            }
            Change::Inserted { line } if file.contains("090") => {
                // the last line, unterminated, is terminated: the new one is not
                assert_eq!((old.len(), new.len(), line), (1, 2, at), "{file}");
            }
            Change::Inserted { line } => {
                assert_eq!((old.len(), new.len(), line), (0, 1, at), "{file}")
            }
            Change::Removed { .. } => panic!("{file}: enabling removes nothing"),
            Change::Appended { line } => {
                assert!(edited.after.starts_with(&bytes), "{file}");
                assert!(
                    (3..=4).contains(&new.len()) && line == at + 1 - new.len(),
                    "{file}"
                );
            }
        }
    }
}

#[test]
fn disabling_afterwards_gives_a_file_that_says_false() {
    for Case { file, bytes, .. } in cases() {
        let kind = FileKind::detect(&bytes);
        let Ok(enabled) = edit(&bytes, kind, Bootstrap::Enabled) else {
            continue;
        };
        let again = edit(&enabled.after, kind, Bootstrap::Enabled).unwrap();
        assert_eq!(
            (again.change, &again.after),
            (Change::None, &enabled.after),
            "{file}"
        );
        let disabled = edit(&enabled.after, kind, Bootstrap::Disabled).unwrap();
        assert!(
            matches!(disabled.change, Change::Replaced { .. }),
            "{file}: {:?}",
            disabled.change
        );
        let (old, new) = differing(&enabled.after, &disabled.after);
        assert_eq!((old.len(), new.len()), (1, 1), "{file}");
        let again = edit(&disabled.after, kind, Bootstrap::Disabled).unwrap();
        assert_eq!(
            (again.change, &again.after),
            (Change::None, &disabled.after),
            "{file}"
        );
        let enabled_again = edit(&disabled.after, kind, Bootstrap::Enabled).unwrap();
        assert!(
            matches!(enabled_again.change, Change::Replaced { .. }),
            "{file}"
        );
    }
}

#[test]
fn disabling_what_is_not_enabled_changes_nothing_that_is_false() {
    for Case {
        file,
        expect,
        bytes,
        ..
    } in cases()
    {
        let Ok(disabled) = edit(&bytes, FileKind::detect(&bytes), Bootstrap::Disabled) else {
            continue;
        };
        match expect.as_str() {
            "insert" | "append" => assert_eq!(disabled.after, bytes, "{file}"),
            "noop" => assert_ne!(disabled.after, bytes, "{file}"),
            _ => {}
        }
    }
}

#[test]
fn every_refusal_says_what_to_do_or_where() {
    for Case { file, bytes, .. } in cases() {
        if let Err(refusal) = edit(&bytes, FileKind::detect(&bytes), Bootstrap::Enabled) {
            assert!(refusal.position.is_some(), "{file}: {refusal:?}");
            assert!(
                !refusal.reason().ends_with('.')
                    && !refusal.reason().starts_with(char::is_uppercase),
                "{file}: {refusal}"
            );
            println!(
                "{file}: {:?} {refusal}: {:?}",
                refusal.position,
                refusal.advice()
            );
        }
    }
}
