//! The next command to type: every hint is one that a shell takes as it stands. What is to be done and is no command
//! belongs into the message.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What to type next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// This.
    Command(String),
    /// What was typed, once more.
    Again,
    /// What was typed, as root.
    AsRoot,
}

/// What was typed, for hints that repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// The words of a command line, the program's own name first.
    CommandLine(Vec<OsString>),
    /// A task of Ansible's, which has no command line of its own.
    AnsibleTask,
}

impl Hint {
    /// A command.
    pub fn command(command: impl Into<String>) -> Self {
        Self::Command(checked(command.into()))
    }

    /// The command.
    pub fn after(&self, typed: &Typed) -> String {
        match (self, typed) {
            (Self::Command(command), _) => command.clone(),
            (Self::Again, Typed::CommandLine(words)) => shell_words(words),
            (Self::AsRoot, Typed::CommandLine(words)) => format!("sudo {}", shell_words(words)),
            (Self::Again, Typed::AnsibleTask) => "run the task again".to_owned(),
            (Self::AsRoot, Typed::AnsibleTask) => "become: true".to_owned(),
        }
    }
}

/// A hint, which tests let through only where it is a command.
pub(crate) fn checked(command: String) -> String {
    debug_assert!(is_command(&command), "no command: {command}");
    command
}

/// A path as a word of a command line.
pub fn path_word(path: &Path) -> String {
    shell_word(path.as_os_str())
}

/// Opens a file at a line, where one is known, in whatever editor is set.
pub fn edit(path: &Path, line: Option<usize>) -> String {
    let at = line.map_or_else(String::new, |line| format!("+{line} "));
    format!("${{EDITOR:-vi}} {at}{}", path_word(path))
}

/// Finds `what` in files, without regard to case.
pub fn grep<'a>(what: &str, files: impl IntoIterator<Item = &'a Path>) -> String {
    format!("grep -ni {what} {}", shell_words(files))
}

/// Prints a line of each file; the first where none is known.
pub fn print_line<'a>(line: usize, files: impl IntoIterator<Item = &'a Path>) -> String {
    format!("sed -ns {}p {}", line.max(1), shell_words(files))
}

/// Moves a file out of the way, beside where it is.
pub fn move_away(path: &Path) -> String {
    format!("mv {0} {0}.old", path_word(path))
}

fn shell_words(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let words = words.into_iter().map(|word| shell_word(word.as_ref()));
    words.collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell reads it; control characters as bash and zsh do.
fn shell_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into_owned()
    } else if text.chars().any(char::is_control) {
        format!("$'{}'", text.chars().map(escaped).collect::<String>())
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// In `$'…'`.
fn escaped(c: char) -> String {
    match c {
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_ascii_control() => format!("\\x{:02x}", u32::from(c)),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

/// Whether the first word is a program or a shell's own command, of those that hints name.
fn is_command(text: &str) -> bool {
    let programs = [
        "${EDITOR:-vi}",
        "ansible-doc",
        "chattr",
        "curl",
        "df",
        "export",
        "find",
        "findmnt",
        "grep",
        "iconv",
        "journalctl",
        "kubectl",
        "kubelet-tls",
        "ls",
        "lsattr",
        "mv",
        "openssl",
        "rm",
        "sed",
        "ssh",
        "systemctl",
    ];
    let first = text.split(' ').next().unwrap_or_default();
    programs.contains(&first) && !text.contains('\n')
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
        ] {
            assert_eq!(shell_word(OsStr::new(word)), is);
        }
    }

    #[test]
    fn what_was_typed_is_repeated() {
        let typed = Typed::CommandLine(vec!["kubelet-tls".into(), "diff".into(), "my file".into()]);
        assert_eq!(Hint::Again.after(&typed), "kubelet-tls diff 'my file'");
        assert_eq!(
            Hint::AsRoot.after(&typed),
            "sudo kubelet-tls diff 'my file'"
        );
    }

    #[test]
    fn prose_is_no_command() {
        assert!(is_command("kubectl get csr"));
        assert!(!is_command("run it as root, with sudo"));
        assert!(!is_command("kubectl get csr\nreboot"));
    }
}
