//! Words as a POSIX shell reads them.

use std::ffi::OsStr;

use crate::text::is_obeyed;

/// Words as one command line.
pub(super) fn shell_words(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let words = words.into_iter().map(|word| shell_word(word.as_ref()));
    words.collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell reads it; characters that a terminal obeys, and bytes that are not UTF-8, as bash and zsh read
/// them.
pub(super) fn shell_word(word: &OsStr) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match word.to_str() {
        Some(text) if !text.is_empty() && text.chars().all(is_plain) => text.to_owned(),
        Some(text) if !text.chars().any(is_obeyed) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let chunks = word.as_encoded_bytes().utf8_chunks();
            let escaped = chunks.map(|chunk| {
                let valid: String = chunk.valid().chars().map(escaped).collect();
                let invalid = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
                valid + &invalid.collect::<String>()
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

/// In `$'…'`.
fn escaped(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        c if is_obeyed(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        for (word, is) in [
            ("apply", "apply"),
            (
                "/var/lib/kubelet/config.yaml",
                "/var/lib/kubelet/config.yaml",
            ),
            ("", "''"),
            ("my file", "'my file'"),
            ("$(reboot)", "'$(reboot)'"),
            ("it's", r"'it'\''s'"),
            ("a\nb\u{1b}[2J'", r"$'a\x0ab\x1b[2J\''"),
            ("a\u{202e}b", r"$'a\u202eb'"),
            ("ä", "'ä'"),
        ] {
            assert_eq!(shell_word(OsStr::new(word)), is);
        }
    }

    #[test]
    fn a_word_that_is_not_utf_8_keeps_its_bytes() {
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(shell_word(OsStr::from_bytes(b"a\xff'")), r"$'a\xff\''");
    }
}
