//! What another party may call its objects, and what must never be printed of it.

/// Names that a shell, a terminal or an option parser reads as more than a word.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "x;touch pwned;#",
        "`touch pwned`",
        "$(touch pwned)",
        "${IFS}touch${IFS}pwned",
        "a|touch pwned",
        "a&touch pwned",
        "a&&touch pwned",
        "a>pwned",
        "a<pwned",
        "a'b",
        "a\"b",
        "'",
        "\"",
        "a\\",
        "\\",
        "a\nb",
        "a\n\ntouch pwned\n",
        "a\rb",
        "a\tb",
        "a b",
        " a",
        "a ",
        "--all",
        "-A",
        "--help",
        "-o=yaml",
        "--kubeconfig=x",
        "--deny",
        "-",
        "--",
        "*",
        "?",
        "[a]",
        "~",
        "#",
        "!",
        "!!",
        "{a,b}",
        "a\u{1b}[2Jb",
        "a\u{7}b",
        "a\u{202e}b",
        "a\u{200b}b",
        "a\u{2028}b",
        "a\u{feff}b",
        "\u{e0041}",
        "ä",
        "CSR-1",
        "csr_1",
        ".csr",
        "csr.",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("a".repeat(70_000));
    names.push(format!("{};touch pwned", "b".repeat(70_000)));
    assert!(names.len() >= 50);
    names
}

/// Checks what a run printed, standard output and standard error, when objects had these names: no name is there as it
/// is, a terminal obeys nothing, and a hint is one command of plain words.
///
/// # Panics
/// When that does not hold.
pub fn assert_harmless(said: &str, names: &[String]) {
    assert!(said.len() < 200_000, "{} bytes", said.len());
    let odd = |c: &char| *c != '\n' && !(' '..='~').contains(c);
    assert_eq!(said.chars().find(odd), None, "{said}");
    for name in names {
        // Of a name of letters alone there is nothing to escape; it is cut.
        let harmless = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let odd = !harmless && name.len() > 3;
        assert!(
            !odd || !said.contains(name.as_str()),
            "{name:?} is in\n{said}"
        );
        assert!(name.len() < 1000 || !said.contains(&name[..100]));
    }
    for (_, hint) in said.lines().filter_map(|line| line.split_once("hint: ")) {
        assert!(
            !hint.contains(['`', '$', ';', '|', '>', '<', '\\']),
            "{hint}"
        );
    }
}
