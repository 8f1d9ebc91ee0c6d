//! A document added at the end of a stream.

use super::error::PlaceCause;
use super::layout::last_eol;
use super::splice::{Documents, EventChange, Splice};
use super::value::Value;
use super::{Error, Event, EventKind, Stream, Style, YamlCause};

/// Adds a document of these entries, after a line of `---` unless one without content has begun already.
pub(super) fn document<'v>(stream: &Stream<'_>, entries: &Value<'v>) -> Result<Splice<'v>, Error> {
    let source = stream.source;
    let at = source.len();
    let eol = last_eol(source);
    let mut text = String::new();
    if !source.is_empty() && !source.ends_with('\n') {
        let mut events = stream.events.iter().rev();
        let last = events.find(|event| matches!(event.kind, EventKind::Scalar(_)));
        if last.is_some_and(|last| is_open(source, last)) {
            let cause = YamlCause::Place {
                cause: PlaceCause::OpenBlockScalar,
                line: String::new(),
            };
            return Err(Error::at(source, at, cause));
        }
        text.push_str(eol);
    }
    let last = stream.documents.last();
    let begun = last.filter(|last| last.explicit && stream.is_absent(last.root));
    if begun.is_none() {
        text.push_str("---");
        text.push_str(eol);
    }
    let mut written = Vec::new();
    if let Value::Mapping(entries) = entries {
        written.extend(
            entries
                .iter()
                .flat_map(|(key, value)| value.entry_lines(key, "")),
        );
    }
    for line in &written {
        text.push_str(line);
        text.push_str(eol);
    }
    let count = isize::try_from(written.len()).unwrap_or(isize::MAX);
    let lines = count..=count.saturating_add(2);
    let planned = match begun {
        Some(begun) => EventChange::value(begun.root, 1, entries, lines),
        None => EventChange {
            documents: Documents::Appended,
            ..EventChange::value(stream.events.len(), 0, entries, lines)
        },
    };
    Ok(Splice {
        at: at..at,
        text,
        planned,
    })
}

fn is_open(source: &str, last: &Event) -> bool {
    let rest = source.get(last.end as usize..).unwrap_or_default();
    last.kind == EventKind::Scalar(Style::Block) && rest.trim().is_empty()
}
