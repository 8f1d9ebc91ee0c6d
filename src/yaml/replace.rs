//! A value in the place of another: on its own bytes, or, of an empty one, on the lines below its key.

use super::error::ValueCause;
use super::layout::{self, End, LineSpan};
use super::path::{Slot, is_null};
use super::splice::{EventChange, Splice, lines};
use super::value::{Flow, Value};
use super::{Error, Event, EventKind, Stream, Style, Tag, YamlCause};

/// Replaces a value by another.
pub(super) fn value<'v>(
    stream: &Stream<'_>,
    root: usize,
    node: usize,
    slot: Slot,
    value: &Value<'v>,
) -> Result<Splice<'v>, Error> {
    let (holder, key) = match slot {
        Slot::Root => (root, None),
        Slot::Entry { mapping, key } => (mapping, Some(key)),
        Slot::Item { sequence } => (sequence, None),
    };
    let is_alias_of_it =
        |other: &Event| other.kind == EventKind::Alias && other.link as usize == node;
    if stream.event(node).anchored && stream.events.iter().any(is_alias_of_it) {
        return Err(refuse(stream, node, key, value, ValueCause::Anchored));
    }
    if let (Slot::Entry { mapping, key }, false) = (slot, value.is_short())
        && !stream.is_flow(mapping)
        && let Some(splice) = below(stream, node, key, value)
    {
        return Ok(splice);
    }
    let (start, end) = own_bytes(stream, node, key, value)?;
    let flow = if stream.is_flow(holder) {
        layout::flow_of(stream, holder, root)
    } else {
        Flow::YAML
    };
    let text = value.flow(flow);
    let gone = stream.after(node) - node;
    let planned = EventChange::value(node, gone, value, 0..=0);
    let text = match key {
        Some(key) if stream.is_absent(node) && start == stream.event(key).end as usize => {
            format!(": {text}")
        }
        Some(_) if stream.is_absent(node) => format!(" {text}"),
        _ => text,
    };
    Ok(Splice {
        at: start..end,
        text,
        planned,
    })
}

/// The bytes of a value, on one line; of one that is not written, the place where it would be.
fn own_bytes(
    stream: &Stream<'_>,
    node: usize,
    key: Option<usize>,
    value: &Value<'_>,
) -> Result<(usize, usize), Error> {
    let refused = |cause: ValueCause| refuse(stream, node, key, value, cause);
    let event = stream.event(node);
    let is_scalar = matches!(value, Value::Bool(_) | Value::Text(_));
    let end = match event.kind {
        EventKind::Scalar(Style::Block) => return Err(refused(ValueCause::BlockScalar)),
        EventKind::Scalar(_) | EventKind::Alias => event.end as usize,
        _ if is_scalar || !stream.is_flow(node) => return Err(refused(ValueCause::Collection)),
        _ => stream.event(event.link as usize).end as usize,
    };
    if stream.is_absent(node) {
        let place = key.and_then(|key| Some((key, layout::after_key(stream, key)?)));
        return match place {
            Some((_, (colon, b':'))) => Ok((colon + 1, colon + 1)),
            Some((key, (_, b',' | b'}'))) => {
                let end = stream.event(key).end as usize;
                Ok((end, end))
            }
            _ => Err(refused(ValueCause::Unseen)),
        };
    }
    // an empty scalar's own span may lie elsewhere than its tag and anchor
    let start = event.outer as usize;
    let end = if event.start == event.end {
        layout::end_of_properties(stream, start)
    } else {
        end
    };
    match stream.source.get(start..end) {
        Some(old) if !old.is_empty() && !old.contains('\n') => Ok((start, end)),
        _ => Err(refused(ValueCause::SeveralLines)),
    }
}

/// On lines of its own below the key, where nothing but an empty value is there now.
fn below<'v>(
    stream: &Stream<'_>,
    node: usize,
    key: usize,
    value: &Value<'v>,
) -> Option<Splice<'v>> {
    let source = stream.source;
    let event = stream.event(node);
    let is_empty =
        is_null(stream, node) || (stream.is_flow(node) && event.link as usize == node + 1);
    if !is_empty || event.anchored || event.tag != Tag::None {
        return None;
    }
    let head = layout::head(stream, stream.event(key).outer as usize).ok()?;
    let (colon, _) = layout::after_key(stream, key).filter(|(_, byte)| *byte == b':')?;
    let Ok(End::Within(end)) = layout::end_of(stream, node, Some(key)) else {
        return None;
    };
    let line = LineSpan::around(source, colon);
    let rest = source.get(end..line.end)?;
    let written = value.block_lines(&" ".repeat(head.len()));
    let eol = line.eol(source);
    let text: String = written.iter().map(|line| format!("{eol}{line}")).collect();
    let at = if stream.is_absent(node) && layout::is_idle(rest) {
        line.end..line.end
    } else if rest.trim_matches([' ', '\t']).is_empty() {
        colon + 1..line.end
    } else {
        return None;
    };
    let gone = stream.after(node) - node;
    Some(Splice {
        at,
        text,
        planned: EventChange::value(node, gone, value, lines(written.len())),
    })
}

/// Replaces a block collection by an empty one, `{}` or `[]`, on the line of its key.
pub(super) fn emptied<'v>(
    stream: &Stream<'_>,
    node: usize,
    key: usize,
    value: &Value<'v>,
) -> Result<Splice<'v>, Error> {
    let refused = |cause: ValueCause| refuse(stream, node, Some(key), value, cause);
    let colon = layout::after_key(stream, key).filter(|(_, byte)| *byte == b':');
    let (colon, _) = colon.ok_or_else(|| refused(ValueCause::Unseen))?;
    let end = match layout::end_of(stream, node, Some(key)) {
        Ok(End::Within(end)) => LineSpan::around(stream.source, end).end,
        Ok(End::Line(_)) | Err(_) => return Err(refused(ValueCause::SeveralLines)),
    };
    super::remove::refuse_comments(
        stream,
        colon + 1..end,
        node,
        value.entry(stream.text(key), Flow::YAML),
    )?;
    let gone = stream.after(node) - node;
    Ok(Splice {
        at: colon + 1..end,
        text: format!(" {}", value.flow(Flow::YAML)),
        planned: EventChange::value(node, gone, value, isize::MIN..=0),
    })
}

fn refuse(
    stream: &Stream<'_>,
    node: usize,
    key: Option<usize>,
    value: &Value<'_>,
    cause: ValueCause,
) -> Error {
    let name = key.map_or("this item", |key| stream.text(key));
    Error {
        position: Some(stream.position(key.unwrap_or(node))),
        cause: YamlCause::Value {
            key: name.to_owned(),
            cause,
            line: match key {
                Some(_) => format!("{name}: {}", value.flow(Flow::YAML)),
                None => format!("- {}", value.flow(Flow::YAML)),
            },
        },
    }
}
