//! The code blocks of the documents, each with the marker before it.

use std::fs;
use std::path::{Path, PathBuf};

/// What the comment before a block says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Marker {
    /// `<!-- run: files -->`: runs in a directory with a few files.
    Files,
    /// `<!-- run: node -->`: runs on a node of stand-ins, which the blocks of one document share.
    Node,
    /// `<!-- run: applied -->`: runs on a node of its own, on which `apply` was run before.
    Applied,
    /// `<!-- run: control-plane -->`: runs on a secured control-plane node of stand-ins, which the blocks of one document
    /// share.
    ControlPlane,
    /// `<!-- not run: REASON -->`.
    NotRun(String),
    None,
}

#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) document: PathBuf,
    /// The line of the fence, from 1.
    pub(crate) line: usize,
    /// What follows the fence, such as `sh`.
    pub(crate) language: String,
    pub(crate) marker: Marker,
    pub(crate) lines: Vec<String>,
}

impl Block {
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.document.display(), self.line)
    }

    /// The commands without their comments, continued lines joined.
    pub(crate) fn commands(&self) -> Vec<String> {
        let text = self.lines.join("\n").replace("\\\n", " ");
        let lines = text.lines().map(|line| {
            let end = if line.starts_with('#') {
                0
            } else {
                line.find(" #").unwrap_or(line.len())
            };
            line[..end].trim().to_owned()
        });
        lines.filter(|line| !line.is_empty()).collect()
    }
}

pub(crate) fn blocks(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).unwrap();
    let mut found: Vec<Block> = Vec::new();
    let mut open: Option<Block> = None;
    let mut before = "";
    for (index, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.lines.push(line.to_owned()),
            (None, Some(language)) => {
                open = Some(Block {
                    document: document.to_owned(),
                    line: index + 1,
                    language: language.to_owned(),
                    marker: marker(before),
                    lines: Vec::new(),
                });
            }
            (None, None) => {}
        }
        before = line;
    }
    assert!(open.is_none(), "{}: a block has no end", document.display());
    found
}

fn marker(line: &str) -> Marker {
    let comment = line
        .strip_prefix("<!-- ")
        .and_then(|rest| rest.strip_suffix(" -->"));
    match comment {
        Some("run: files") => Marker::Files,
        Some("run: node") => Marker::Node,
        Some("run: applied") => Marker::Applied,
        Some("run: control-plane") => Marker::ControlPlane,
        Some(other) => match other.strip_prefix("not run: ") {
            Some(reason) => Marker::NotRun(reason.trim().to_owned()),
            None => panic!("unknown marker: {line}"),
        },
        None => Marker::None,
    }
}
