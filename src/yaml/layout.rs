//! Where nodes stand in the text: their ends, their lines, their indentation.

use super::error::PlaceCause;
use super::value::Flow;
use super::{EventKind, Stream, Style};

/// Where a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At this byte of its last line, where blanks and a comment may follow.
    Within(usize),
    /// At the start of a line: a block scalar owns its line feeds.
    Line(usize),
}

/// The bytes of the line around an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineSpan {
    pub(super) start: usize,
    /// Where its end of line starts.
    pub(super) end: usize,
    /// Where the next line starts; the end of the source if this is the last one.
    pub(super) next: usize,
}

impl LineSpan {
    pub(super) fn around(source: &str, offset: usize) -> LineSpan {
        let (head, tail) = (source.get(..offset), source.get(offset..));
        let mut start = head.unwrap_or_default().rfind('\n').map_or(0, |at| at + 1);
        if start == 0 && source.starts_with('\u{feff}') {
            start = '\u{feff}'.len_utf8().min(offset);
        }
        let tail = tail.unwrap_or_default();
        let (end, next) = match tail.find('\n') {
            Some(newline) => (offset + newline, offset + newline + 1),
            None => (source.len(), source.len()),
        };
        let has_return = end > offset && source.as_bytes().get(end - 1) == Some(&b'\r');
        LineSpan {
            start,
            end: end - usize::from(has_return && next > end),
            next,
        }
    }

    /// It has an end of line.
    pub(super) fn is_ended(self) -> bool {
        self.next > self.end
    }

    /// The end of this line, or that of the last line that has one.
    pub(super) fn eol(self, source: &str) -> &'static str {
        if self.is_ended() {
            match self.next - self.end {
                2 => "\r\n",
                _ => "\n",
            }
        } else {
            last_eol(source)
        }
    }
}

/// The end of line of the last line that has one.
pub(super) fn last_eol(source: &str) -> &'static str {
    match source.rfind('\n') {
        Some(newline)
            if source
                .get(..newline)
                .is_some_and(|before| before.ends_with('\r')) =>
        {
            "\r\n"
        }
        _ => "\n",
    }
}

/// Blanks, and perhaps a comment after one.
pub(super) fn is_idle(text: &str) -> bool {
    let rest = text.trim_start_matches([' ', '\t']);
    rest.is_empty() || (rest.starts_with('#') && (rest.len() < text.len()))
}

/// The first byte after a key on its line that is not blank, and where.
pub(super) fn after_key(stream: &Stream<'_>, key: usize) -> Option<(usize, u8)> {
    let start = stream.event(key).end as usize;
    let rest = stream.source.as_bytes().get(start..)?;
    let blanks = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    rest.get(blanks).map(|byte| (start + blanks, *byte))
}

/// The end of tag and anchor: words that start with `!` or `&`, separated by blanks.
pub(super) fn end_of_properties(stream: &Stream<'_>, start: usize) -> usize {
    let rest = stream.source.get(start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let mut end = 0;
    for word in line.split_inclusive([' ', '\t']) {
        let bare = word.trim_end_matches([' ', '\t']);
        if !bare.is_empty() && !bare.starts_with(['!', '&']) {
            break;
        }
        if !bare.is_empty() {
            let offset = word.as_ptr() as usize - line.as_ptr() as usize;
            end = offset + bare.trim_end_matches([',', '}']).len();
        }
    }
    start + end
}

/// Where a value ends; `key` is its key, if it has one.
pub(super) fn end_of(
    stream: &Stream<'_>,
    value: usize,
    key: Option<usize>,
) -> Result<End, PlaceCause> {
    let event = stream.event(value);
    let end = event.end as usize;
    match event.kind {
        EventKind::Scalar(Style::Block) => {
            let is_line = end > 0 && stream.source.as_bytes().get(end - 1) == Some(&b'\n');
            Ok(if is_line {
                End::Line(end)
            } else {
                End::Within(end)
            })
        }
        EventKind::Scalar(_) if stream.is_absent(value) => {
            match key.map(|key| after_key(stream, key)) {
                Some(Some((colon, b':'))) => Ok(End::Within(colon + 1)),
                _ => Err(PlaceCause::End),
            }
        }
        EventKind::Scalar(_) if event.start == event.end => {
            Ok(End::Within(end_of_properties(stream, event.outer as usize)))
        }
        EventKind::Scalar(_) | EventKind::Alias => Ok(End::Within(end)),
        EventKind::FlowMapping => Ok(End::Within(stream.event(event.link as usize).end as usize)),
        EventKind::Sequence if stream.is_flow(value) => {
            Ok(End::Within(stream.event(event.link as usize).end as usize))
        }
        EventKind::BlockMapping => match stream.entries(value).last() {
            Some((key, value)) => end_of(stream, value, Some(key)),
            None => Err(PlaceCause::End),
        },
        EventKind::Sequence => match stream.items(value).last() {
            Some(item) => end_of(stream, item, None),
            None => Err(PlaceCause::End),
        },
        EventKind::SequenceEnd | EventKind::MappingEnd => Err(PlaceCause::End),
    }
}

/// What comes before the first key of a block mapping on its line: blanks, or blanks and the dashes of items.
pub(super) fn head_of_mapping<'s>(
    stream: &Stream<'s>,
    mapping: usize,
) -> Result<&'s str, PlaceCause> {
    // the mapping's own span starts behind a tag or an anchor of its first key
    let first = stream
        .event(mapping)
        .start
        .min(stream.event(mapping + 1).outer) as usize;
    head(stream, first)
}

/// What comes before an item of a block sequence on its line: blanks and a dash.
pub(super) fn head_of_item<'s>(stream: &Stream<'s>, item: usize) -> Result<&'s str, PlaceCause> {
    let event = stream.event(item);
    let start = match event.kind {
        EventKind::BlockMapping => event.start.min(stream.event(item + 1).outer),
        _ => event.outer,
    };
    let head = head(stream, start as usize)?;
    let is_one_dash = head.trim_matches(' ') == "-" && head.ends_with(' ');
    if is_one_dash && !stream.is_absent(item) {
        Ok(head)
    } else {
        Err(PlaceCause::Indentation)
    }
}

/// What comes before a byte on its line, if that is blanks and the dashes of items.
pub(super) fn head<'s>(stream: &Stream<'s>, offset: usize) -> Result<&'s str, PlaceCause> {
    let line = LineSpan::around(stream.source, offset);
    let head = stream.source.get(line.start..offset).unwrap_or_default();
    let is_indentation = head.split(' ').all(|word| matches!(word, "" | "-"));
    if is_indentation && !head.ends_with('-') {
        Ok(head)
    } else {
        Err(PlaceCause::Indentation)
    }
}

/// How a collection in braces is written: as the first key in it is, or else the first key of the document.
pub(super) fn flow_of(stream: &Stream<'_>, collection: usize, root: usize) -> Flow {
    let end = stream.event(collection).link as usize;
    let first = (collection..end)
        .chain([root])
        .find(|mapping| {
            stream.event(*mapping).kind == EventKind::FlowMapping
                && stream.event(*mapping + 1).kind != EventKind::MappingEnd
        })
        .map(|mapping| mapping + 1);
    let Some(first) = first else {
        // A document in braces may be JSON, and what is JSON is YAML too.
        return match stream.is_flow(root) {
            true => Flow::JSON,
            false => Flow::YAML,
        };
    };
    let key = stream.source.get(stream.event(first).start as usize..);
    let quote = key
        .and_then(|key| key.chars().next())
        .filter(|quote| matches!(quote, '"' | '\''));
    let is_tight = match after_key(stream, first) {
        Some((colon, b':')) => stream
            .source
            .get(colon + 1..)
            .is_some_and(|rest| !rest.starts_with([' ', '\r', '\n'])),
        _ => false,
    };
    Flow {
        quote,
        spaced: quote.is_none() || !is_tight,
    }
}

/// A node of braces or brackets that only blanks precede on its line: what it is indented by, and how lines end.
pub(super) fn own_line<'s>(stream: &Stream<'s>, node: usize) -> Option<(&'s str, &'static str)> {
    let source = stream.source;
    let at = stream.event(node).outer as usize;
    let before = source.get(..at).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    if line.len() == before.len() || !line.bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
        return None;
    }
    let eol = if before.trim_end_matches([' ', '\t']).ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    Some((line, eol))
}
