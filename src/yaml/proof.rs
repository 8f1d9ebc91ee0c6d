//! A splice is let out only when it is proved: both parsers must find the planned change in the result, and nothing else.

use super::reading::{Content, Format, read};
use super::{Error, Kind, Planned, Splice, Stream, Style, Tag};

/// What a document is to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'c> {
    /// The number of the document.
    pub(crate) document: usize,
    /// The key at its top.
    pub(crate) key: &'c str,
    /// The plain scalar it is to have.
    pub(crate) word: &'c str,
}

/// The second parser, too, finds that the key has one of these values, as texts.
pub(crate) fn confirm(
    stream: &Stream<'_>,
    format: &Format,
    document: usize,
    key: &str,
    values: &[&str],
) -> Result<(), Error> {
    let contents = read(stream.source, format, key)?;
    let agrees = |content: Option<&Content>| match content.map(|content| content.values.as_slice())
    {
        Some([value]) => values.contains(&value.as_str()),
        _ => false,
    };
    let mut places = places(format, document, contents.len());
    if places.all(|place| agrees(contents.get(place))) {
        return Ok(());
    }
    Err(Error::new(
        None,
        format!("two parsers disagree about the value of {key}"),
    )
    .hint(format!("write it in one plain line, as in {key}: true")))
}

/// The stream after the splice, if that makes the claim true and does nothing else.
pub(crate) fn prove(
    before: &Stream<'_>,
    splice: &Splice,
    format: &Format,
    claim: Claim<'_>,
) -> Result<Vec<u8>, Error> {
    let source = before.source;
    // first: whether this parser can read the file at all is the user's to know
    let contents = read(source, format, claim.key)?;
    let (head, tail) = (source.get(..splice.at.start), source.get(splice.at.end..));
    let after = [head, Some(splice.text.as_str()), tail]
        .map(Option::unwrap_or_default)
        .concat();
    let unreadable = |error: Error| failed(&format!("the result cannot be read: {error}"));

    let stream = Stream::parse(after.as_bytes()).map_err(unreadable)?;
    let events = Events {
        before,
        after: &stream,
        splice,
    };
    if !events.agree(claim) {
        return Err(failed("more than the value would change"));
    }
    let format = match format {
        Format::YamlWithJson(range) => {
            let end = (range.end + splice.text.len()).saturating_sub(splice.at.len());
            &Format::YamlWithJson(range.start..end)
        }
        other => other,
    };
    let reread = read(&after, format, claim.key).map_err(unreadable)?;
    if !readings_agree(contents, &reread, splice.planned, format, claim) {
        return Err(failed("a second parser reads the result differently"));
    }
    if !lines_agree(source, &after, splice) {
        return Err(failed("other lines would change"));
    }
    Ok(after.into_bytes())
}

fn failed(what: &str) -> Error {
    let error = Error::new(None, format!("the edit cannot be proved harmless: {what}"));
    error.hint("make it by hand: the key belongs at the top level of the KubeletConfiguration")
}

/// The events before and after a splice.
struct Events<'e, 's> {
    before: &'e Stream<'s>,
    after: &'e Stream<'s>,
    splice: &'e Splice,
}

impl Events<'_, '_> {
    fn agree(&self, Claim { key, word, .. }: Claim<'_>) -> bool {
        let Events { before, after, .. } = self;
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
        let Events {
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

/// Where a document is found in a reading.
fn places(format: &Format, document: usize, len: usize) -> impl Iterator<Item = usize> {
    let json = matches!(format, Format::YamlWithJson(_)).then(|| len.saturating_sub(1));
    [document].into_iter().chain(json)
}

fn readings_agree(
    was: Vec<Content>,
    is: &[Content],
    planned: Planned,
    format: &Format,
    Claim { document, word, .. }: Claim<'_>,
) -> bool {
    let mut expected = was;
    if planned == Planned::Filled && !expected.pop().is_some_and(|last| last.rest == b"n") {
        return false;
    }
    if matches!(planned, Planned::Appended | Planned::Filled) {
        return is
            .split_last()
            .is_some_and(|(new, kept)| new.values == [word] && kept == expected);
    }
    let values_before = usize::from(matches!(planned, Planned::Replaced { .. }));
    for place in places(format, document, expected.len()) {
        match expected.get_mut(place) {
            Some(content) if content.values.len() == values_before => {
                content.values = vec![word.to_owned()];
            }
            _ => return false,
        }
    }
    expected == is
}

/// A value is set within its line, a key comes on a line of its own or, in braces, within one, a document comes last.
fn lines_agree(before: &str, after: &str, splice: &Splice) -> bool {
    let lines = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count();
    let (was, is) = (lines(before), lines(after));
    let came = splice.at.start..splice.at.start + splice.text.len();
    let is_restored = after.get(..came.start) == before.get(..splice.at.start)
        && after.get(came.end..) == before.get(splice.at.end..);
    let has_shape = match splice.planned {
        Planned::Replaced { .. } => is == was,
        Planned::Inserted { .. } => splice.at.is_empty() && (was..=was + 1).contains(&is),
        Planned::Appended | Planned::Filled => splice.at == (before.len()..before.len()),
    };
    is_restored && has_shape
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ops::Range;

    const CLAIM: Claim<'_> = Claim {
        document: 0,
        key: "k",
        word: "true",
    };

    fn proved(
        source: &str,
        at: Range<usize>,
        text: &str,
        planned: Planned,
    ) -> Result<String, String> {
        let stream = Stream::parse(source.as_bytes()).unwrap();
        let splice = Splice {
            at,
            text: text.to_owned(),
            planned,
        };
        let after = prove(&stream, &splice, &Format::Yaml, CLAIM).map_err(|error| error.reason)?;
        Ok(String::from_utf8(after).unwrap())
    }

    #[test]
    fn the_planned_change_and_no_other_is_let_out() {
        let replaced = Planned::Replaced { value: 2 };
        let inserted = Planned::Inserted { before: 3 };
        assert_eq!(
            proved("k: no\nb: [c]\n", 3..5, "true", replaced).as_deref(),
            Ok("k: true\nb: [c]\n")
        );
        assert_eq!(
            proved("a: b\nc: d\n", 5..5, "k: true\n", inserted).as_deref(),
            Ok("a: b\nk: true\nc: d\n")
        );
        for (source, at, text, planned) in [
            ("k: no\nb: c\n", 3..5, "yes", replaced),
            ("k: no\nb: c\n", 3..5, "'true'", replaced),
            ("k: no\nb: c\n", 3..5, "!!str true", replaced),
            ("k: no\nb: c\n", 3..5, "&x true", replaced),
            (
                "k: no\nb: c\n",
                3..5,
                "true # c",
                Planned::Replaced { value: 4 },
            ),
            ("k: no\nb: c\n", 3..10, "true\nb: ", replaced),
            ("k: no\nb: c\n", 3..5, "true\nd: e", replaced),
            ("k: &x no\nb: *x\n", 3..8, "true", replaced),
            ("a: b\nc: d\n", 5..5, "k: true\nc: e\n", inserted),
            ("a: b\nc: d\n", 5..5, "j: true\n", inserted),
            ("a: b\nc: d\n", 5..5, "k: true\n\n", inserted),
            ("a: b\nc: d\n", 5..5, "  k: true\n", inserted),
            ("a: b\nc: d\n", 5..5, "k: true\n---\n", inserted),
            ("a: |\n b\n", 8..8, "k: true\n", Planned::Appended),
            ("a: b\n", 5..5, "---\nj: true\n", Planned::Appended),
            (
                "a: b\n",
                5..5,
                "---\nk: true\n---\nl: m\n",
                Planned::Appended,
            ),
            ("a: |+\n b", 8..8, "\n---\nk: true\n", Planned::Appended),
        ] {
            assert!(
                proved(source, at, text, planned).is_err(),
                "{source} {text}"
            );
        }
    }

    #[test]
    fn a_comment_is_no_event_but_a_line() {
        let inserted = Planned::Inserted { before: 3 };
        assert!(proved("a: b\nc: d\n", 5..5, "k: true # c\n", inserted).is_ok());
        assert!(proved("a: b\nc: d\n", 5..5, "# c\nk: true\n", inserted).is_err());
    }
}
