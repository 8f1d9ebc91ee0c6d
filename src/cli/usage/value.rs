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
        let word = line.words.get(whole)?.to_str()?;
        let name = word.strip_suffix(given.as_str())?;
        Some(line.with(whole, [format!("{name}{near}").into()]))
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
    Meant {
        tip: Some("the requests of a node are --node".to_owned()),
        words: Some(line.with(at, ["--node", name].map(OsString::from))),
    }
}

/// The options of `rollback` that are about a cluster alone.
const OF_A_CLUSTER: [&str; 2] = ["--kubeconfig", "--context"];

/// Whether this is `rollback` with an option of a cluster, and without `--cluster`.
pub(super) fn is_of_a_node(line: &Line<'_>) -> bool {
    let is_rollback = line.path.last().is_some_and(|verb| verb == "rollback");
    let has = |option: &str| line.words.iter().any(|word| is_option(word, option));
    is_rollback && !has("--cluster") && OF_A_CLUSTER.iter().any(|option| has(option))
}

/// The same without those options: a node is rolled back from its receipt, without the API server.
pub(super) fn of_a_node(line: &Line<'_>) -> Meant {
    let mut words = Vec::new();
    let mut typed = line.words.iter();
    while let Some(word) = typed.next() {
        match OF_A_CLUSTER.iter().find(|option| is_option(word, option)) {
            // Its value is the next word.
            Some(option) if *word == **option => drop(typed.next()),
            Some(_) => {}
            None => words.push(word.clone()),
        }
    }
    Meant {
        tip: Some("without --cluster, rollback is about this node and needs no kubeconfig".into()),
        words: Some(words),
    }
}

/// Whether a word is this option, with or without its value.
fn is_option(word: &OsString, option: &str) -> bool {
    let rest = word.to_str().and_then(|word| word.strip_prefix(option));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
