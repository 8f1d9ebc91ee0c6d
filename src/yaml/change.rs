//! One value set, inserted or removed at a path of one document.

use super::append;
use super::encode::ScalarReading;
use super::error::PathCause;
use super::insert::EntryPlace;
use super::path::{PathStep, Slot, follow};
use super::proof::{self, Claim};
use super::splice::{Documents, Splice};
use super::value::Value;
use super::work::{self, SpliceKind};
use super::{Error, Position, Stream, Syntax, YamlCause};

/// What is done at a path.
#[derive(Clone, Debug)]
pub(crate) enum Operation<'o> {
    /// The path has this value afterwards. What of it is missing is added: a key where `Place` says, an item at the end.
    Set(Value<'o>, EntryPlace<'o>),
    /// A new item comes before the item to which the path leads, or at the end if it leads to one past the last.
    Insert(Value<'o>),
    /// The entry or the item does not exist afterwards.
    Remove,
}

/// A stream with one change made, and what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EditedStream {
    /// The bytes as they should be.
    pub(crate) after: Vec<u8>,
    /// What differs from before.
    pub(crate) change: Change,
}

/// What an edit changed. Lines are counted from 1, in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the file already says so.
    None,
    /// The value in this line.
    Replaced {
        /// The line of the value, from 1.
        line: usize,
    },
    /// This line is new and perhaps some after it, or in braces it has a new key.
    Inserted {
        /// The first new line, from 1.
        line: usize,
    },
    /// A document is new, which starts in this line.
    Appended {
        /// The line of its `---`, from 1.
        line: usize,
    },
    /// What was in this line before, and perhaps in some after it, is gone.
    Removed {
        /// The first removed line, by the old text, from 1.
        line: usize,
    },
}

/// Makes one change in one document of a stream; every other byte is kept.
///
/// The result is checked before it is returned: its events are the old ones except for the planned ones, a second parser
/// reads every document as before except for the value, what is read as JSON is JSON, and undoing the change gives the
/// bytes of before.
///
/// # Errors
/// When the path leads through something with more than one meaning, the change has no certain place, or the proof fails.
pub(crate) fn edit(
    stream: &Stream<'_>,
    format: &Syntax,
    document: usize,
    path: &[PathStep<'_>],
    operation: &Operation<'_>,
) -> Result<EditedStream, Error> {
    let root = stream
        .documents
        .get(document)
        .map_or(0, |document| document.root);
    let found = follow(stream, root, path)?;
    let missing = Error {
        position: Some(stream.position(found.node)),
        cause: YamlCause::Path(PathCause::Missing),
    };
    let work = match (operation, found.missing) {
        (_, []) if found.slot == Slot::Root => return Err(missing),
        (Operation::Set(value, _), []) => work::set(stream, root, found, value)?,
        (Operation::Set(value, place), [step, rest @ ..]) => {
            let value = work::nested(rest, value);
            work::add(stream, root, found, *step, value, *place)?
        }
        (Operation::Insert(value), []) => {
            work::insert_before(stream, root, &found, value)?.ok_or(missing)?
        }
        (Operation::Insert(value), [step @ PathStep::Item(_)]) => work::add(
            stream,
            root,
            found,
            *step,
            value.clone(),
            EntryPlace::Sorted,
        )?,
        (Operation::Remove, []) => work::remove(stream, found)?,
        (Operation::Insert(_) | Operation::Remove, _) => return Err(missing),
    };
    let claim = Claim {
        document,
        before: &work.before,
        reading: work.reading,
        taken: usize::from(matches!(
            work.effect,
            SpliceKind::Replaced | SpliceKind::Removed
        )),
        after: &work.after,
        expected: work.expected.as_ref(),
    };
    finish(stream, format, &work.splice, work.effect, &claim)
}

/// Adds a document of these entries at the end of the stream.
///
/// # Errors
/// When the end of the last document cannot be told, or the proof fails.
pub(crate) fn append_document(
    stream: &Stream<'_>,
    format: &Syntax,
    entries: &Value<'_>,
) -> Result<EditedStream, Error> {
    let splice = append::document(stream, entries)?;
    let appended = splice.planned.documents == Documents::Appended;
    let claim = Claim {
        document: stream.documents.len() - usize::from(!appended),
        before: &[],
        reading: ScalarReading::Any,
        taken: 0,
        after: &[],
        expected: Some(entries),
    };
    finish(stream, format, &splice, SpliceKind::Appended, &claim)
}

fn finish(
    stream: &Stream<'_>,
    format: &Syntax,
    splice: &Splice<'_>,
    effect: SpliceKind,
    claim: &Claim<'_>,
) -> Result<EditedStream, Error> {
    let after = proof::prove(stream, splice, format, claim)?;
    let at = splice.at.start;
    let line = Position::of(stream.source, at).line;
    // a line that comes after one without an end starts behind that end
    let next = line + usize::from(splice.text.starts_with(['\r', '\n']));
    let change = match effect {
        SpliceKind::Replaced => Change::Replaced { line },
        SpliceKind::Inserted => Change::Inserted { line: next },
        SpliceKind::Appended => Change::Appended { line: next },
        SpliceKind::Removed => {
            let cut = stream.source.get(splice.at.clone()).unwrap_or_default();
            let skipped = usize::from(cut.starts_with(['\r', '\n']));
            Change::Removed {
                line: line + skipped,
            }
        }
    };
    Ok(EditedStream { after, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGS: [PathStep<'static>; 3] = [
        PathStep::Key("server"),
        PathStep::Key("args"),
        PathStep::Key("k"),
    ];
    const LIST: [PathStep<'static>; 3] = [
        PathStep::Key("server"),
        PathStep::Key("args"),
        PathStep::Named {
            key: "name",
            is: "k",
        },
    ];

    fn made(
        source: &str,
        path: &[PathStep<'_>],
        operation: &Operation<'_>,
    ) -> Result<String, Error> {
        let stream = Stream::parse(source.as_bytes())?;
        let format = if source.starts_with('{') {
            Syntax::Json
        } else {
            Syntax::Yaml
        };
        let edited = edit(&stream, &format, 0, path, operation)?;
        Ok(String::from_utf8(edited.after).unwrap())
    }

    fn named() -> Value<'static> {
        Value::Mapping(vec![
            ("name", Value::Text("k")),
            ("value", Value::Text("/v")),
        ])
    }

    #[test]
    fn the_missing_part_of_a_path_is_added() {
        let set = Operation::Set(Value::Text("/v"), EntryPlace::After("kind"));
        let sorted = Operation::Set(Value::Text("/v"), EntryPlace::Sorted);
        for (before, after) in [
            (
                "kind: A\nz: 1\n",
                "kind: A\nserver:\n  args:\n    k: /v\nz: 1\n",
            ),
            (
                "kind: A # c\r\nz: 1",
                "kind: A # c\r\nserver:\r\n  args:\r\n    k: /v\r\nz: 1",
            ),
            ("kind: A", "kind: A\nserver:\n  args:\n    k: /v"),
            ("server: {}\nz: 1\n", "server:\n  args:\n    k: /v\nz: 1\n"),
            (
                "server:  {} \nz: 1\n",
                "server:\n  args:\n    k: /v\nz: 1\n",
            ),
            (
                "server: {} # c\nz: 1\n",
                "server: {args: {k: /v}} # c\nz: 1\n",
            ),
            (
                "server: # c\nz: 1\n",
                "server: # c\n  args:\n    k: /v\nz: 1\n",
            ),
            (
                "server:\n# c\nz: 1\n",
                "server:\n  args:\n    k: /v\n# c\nz: 1\n",
            ),
            ("z: 1\nserver: null", "z: 1\nserver:\n  args:\n    k: /v"),
            ("server: {x: 1}\n", "server: {args: {k: /v}, x: 1}\n"),
            ("server:\n  x: 1\n", "server:\n  x: 1\n  args:\n    k: /v\n"),
            (
                "server:\n  args: {}\n  x: 1\n",
                "server:\n  args:\n    k: /v\n  x: 1\n",
            ),
            (
                "server:\n  args:\n    j: 1\n# c\nz: 1\n",
                "server:\n  args:\n    j: 1\n    k: /v\n# c\nz: 1\n",
            ),
            ("{\"server\":{}}", "{\"server\":{\"args\":{\"k\":\"/v\"}}}"),
            (
                "{\n  \"z\": 1\n}\n",
                "{\n  \"server\": {\"args\": {\"k\": \"/v\"}},\n  \"z\": 1\n}\n",
            ),
            (
                "kind: |-\n  A\n\n# c\nz: 1\n",
                "kind: |-\n  A\n\nserver:\n  args:\n    k: /v\n# c\nz: 1\n",
            ),
            (
                "kind:\n  - a: b\n    c: [d,\n     e] # c\nz: 1\n",
                "kind:\n  - a: b\n    c: [d,\n     e] # c\nserver:\n  args:\n    k: /v\nz: 1\n",
            ),
        ] {
            assert_eq!(made(before, &ARGS, &set).as_deref(), Ok(after), "{before}");
        }
        for (before, after) in [
            ("server:\n  x: 1\n", "server:\n  args:\n    k: /v\n  x: 1\n"),
            (
                "server:\n  args:\n    a: b\n    z: 1\n",
                "server:\n  args:\n    a: b\n    k: /v\n    z: 1\n",
            ),
            ("- server:\n    a: 1\n", ""),
        ] {
            let made = made(before, &ARGS, &sorted);
            assert_eq!(made.unwrap_or_default(), after, "{before}");
        }
        let item = Operation::Set(named(), EntryPlace::Sorted);
        for (before, after) in [
            (
                "server: {}\n",
                "server:\n  args:\n  - name: k\n    value: /v\n",
            ),
            (
                "server:\n  args: []\n",
                "server:\n  args:\n  - name: k\n    value: /v\n",
            ),
            (
                "server:\n  args:\n    -  name: a\n       value: b\nz: 1\n",
                "server:\n  args:\n    -  name: a\n       value: b\n    -  name: k\n       value: /v\nz: 1\n",
            ),
            (
                "server: {args: [{name: a, value: b}]}\n",
                "server: {args: [{name: a, value: b}, {name: k, value: /v}]}\n",
            ),
            (
                "server:\n  args: [] # c\n",
                "server:\n  args: [{name: k, value: /v}] # c\n",
            ),
        ] {
            assert_eq!(made(before, &LIST, &item).as_deref(), Ok(after), "{before}");
            // and taken out again where it is not the only one
            if before.contains("name: a") {
                let removed = made(after, &LIST, &Operation::Remove);
                assert_eq!(removed.as_deref(), Ok(before), "{after}");
            }
        }
    }

    #[test]
    fn an_item_is_inserted_and_removed() {
        let path = |index| [PathStep::Key("a"), PathStep::Item(index)];
        let insert = Operation::Insert(Value::Text("--x=y"));
        for (index, before, after) in [
            (0, "a:\n- b # c\n- d\n", "a:\n- --x=y\n- b # c\n- d\n"),
            (1, "a:\n- b # c\n- d\n", "a:\n- b # c\n- --x=y\n- d\n"),
            (
                2,
                "a:\n  - b\n  - d # c\n# e\nz: 1\n",
                "a:\n  - b\n  - d # c\n  - --x=y\n# e\nz: 1\n",
            ),
            (2, "a:\r\n- b\r\n- d", "a:\r\n- b\r\n- d\r\n- --x=y"),
            (0, "a: [b, d]\n", "a: [--x=y, b, d]\n"),
            (2, "a: [b, d]\n", "a: [b, d, --x=y]\n"),
            (
                1,
                "{\"a\":[\"b\",\"d\"]}",
                "{\"a\":[\"b\",\"--x=y\",\"d\"]}",
            ),
            (0, "{\"a\":[]}", "{\"a\":[\"--x=y\"]}"),
        ] {
            let path = path(index);
            assert_eq!(made(before, &path, &insert).as_deref(), Ok(after));
            let removed = made(after, &path, &Operation::Remove);
            assert_eq!(removed.as_deref(), Ok(before));
        }
        for (index, before) in [
            (0, "a: b\n"),
            (1, "a:\n-\n  - d\n"),
            (0, "a:\n-\n  b\n"),
            (5, "a: &x [b]\nc: *x\n"),
            (0, "a: !!x [b]\n"),
            (0, "a: [b]\na: [c]\n"),
            (0, "a: [b]\n<<: {}\n"),
            (0, "b: [c]\n"),
        ] {
            let made = made(before, &path(index), &insert);
            let is_added = made.as_ref().is_ok_and(|_| before.starts_with("b: "));
            assert!(made.is_err() || is_added, "{before} {made:?}");
        }
    }

    #[test]
    fn an_entry_is_removed_with_its_lines_and_no_comment() {
        let path = [PathStep::Key("a"), PathStep::Key("k")];
        for (before, after) in [
            ("a:\n  k: 1 # c\n  b: 2\n", Some("a:\n  b: 2\n")),
            (
                "a:\n  b: 2\n  k:\n  - 1\n  # d\nz: 1\n",
                Some("a:\n  b: 2\n  # d\nz: 1\n"),
            ),
            (
                "a:\n  b: 2\n  k: |\n    1\n\nz: 1\n",
                Some("a:\n  b: 2\nz: 1\n"),
            ),
            ("a:\r\n  b: 2\r\n  k:", Some("a:\r\n  b: 2")),
            ("a: {k: 1, b: 2}\n", Some("a: {b: 2}\n")),
            ("a: {b: 2, k: '#'}\n", Some("a: {b: 2}\n")),
            ("a: {k: 1}\n", Some("a: {}\n")),
            (
                "{\"a\": {\n\t\"b\": 2,\n\t\"k\": [1]\n}}",
                Some("{\"a\": {\n\t\"b\": 2\n}}"),
            ),
            ("a:\n  k: 1\n", None),
            ("a:\n  b: 2\n  k:\n  # c\n  - 1\n", None),
            ("a: {k: 1, # c\n b: 2}\n", None),
            ("a:\n  k: &x 1\n  b: *x\n", None),
            ("a:\n  b: 2\n", None),
        ] {
            let made = made(before, &path, &Operation::Remove);
            assert_eq!(made.ok().as_deref(), after, "{before}");
        }
        let empty = Operation::Set(Value::Mapping(Vec::new()), EntryPlace::Sorted);
        for (before, after) in [
            ("a:\n  b: 1\n  c: [2]\nz: 1\n", Some("a: {}\nz: 1\n")),
            ("a:\n  b: 1 # c\n", None),
            ("a: # c\n  b: 1\n", None),
            ("a: {b: 1}\n", Some("a: {}\n")),
        ] {
            let made = made(before, &[PathStep::Key("a")], &empty);
            assert_eq!(made.ok().as_deref(), after, "{before}");
        }
    }
}
