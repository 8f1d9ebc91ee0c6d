//! The words that the project does not use, kept out of documents, units and sources.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;

/// What is read.
const PLACES: [&str; 20] = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "Makefile",
    "src",
    "docs",
    "ansible",
    "systemd",
    "cloud-init",
    "deploy",
    "packaging/deb",
    "examples",
    "benches",
    "tests",
    "standins/src",
    "standins/tests",
    "fuzz/run",
    "fuzz/fuzz_targets",
    ".ci",
];

/// A habit to drop, as words in a row, and what to write instead. Matched without regard to case, as whole words; `*` is
/// any word.
const HABITS: &[(&str, &str)] = &[
    ("is no *", "is not a ..., or: no ... exists"),
    ("are no *", "are not ..., or: no ... exist"),
    ("was no *", "was not a ..., or: no ... existed"),
    ("were no *", "were not ..., or: no ... existed"),
    ("is none", "does not exist; `None` if"),
    ("are none", "do not exist; `None` if"),
    ("was none", "did not exist"),
    ("has none", "has no ...; name it"),
    ("anew", "again, or recreated, rewritten"),
    ("nobody", "no one, or name the party"),
    (
        "somebody",
        "name the party: another process, an administrator",
    ),
    ("whoever", "name the party"),
    ("whomever", "name the party"),
    ("the very", "nothing: the"),
    ("as carefully", "with the same checks"),
    ("likewise", "nothing, or: the same"),
    ("thereby", "nothing"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("heed", "respect"),
    ("heeds", "respects"),
    ("heeded", "respected"),
    ("be rid of", "remove"),
    ("let go", "release"),
    ("lets go", "releases"),
    ("give way", "back off"),
    ("gives way", "backs off"),
    ("go on", "continue"),
    ("goes on", "continues"),
    ("going on", "continuing"),
    ("went on", "continued"),
    ("stands against", "overrides"),
    ("what stands", "what is written, or: the current value"),
    ("stands there", "is written there"),
    ("stands in the way", "prevents"),
    ("last word", "the most recent operation"),
    ("last words", "the last log lines"),
    ("is not there", "does not exist, or: not found"),
    ("are not there", "do not exist, or: not found"),
    ("be had", "be taken, be started, exist"),
    ("take back", "undo, roll back"),
    ("takes back", "undoes, rolls back"),
    ("taken back", "undone, rolled back"),
    ("put back", "rolled back, restored"),
    ("puts back", "rolls back, restores"),
    ("put everything back", "rolled back"),
    ("puts everything back", "rolls back"),
    ("putting everything back", "rolling back"),
    ("all the same", "nevertheless, or: still"),
    ("as good as", "say what it is"),
    ("for ever", "forever, or say how long"),
    ("becomes of", "happens to, or: is done with"),
    ("become of", "happened to, or: be done with"),
    ("but for the", "except for the"),
    ("none of its business", "say what it needs"),
    ("its proof", "the health check"),
    ("sights", "events"),
    ("vigil", "health check"),
];

#[test]
fn the_habits_to_drop_are_not_found() {
    let mut paths = Vec::new();
    for place in PLACES {
        match Path::new(place) {
            path if path.is_dir() => files(path, &mut paths),
            path => paths.push(path.to_owned()),
        }
    }
    // This file has the list, and a file of another's text, such as a captured one, has another's words.
    paths.retain(|path| !path.ends_with("tests/docs/words.rs"));
    let found = all(&paths);
    assert!(paths.len() > 50, "{}", paths.len());
    assert!(found.is_empty(), "{} places: {found:#?}", found.len());
}

fn all(paths: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        found.extend(habits(&text).into_iter().map(|(line, habit, better)| {
            format!("{}:{line}: {habit:?}; write: {better}", path.display())
        }));
    }
    found
}

#[test]
fn a_habit_is_found_across_lines_and_cases() {
    let found = habits(
        "one\n/// Nobody goes\n/// on, or mentions\n it is no\n// use that is no longer there",
    );
    let lines: Vec<_> = found
        .iter()
        .map(|(line, habit, _)| (*line, *habit))
        .collect();
    assert_eq!(lines, [(2, "nobody"), (2, "goes on"), (4, "is no *")]);
}

/// Each habit in `text`, with the line on which it begins.
fn habits(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        // The end of a sentence, a cell or a text is a word that no habit has; so is code in backticks.
        let line = line.replace(['.', ';', '|', '"'], " ` ");
        let of_line = line
            .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '`')
            .filter(|word| !word.is_empty());
        words.extend(of_line.map(|word| (index + 1, word.to_lowercase())));
    }
    let mut found = Vec::new();
    for at in 0..words.len() {
        for &(habit, better) in HABITS {
            let mut rest = words[at..].iter().map(|(_, word)| word.as_str());
            let is_found = habit.split(' ').all(|word| match rest.next() {
                Some("longer" | "more" | "one" | "`") if word == "*" => false,
                Some(found) => word == "*" || word == found,
                None => false,
            });
            if is_found {
                found.push((words[at].0, habit, better));
            }
        }
    }
    found
}
