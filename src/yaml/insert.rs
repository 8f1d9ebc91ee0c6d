//! A key added to a mapping: a line of its own in a block, a neighbour of the first key in braces.

use super::splice::{after_key, last_eol};
use super::{Error, Kind, Planned, Splice, Stream, Style};

/// Adds a key to a mapping: after the line where the entry with `anchor_key` ends, or before the first key in braces.
pub(crate) fn insert(
    stream: &Stream<'_>,
    mapping: usize,
    anchor: (usize, usize),
    name: &str,
    word: &str,
) -> Result<Splice, Error> {
    match stream.event(mapping).kind {
        Kind::FlowMapping => insert_in_flow(stream, mapping, name, word),
        _ => insert_in_block(stream, mapping, anchor, name, word),
    }
}

fn insert_in_block(
    stream: &Stream<'_>,
    mapping: usize,
    (key, value): (usize, usize),
    name: &str,
    word: &str,
) -> Result<Splice, Error> {
    let source = stream.source;
    let refuse = |reason: &str| {
        Err(Error::new(
            Some(stream.position(key)),
            reason,
            format!("write {name}: {word} into it by hand"),
        ))
    };
    if !matches!(
        stream.event(value).kind,
        Kind::Scalar(Style::Plain | Style::Quoted) | Kind::Alias
    ) {
        return refuse("the end of this entry cannot be seen, and a line should come after it");
    }
    // the mapping's own span starts behind a tag or an anchor of its first key
    let first = stream
        .event(mapping)
        .start
        .min(stream.event(mapping + 1).outer) as usize;
    let head = source.get(..first).unwrap_or_default();
    let indent = head
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .trim_start_matches('\u{feff}');
    if indent.bytes().any(|byte| byte != b' ') {
        return refuse("the indentation of this document cannot be seen");
    }
    let planned = Planned::Inserted {
        before: stream.after(value),
    };
    let end = stream.event(value).end as usize;
    let tail = source.get(end..).unwrap_or_default();
    Ok(match tail.find('\n') {
        Some(newline) => {
            let at = end + newline + 1;
            let eol = if source.get(..at).is_some_and(|line| line.ends_with("\r\n")) {
                "\r\n"
            } else {
                "\n"
            };
            Splice {
                at: at..at,
                text: format!("{indent}{name}: {word}{eol}"),
                planned,
            }
        }
        None => {
            let at = source.len();
            Splice {
                at: at..at,
                text: format!("{}{indent}{name}: {word}", last_eol(source)),
                planned,
            }
        }
    })
}

fn insert_in_flow(
    stream: &Stream<'_>,
    mapping: usize,
    name: &str,
    word: &str,
) -> Result<Splice, Error> {
    let source = stream.source;
    let first = mapping + 1;
    let event = stream.event(first);
    let at = event.outer as usize;
    let quote = match source
        .get(event.start as usize..)
        .and_then(|key| key.chars().next())
    {
        Some(quote @ ('"' | '\'')) => quote.to_string(),
        _ => String::new(),
    };
    let space = match after_key(stream, first) {
        Some((colon, b':'))
            if !quote.is_empty()
                && source
                    .get(colon + 1..)
                    .is_some_and(|rest| !rest.starts_with([' ', '\r', '\n'])) =>
        {
            ""
        }
        _ => " ",
    };
    let entry = format!("{quote}{name}{quote}:{space}{word},");
    let head = source.get(..at).unwrap_or_default();
    let line = head.rsplit('\n').next().unwrap_or_default();
    // a key on a line of its own gets a neighbour on a line of its own
    let text = if line.len() < head.len() && line.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
        let eol = if head.trim_end_matches([' ', '\t']).ends_with("\r\n") {
            "\r\n"
        } else {
            "\n"
        };
        format!("{entry}{eol}{line}")
    } else {
        format!("{entry}{space}")
    };
    Ok(Splice {
        at: at..at,
        text,
        planned: Planned::Inserted { before: first },
    })
}
