//! A change of bytes, planned: which bytes go, which come, and what that should mean.

use std::ops::Range;

use super::{Error, Kind, Stream, Style};

/// Bytes to be replaced by others.
#[derive(Debug)]
pub(crate) struct Splice {
    pub(crate) at: Range<usize>,
    pub(crate) text: String,
    pub(crate) planned: Planned,
}

/// What a splice does to the events of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planned {
    /// The event `value` becomes the plain scalar, and no other changes.
    Replaced {
        /// Its index.
        value: usize,
    },
    /// Before the event `before` come a key and a plain scalar.
    Inserted {
        /// Its index.
        before: usize,
    },
    /// A document comes at the end.
    Appended,
    /// The last document, an empty one, becomes a document with content.
    Filled,
}

/// Sets the value of a key that is there.
pub(crate) fn replace(
    stream: &Stream<'_>,
    key: usize,
    value: usize,
    word: &str,
) -> Result<Splice, Error> {
    let name = stream.text(key);
    let refuse = |what: &str| {
        let reason = format!("the value of {name} {what}");
        Err(Error::new(
            Some(stream.position(key)),
            reason,
            format!("write it as {name}: {word}"),
        ))
    };
    let event = stream.event(value);
    let planned = Planned::Replaced { value };
    match event.kind {
        Kind::Scalar(Style::Block) => return refuse("is a block scalar, not true or false"),
        Kind::Scalar(_) | Kind::Alias => {}
        _ => return refuse("is a collection, not true or false"),
    }
    let is_alias_of_it =
        |other: &super::Event| other.kind == Kind::Alias && other.link as usize == value;
    if event.anchored && stream.events.iter().any(is_alias_of_it) {
        return refuse("has an anchor that other values refer to, which would change with it");
    }
    if stream.is_absent(value) {
        let (at, text) = match after_key(stream, key) {
            Some((colon, b':')) => (colon + 1, format!(" {word}")),
            Some((_, b',' | b'}')) => (stream.event(key).end as usize, format!(": {word}")),
            _ => return refuse("is empty and its place cannot be seen"),
        };
        return Ok(Splice {
            at: at..at,
            text,
            planned,
        });
    }
    // an empty scalar's own span may lie elsewhere than its tag and anchor
    let start = event.outer as usize;
    let end = if event.start == event.end {
        end_of_properties(stream, start)
    } else {
        event.end as usize
    };
    match stream.source.get(start..end) {
        Some(old) if !old.is_empty() && !old.contains('\n') => Ok(Splice {
            at: start..end,
            text: word.to_owned(),
            planned,
        }),
        _ => refuse("spans several lines"),
    }
}

/// The first byte after a key on its line that is not blank, and where.
pub(super) fn after_key(stream: &Stream<'_>, key: usize) -> Option<(usize, u8)> {
    let start = stream.event(key).end as usize;
    let rest = stream.source.as_bytes().get(start..)?;
    let blanks = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    rest.get(blanks).map(|byte| (start + blanks, *byte))
}

/// Tag and anchor run on, separated by blanks, for as long as words start with `!` or `&`.
fn end_of_properties(stream: &Stream<'_>, start: usize) -> usize {
    let rest = stream.source.get(start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let mut end = 0;
    for word in line.split_inclusive([' ', '\t']) {
        let bare = word.trim_end_matches([' ', '\t']);
        if !bare.is_empty() && !bare.starts_with(['!', '&']) {
            break;
        }
        if !bare.is_empty() {
            let offset = word.as_ptr() as usize - line.as_ptr() as usize;
            end = offset + bare.trim_end_matches([',', '}']).len();
        }
    }
    start + end
}

/// Adds a document of these lines at the end of the stream.
pub(crate) fn append(stream: &Stream<'_>, lines: &[&str]) -> Result<Splice, Error> {
    let source = stream.source;
    let at = source.len();
    let eol = last_eol(source);
    let mut text = String::new();
    if !source.is_empty() && !source.ends_with('\n') {
        if stream
            .events
            .iter()
            .rev()
            .find(|event| matches!(event.kind, Kind::Scalar(_)))
            .is_some_and(ends_open(source))
        {
            let reason = "the file ends within a block scalar, without an end of line";
            let advice =
                "end the last line first: that may add an end of line to the value it belongs to";
            return Err(Error::at(source, at, reason, advice));
        }
        text.push_str(eol);
    }
    // a --- with nothing after it has begun the document already
    let is_begun = stream
        .documents
        .last()
        .is_some_and(|last| last.explicit && stream.is_absent(last.root));
    if !is_begun {
        text.push_str("---");
        text.push_str(eol);
    }
    for line in lines {
        text.push_str(line);
        text.push_str(eol);
    }
    Ok(Splice {
        at: at..at,
        text,
        planned: if is_begun {
            Planned::Filled
        } else {
            Planned::Appended
        },
    })
}

fn ends_open(source: &str) -> impl Fn(&super::Event) -> bool {
    move |event| {
        let rest = source.get(event.end as usize..).unwrap_or_default();
        event.kind == Kind::Scalar(Style::Block) && rest.trim().is_empty()
    }
}

/// The end of line of the last line that has one.
pub(super) fn last_eol(source: &str) -> &'static str {
    match source.rfind('\n') {
        Some(newline)
            if source
                .get(..newline)
                .is_some_and(|before| before.ends_with('\r')) =>
        {
            "\r\n"
        }
        _ => "\n",
    }
}
