//! How each operation becomes a splice, and what the second parser is to find of it.

use super::encode::{At, ScalarReading};
use super::error::PathCause;
use super::insert::{self, EntryPlace};
use super::path::{Lookup, PathStep, Slot, is_null};
use super::splice::Splice;
use super::value::Value;
use super::{Error, EventKind, Stream, YamlCause};
use super::{remove, replace};

/// What a change does to the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SpliceKind {
    Replaced,
    Inserted,
    Appended,
    Removed,
}

/// A change, and what the second parser is to find of it.
pub(super) struct Work<'w> {
    pub(super) splice: Splice<'w>,
    pub(super) effect: SpliceKind,
    /// Where the value is before, if a reader can tell it from its neighbours.
    pub(super) before: Vec<At<'w>>,
    /// How that value is read.
    pub(super) reading: ScalarReading,
    /// Where the value is afterwards.
    pub(super) after: Vec<At<'w>>,
    pub(super) expected: Option<Value<'w>>,
}

/// Replaces the value at the end of the path.
pub(super) fn set<'w>(
    stream: &Stream<'_>,
    root: usize,
    found: Lookup<'w>,
    value: &Value<'w>,
) -> Result<Work<'w>, Error> {
    let Lookup { node, slot, at, .. } = found;
    let is_block_collection = matches!(
        stream.event(node).kind,
        EventKind::BlockMapping | EventKind::Sequence
    ) && !stream.is_flow(node);
    let is_scalar = matches!(value, Value::Bool(_) | Value::Text(_));
    let splice = match slot {
        Slot::Entry { key, .. } if is_block_collection && value.is_short() && !is_scalar => {
            replace::emptied(stream, node, key, value)?
        }
        _ => replace::value(stream, root, node, slot, value)?,
    };
    Ok(Work {
        splice,
        effect: SpliceKind::Replaced,
        before: at.clone(),
        reading: reading(stream, node),
        after: at,
        expected: Some(value.clone()),
    })
}

/// A scalar is read as its text, since the second parser may resolve it to something else than goyaml does.
fn reading(stream: &Stream<'_>, node: usize) -> ScalarReading {
    if stream.is_scalar(stream.target(node)) {
        ScalarReading::Text
    } else {
        ScalarReading::Any
    }
}

/// Adds what is missing of a path: to the collection at its end, or in the place of nothing or of an empty collection.
pub(super) fn add<'w>(
    stream: &Stream<'_>,
    root: usize,
    found: Lookup<'w>,
    step: PathStep<'w>,
    value: Value<'w>,
    place: EntryPlace<'_>,
) -> Result<Work<'w>, Error> {
    let Lookup {
        node,
        slot,
        mut at,
        missing,
    } = found;
    let is_empty = stream.is_flow(node) && stream.event(node).link as usize == node + 1;
    let is_in_block = matches!(slot, Slot::Entry { mapping, .. } if !stream.is_flow(mapping));
    if is_null(stream, node) || (is_empty && is_in_block) {
        let whole = nested(&[step], &value);
        let found = Lookup {
            node,
            slot,
            at,
            missing,
        };
        return set(stream, root, found, &whole);
    }
    let before;
    let splice = match step {
        PathStep::Key(key) => {
            let splice = insert::entry(stream, root, node, (key, &value), place)?;
            at.push(At::Key(key));
            before = at.clone();
            splice
        }
        PathStep::Item(_) | PathStep::Named { .. } => {
            let count = stream.items(node).count();
            let splice = insert::item(stream, root, node, count, &value)?;
            at.push(At::Item(count));
            before = Vec::new();
            splice
        }
    };
    Ok(Work {
        splice,
        effect: SpliceKind::Inserted,
        before,
        reading: ScalarReading::Any,
        after: at,
        expected: Some(value),
    })
}

/// Adds an item before the one to which the path leads; nothing if that is not an item.
pub(super) fn insert_before<'w>(
    stream: &Stream<'_>,
    root: usize,
    found: &Lookup<'w>,
    value: &Value<'w>,
) -> Result<Option<Work<'w>>, Error> {
    let (Slot::Item { sequence }, Some(At::Item(index))) = (found.slot, found.at.last().copied())
    else {
        return Ok(None);
    };
    Ok(Some(Work {
        splice: insert::item(stream, root, sequence, index, value)?,
        effect: SpliceKind::Inserted,
        before: Vec::new(),
        reading: ScalarReading::Any,
        after: found.at.clone(),
        expected: Some(value.clone()),
    }))
}

/// Takes out the entry or the item to which the path leads.
pub(super) fn remove<'w>(stream: &Stream<'_>, found: Lookup<'w>) -> Result<Work<'w>, Error> {
    let Lookup { node, slot, at, .. } = found;
    let before = at.clone();
    let (splice, after) = match slot {
        Slot::Entry { mapping, key } => (remove::entry(stream, mapping, key)?, at),
        Slot::Item { sequence } => (remove::item(stream, sequence, node)?, Vec::new()),
        Slot::Root => {
            return Err(Error {
                position: Some(stream.position(node)),
                cause: YamlCause::Path(PathCause::Missing),
            });
        }
    };
    Ok(Work {
        splice,
        effect: SpliceKind::Removed,
        before,
        reading: reading(stream, node),
        after,
        expected: None,
    })
}

/// The value that the steps lead to, in the collections that they lead through.
pub(super) fn nested<'v>(steps: &[PathStep<'v>], value: &Value<'v>) -> Value<'v> {
    steps
        .iter()
        .rev()
        .fold(value.clone(), |value, step| match step {
            PathStep::Key(key) => Value::Mapping(vec![(key, value)]),
            PathStep::Item(_) | PathStep::Named { .. } => Value::Sequence(vec![value]),
        })
}
