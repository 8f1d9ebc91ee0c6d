//! A splice is let out only when it is proved: both parsers must find the planned change in the result, and nothing else.

use super::reading::{Reading, read};
use super::{Error, Event, Kind, Planned, Splice, Stream, Style, Tag};

/// What a document is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Yaml,
    Json,
}

/// The stream after the splice, if that sets `key` of `document` to `word` and does nothing else.
pub(crate) fn prove(
    before: &Stream<'_>,
    splice: &Splice,
    format: Format,
    document: usize,
    key: &str,
    word: &str,
) -> Result<Vec<u8>, Error> {
    let source = before.source;
    // first: whether this parser can read the file at all is the user's to know
    let reading = read(source, format, key)?;
    let (head, tail) = (source.get(..splice.at.start), source.get(splice.at.end..));
    let after = [head, Some(splice.text.as_str()), tail]
        .map(Option::unwrap_or_default)
        .concat();

    let stream = Stream::parse(after.as_bytes())
        .map_err(|error| failed(&format!("the result cannot be read: {error}")))?;
    if !events_agree(before, &stream, splice, key, word) {
        return Err(failed("more than the value would change"));
    }
    let reread = read(&after, format, key)
        .map_err(|error| failed(&format!("the result cannot be read: {error}")))?;
    if !readings_agree(reading, &reread, splice.planned, document, word) {
        return Err(failed("a second parser reads the result differently"));
    }
    if !lines_agree(source, &after, splice) {
        return Err(failed("other lines would change"));
    }
    Ok(after.into_bytes())
}

fn failed(what: &str) -> Error {
    let error = Error::new(None, format!("the edit cannot be proved harmless: {what}"));
    error.hint("set the key by hand, at the top level of the KubeletConfiguration")
}

fn events_agree(
    before: &Stream<'_>,
    after: &Stream<'_>,
    splice: &Splice,
    key: &str,
    word: &str,
) -> bool {
    let (at, inserted, skipped) = match splice.planned {
        Planned::Replaced { value } => (value, 1, 1),
        Planned::Inserted { before } => (before, 2, 0),
        Planned::Appended => (
            before.events.len(),
            after.events.len().saturating_sub(before.events.len()),
            0,
        ),
        Planned::Filled => {
            let last = before.events.len().saturating_sub(1);
            (last, after.events.len().saturating_sub(last), 1)
        }
    };
    let is_word = |index: usize| {
        let event = after.event(index);
        event.kind == Kind::Scalar(Style::Plain)
            && event.tag == Tag::None
            && !event.anchored
            && after.text(index) == word
    };
    let is_planned = match splice.planned {
        Planned::Replaced { .. } => is_word(at),
        Planned::Inserted { .. } => after.is_scalar(at) && after.text(at) == key && is_word(at + 1),
        Planned::Appended | Planned::Filled => {
            after.is_mapping(at)
                && after.after(at) == after.events.len()
                && after
                    .entries(at)
                    .filter(|(name, value)| after.text(*name) == key && is_word(*value))
                    .count()
                    == 1
        }
    };
    if !is_planned || after.events.len() + skipped != before.events.len() + inserted {
        return false;
    }
    let Some((rest, same)) = before
        .events
        .get(at + skipped..)
        .zip(after.events.get(at + inserted..))
    else {
        return false;
    };
    let Some(moved) = inserted.checked_sub(skipped) else {
        return false;
    };
    let shift = |index: u32| {
        if index as usize >= at + skipped {
            index as usize + moved
        } else {
            index as usize
        }
    };
    let agrees = |(index, (old, new)): (usize, (&Event, &Event))| {
        same_event(before, after, (index, old), new, splice, shift)
    };
    let heads = before.events.iter().zip(&after.events).take(at);
    let tails = rest.iter().zip(same);
    documents_agree(before, after, splice.planned, moved, at)
        && heads.enumerate().all(agrees)
        && tails
            .enumerate()
            .map(|(index, pair)| (index + at + skipped, pair))
            .all(agrees)
}

fn same_event(
    before: &Stream<'_>,
    after: &Stream<'_>,
    (index, old): (usize, &Event),
    new: &Event,
    splice: &Splice,
    shift: impl Fn(u32) -> usize,
) -> bool {
    let moved = |old: u32, new: u32| {
        let (old, new) = (old as usize, new as usize);
        let later = (old + splice.text.len()).saturating_sub(splice.at.len());
        (old <= splice.at.start && new == old) || (old >= splice.at.end && new == later)
    };
    let text = after.text(shift(small(index)));
    old.kind == new.kind
        && old.tag == new.tag
        && old.anchored == new.anchored
        && moved(old.start, new.start)
        && moved(old.end, new.end)
        && moved(old.outer, new.outer)
        && shift(old.link) == new.link as usize
        && before.text(index) == text
}

fn small(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn documents_agree(
    before: &Stream<'_>,
    after: &Stream<'_>,
    planned: Planned,
    moved: usize,
    at: usize,
) -> bool {
    let added = usize::from(planned == Planned::Appended);
    after.documents.len() == before.documents.len() + added
        && before
            .documents
            .iter()
            .zip(&after.documents)
            .all(|(old, new)| {
                let root = if old.root > at {
                    old.root + moved
                } else {
                    old.root
                };
                old.explicit == new.explicit && new.root == root
            })
}

fn readings_agree(
    before: Reading,
    after: &Reading,
    planned: Planned,
    document: usize,
    word: &str,
) -> bool {
    let mut expected = before.documents;
    match planned {
        Planned::Replaced { .. } => match expected.get_mut(document) {
            Some(content) if content.values.len() == 1 => content.values = vec![word.to_owned()],
            _ => return false,
        },
        Planned::Inserted { .. } => match expected.get_mut(document) {
            Some(content) if content.values.is_empty() => content.values = vec![word.to_owned()],
            _ => return false,
        },
        Planned::Appended | Planned::Filled => {
            if planned == Planned::Filled && !expected.pop().is_some_and(|last| last.empty) {
                return false;
            }
            let Some((added, others)) = after.documents.split_last() else {
                return false;
            };
            return others == expected.as_slice() && added.values == [word];
        }
    }
    expected == after.documents
}

/// A value is set within its line, a key comes on a line of its own or, in braces, within one, a document comes last.
fn lines_agree(before: &str, after: &str, splice: &Splice) -> bool {
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    let added = lines(after) as i64 - lines(before) as i64;
    let restored = after
        .get(..splice.at.start)
        .zip(after.get(splice.at.start + splice.text.len()..));
    let is_restored = restored.is_some_and(|(head, tail)| {
        before.get(..splice.at.start) == Some(head) && before.get(splice.at.end..) == Some(tail)
    });
    is_restored
        && match splice.planned {
            Planned::Replaced { .. } => added == 0,
            Planned::Inserted { .. } => splice.at.is_empty() && (0..=1).contains(&added),
            Planned::Appended | Planned::Filled => {
                splice.at == (before.len()..before.len()) && after.starts_with(before)
            }
        }
}
