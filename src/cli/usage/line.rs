//! The words of a wrong command line, and the same words with one of them changed.

use std::ffi::{OsStr, OsString};

use clap::Command as Definition;

use crate::cli::program::typed;

/// The words of a command line, with the verb that they name.
pub(super) struct Line<'a> {
    definition: &'a Definition,
    pub(super) words: Vec<OsString>,
    /// The program and its verb.
    pub(super) path: Vec<OsString>,
}

impl<'a> Line<'a> {
    pub(super) fn of(
        definition: &'a Definition,
        arguments: &[OsString],
        unknown: Option<&str>,
    ) -> Self {
        let program = definition.get_bin_name().unwrap_or_default().split(' ');
        let mut path: Vec<OsString> = program.map(OsString::from).collect();
        let mut verb = definition;
        let words = arguments.iter().skip(1);
        for word in words.take_while(|word| word.to_str() != unknown || unknown.is_none()) {
            if let Some(found) = verb.find_subcommand(word) {
                path.push(found.get_name().into());
                verb = found;
            }
        }
        Self {
            definition,
            words: typed(arguments),
            path,
        }
    }

    /// The line with `replacement` in the place of a word. Of a word with `=` only the part before that is compared and
    /// replaced, and its value follows as a word. `None` if the line does not have the word.
    pub(super) fn replaced(&self, word: &str, replacement: &[&str]) -> Option<Vec<OsString>> {
        let is_it = |typed: &OsString| {
            let typed = typed.to_str().unwrap_or_default();
            typed == word || typed.split_once('=').is_some_and(|(name, _)| name == word)
        };
        let at = self.words.iter().position(is_it)?;
        let value = self.words.get(at)?.to_str()?.split_once('=');
        let value = value.map(|(_, value)| OsString::from(value));
        Some(self.with(at, replacement.iter().map(OsString::from).chain(value)))
    }

    /// The line with these words in the place of its word at `at`.
    pub(super) fn with(
        &self,
        at: usize,
        replacement: impl IntoIterator<Item = OsString>,
    ) -> Vec<OsString> {
        let mut words = self.words.clone();
        words.splice(at..=at, replacement);
        words
    }

    /// Whether `word` is a verb.
    pub(super) fn is_verb(&self, word: &OsStr) -> bool {
        self.definition.find_subcommand(word).is_some()
    }

    /// The line without a word.
    pub(super) fn without(&self, word: &OsStr) -> Option<Vec<OsString>> {
        let at = self.words.iter().rposition(|typed| typed == word)?;
        Some(self.with(at, []))
    }

    /// The program's name as it was typed, and these words.
    pub(super) fn of_program(&self, words: &[&str]) -> Vec<OsString> {
        let program = self.definition.get_bin_name().unwrap_or_default();
        let program = program.split(' ').map(OsString::from);
        program.chain(words.iter().map(OsString::from)).collect()
    }

    /// The verbs that take an option of this name.
    pub(super) fn verbs_with(&self, option: &str) -> Vec<String> {
        fn find(verb: &Definition, path: &str, name: &str, found: &mut Vec<String>) {
            if verb
                .get_arguments()
                .any(|argument| argument.get_long() == Some(name))
            {
                found.push(path.to_owned());
            }
            for next in verb.get_subcommands() {
                find(
                    next,
                    format!("{path} {}", next.get_name()).trim(),
                    name,
                    found,
                );
            }
        }
        let mut found = Vec::new();
        if let Some(name) = option.strip_prefix("--") {
            find(self.definition, "", name, &mut found);
        }
        found.retain(|path| !path.is_empty());
        found
    }
}
