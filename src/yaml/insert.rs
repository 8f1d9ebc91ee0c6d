//! A key added to a mapping, an item added to a sequence: on lines of their own in a block, beside a neighbour in braces.

use super::error::PlaceCause;
use super::layout::{self, End, LineSpan};
use super::splice::{EventChange, Splice, lines};
use super::value::Value;
use super::{Error, Stream, YamlCause};

/// Where among the entries of a block mapping a new one comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryPlace<'p> {
    /// After the entry of this key, or the first one if it does not exist.
    After(&'p str),
    /// Before the first key that sorts after it, or else after the last one.
    Sorted,
}

/// Adds an entry to a mapping: where `place` says in a block, before the first key in braces.
pub(super) fn entry<'v>(
    stream: &Stream<'_>,
    root: usize,
    mapping: usize,
    (key, value): (&'v str, &Value<'v>),
    place: EntryPlace<'_>,
) -> Result<Splice<'v>, Error> {
    if stream.is_flow(mapping) {
        let flow = layout::flow_of(stream, mapping, root);
        let text = value.entry(key, flow);
        let (at, text) = in_flow(stream, mapping, 0, &text, flow.space());
        return Ok(Splice {
            at: at..at,
            text,
            planned: EventChange::entry(mapping + 1, key, value, 0..=1),
        });
    }
    let entries: Vec<_> = stream.entries(mapping).collect();
    let before = match place {
        EntryPlace::After(name) => {
            let named = entries
                .iter()
                .position(|(key, _)| stream.text(*key) == name);
            named.unwrap_or_default() + 1
        }
        EntryPlace::Sorted => entries
            .iter()
            .position(|(other, _)| stream.text(*other) > key)
            .unwrap_or(entries.len()),
    };
    let neighbour = before
        .checked_sub(1)
        .and_then(|before| entries.get(before))
        .copied();
    let refuse = |node: usize, cause: PlaceCause| refuse(stream, node, cause, key, value);
    let head = layout::head_of_mapping(stream, mapping).map_err(|cause| refuse(mapping, cause))?;
    let written = value.entry_lines(key, &" ".repeat(head.len()));
    let count = lines(written.len());
    let Some((other, other_value)) = neighbour else {
        let first = stream.event(mapping + 1).outer as usize;
        if !head.trim_matches(' ').is_empty() {
            return Err(refuse(mapping, PlaceCause::Indentation));
        }
        return Ok(Splice {
            planned: EventChange::entry(mapping + 1, key, value, count),
            ..before_line(stream.source, first, &written)
        });
    };
    let end =
        layout::end_of(stream, other_value, Some(other)).map_err(|cause| refuse(other, cause))?;
    Ok(Splice {
        planned: EventChange::entry(stream.after(other_value), key, value, count),
        ..after_end(stream.source, end, &written)
    })
}

/// Adds an item to a sequence, before the one with this index or after the last one.
pub(super) fn item<'v>(
    stream: &Stream<'_>,
    root: usize,
    sequence: usize,
    index: usize,
    value: &Value<'v>,
) -> Result<Splice<'v>, Error> {
    let items: Vec<usize> = stream.items(sequence).collect();
    let index = index.min(items.len());
    let at_event = items
        .get(index)
        .copied()
        .unwrap_or(stream.event(sequence).link as usize);
    if stream.is_flow(sequence) {
        let flow = layout::flow_of(stream, sequence, root);
        let (at, text) = in_flow(stream, sequence, index, &value.flow(flow), flow.space());
        return Ok(Splice {
            at: at..at,
            text,
            planned: EventChange::value(at_event, 0, value, 0..=1),
        });
    }
    let refuse = |node: usize, cause: PlaceCause| refuse(stream, node, cause, "-", value);
    let neighbour = index.checked_sub(1).and_then(|before| items.get(before));
    let shown = neighbour.or(items.first()).copied().unwrap_or(sequence);
    let head = layout::head_of_item(stream, shown).map_err(|cause| refuse(shown, cause))?;
    let written = value.item_lines(head);
    let planned = EventChange::value(at_event, 0, value, lines(written.len()));
    let splice = match neighbour {
        Some(neighbour) => {
            let end = layout::end_of(stream, *neighbour, None)
                .map_err(|cause| refuse(*neighbour, cause))?;
            after_end(stream.source, end, &written)
        }
        None => before_line(stream.source, stream.event(shown).outer as usize, &written),
    };
    Ok(Splice { planned, ..splice })
}

/// Lines after the line on which an entry ends.
fn after_end(source: &str, end: End, written: &[String]) -> Splice<'static> {
    let line = LineSpan::around(
        source,
        match end {
            End::Within(end) => end,
            End::Line(start) => start - 1,
        },
    );
    let eol = line.eol(source);
    let at = line.next;
    let text = if line.is_ended() {
        written.iter().map(|line| format!("{line}{eol}")).collect()
    } else {
        written.iter().map(|line| format!("{eol}{line}")).collect()
    };
    bytes(at, text)
}

/// Lines before the line with this byte.
fn before_line(source: &str, offset: usize, written: &[String]) -> Splice<'static> {
    let line = LineSpan::around(source, offset);
    let eol = line.eol(source);
    let text = written.iter().map(|line| format!("{line}{eol}")).collect();
    bytes(line.start, text)
}

fn bytes(at: usize, text: String) -> Splice<'static> {
    Splice {
        at: at..at,
        text,
        planned: EventChange::nothing(0, 0),
    }
}

/// Where and as what an entry comes into braces or brackets, before the child with this index or after the last one.
fn in_flow(
    stream: &Stream<'_>,
    collection: usize,
    index: usize,
    entry: &str,
    space: &str,
) -> (usize, String) {
    let children: Vec<usize> = if stream.is_mapping(collection) {
        stream
            .entries(collection)
            .map(|(key, _)| key)
            .take(1)
            .collect()
    } else {
        stream.items(collection).collect()
    };
    if let Some(next) = children.get(index) {
        let at = stream.event(*next).outer as usize;
        // a neighbour on a line of its own gets one on a line of its own
        let text = match layout::own_line(stream, *next) {
            Some((indent, eol)) => format!("{entry},{eol}{indent}"),
            None => format!("{entry},{space}"),
        };
        return (at, text);
    }
    let Some(last) = children.last() else {
        // nothing else is in the brackets
        return (stream.event(collection).end as usize, entry.to_owned());
    };
    let end = match layout::end_of(stream, *last, None) {
        Ok(End::Within(end) | End::Line(end)) => end,
        Err(_) => stream.event(*last).end as usize,
    };
    let text = match layout::own_line(stream, *last) {
        Some((indent, eol)) => format!(",{eol}{indent}{entry}"),
        None => format!(",{space}{entry}"),
    };
    (end, text)
}

fn refuse(
    stream: &Stream<'_>,
    node: usize,
    cause: PlaceCause,
    key: &str,
    value: &Value<'_>,
) -> Error {
    let line = match key {
        "-" => format!("- {}", value.flow(super::value::Flow::YAML)),
        key => value.entry(key, super::value::Flow::YAML),
    };
    Error {
        position: Some(stream.position(node)),
        cause: YamlCause::Place { cause, line },
    }
}
