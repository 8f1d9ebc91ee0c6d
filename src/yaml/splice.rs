//! A change of bytes, planned: which bytes go, which come, and what that should mean.

use std::ops::{Range, RangeInclusive};

use super::value::{Expected, Value};

/// Bytes to be replaced by others.
#[derive(Debug)]
pub(super) struct Splice<'v> {
    pub(super) at: Range<usize>,
    pub(super) text: String,
    pub(super) planned: EventChange<'v>,
}

/// What a splice does to the events of the stream: of those from `at` on, `gone` go and `came` come in their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventChange<'v> {
    pub(super) at: usize,
    pub(super) gone: usize,
    pub(super) came: Vec<Expected<'v>>,
    pub(super) documents: Documents,
    /// How many lines it adds; below zero if it removes some.
    pub(super) lines: RangeInclusive<isize>,
}

/// What a splice does to the documents of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Documents {
    /// They are as many as before.
    Same,
    /// The last one is new.
    Appended,
}

impl<'v> EventChange<'v> {
    /// A value in the place of one of `gone` events.
    pub(super) fn value(
        at: usize,
        gone: usize,
        value: &Value<'v>,
        lines: RangeInclusive<isize>,
    ) -> Self {
        let mut came = Vec::new();
        value.expect(&mut came);
        EventChange {
            at,
            gone,
            came,
            documents: Documents::Same,
            lines,
        }
    }

    /// A new entry of a mapping.
    pub(super) fn entry(
        at: usize,
        key: &'v str,
        value: &Value<'v>,
        lines: RangeInclusive<isize>,
    ) -> Self {
        let mut came = Vec::new();
        Value::Text(key).expect(&mut came);
        value.expect(&mut came);
        EventChange {
            at,
            gone: 0,
            came,
            documents: Documents::Same,
            lines,
        }
    }

    /// Nothing in the place of `gone` events.
    pub(super) fn nothing(at: usize, gone: usize) -> Self {
        EventChange {
            at,
            gone,
            came: Vec::new(),
            documents: Documents::Same,
            lines: isize::MIN..=0,
        }
    }
}

/// A number of lines, as a difference.
pub(super) fn lines(count: usize) -> RangeInclusive<isize> {
    let count = isize::try_from(count).unwrap_or(isize::MAX);
    count..=count
}
