//! What was meant by a value that an option or a verb does not take.

use std::ffi::OsString;

use clap::error::ContextKind;

use super::{Line, Meant, text_of};

/// A value that is not one of those that an option takes, and is near to one.
pub(super) fn value(error: &clap::Error, line: &Line<'_>) -> Meant {
    let given = text_of(error, ContextKind::InvalidValue);
    let near = text_of(error, ContextKind::SuggestedValue);
    let words = given.zip(near).and_then(|(given, near)| {
        let whole = line.words.iter().rposition(|word| {
            let word = word.to_str().unwrap_or_default();
            word == given || word.ends_with(&format!("={given}"))
        })?;
        let mut words = line.words.clone();
        let word = words.get_mut(whole)?;
        let name = word.to_str()?.strip_suffix(given.as_str())?;
        *word = format!("{name}{near}").into();
        Some(words)
    });
    Meant { tip: None, words }
}

/// A Node written as kubectl has it, `node/NAME`, where `approve` takes names of CSRs.
pub(super) fn object(error: &clap::Error, line: &Line<'_>) -> Meant {
    let given = text_of(error, ContextKind::InvalidValue).unwrap_or_default();
    let at = line.words.iter().position(|word| *word == *given);
    let name = given.strip_prefix("node/").or(given.strip_prefix("nodes/"));
    let Some((at, name)) = at.zip(name) else {
        return Meant::default();
    };
    let mut words = line.words.clone();
    words.splice(at..=at, ["--node", name].map(OsString::from));
    Meant {
        tip: Some("the requests of a node are --node".to_owned()),
        words: Some(words),
    }
}
