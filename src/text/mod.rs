//! Text that other parties wrote, made safe to print, and text that a shell reads.

pub mod hint;
pub mod names;
mod shown;

pub(crate) use shown::shown;

/// A name in a request is whatever its sender wrote; a terminal must not obey it.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| if is_obeyed(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The SHA-256 of `bytes` in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let bytes = digest.as_ref().iter();
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Control characters, and those of Unicode that are invisible or turn the direction of what follows.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a server says, fit for a line on a terminal: in length too.
pub(crate) fn brief(text: &str) -> String {
    let start: String = text.trim().chars().take(300).collect();
    harmless(&start)
}

/// What another party wrote, for a line on a terminal: its beginning, in ASCII. Everything else is escaped, and so is every
/// character that makes a shell read more than words, for lines that an administrator copies.
pub(crate) fn quoted(text: &str) -> String {
    /// More of it says no more, in characters.
    const ENOUGH: usize = 100;
    let is_plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !"'\"`$;&|<>()\\".contains(c);
    beginning(text, ENOUGH, is_plain)
}

/// The first `most` characters of `text`, and `...` where it has more. Every character that is not plain is escaped.
fn beginning(text: &str, most: usize, is_plain: impl Fn(char) -> bool) -> String {
    let mut short = String::new();
    for c in text.chars().take(most) {
        match is_plain(c) {
            true => short.push(c),
            false => short.extend(c.escape_unicode()),
        }
    }
    if text.chars().nth(most).is_some() {
        short.push_str("...");
    }
    short
}

/// Separates the items of [`some`], and its last item from how many more there are.
pub(crate) const COMMAS: [&str; 2] = [", ", " and "];
/// The same for items that are clauses.
pub(crate) const SEMICOLONS: [&str; 2] = ["; ", "; and "];

/// The first `most` of `items`, and how many more there are: `a, b and 3 more`.
pub(crate) fn some(items: &[impl AsRef<str>], most: usize, [between, last]: [&str; 2]) -> String {
    let shown: Vec<&str> = items.iter().take(most).map(AsRef::as_ref).collect();
    let shown = shown.join(between);
    match items.len().saturating_sub(most) {
        0 => shown,
        rest => format!("{shown}{last}{rest} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_list_are_named_and_the_rest_counted() {
        let items = ["a", "b", "c"];
        assert_eq!(some(&items, 3, COMMAS), "a, b, c");
        assert_eq!(some(&items, 2, COMMAS), "a, b and 1 more");
        assert_eq!(some(&items, 1, SEMICOLONS), "a; and 2 more");
        assert_eq!(some(&[""; 0], 1, SEMICOLONS), "");
    }

    #[test]
    fn text_is_escaped_for_terminals_and_quoted_for_shells() {
        assert_eq!(quoted("node a, *.b"), "node a, *.b");
        assert_eq!(
            quoted("\u{1b}[2J\u{202e}ä\n"),
            "\\u{1b}[2J\\u{202e}\\u{e4}\\u{a}"
        );
        assert_eq!(quoted("$(x);`"), "\\u{24}\\u{28}x\\u{29}\\u{3b}\\u{60}");
        assert_eq!(quoted(&"x".repeat(101)).chars().count(), 103);
    }
}
