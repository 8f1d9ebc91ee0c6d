//! A command as `systemctl show` prints it, and its words once the variables are put in.

use super::variables::Variables;
use super::{UnknownCommandLine, Word, WordSource};

/// A command of `ExecStart=` before its variables are put in.
pub(super) struct ExecCommand<'a> {
    words: Vec<&'a str>,
    /// Whether variables are put in; not with `ExecStart=:`.
    substitutes: bool,
}

impl<'a> ExecCommand<'a> {
    /// Reads what print_property in src/systemctl/systemctl-show.c writes, one command a line.
    pub(super) fn parse(exec_start: &'a str) -> Result<Self, UnknownCommandLine> {
        if exec_start.trim().is_empty() {
            return Err(UnknownCommandLine::NoExecStart);
        }
        let unclear = || UnknownCommandLine::ExecStartUnclear;
        let line = exec_start.trim().lines().next_back().unwrap_or_default();
        let block = match line.rsplit_once(" } { path=") {
            Some((_, last)) => last,
            None => line.strip_prefix("{ path=").ok_or_else(unclear)?,
        };
        let (_, block) = block.split_once(" ; argv[]=").ok_or_else(unclear)?;
        // the last one: an argument may look the same
        let (argv, substitutes) = match block.rsplit_once(" ; ignore_errors=") {
            Some((argv, _)) => (argv, true),
            None => {
                let (argv, rest) = block.rsplit_once(" ; flags=").ok_or_else(unclear)?;
                let flags = rest.split(" ; ").next().unwrap_or_default();
                (argv, substitutes(flags)?)
            }
        };
        let words: Vec<_> = argv.split(' ').collect();
        if words.contains(&"") {
            return Err(UnknownCommandLine::ArgumentsUnclear);
        }
        Ok(Self { words, substitutes })
    }

    /// What the process gets.
    pub(super) fn words(&self, variables: &Variables) -> Result<Vec<Word>, UnknownCommandLine> {
        let mut words = Vec::new();
        for &word in &self.words {
            match (self.substitutes, word.strip_prefix('$')) {
                (false, _) => words.push(Word {
                    text: word.to_owned(),
                    source: WordSource::Unit,
                }),
                (true, Some(name)) if !name.starts_with(['{', '$']) => {
                    let found = variables.get(name)?;
                    words.extend(found.into_iter().flat_map(|(value, source)| {
                        let source = source.clone();
                        split(value).into_iter().map(move |text| Word {
                            text,
                            source: source.clone(),
                        })
                    }));
                }
                (true, _) => words.push(substituted(word, variables)?),
            }
        }
        Ok(words)
    }
}

/// Whether variables are put in, by the flags of `ExecStartEx` (exec_command_flags_to_strv in src/shared/exec-util.c).
fn substitutes(flags: &str) -> Result<bool, UnknownCommandLine> {
    let mut flags = flags.split(' ');
    if flags.clone().any(|flag| flag == "via-shell") {
        return Err(UnknownCommandLine::Shell);
    }
    Ok(!flags.any(|flag| flag == "no-env-expand"))
}

/// `word` with each `${A}` and `$$` in it replaced.
fn substituted(word: &str, variables: &Variables) -> Result<Word, UnknownCommandLine> {
    let mut text = String::new();
    let mut source = WordSource::Unit;
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            text.push('$');
            rest = after;
        } else if let Some(inner) = after.strip_prefix('{') {
            // `${A:` is what systemd keeps for later and leaves alone
            let piece = inner.split_inclusive(['}', ':']).next().unwrap_or_default();
            rest = inner.strip_prefix(piece).unwrap_or_default();
            match piece.strip_suffix('}') {
                None => {
                    text.push_str("${");
                    text.push_str(piece);
                }
                Some(name) => {
                    if let Some((value, set_by)) = variables.get(name)? {
                        text.push_str(value);
                        if source == WordSource::Unit {
                            source = set_by.clone();
                        }
                    }
                }
            }
        } else {
            text.push('$');
            rest = after;
        }
    }
    text.push_str(rest);
    Ok(Word { text, source })
}

/// Splits at white space outside of quotes of either kind; a backslash, also in quotes, takes the next character as it
/// is, and what is left open at the end counts as closed (extract_first_word in src/basic/extract-word.c, with
/// EXTRACT_RELAX and EXTRACT_UNQUOTE).
fn split(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut open = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (_, '\\') => word.get_or_insert_default().extend(chars.next()),
            (Some(quote), c) if c == quote => open = None,
            (None, '"' | '\'') => {
                open = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t' | '\n' | '\r') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::super::environment_file::EscapeRules;
    use super::*;
    use proptest::prelude::*;

    fn printed(argv: &str) -> String {
        format!(
            "{{ path=/usr/bin/kubelet ; argv[]={argv} ; ignore_errors=no ; start_time=[n/a] ; stop_time=[n/a] ; \
             pid=0 ; code=(null) ; status=0/0 }}"
        )
    }

    fn words(exec_start: &str, environment: &str) -> Result<Vec<String>, UnknownCommandLine> {
        let variables = Variables::gather(environment, &[], EscapeRules::Since254)?;
        let words = ExecCommand::parse(exec_start)?.words(&variables)?;
        Ok(words.into_iter().map(|word| word.text).collect())
    }

    #[test]
    fn variables_in_the_command_are_expanded_as_systemd_does() {
        let environment = r#""A=a b" B=c "Q='x y' \"\" z\\\\ w" E= "S=  ""#;
        let cases = [
            ("$A", "<a><b>"),
            ("${A}", "<a b>"),
            ("x${A}y${B}", "<xa byc>"),
            ("x$A $A-b", "<x$A>"),
            ("$E $S $NONE ${E} ${NONE}", "<><>"),
            ("$Q", r"<x y><><z\><w>"),
            ("$$A $${A} a$$", "<$A><${A}><a$>"),
            ("$ a$ ${ ${B ${B:-d}", "<a$><${><${B><${B:-d}>"),
            ("${A:+x}${B}", "<${A:+x}c>"),
            ("a ; b", "<a><;><b>"),
            ("a ; ignore_errors=yes b", "<a><;><ignore_errors=yes><b>"),
            ("\"a\\ 'b", "<\"a\\><'b>"),
        ];
        for (argv, expected) in cases {
            let words = words(&printed(argv), environment).unwrap();
            let words: String = words.iter().map(|word| format!("<{word}>")).collect();
            assert_eq!(words, expected, "{argv}");
        }
    }

    #[test]
    fn commands_are_read_as_systemctl_prints_them() {
        let (first, last) = (printed("first $A"), printed("k $A"));
        let extended = |flags: &str| {
            printed("k $A ${A}").replace("ignore_errors=no", &format!("flags={flags}"))
        };
        let cases = [
            (format!("{first}\n{last}"), "k b"),
            (format!("{first} {last}"), "k b"),
            (extended(""), "k b b"),
            (extended("privileged"), "k b b"),
            (extended("privileged no-env-expand"), "k $A ${A}"),
        ];
        for (exec_start, expected) in cases {
            let words = words(&exec_start, "A=b").unwrap();
            assert_eq!(words.join(" "), expected, "{exec_start}");
        }
        for wrong in [
            "",
            "k $A",
            "{ path=k ; argv[]=k",
            &printed("k  --a"),
            &printed("k a\n"),
            &extended("via-shell"),
        ] {
            assert!(words(wrong, "").is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_split_without_a_panic(value in ".{0,60}") {
            let words = split(&value);
            prop_assert!(words.iter().map(String::len).sum::<usize>() <= value.len());
        }

        #[test]
        fn quoted_words_come_out_whole(words in prop::collection::vec(r#"[ -~]{0,8}"#, 0..5)) {
            let quote = |word: &String| format!("'{}'", word.replace('\\', r"\\").replace('\'', r"\'"));
            let value = words.iter().map(quote).collect::<Vec<_>>().join(" \t");
            prop_assert_eq!(split(&value), words);
        }
    }
}
