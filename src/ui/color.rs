//! The colors of a diff.

/// Colors a diff as git does; anstream removes the colors where they are not wanted.
pub(super) fn colored(diff: &str) -> String {
    let mut text = String::with_capacity(diff.len() + 64);
    for (number, line) in diff.split_inclusive('\n').enumerate() {
        let color = match line.as_bytes().first() {
            _ if number < 2 => "1",
            Some(b'+') => "32",
            Some(b'-') => "31",
            Some(b'@') => "36",
            _ => {
                text.push_str(line);
                continue;
            }
        };
        let body = line.strip_suffix('\n').unwrap_or(line);
        let body = body.strip_suffix('\r').unwrap_or(body);
        let end = line.strip_prefix(body).unwrap_or_default();
        text.push_str(&format!("\u{1b}[{color}m{body}\u{1b}[0m{end}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_around_lines_and_not_into_line_ends() {
        let diff = "--- a\n+++ a\n@@ -1 +1 @@\n-x\r\n+y\n same\n";
        assert_eq!(
            colored(diff),
            "\u{1b}[1m--- a\u{1b}[0m\n\u{1b}[1m+++ a\u{1b}[0m\n\u{1b}[36m@@ -1 +1 @@\u{1b}[0m\n\u{1b}[31m-x\u{1b}[0m\r\n\u{1b}[32m+y\u{1b}[0m\n same\n"
        );
    }
}
