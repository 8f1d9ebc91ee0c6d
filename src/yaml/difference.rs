//! The difference a splice makes to the events of a stream.

use super::splice::{Documents, Splice};
use super::value::Expected;
use super::{EventKind, Stream, Tag};

/// The events before and after a splice.
pub(super) struct Difference<'e, 's> {
    pub(super) before: &'e Stream<'s>,
    pub(super) after: &'e Stream<'s>,
    pub(super) splice: &'e Splice<'e>,
}

impl Difference<'_, '_> {
    /// It is the planned one: the new events are those that were expected, and every other event is there as before.
    pub(super) fn is_planned(&self) -> bool {
        let planned = &self.splice.planned;
        let (was, is) = (self.before.events.len(), self.after.events.len());
        let after_gone = planned.at + planned.gone;
        if after_gone > was || was - planned.gone + planned.came.len() != is {
            return false;
        }
        let came = planned.came.iter().enumerate();
        let mut kept = (0..planned.at).chain(after_gone..was);
        came.map(|(number, expected)| (planned.at + number, expected))
            .all(|(index, expected)| self.is_expected(index, expected))
            && self.documents_agree()
            && kept.all(|index| self.is_kept(index))
    }

    fn is_expected(&self, index: usize, expected: &Expected<'_>) -> bool {
        let event = self.after.event(index);
        expected.kind.is(event.kind)
            && event.tag == Tag::None
            && !event.anchored
            && self.after.text(index) == expected.text
    }

    /// Where an event of before is afterwards.
    fn shift(&self, index: usize) -> usize {
        let planned = &self.splice.planned;
        if index >= planned.at + planned.gone {
            index - planned.gone + planned.came.len()
        } else {
            index
        }
    }

    fn documents_agree(&self) -> bool {
        let (was, is) = (&self.before.documents, &self.after.documents);
        let appended = self.splice.planned.documents == Documents::Appended;
        is.len() == was.len() + usize::from(appended)
            && was.iter().zip(is).all(|(was, is)| {
                was.explicit == is.explicit && self.shift_root(was.root) == is.root
            })
    }

    /// The root of a document may itself be what is replaced.
    fn shift_root(&self, root: usize) -> usize {
        if root == self.splice.planned.at {
            root
        } else {
            self.shift(root)
        }
    }

    /// The event exists afterwards, unchanged except for its position.
    fn is_kept(&self, index: usize) -> bool {
        let Difference {
            before,
            after,
            splice,
        } = self;
        let (was, is) = (before.event(index), after.event(self.shift(index)));
        // where a block collection ends is where the next token starts, which may come, go or be behind comments
        let is_block_end = matches!(was.kind, EventKind::MappingEnd | EventKind::SequenceEnd)
            && was.start == was.end;
        // and where it starts is where its first entry does, which may be new
        let has_new_first = index + 1 == splice.planned.at
            && matches!(was.kind, EventKind::BlockMapping | EventKind::Sequence)
            && was.start == is.start;
        let stands = |was: u32, is: u32| {
            let (was, is) = (was as usize, is as usize);
            let later = (was + splice.text.len()).saturating_sub(splice.at.len());
            (was <= splice.at.start && is == was)
                || (was >= splice.at.end && is == later)
                || (is_block_end && was >= splice.at.start && is >= splice.at.start)
                || (has_new_first && is == was)
        };
        was.kind == is.kind
            && was.tag == is.tag
            && was.anchored == is.anchored
            && stands(was.start, is.start)
            && stands(was.end, is.end)
            && stands(was.outer, is.outer)
            && self.shift(was.link as usize) == is.link as usize
            && before.text(index) == after.text(self.shift(index))
    }
}
