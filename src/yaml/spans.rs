//! What the parser's spans, tags and errors say, in this module's terms.

use granit_parser::{ScanError, Span};

use super::{Error, Position, Tag, YamlCause};

/// A tag, as far as it means something here.
pub(super) fn class(tag: Option<&granit_parser::Tag>) -> Tag {
    match tag.map(|tag| tag.core_suffix()) {
        None => Tag::None,
        Some(Some("str")) => Tag::Str,
        Some(Some("bool")) => Tag::Bool,
        Some(Some("int")) => Tag::Int,
        Some(Some("null")) => Tag::Null,
        Some(Some("map")) => Tag::Map,
        Some(_) => Tag::Other,
    }
}

/// The bytes of a span.
pub(super) fn range(span: &Span) -> (usize, usize) {
    span.byte_range()
        .map_or((0, 0), |range| (range.start, range.end))
}

/// Offsets and counts fit: [`super::limits`] bounds the source.
pub(super) fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// The parser's own complaint.
pub(super) fn syntax_error(error: &ScanError) -> Error {
    let position = Position {
        line: error.marker().line(),
        column: error.marker().col() + 1,
    };
    let info = error.info();
    let mut letters = info.trim_end_matches('.').chars();
    let reason: String = letters
        .next()
        .map(|first| first.to_ascii_lowercase())
        .into_iter()
        .chain(letters)
        .collect();
    Error {
        position: Some(position),
        cause: YamlCause::Syntax(reason),
    }
}
