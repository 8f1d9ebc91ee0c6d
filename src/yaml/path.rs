//! A path to one value of a document, and what of it is there.

use std::collections::BTreeSet;

use super::encode::At;
use super::error::PathCause;
use super::{Error, EventKind, Stream, Style, Tag, YamlCause};

/// A step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathStep<'p> {
    /// The value of this key of a mapping.
    Key(&'p str),
    /// The item with this index of a sequence, from 0.
    Item(usize),
    /// The item of a sequence that is a mapping in which this key has this text.
    Named { key: &'p str, is: &'p str },
}

/// What holds a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Root,
    /// A mapping, under a key.
    Entry {
        mapping: usize,
        key: usize,
    },
    /// A sequence, at an index.
    Item {
        sequence: usize,
    },
}

/// How far a path leads.
#[derive(Debug)]
pub(super) struct Lookup<'p> {
    /// The last value on the path that is there.
    pub(super) node: usize,
    pub(super) slot: Slot,
    /// The steps to it.
    pub(super) at: Vec<At<'p>>,
    /// The steps that are missing; none if the whole path is there.
    pub(super) missing: &'p [PathStep<'p>],
}

/// Follows a path from the root of a document. Every mapping and sequence on it has one plain meaning, or that is an error.
pub(super) fn follow<'p>(
    stream: &Stream<'_>,
    root: usize,
    path: &'p [PathStep<'p>],
) -> Result<Lookup<'p>, Error> {
    let aliased: BTreeSet<usize> = stream
        .events
        .iter()
        .filter(|event| event.kind == EventKind::Alias)
        .map(|event| event.link as usize)
        .collect();
    let mut found = Lookup {
        node: root,
        slot: Slot::Root,
        at: Vec::new(),
        missing: path,
    };
    while let Some((step, rest)) = found.missing.split_first() {
        let node = found.node;
        if is_null(stream, node) {
            break;
        }
        admit(stream, node, &aliased)?;
        let next = match step {
            PathStep::Key(name) => entry(stream, node, name)?.map(|(key, value)| {
                let slot = Slot::Entry { mapping: node, key };
                (value, slot, At::Key(name))
            }),
            PathStep::Item(index) => {
                expect_sequence(stream, node)?;
                let slot = Slot::Item { sequence: node };
                let item = stream.items(node).nth(*index);
                item.map(|item| (item, slot, At::Item(*index)))
            }
            PathStep::Named { key, is } => {
                let slot = Slot::Item { sequence: node };
                let item = named(stream, node, key, is)?;
                item.map(|(index, item)| (item, slot, At::Item(index)))
            }
        };
        let Some((value, slot, at)) = next else {
            break;
        };
        found.at.push(at);
        found = Lookup {
            node: value,
            slot,
            missing: rest,
            ..found
        };
    }
    Ok(found)
}

/// Nothing, `~` or `null`: the place for a collection that does not exist yet.
pub(super) fn is_null(stream: &Stream<'_>, node: usize) -> bool {
    let event = stream.event(node);
    event.kind == EventKind::Scalar(Style::Plain)
        && event.tag == Tag::None
        && matches!(stream.text(node), "" | "~" | "null" | "Null" | "NULL")
}

/// A value that is read as it is written, and in one place.
fn admit(stream: &Stream<'_>, node: usize, aliased: &BTreeSet<usize>) -> Result<(), Error> {
    let event = stream.event(node);
    let has_own_meaning = match event.kind {
        EventKind::BlockMapping | EventKind::FlowMapping => {
            matches!(event.tag, Tag::None | Tag::Map)
        }
        _ => event.tag == Tag::None,
    };
    if event.kind == EventKind::Alias || (event.anchored && aliased.contains(&node)) {
        return Err(refuse(stream, node, PathCause::Shared));
    }
    if !has_own_meaning {
        return Err(refuse(stream, node, PathCause::Tagged));
    }
    Ok(())
}

/// The entry of a mapping in which each key is a word that is there once.
fn entry(stream: &Stream<'_>, mapping: usize, name: &str) -> Result<Option<(usize, usize)>, Error> {
    if !stream.is_mapping(mapping) {
        return Err(refuse(stream, mapping, PathCause::NotMapping));
    }
    let mut seen = BTreeSet::new();
    let mut found = None;
    for (key, value) in stream.entries(mapping) {
        let event = stream.event(key);
        let text = stream.text(key);
        let cause = match event.kind {
            EventKind::Scalar(_) if text == "<<" => PathCause::Merge,
            EventKind::Scalar(_) if !matches!(event.tag, Tag::None | Tag::Str) => PathCause::Key,
            EventKind::Scalar(_) if seen.insert(text) => {
                if text == name {
                    found = Some((key, value));
                }
                continue;
            }
            EventKind::Scalar(_) => PathCause::SecondTime,
            _ => PathCause::Key,
        };
        return Err(refuse(stream, key, cause));
    }
    Ok(found)
}

fn expect_sequence(stream: &Stream<'_>, node: usize) -> Result<(), Error> {
    if stream.event(node).kind == EventKind::Sequence {
        Ok(())
    } else {
        Err(refuse(stream, node, PathCause::NotSequence))
    }
}

/// The only item that is a mapping in which `key` has the text `is`. An item that is an alias may be one too.
fn named(
    stream: &Stream<'_>,
    sequence: usize,
    key: &str,
    is: &str,
) -> Result<Option<(usize, usize)>, Error> {
    expect_sequence(stream, sequence)?;
    let mut found = None;
    for (index, item) in stream.items(sequence).enumerate() {
        let mapping = stream.target(item);
        if !stream.is_mapping(mapping) {
            continue;
        }
        let Some((_, value)) = entry(stream, mapping, key)? else {
            continue;
        };
        let value = stream.target(value);
        if !stream.is_scalar(value) || stream.text(value) != is {
            continue;
        }
        if found.is_some() {
            return Err(refuse(stream, item, PathCause::SecondItem));
        }
        found = Some((index, item));
    }
    Ok(found)
}

fn refuse(stream: &Stream<'_>, node: usize, cause: PathCause) -> Error {
    Error {
        position: Some(stream.position(node)),
        cause: YamlCause::Path(cause),
    }
}
