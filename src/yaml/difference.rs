//! The difference a splice makes to the events of a stream.

use super::proof::Claim;
use super::{Kind, Planned, Splice, Stream, Style, Tag};

/// The events before and after a splice.
pub(super) struct Difference<'e, 's> {
    pub(super) before: &'e Stream<'s>,
    pub(super) after: &'e Stream<'s>,
    pub(super) splice: &'e Splice,
}

impl Difference<'_, '_> {
    /// It is the planned one: the key has the word, and every other event is there as before.
    pub(super) fn is_planned(&self, Claim { key, word, .. }: Claim<'_>) -> bool {
        let Difference { before, after, .. } = self;
        let (was, is) = (before.events.len(), after.events.len());
        // events from `at` on are `gone`, others `came` in their place
        let (at, gone) = match self.splice.planned {
            Planned::Replaced { value } => (value, 1),
            Planned::Inserted { before } => (before, 0),
            Planned::Appended => (was, 0),
            Planned::Filled => (was.saturating_sub(1), 1),
        };
        let Some(came) = (is + gone).checked_sub(was) else {
            return false;
        };
        let is_word = |index: usize| {
            let event = after.event(index);
            let is_plain = event.kind == Kind::Scalar(Style::Plain) && event.tag == Tag::None;
            is_plain && !event.anchored && after.text(index) == word
        };
        let is_planned = match self.splice.planned {
            Planned::Replaced { .. } => came == 1 && is_word(at),
            Planned::Inserted { .. } => {
                came == 2 && after.is_scalar(at) && after.text(at) == key && is_word(at + 1)
            }
            Planned::Appended | Planned::Filled => {
                let sets =
                    |(name, value): &(usize, usize)| after.text(*name) == key && is_word(*value);
                after.is_mapping(at)
                    && after.after(at) == is
                    && after.entries(at).filter(sets).count() == 1
            }
        };
        let Some(moved) = came.checked_sub(gone) else {
            return false;
        };
        let shift = |index: usize| {
            if index >= at + gone {
                index + moved
            } else {
                index
            }
        };
        let mut kept = (0..was).filter(|index| !(at..at + gone).contains(index));
        is_planned && self.documents_agree(shift) && kept.all(|index| self.is_kept(index, shift))
    }

    fn documents_agree(&self, shift: impl Fn(usize) -> usize) -> bool {
        let (was, is) = (&self.before.documents, &self.after.documents);
        is.len() == was.len() + usize::from(self.splice.planned == Planned::Appended)
            && was
                .iter()
                .zip(is)
                .all(|(was, is)| was.explicit == is.explicit && shift(was.root) == is.root)
    }

    /// The event is there afterwards, unchanged but for where it stands.
    fn is_kept(&self, index: usize, shift: impl Fn(usize) -> usize) -> bool {
        let Difference {
            before,
            after,
            splice,
        } = self;
        let (was, is) = (before.event(index), after.event(shift(index)));
        // where a block collection ends is where the next token starts
        let is_block_end =
            matches!(was.kind, Kind::MappingEnd | Kind::SequenceEnd) && was.start == was.end;
        let stands = |was: u32, is: u32| {
            let (was, is) = (was as usize, is as usize);
            let later = (was + splice.text.len()).saturating_sub(splice.at.len());
            (was <= splice.at.start && is == was)
                || (was >= splice.at.end && is == later)
                || (is_block_end && was == splice.at.start && (was..=later).contains(&is))
        };
        was.kind == is.kind
            && was.tag == is.tag
            && was.anchored == is.anchored
            && stands(was.start, is.start)
            && stands(was.end, is.end)
            && stands(was.outer, is.outer)
            && shift(was.link as usize) == is.link as usize
            && before.text(index) == after.text(shift(index))
    }
}
