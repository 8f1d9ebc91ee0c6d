//! The words that the project does not use, kept out of documents, units and sources.

use std::fs;
use std::path::PathBuf;

use super::files;

/// What is read beside the README.
const PLACES: [&str; 5] = ["src", "docs", "ansible", "systemd", "cloud-init"];

/// A habit to drop, as words in a row, and what to write instead. Matched without regard to case, as whole words.
const HABITS: &[(&str, &str)] = &[
    ("anew", "again, or recreated, rewritten"),
    ("nobody", "no one, or name the party"),
    (
        "somebody",
        "name the party: another process, an administrator",
    ),
    ("whoever", "name the party"),
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
    ("lets go", "releases"),
    ("give way", "back off"),
    ("gives way", "backs off"),
    ("goes on", "continues"),
    ("stands against", "overrides"),
    ("what stands there", "the current value"),
    ("last word", "the most recent operation"),
    ("last words", "the last log lines"),
    ("what is not there", "not found"),
];

#[test]
fn the_habits_to_drop_are_not_found() {
    let mut paths = vec![PathBuf::from("README.md")];
    PLACES.iter().for_each(|place| files(place, &mut paths));
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
    let found = habits("one\n/// Nobody goes\n/// on, or mentions\n it");
    let lines: Vec<_> = found
        .iter()
        .map(|(line, habit, _)| (*line, *habit))
        .collect();
    assert_eq!(lines, [(2, "nobody"), (2, "goes on")]);
}

/// Each habit in `text`, with the line on which it begins.
fn habits(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let mut words: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let of_line = line
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty());
        words.extend(of_line.map(|word| (index + 1, word.to_lowercase())));
    }
    let mut found = Vec::new();
    for at in 0..words.len() {
        for &(habit, better) in HABITS {
            let mut rest = words[at..].iter().map(|(_, word)| word.as_str());
            if habit.split(' ').all(|word| rest.next() == Some(word)) {
                found.push((words[at].0, habit, better));
            }
        }
    }
    found
}
