//! A splice is let out only when it is proved: both parsers must find the planned change in the result, and nothing else.

use super::difference::Difference;
use super::reading::{Content, Format, read};
use super::{Error, Planned, Splice, Stream};

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

/// The second parser, too, finds that the key has one of these values, as texts, or without any, that it is not there.
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
        Some([]) => values.is_empty(),
        _ => false,
    };
    let mut places = places(format, document, contents.len());
    if places.all(|place| agrees(contents.get(place))) {
        return Ok(());
    }
    let reason = format!("two parsers disagree about the value of {key}");
    Err(Error::new(
        None,
        reason,
        format!("write it in one plain line, as in {key}: true"),
    ))
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
    let difference = Difference {
        before,
        after: &stream,
        splice,
    };
    if !difference.is_planned(claim) {
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
    let advice = "make it by hand: the key belongs at the top level of the KubeletConfiguration";
    Error::new(
        None,
        format!("the edit cannot be proved harmless: {what}"),
        advice,
    )
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
    if planned == Planned::Filled && expected.pop().is_none_or(|last| last.rest != b"n") {
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
            // as events these are planned: the second reading knows better
            ("k: no\nc: d\n", 6..6, "k: true\n", inserted),
            (
                "a:\n  b: c\n",
                10..10,
                "  k: true\n",
                Planned::Inserted { before: 5 },
            ),
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
    fn a_second_reading_must_differ_in_the_value_alone() {
        let content = |values: &[&str], rest: &[u8]| Content {
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            rest: rest.to_vec(),
        };
        let was = || vec![content(&["no"], b"a"), content(&[], b"n")];
        let claim = Claim {
            document: 0,
            key: "k",
            word: "true",
        };
        let agree = |is: &[Content], planned, document| {
            readings_agree(
                was(),
                is,
                planned,
                &Format::Yaml,
                Claim { document, ..claim },
            )
        };
        let replaced = Planned::Replaced { value: 0 };
        let inserted = Planned::Inserted { before: 0 };
        assert!(agree(
            &[content(&["true"], b"a"), content(&[], b"n")],
            replaced,
            0
        ));
        assert!(agree(
            &[content(&["no"], b"a"), content(&["true"], b"n")],
            inserted,
            1
        ));
        assert!(agree(
            &[content(&["no"], b"a"), content(&["true"], b"b")],
            Planned::Filled,
            1
        ));
        for (is, planned, document) in [
            (
                vec![content(&["no"], b"a"), content(&[], b"n")],
                replaced,
                0,
            ),
            (
                vec![content(&["true"], b"b"), content(&[], b"n")],
                replaced,
                0,
            ),
            (
                vec![content(&["true"], b"a"), content(&[], b"b")],
                replaced,
                0,
            ),
            (vec![content(&["true"], b"a")], replaced, 0),
            (
                vec![content(&["true", "true"], b"a"), content(&[], b"n")],
                inserted,
                0,
            ),
            (
                vec![content(&["no"], b"a"), content(&["true"], b"n")],
                replaced,
                1,
            ),
            (
                vec![content(&["no"], b"b"), content(&["true"], b"b")],
                Planned::Filled,
                1,
            ),
            (
                vec![content(&["no"], b"a"), content(&["true"], b"b")],
                Planned::Appended,
                2,
            ),
        ] {
            assert!(!agree(&is, planned, document), "{is:?} {planned:?}");
        }
        let json = Format::YamlWithJson(0..0);
        let twice = |value: &str| vec![content(&["true"], b"a"), content(&[value], b"c")];
        let before = || vec![content(&["no"], b"a"), content(&["false"], b"c")];
        assert!(readings_agree(
            before(),
            &twice("true"),
            replaced,
            &json,
            claim
        ));
        assert!(!readings_agree(
            before(),
            &twice("false"),
            replaced,
            &json,
            claim
        ));
    }

    #[test]
    fn a_comment_is_no_event_but_a_line() {
        let inserted = Planned::Inserted { before: 3 };
        assert!(proved("a: b\nc: d\n", 5..5, "k: true # c\n", inserted).is_ok());
        assert!(proved("a: b\nc: d\n", 5..5, "# c\nk: true\n", inserted).is_err());
    }
}
