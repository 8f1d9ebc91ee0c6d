//! The variables of a unit, as systemd gathers them: `Environment=` as systemctl prints it, then its environment files.

use std::collections::BTreeMap;

use super::environment_file::{Assignment, EscapeRules, assignments};
use super::{EnvironmentFile, UnknownCommandLine, Unloadable, WordSource};

/// The variables that a command line may name.
#[derive(Debug, Default)]
pub(super) struct Variables {
    values: BTreeMap<String, (String, WordSource)>,
    /// systemctl withheld some: that of 239 (RHEL 8) prints `[unprintable]` for an assignment with a space
    /// (src/shared/bus-util.c).
    withheld: bool,
}

/// What systemd itself adds to a unit's environment (src/core/exec-invoke.c, build_environment; the manager's own).
/// Where such a name is not assigned by the unit, its value is not ours to know.
const SET_BY_SYSTEMD: &[&str] = &[
    "CACHE_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "HOME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LANG",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_PIDFDID",
    "LOGNAME",
    "LOGS_DIRECTORY",
    "LOG_NAMESPACE",
    "MAINPID",
    "MANAGERPID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "PATH",
    "RUNTIME_DIRECTORY",
    "SHELL",
    "STATE_DIRECTORY",
    "SYSTEMD_EXEC_PID",
    "TMPDIR",
    "USER",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

impl Variables {
    /// Gathers them: `Environment=` first, each file over what came before it.
    pub(super) fn gather(
        environment: &str,
        files: &[EnvironmentFile],
        reading: EscapeRules,
    ) -> Result<Self, UnknownCommandLine> {
        let mut variables = Self::default();
        variables.take_printed(environment)?;
        for file in files {
            variables.take_file(file, reading)?;
        }
        Ok(variables)
    }

    /// The value of `name` and who set it; none where it is unset, and an error where that cannot be known.
    pub(super) fn get(
        &self,
        name: &str,
    ) -> Result<Option<&(String, WordSource)>, UnknownCommandLine> {
        match self.values.get(name) {
            Some(found) => Ok(Some(found)),
            None if !is_name(name) => Ok(None),
            None if SET_BY_SYSTEMD.contains(&name) => {
                Err(UnknownCommandLine::SetBySystemd(name.to_owned()))
            }
            None if self.withheld => Err(UnknownCommandLine::Withheld(name.to_owned())),
            None => Ok(None),
        }
    }

    /// `A=b "C=d e"`: a word that needs it is in double quotes with backslashes (shell_maybe_quote in
    /// src/basic/escape.c). That of 239 prints every word bare, that of 219 (CentOS 7) with `\x20` for a space.
    fn take_printed(&mut self, environment: &str) -> Result<(), UnknownCommandLine> {
        let mut rest = environment.trim_matches([' ', '\n']);
        while !rest.is_empty() {
            let (word, behind) = match rest.strip_prefix('"') {
                Some(quoted) => unquoted(quoted),
                None => Some(bare(rest)),
            }
            .ok_or(UnknownCommandLine::EnvironmentCutOff)?;
            let word =
                String::from_utf8(word).map_err(|_| UnknownCommandLine::EnvironmentNotUtf8)?;
            match word.split_once('=') {
                Some((name, value)) => {
                    let variable = name.to_owned();
                    let source = WordSource::Environment { variable };
                    self.values
                        .insert(name.to_owned(), (value.to_owned(), source));
                }
                None if word == "[unprintable]" => self.withheld = true,
                None => return Err(UnknownCommandLine::AssignsNothing),
            }
            rest = behind.trim_start_matches(' ');
        }
        Ok(())
    }

    /// exec_context_load_environment in src/core/execute.c: a file that cannot be loaded counts as missing, and an invalid
    /// assignment is dropped.
    fn take_file(
        &mut self,
        file: &EnvironmentFile,
        reading: EscapeRules,
    ) -> Result<(), UnknownCommandLine> {
        let path = &file.path;
        let Some(content) = &file.content else {
            return unloadable(file, Unloadable::Unreadable);
        };
        if content.contains(&0) {
            // 239 reads up to it, newer ones do not load the file
            return Err(UnknownCommandLine::NulByte(path.clone()));
        }
        let mut values = BTreeMap::new();
        for Assignment { line, name, value } in assignments(content, reading) {
            let (Ok(name), Ok(value)) = (String::from_utf8(name), String::from_utf8(value)) else {
                return unloadable(file, Unloadable::NotUtf8(line));
            };
            let source = WordSource::File {
                path: path.clone(),
                line,
                variable: name.clone(),
            };
            values.insert(name, (value, source));
        }
        values.retain(|name, (value, _)| is_name(name) && is_value(value, reading));
        self.values.append(&mut values);
        Ok(())
    }
}

fn unloadable(file: &EnvironmentFile, why: Unloadable) -> Result<(), UnknownCommandLine> {
    if file.optional {
        return Ok(());
    }
    Err(UnknownCommandLine::Unloadable {
        path: file.path.clone(),
        why,
    })
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Control characters came to be allowed between 240 and 254.
fn is_value(value: &str, reading: EscapeRules) -> bool {
    let forbidden = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n');
    reading != EscapeRules::Before240 || !value.contains(forbidden)
}

/// Reads up to the closing quote; gives also what is behind it.
fn unquoted(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut word = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((word.into_bytes(), chars.as_str())),
            '\\' => {
                let (c, behind) = escape(chars.as_str())?;
                word.push(c);
                chars = behind.chars();
            }
            c => word.push(c),
        }
    }
}

/// What a backslash before `text` stands for. Only control characters are written as a letter or in octal.
fn escape(text: &str) -> Option<(char, &str)> {
    if let Some((octal, behind)) = text.split_at_checked(3)
        && let Ok(byte) = u8::from_str_radix(octal, 8)
    {
        return Some((char::from(byte), behind));
    }
    let mut chars = text.chars();
    let c = match chars.next()? {
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        c => c,
    };
    Some((c, chars.as_str()))
}

/// A word without quotes, `\x20` and its like resolved; gives also what is behind it.
fn bare(text: &str) -> (Vec<u8>, &str) {
    let (word, behind) = text.split_once(' ').unwrap_or((text, ""));
    let mut pieces = word.split("\\x");
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece
            .split_at_checked(2)
            .filter(|(digits, _)| !digits.starts_with('+'))
            .and_then(|(digits, behind)| Some((u8::from_str_radix(digits, 16).ok()?, behind)));
        match byte {
            Some((byte, behind)) => {
                bytes.push(byte);
                bytes.extend_from_slice(behind.as_bytes());
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    (bytes, behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn printed(environment: &str) -> Result<Vec<(String, String)>, UnknownCommandLine> {
        let variables = Variables::gather(environment, &[], EscapeRules::Since254)?;
        let pair = |(name, (value, _)): (String, (String, _))| (name, value);
        Ok(variables.values.into_iter().map(pair).collect())
    }

    #[test]
    fn the_environment_is_read_as_systemctl_prints_it() {
        let cases = [
            ("", ""),
            ("A=b C=d", "A=b|C=d"),
            (r#""A=b c" D=e"#, "A=b c|D=e"),
            (r#""A=b \"c\" \\ \$d \`e it's""#, r#"A=b "c" \ $d `e it's"#),
            (r#""A=\t\n\033[m" "#, "A=\t\n\x1b[m"),
            (r#""A=ä" B=--x=/y"#, "A=ä|B=--x=/y"),
            // 239 and 219
            (r#"A="b" C=\d"#, r#"A="b"|C=\d"#),
            (r"A=b\x20c\x5c\xc3\xa4 D=\xyz", r"A=b c\ä|D=\xyz"),
        ];
        for (text, expected) in cases {
            let pairs = printed(text).unwrap();
            let pairs: Vec<_> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
            assert_eq!(pairs.join("|"), expected, "{text}");
        }
        for wrong in [r#""A=b"#, r#""A=b\"#, "A", r"A=\xff"] {
            assert!(printed(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_value_survives_the_printing(value in r#"[ -~äß\\"$`]{0,20}"#) {
            let quoted = value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$").replace('`', r"\`");
            let pairs = printed(&format!("\"A={quoted}\" B=c")).unwrap();
            prop_assert_eq!(pairs, [("A".into(), value), ("B".into(), "c".into())]);
        }

    }
}
