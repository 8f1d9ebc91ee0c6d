//! A splice is let out only when it is proved: both parsers must find the planned change in the result, and nothing else.

use super::difference::Difference;
use super::encode::{At, Encoder, ScalarReading};
use super::error::Unproved;
use super::path::{Lookup, PathStep, follow};
use super::reading::{Content, SetAside, Syntax, read};
use super::splice::{Documents, Splice};
use super::value::Value;
use super::{Error, Stream, YamlCause};

/// What the second parser is to find: which value a document has before and afterwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'c> {
    /// The number of the document.
    pub(super) document: usize,
    /// Where the value is before; empty where nothing is to be set aside.
    pub(super) before: &'c [At<'c>],
    /// How that value is read.
    pub(super) reading: ScalarReading,
    /// How many values are found there.
    pub(super) taken: usize,
    /// Where the value is afterwards; empty where nothing is to be set aside.
    pub(super) after: &'c [At<'c>],
    /// The value afterwards; of a new document all of it.
    pub(super) expected: Option<&'c Value<'c>>,
}

/// What a value that stays as it is should read as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept<'k> {
    /// One of these words, as texts of scalars.
    Words(&'k [&'k str]),
    /// This text, as a string.
    Text(&'k str),
    /// It does not exist.
    Missing,
}

/// The second parser, too, finds that the value at the path is as it should be.
///
/// # Errors
/// When the path leads through something with more than one meaning, the second parser cannot read the stream, or it finds
/// otherwise.
pub(crate) fn confirm(
    stream: &Stream<'_>,
    format: &Syntax,
    document: usize,
    path: &[PathStep<'_>],
    kept: Kept<'_>,
) -> Result<(), Error> {
    let root = stream
        .documents
        .get(document)
        .map_or(0, |document| document.root);
    let Lookup {
        mut at, missing, ..
    } = follow(stream, root, path)?;
    at.extend(missing.iter().filter_map(|step| match step {
        PathStep::Key(key) => Some(At::Key(key)),
        PathStep::Item(index) => Some(At::Item(*index)),
        PathStep::Named { .. } => None,
    }));
    let aside = SetAside {
        document,
        path: &at,
        reading: match kept {
            Kept::Words(_) => ScalarReading::Text,
            Kept::Text(_) | Kept::Missing => ScalarReading::Any,
        },
    };
    let contents = read(stream.source, format, aside)?;
    let is_text = |value: &Encoder, text: &str| {
        let mut wanted = Encoder::default();
        wanted.text(text);
        *value == wanted
    };
    let agrees = |content: &Content| match (content.values.as_slice(), kept) {
        ([value], Kept::Words(words)) => words.iter().any(|word| is_text(value, word)),
        ([value], Kept::Text(text)) => is_text(value, text),
        ([], Kept::Missing) => true,
        _ => false,
    };
    let mut places = places(format, document, contents.len());
    if places.all(|place| contents.get(place).is_some_and(agrees)) {
        return Ok(());
    }
    Err(Error {
        position: None,
        cause: YamlCause::Disagree(name(path)),
    })
}

/// The last key of a path.
fn name(path: &[PathStep<'_>]) -> String {
    let mut keys = path.iter().rev().filter_map(|step| match step {
        PathStep::Key(key) => Some((*key).to_owned()),
        _ => None,
    });
    keys.next().unwrap_or_default()
}

/// The stream after the splice, if that makes the claim true and does nothing else.
pub(super) fn prove(
    before: &Stream<'_>,
    splice: &Splice<'_>,
    format: &Syntax,
    claim: &Claim<'_>,
) -> Result<Vec<u8>, Error> {
    let source = before.source;
    let aside = |path, reading| SetAside {
        document: claim.document,
        path,
        reading,
    };
    // first: whether this parser can read the file at all is the user's to know
    let contents = read(source, format, aside(claim.before, claim.reading))?;
    let (head, tail) = (source.get(..splice.at.start), source.get(splice.at.end..));
    let after = [head, Some(splice.text.as_str()), tail]
        .map(Option::unwrap_or_default)
        .concat();
    let unreadable = |error: Error| failed(Unproved::Unreadable(Box::new(error)));

    let stream = Stream::parse(after.as_bytes()).map_err(unreadable)?;
    let difference = Difference {
        before,
        after: &stream,
        splice,
    };
    if !difference.is_planned() {
        return Err(failed(Unproved::Events));
    }
    let format = match format {
        Syntax::YamlWithJson(range) => {
            let end = (range.end + splice.text.len()).saturating_sub(splice.at.len());
            &Syntax::YamlWithJson(range.start..end)
        }
        other => other,
    };
    let reread =
        read(&after, format, aside(claim.after, ScalarReading::Any)).map_err(unreadable)?;
    if !readings_agree(contents, reread, splice.planned.documents, format, claim) {
        return Err(failed(Unproved::Reading));
    }
    if !lines_agree(source, &after, splice) {
        return Err(failed(Unproved::Lines));
    }
    Ok(after.into_bytes())
}

fn failed(what: Unproved) -> Error {
    Error {
        position: None,
        cause: YamlCause::Unproved(what),
    }
}

/// Where a document is found in a reading.
fn places(format: &Syntax, document: usize, len: usize) -> impl Iterator<Item = usize> {
    let json = matches!(format, Syntax::YamlWithJson(_)).then(|| len.saturating_sub(1));
    [document].into_iter().chain(json)
}

fn readings_agree(
    was: Vec<Content>,
    is: Vec<Content>,
    documents: Documents,
    format: &Syntax,
    claim: &Claim<'_>,
) -> bool {
    let mut expected = was;
    let encode = |value: &Value<'_>| {
        let mut encoder = Encoder::default();
        value.encode(&mut encoder);
        encoder
    };
    let is_whole = claim.after.is_empty() && claim.taken == 0 && claim.before.is_empty();
    match (documents, claim.expected) {
        (Documents::Appended, Some(value)) => expected.push(Content {
            values: Vec::new(),
            rest: encode(value),
        }),
        // a document without content gets some
        (Documents::Same, Some(value)) if is_whole => {
            let mut nothing = Encoder::default();
            nothing.null();
            match expected.get_mut(claim.document) {
                Some(content) if content.rest == nothing => content.rest = encode(value),
                _ => return false,
            }
        }
        _ => {
            for place in places(format, claim.document, expected.len()) {
                match expected.get_mut(place) {
                    Some(content) if content.values.len() == claim.taken => {
                        content.values = claim.expected.iter().map(|value| encode(value)).collect();
                    }
                    _ => return false,
                }
            }
        }
    }
    expected == is
}

/// As many lines come or go as were planned, and undoing the change gives the old bytes.
fn lines_agree(before: &str, after: &str, splice: &Splice<'_>) -> bool {
    let count = |text: &str| {
        let lines = text.bytes().filter(|byte| *byte == b'\n').count();
        isize::try_from(lines).unwrap_or(isize::MAX)
    };
    let came = splice.at.start..splice.at.start + splice.text.len();
    let cut = before.get(splice.at.clone());
    let (head, tail) = (after.get(..came.start), after.get(came.end..));
    let restored = [head, cut, tail].map(Option::unwrap_or_default).concat();
    restored == before
        && splice
            .planned
            .lines
            .contains(&(count(after) - count(before)))
}

#[cfg(test)]
mod tests {
    use super::super::splice::EventChange;
    use super::*;
    use std::ops::Range;

    const K: &[At<'static>] = &[At::Key("k")];
    const TRUE: Value<'static> = Value::Bool(true);

    fn replaced(value: usize) -> EventChange<'static> {
        EventChange::value(value, 1, &TRUE, 0..=0)
    }

    fn inserted(before: usize) -> EventChange<'static> {
        EventChange::entry(before, "k", &TRUE, 1..=1)
    }

    fn appended(at: usize) -> EventChange<'static> {
        EventChange {
            documents: Documents::Appended,
            ..EventChange::value(at, 0, &Value::Mapping(vec![("k", TRUE)]), 1..=2)
        }
    }

    fn claim<'c>(document: usize, taken: usize, expected: &'c Value<'c>) -> Claim<'c> {
        let is_whole = matches!(expected, Value::Mapping(_));
        Claim {
            document,
            before: if is_whole { &[] } else { K },
            reading: ScalarReading::Text,
            taken,
            after: if is_whole { &[] } else { K },
            expected: Some(expected),
        }
    }

    fn proved(
        source: &str,
        at: Range<usize>,
        text: &str,
        planned: EventChange<'_>,
    ) -> Result<String, Error> {
        let stream = Stream::parse(source.as_bytes()).unwrap();
        let mapping = Value::Mapping(vec![("k", TRUE)]);
        let expected = match planned.documents {
            Documents::Same => &TRUE,
            Documents::Appended => &mapping,
        };
        let claim = claim(0, planned.gone, expected);
        let splice = Splice {
            at,
            text: text.to_owned(),
            planned,
        };
        let after = prove(&stream, &splice, &Syntax::Yaml, &claim)?;
        Ok(String::from_utf8(after).unwrap())
    }

    #[test]
    fn only_the_planned_change_passes_the_proof() {
        for (source, at, text, planned, after) in [
            (
                "k: no\nb: [c]\n",
                3..5,
                "true",
                replaced(2),
                "k: true\nb: [c]\n",
            ),
            (
                "a: b\nc: d\n",
                5..5,
                "k: true\n",
                inserted(3),
                "a: b\nk: true\nc: d\n",
            ),
            (
                "a: b\n",
                5..5,
                "---\nk: true\n",
                appended(4),
                "a: b\n---\nk: true\n",
            ),
        ] {
            let proved = proved(source, at, text, planned);
            assert_eq!(proved.as_deref(), Ok(after));
        }
        for (source, at, text, planned) in [
            ("k: no\nb: c\n", 3..5, "yes", replaced(2)),
            ("k: no\nb: c\n", 3..5, "'true'", replaced(2)),
            ("k: no\nb: c\n", 3..5, "!!str true", replaced(2)),
            ("k: no\nb: c\n", 3..5, "&x true", replaced(2)),
            ("k: no\nb: c\n", 3..5, "true # c", replaced(4)),
            ("k: no\nb: c\n", 3..10, "true\nb: ", replaced(2)),
            ("k: no\nb: c\n", 3..5, "true\nd: e", replaced(2)),
            ("k: &x no\nb: *x\n", 3..8, "true", replaced(2)),
            ("a: b\nc: d\n", 5..5, "k: true\nc: e\n", inserted(3)),
            ("a: b\nc: d\n", 5..5, "j: true\n", inserted(3)),
            ("a: b\nc: d\n", 5..5, "k: true\n\n", inserted(3)),
            ("a: b\nc: d\n", 5..5, "  k: true\n", inserted(3)),
            ("a: b\nc: d\n", 5..5, "k: true\n---\n", inserted(3)),
            // as events these are planned: the second reading knows better
            ("k: no\nc: d\n", 6..6, "k: true\n", inserted(3)),
            ("a:\n  b: c\n", 10..10, "  k: true\n", inserted(5)),
            ("a: |\n b\n", 8..8, "k: true\n", appended(4)),
            ("a: b\n", 5..5, "---\nj: true\n", appended(4)),
            ("a: b\n", 5..5, "---\nk: true\n---\nl: m\n", appended(4)),
            ("a: |+\n b", 8..8, "\n---\nk: true\n", appended(4)),
        ] {
            let proved = proved(source, at, text, planned);
            assert!(proved.is_err(), "{source} {text}");
        }
    }

    #[test]
    fn a_second_reading_must_differ_in_the_value_alone() {
        let encoded = |values: &[&str]| {
            let encode = |text: &&str| {
                let mut encoder = Encoder::default();
                match *text {
                    "true" => encoder.boolean(true),
                    text => encoder.text(text),
                }
                encoder
            };
            values.iter().map(encode).collect::<Vec<_>>()
        };
        let content = |values: &[&str], rest: &str| {
            let mut content = Content {
                values: encoded(values),
                ..Content::default()
            };
            match rest {
                "" => content.rest.null(),
                rest => content.rest.text(rest),
            }
            content
        };
        let agree = |is: Vec<Content>, claim: &Claim<'_>| {
            let was = vec![content(&["no"], "a"), content(&[], "")];
            readings_agree(was, is, Documents::Same, &Syntax::Yaml, claim)
        };
        let whole = Value::Text("b");
        let filled = Claim {
            before: &[],
            after: &[],
            ..claim(1, 0, &whole)
        };
        assert!(agree(
            vec![content(&["true"], "a"), content(&[], "")],
            &claim(0, 1, &TRUE)
        ));
        assert!(agree(
            vec![content(&["no"], "a"), content(&["true"], "")],
            &claim(1, 0, &TRUE)
        ));
        assert!(agree(
            vec![content(&["no"], "a"), content(&[], "b")],
            &filled
        ));
        for (is, claim) in [
            (
                vec![content(&["no"], "a"), content(&[], "")],
                claim(0, 1, &TRUE),
            ),
            (
                vec![content(&["true"], "b"), content(&[], "")],
                claim(0, 1, &TRUE),
            ),
            (
                vec![content(&["true"], "a"), content(&[], "b")],
                claim(0, 1, &TRUE),
            ),
            (vec![content(&["true"], "a")], claim(0, 1, &TRUE)),
            (
                vec![content(&["true", "true"], "a"), content(&[], "")],
                claim(0, 0, &TRUE),
            ),
            (
                vec![content(&["no"], "a"), content(&["true"], "")],
                claim(1, 1, &TRUE),
            ),
            (vec![content(&["no"], "b"), content(&[], "b")], filled),
            (vec![content(&["no"], "a"), content(&[], "c")], filled),
            (
                vec![content(&["no"], "a"), content(&[], "b")],
                claim(2, 0, &TRUE),
            ),
        ] {
            assert!(!agree(is, &claim), "{claim:?}");
        }
        let json = |value: &str| {
            let was = vec![content(&["no"], "a"), content(&["false"], "c")];
            let is = vec![content(&["true"], "a"), content(&[value], "c")];
            let format = Syntax::YamlWithJson(0..0);
            readings_agree(was, is, Documents::Same, &format, &claim(0, 1, &TRUE))
        };
        assert!(json("true"));
        assert!(!json("false"));
    }

    #[test]
    fn a_comment_is_no_event_but_a_line() {
        assert!(proved("a: b\nc: d\n", 5..5, "k: true # c\n", inserted(3)).is_ok());
        assert!(proved("a: b\nc: d\n", 5..5, "# c\nk: true\n", inserted(3)).is_err());
    }
}
