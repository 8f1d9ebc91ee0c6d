//! One value set, inserted or removed at a path of one document of a YAML stream, every other byte kept, the result
//! proved.
//!
//! In reading order: `limits` says what is looked at at all; `parser` turns bytes into `events` with byte spans, and it
//! and `spans` are the only files that know the parser; `stream` walks them. `change` is the entrance: `path` finds the
//! place, `value` is what is written there, `work` turns an operation into a `splice` of bytes by `replace`, `insert` or
//! `remove`, as `append` does with a document; `layout` tells them where nodes are in the text. `reading` is the opinion
//! of a second, independent parser, which `encode` makes comparable; `proof` lets a change out only when both parsers
//! agree that it is the planned `difference`.

mod append;
mod change;
mod difference;
mod encode;
mod error;
mod events;
mod insert;
mod layout;
mod limits;
mod parser;
mod path;
mod proof;
mod reading;
mod remove;
mod replace;
mod spans;
mod splice;
mod stream;
mod value;
mod work;

pub use change::Change;
pub use error::{Error, YamlCause};
pub use limits::MAX_BYTES;

pub(crate) use change::{EditedStream, Operation, append_document, edit};
pub(crate) use events::{Document, Event, EventKind, Style, Tag};
pub(crate) use insert::EntryPlace;
pub(crate) use path::PathStep;
pub(crate) use proof::{Kept, confirm};
pub(crate) use reading::Syntax;
pub(crate) use stream::Stream;
pub(crate) use value::Value;

use std::fmt;

/// A place in a file, counted from 1 as editors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1. A byte order mark is not counted.
    pub column: usize,
}

impl Position {
    /// The position of the byte at `offset`.
    pub(crate) fn of(source: &str, offset: usize) -> Position {
        let before = source.as_bytes().get(..offset).unwrap_or(source.as_bytes());
        let line_start = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let head = before.get(line_start..).unwrap_or_default();
        let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
        let is_first_byte = |byte: &&u8| **byte & 0xC0 != 0x80;
        Position {
            line,
            column: head.iter().filter(is_first_byte).count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::Position;

    #[test]
    fn a_position_counts_characters_from_one_and_not_the_byte_order_mark() {
        assert_eq!(Position::of("ab\ncd", 4), Position { line: 2, column: 2 });
        assert_eq!(
            Position::of("\u{feff}ä: b", 5),
            Position { line: 1, column: 2 }
        );
        assert_eq!(Position::of("", 9), Position { line: 1, column: 1 });
    }
}
