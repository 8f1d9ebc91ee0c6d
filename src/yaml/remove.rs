//! An entry or an item taken out: with its lines in a block, with its comma in braces.

use std::ops::Range;

use super::error::PlaceCause;
use super::layout::{self, End, LineSpan};
use super::splice::{EventChange, Splice};
use super::{Error, EventKind, Stream, YamlCause};

/// Removes the entry of a mapping whose key is given.
pub(super) fn entry(
    stream: &Stream<'_>,
    mapping: usize,
    key: usize,
) -> Result<Splice<'static>, Error> {
    let line = stream.text(key).to_owned();
    let children: Vec<(usize, usize)> = stream.entries(mapping).collect();
    let index = children.iter().position(|(other, _)| *other == key);
    let Some(index) = index else {
        return Err(refuse(stream, key, PlaceCause::SharedLine, &line));
    };
    let value = key + 1;
    let planned = EventChange::nothing(key, stream.after(value) - key);
    if stream.is_flow(mapping) {
        let ends: Vec<_> = children
            .iter()
            .map(|(key, value)| (*key, *value, Some(*key)))
            .collect();
        return in_flow(stream, &ends, index, planned, &line);
    }
    if children.len() < 2 {
        return Err(refuse(stream, key, PlaceCause::OnlyEntry, &line));
    }
    let start = stream.event(key).outer as usize;
    let at = LineSpan::around(stream.source, start).start;
    let head = stream.source.get(at..start).unwrap_or_default();
    if !head.trim_matches(' ').is_empty() {
        return Err(refuse(stream, key, PlaceCause::SharedLine, &line));
    }
    lines(stream, key, value, Some(key), planned, &line)
}

/// Removes an item of a sequence.
pub(super) fn item(
    stream: &Stream<'_>,
    sequence: usize,
    item: usize,
) -> Result<Splice<'static>, Error> {
    let line = "this item".to_owned();
    let items: Vec<usize> = stream.items(sequence).collect();
    let index = items.iter().position(|other| *other == item);
    let planned = EventChange::nothing(item, stream.after(item) - item);
    if stream.is_flow(sequence) {
        let ends: Vec<_> = items.iter().map(|item| (*item, *item, None)).collect();
        return in_flow(stream, &ends, index.unwrap_or_default(), planned, &line);
    }
    if items.len() < 2 {
        return Err(refuse(stream, item, PlaceCause::OnlyEntry, &line));
    }
    layout::head_of_item(stream, item)
        .map_err(|_| refuse(stream, item, PlaceCause::SharedLine, &line))?;
    lines(stream, item, item, None, planned, &line)
}

/// The lines from the one on which a node starts to the one on which its value ends.
fn lines(
    stream: &Stream<'_>,
    node: usize,
    value: usize,
    key: Option<usize>,
    planned: EventChange<'static>,
    line: &str,
) -> Result<Splice<'static>, Error> {
    let source = stream.source;
    let refused = |cause: PlaceCause| refuse(stream, node, cause, line);
    let first = LineSpan::around(source, stream.event(node).outer as usize);
    let (comments, next, ended) = match layout::end_of(stream, value, key).map_err(refused)? {
        End::Within(end) => {
            let last = LineSpan::around(source, end);
            let rest = source.get(end..last.end).unwrap_or_default();
            if !layout::is_idle(rest) {
                return Err(refused(PlaceCause::SharedLine));
            }
            (first.start..end, last.next, last.is_ended())
        }
        End::Line(start) => (first.start..start, start, true),
    };
    refuse_comments(stream, comments, node, line.to_owned())?;
    // the last line, without an end, takes the one before it along
    let start = if ended {
        first.start
    } else {
        let before = source.get(..first.start).unwrap_or_default();
        let before = before.strip_suffix('\n').unwrap_or(before);
        before.strip_suffix('\r').unwrap_or(before).len()
    };
    Ok(Splice {
        at: start..next,
        text: String::new(),
        planned,
    })
}

/// A child of braces or brackets, with the comma after it, or before it if it is the last one.
fn in_flow(
    stream: &Stream<'_>,
    children: &[(usize, usize, Option<usize>)],
    index: usize,
    planned: EventChange<'static>,
    line: &str,
) -> Result<Splice<'static>, Error> {
    let node = children.get(index).map_or(0, |child| child.0);
    let refused = |cause: PlaceCause| refuse(stream, node, cause, line);
    let start = |child: &(usize, usize, Option<usize>)| stream.event(child.0).outer as usize;
    let end = |child: &(usize, usize, Option<usize>)| {
        let is_bare = child.2.is_some() && stream.is_absent(child.1);
        match layout::end_of(stream, child.1, child.2) {
            Ok(End::Within(end)) => Ok(end),
            // a key alone, without a colon
            Err(_) if is_bare => Ok(stream.event(child.0).end as usize),
            Ok(End::Line(_)) | Err(_) => Err(refused(PlaceCause::End)),
        }
    };
    let Some(child) = children.get(index) else {
        return Err(refused(PlaceCause::End));
    };
    let before = index.checked_sub(1).and_then(|before| children.get(before));
    let at = match (children.get(index + 1), before) {
        (Some(next), _) => start(child)..start(next),
        (None, Some(before)) => end(before)?..end(child)?,
        (None, None) => start(child)..end(child)?,
    };
    refuse_comments(stream, at.clone(), node, line.to_owned())?;
    Ok(Splice {
        at,
        text: String::new(),
        planned,
    })
}

/// No comment is in these bytes; `node` is the first in them.
pub(super) fn refuse_comments(
    stream: &Stream<'_>,
    bytes: Range<usize>,
    node: usize,
    line: String,
) -> Result<(), Error> {
    let source = stream.source;
    let signs = source
        .get(bytes.clone())
        .unwrap_or_default()
        .match_indices('#');
    // events and signs alike are in the order of the file
    let mut scalars = stream
        .events
        .get(node..)
        .unwrap_or_default()
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Scalar(_)))
        .peekable();
    for (offset, _) in signs {
        let at = bytes.start + offset;
        while scalars
            .next_if(|scalar| scalar.end as usize <= at)
            .is_some()
        {}
        let is_in_scalar = scalars
            .peek()
            .is_some_and(|scalar| scalar.start as usize <= at);
        let before = source.get(..at).unwrap_or_default();
        if before.ends_with([' ', '\t', '\n', ',']) && !is_in_scalar {
            let cause = PlaceCause::Comment;
            return Err(Error::at(source, at, YamlCause::Place { cause, line }));
        }
    }
    Ok(())
}

fn refuse(stream: &Stream<'_>, node: usize, cause: PlaceCause, line: &str) -> Error {
    Error {
        position: Some(stream.position(node)),
        cause: YamlCause::Place {
            cause,
            line: line.to_owned(),
        },
    }
}
