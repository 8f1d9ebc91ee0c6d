//! Files as people have them, each a kind of its own: what comes of them is in `testdata/field/cases.json`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn field() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/field")
}

/// The cases of the files that `diff` and `apply` edit; other inputs there are read by the tests of their verbs.
fn cases() -> Vec<Value> {
    let cases: Value =
        serde_json::from_slice(&fs::read(field().join("cases.json")).unwrap()).unwrap();
    cases.as_array().unwrap().clone()
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}

struct Run {
    code: i32,
    answer: String,
    talk: String,
}

fn run(directory: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"))
        .current_dir(directory)
        .args(arguments)
        .env("PATH", directory)
        .output()
        .unwrap();
    Run {
        code: output.status.code().unwrap(),
        answer: String::from_utf8_lossy(&output.stdout).into_owned(),
        talk: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn texts<'a>(case: &'a Value, key: &str) -> Vec<&'a str> {
    let items = case[key].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap()).collect()
}

/// `diff` exits as the case says and says what the case says; `apply` exits 0 or refuses too, changes the file or does not, and
/// a second `diff` finds nothing more to do.
#[test]
fn each_input_comes_out_as_its_case_says() {
    let mut failures = Vec::new();
    for case in cases() {
        let name = case["input"].as_str().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let input = field().join(name);
        copy(&input, &directory.path().join(name));
        let file = if input.is_dir() {
            directory
                .path()
                .join(name)
                .join("var/lib/kubelet/config.yaml")
        } else {
            directory.path().join(name)
        };
        let arguments = |verb| {
            if input.is_dir() {
                vec![verb, "--root", name]
            } else {
                vec![verb, name]
            }
        };
        let before = fs::read(&file).unwrap();
        let code = i32::try_from(case["diff"].as_i64().unwrap()).unwrap();
        let diff = run(directory.path(), &arguments("diff"));
        let mut fail = |what: String| failures.push(format!("{name}: {what}"));
        if diff.code != code {
            fail(format!(
                "diff exits {}, not {code}: {}",
                diff.code, diff.talk
            ));
        }
        for text in texts(&case, "says") {
            if !diff.talk.contains(text) {
                fail(format!("{text:?} is not in {:?}", diff.talk));
            }
        }
        for text in texts(&case, "adds") {
            if !diff.answer.contains(&format!("\n+{text}")) {
                fail(format!("{text:?} is not added in {:?}", diff.answer));
            }
        }
        if case["silent"] == true && !diff.talk.is_empty() {
            fail(format!("it says {:?}", diff.talk));
        }
        if diff.talk.contains("EDITOR") && case["editor"] != true {
            fail(format!("the hint opens an editor: {}", diff.talk));
        }
        let apply = run(directory.path(), &arguments("apply"));
        let after = fs::read(&file).unwrap();
        match code {
            0 => assert_eq!((apply.code, &after), (0, &before), "{name}: {}", apply.talk),
            1 => {
                assert_eq!(apply.code, 0, "{name}: {}", apply.talk);
                assert_ne!(after, before, "{name}");
                assert_eq!(run(directory.path(), &arguments("diff")).code, 0, "{name}");
            }
            code => assert_eq!(
                (apply.code, &after),
                (code, &before),
                "{name}: {}",
                apply.talk
            ),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Every refusal is one line, and one line of hint.
#[test]
fn a_refusal_is_one_line_and_a_hint() {
    for case in cases() {
        let name = case["input"].as_str().unwrap();
        if case["diff"] == 65 {
            let refused = run(&field(), &["diff", name]);
            let lines: Vec<_> = refused.talk.lines().collect();
            let [error, hint] = lines.as_slice() else {
                panic!("{name}: {lines:?}");
            };
            assert!(
                error.starts_with(&format!("error: cannot edit {name}:")),
                "{error}"
            );
            assert!(hint.starts_with("hint: "), "{hint}");
        }
    }
}
