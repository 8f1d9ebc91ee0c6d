//! Doc comments that say nothing, kept out of the sources.

use std::fs;
use std::path::{Path, PathBuf};

use super::files;

/// Up to this many words a doc comment is looked at.
const FEW: usize = 3;

#[test]
fn no_doc_comment_of_three_words_says_nothing() {
    let mut paths = Vec::new();
    files("src", &mut paths);
    // There the doc comments are the help texts that a user reads.
    paths.retain(|path| path != Path::new("src/cli.rs") && !path.starts_with("src/cli"));
    let found: Vec<String> = paths.iter().flat_map(saying_nothing).collect();
    assert!(paths.len() > 100, "{}", paths.len());
    assert!(
        found.is_empty(),
        "{} doc comments; delete them, or say meaning, unit, error or source: {found:#?}",
        found.len()
    );
}

fn saying_nothing(path: &PathBuf) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let comments = comments(&text).into_iter();
    comments
        .filter(|(_, comment)| says_nothing(comment))
        .map(|(line, comment)| format!("{}:{line}: {comment}", path.display()))
        .collect()
}

/// A short comment says something only if it names the place that the item comes from, or its form: a field, a flag, a file
/// or a link in backticks, or a number (an object identifier, a version, a status).
fn says_nothing(comment: &str) -> bool {
    let names_something = comment.contains('`') || comment.contains(|c: char| c.is_ascii_digit());
    comment.split_whitespace().count() <= FEW && !names_something
}

/// The doc comments in `text`, each as one line, with the number of the line on which it begins.
fn comments(text: &str) -> Vec<(usize, String)> {
    let mut comments: Vec<(usize, String)> = Vec::new();
    let mut previous = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let marker = ["///", "//!"].into_iter().find(|marker| {
            line.strip_prefix(marker)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        if let Some(marker) = marker {
            let said = line[marker.len()..].trim();
            match comments.last_mut() {
                Some((_, comment)) if previous == Some(marker) => {
                    comment.push(' ');
                    comment.push_str(said);
                }
                _ => comments.push((index + 1, said.to_owned())),
            }
        }
        previous = marker;
    }
    comments
}

#[test]
fn a_short_comment_is_found_and_one_with_a_source_is_not() {
    let text = "/// Where.\nplace: u8,\n/// `spec.signerName`.\nsigner: u8,\n//! One.\n//!\n//! Two three four.\n    /// The name.\n#[x]";
    let found: Vec<_> = comments(text)
        .into_iter()
        .filter(|(_, comment)| says_nothing(comment))
        .collect();
    assert_eq!(
        found,
        [(1, "Where.".to_owned()), (8, "The name.".to_owned())]
    );
}
