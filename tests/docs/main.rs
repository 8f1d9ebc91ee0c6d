//! The documents: their links, their commands, their words, and the length of the README.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads the sources and fails by panicking"
)]

mod benchmarks;
mod blocks;
mod run;
mod rustdoc;
mod words;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The documents that users read.
pub fn documents() -> Vec<PathBuf> {
    let mut found = vec![
        PathBuf::from("README.md"),
        PathBuf::from("CONTRIBUTING.md"),
        PathBuf::from("SECURITY.md"),
    ];
    files("docs", &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    assert!(found.len() > 15, "{found:?}");
    found
}

/// All files below `directory`, sorted.
pub fn files(directory: impl AsRef<Path>, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn the_readme_is_short_and_answers_five_questions_early() {
    let readme = fs::read_to_string("README.md").unwrap();
    assert!(readme.lines().count() <= 150);
    let early: Vec<&str> = readme.lines().take(60).collect();
    let early = early.join("\n");
    for answer in [
        "gives each kubelet a certificate that the cluster's CA signed",
        "](#install)",
        "](#one-node)",
        "](#the-whole-cluster)",
        "](#undo)",
    ] {
        assert!(early.contains(answer), "{answer}");
    }
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") {
                continue;
            }
            checked += 1;
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(path)
            };
            if !target.exists() {
                broken.push(format!("{}: {link}", document.display()));
            } else if !heading.is_empty() && !headings(&target).contains(heading) {
                broken.push(format!("{}: no heading {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(checked > 50, "only {checked} links were found");
}

#[test]
fn the_readme_leads_to_every_document_and_the_summary_lists_it() {
    let mut missing = Vec::new();
    for (index, directory) in [("README.md", ""), ("docs/SUMMARY.md", "docs")] {
        let text = fs::read_to_string(index).unwrap();
        let linked: BTreeSet<PathBuf> = links(&text)
            .map(|link| Path::new(directory).join(link.split('#').next().unwrap()))
            .collect();
        for document in documents() {
            // mdBook leaves out what its summary does not list.
            let is_listed = !document.ends_with("SUMMARY.md")
                && match directory {
                    "" => document.parent() == Some(Path::new("docs")),
                    _ => document.starts_with("docs"),
                };
            if is_listed && !linked.contains(&document) {
                missing.push(format!("{index}: {}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_packages_ship_every_file_that_a_document_links_to() {
    let cargo = fs::read_to_string("Cargo.toml").unwrap();
    let makefile = fs::read_to_string("Makefile").unwrap();
    let mut missing = BTreeSet::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let directory = document.parent().unwrap();
        let linked = links(&text)
            .filter(|link| !link.contains("://"))
            .map(|link| directory.join(link.split('#').next().unwrap()))
            .filter(|path| path.is_file());
        for path in linked.chain([document.clone()]) {
            let path = path.to_str().unwrap().replace("adr/../", "");
            // A file at the top is listed by its name, one of docs/ by its directory and extension.
            let listed = match path.rsplit_once('/') {
                None => path.clone(),
                Some((directory, name)) => {
                    let extension = name.rsplit_once('.').map_or(name, |(_, after)| after);
                    format!("{directory}/*.{extension}")
                }
            };
            // The deb, the rpm, and the archive.
            let is_shipped = cargo.contains(&format!("[\"{listed}\", "))
                && cargo.contains(&format!("{{ source = \"{listed}\", "))
                && makefile.contains(&format!(" {listed} "));
            if !is_shipped {
                missing.insert(format!("{path} as {listed}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The targets of `[text](target)`, code blocks left out.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
        .flat_map(|line| {
            line.split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
        })
}

/// The anchors of a document's headings, as GitHub makes them.
fn headings(document: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(document).unwrap();
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.collect::<String>().replace(' ', "-")
        })
        .collect()
}

#[test]
fn every_file_of_the_sources_that_a_document_names_exists() {
    let mut checked = 0;
    let mut missing = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for code in text.split('`').skip(1).step_by(2) {
            let is_path = code.ends_with(".rs") && !code.contains(char::is_whitespace);
            if !is_path || code.contains('*') {
                continue;
            }
            checked += 1;
            // Inside the crate, documents name files from `src`.
            if !Path::new(code).exists() && !Path::new("src").join(code).exists() {
                missing.push(format!("{}: {code}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(checked > 20, "only {checked} files were found");
}
