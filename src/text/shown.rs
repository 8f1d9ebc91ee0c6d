//! A text out of a file, in a message.

/// Shows a text of a file in a message: a word as it is, anything else in quotes, so that nothing in it reaches a terminal as
/// more than text, and of a long one the beginning.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let is_of_a_word = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None if !text.is_empty() && text.chars().all(is_of_a_word) => text.to_owned(),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_is_escaped_for_the_terminal() {
        for (text, is) in [
            ("Pod", "Pod"),
            ("", "\"\""),
            ("a b", "\"a b\""),
            ("\u{1b}]0;x\u{7}", "\"\\u{1b}]0;x\\u{7}\""),
            ("a\nhint: rm", "\"a\\nhint: rm\""),
        ] {
            assert_eq!(shown(text), is);
        }
        assert_eq!(shown(&"é".repeat(65)), format!("\"{}\"…", "é".repeat(64)));
    }
}
