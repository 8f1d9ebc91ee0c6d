//! The next command to type: every hint is one that a shell takes as it is printed.
//!
//! A hint is built from a program and words, and [`Command::arg`] quotes every word, so that a name that another party
//! chose is one word of the command whatever characters it has. Advice that isn't a command belongs in the message.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use super::is_obeyed;

/// What to type next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A command.
    Command(Command),
    /// The same command line again.
    Rerun,
    /// The same command line as root.
    AsRoot,
}

/// A command line for a POSIX shell, built word by word: `Command::new("kubectl").args(["describe", "csr", name])`.
///
/// Text that is known at compile time is a command as it is: `Command::from("systemctl cat kubelet")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(String);

/// How the program was run, for hints that repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// The words of a command line, the program's own name first.
    CommandLine(Vec<OsString>),
    /// A task of Ansible's, which has no command line of its own.
    AnsibleTask,
}

impl Command {
    /// A command of `program` without arguments.
    pub fn new(program: &'static str) -> Self {
        Self(checked(program.to_owned()))
    }

    /// The same command with one more word, quoted where a shell needs it.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.0.push(' ');
        self.0.push_str(&shell_word(word.as_ref()));
        self
    }

    /// The same command with these words, each quoted where a shell needs it.
    #[must_use]
    pub fn args(self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        words.into_iter().fold(self, Self::arg)
    }

    /// This command, and `next` if it succeeds.
    #[must_use]
    pub fn and(self, next: impl Into<Self>) -> Self {
        self.joined("&&", next.into())
    }

    /// This command, and `next` whatever comes of it.
    #[must_use]
    pub fn then(mut self, next: impl Into<Self>) -> Self {
        self.0.push_str("; ");
        self.0.push_str(&next.into().0);
        self
    }

    /// This command with its output as the input of `next`.
    #[must_use]
    pub fn pipe(self, next: impl Into<Self>) -> Self {
        self.joined("|", next.into())
    }

    fn joined(self, operator: &str, next: Self) -> Self {
        Self(format!("{} {operator} {}", self.0, next.0))
    }

    /// The command line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A command line in which nothing is another party's.
impl From<&'static str> for Command {
    fn from(text: &'static str) -> Self {
        Self(checked(text.to_owned()))
    }
}

impl From<Command> for Hint {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl From<&'static str> for Hint {
    fn from(text: &'static str) -> Self {
        Self::Command(text.into())
    }
}

/// For hints that are still written with `format!`. It goes when the last of them is built from words.
impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self::Command(Command(checked(text)))
    }
}

impl Hint {
    /// The command line.
    pub fn after(&self, invocation: &Invocation) -> String {
        match (self, invocation) {
            (Self::Command(command), Invocation::CommandLine(words)) => {
                with_access(&command.0, words)
            }
            (Self::Command(command), Invocation::AnsibleTask) => command.0.clone(),
            (Self::Rerun, Invocation::CommandLine(words)) => shell_words(words),
            (Self::AsRoot, Invocation::CommandLine(words)) => {
                format!("sudo {}", shell_words(words))
            }
            (Self::Rerun, Invocation::AnsibleTask) => "run the task again".to_owned(),
            (Self::AsRoot, Invocation::AnsibleTask) => "become: true".to_owned(),
        }
    }
}

/// A command of kubectl's with the kubeconfig and context that an administrator's verb was given: without them it may ask
/// another cluster. A node's verbs are given the node's own kubeconfig, which is not repeated.
fn with_access(command: &str, words: &[OsString]) -> String {
    let verb = words.get(1).and_then(|verb| verb.to_str());
    let is_administrators = matches!(
        verb,
        Some("approve" | "cluster" | "api-server" | "metrics-server")
    );
    let rest = command.strip_prefix("kubectl ");
    let Some(rest) = rest.filter(|rest| is_administrators && !rest.contains("--kubeconfig")) else {
        return command.to_owned();
    };
    let mut access = Command::new("kubectl");
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if matches!(text.as_ref(), "--kubeconfig" | "--context") {
            access = access.arg(word).args(words.next());
        } else if text.starts_with("--kubeconfig=") || text.starts_with("--context=") {
            access = access.arg(word);
        }
    }
    format!("{access} {rest}")
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
pub fn edit(path: &Path, line: Option<usize>) -> Command {
    let editor = Command::new("${EDITOR:-vi}");
    let at = line.map(|line| format!("+{line}"));
    editor.args(at).arg(path)
}

/// Finds `what` in files, without regard to case.
pub fn grep<'a>(what: &str, files: impl IntoIterator<Item = &'a Path>) -> Command {
    Command::new("grep").args(["-ni", what]).args(files)
}

/// Prints a line of each file; the first where none is known.
pub fn print_line<'a>(line: usize, files: impl IntoIterator<Item = &'a Path>) -> Command {
    let script = format!("{}p", line.max(1));
    Command::new("sed").args(["-ns", &script]).args(files)
}

/// Moves a file out of the way, beside where it is.
pub fn move_away(path: &Path) -> Command {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    Command::new("mv").arg(path).arg(old)
}

fn shell_words(words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> String {
    let words = words.into_iter().map(|word| shell_word(word.as_ref()));
    words.collect::<Vec<_>>().join(" ")
}

/// A word as a POSIX shell reads it; characters that a terminal obeys, and bytes that are no UTF-8, as bash and zsh read
/// them.
fn shell_word(word: &OsStr) -> String {
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

/// Whether the first word is a program or a shell's own command, of those that hints name.
fn is_command(text: &str) -> bool {
    let programs = [
        "${EDITOR:-vi}",
        "ansible-doc",
        "butane",
        "chattr",
        "cloud-init",
        "crictl",
        "curl",
        "df",
        "diff",
        "export",
        "find",
        "findmnt",
        "grep",
        "iconv",
        "journalctl",
        "k0s",
        "kind",
        "kubeadm",
        "kubectl",
        "kubelet-tls",
        "ls",
        "lsattr",
        "mkdir",
        "mv",
        "nodeadm",
        "oc",
        "openssl",
        "rm",
        "sed",
        "ss",
        "ssh",
        "systemctl",
        "talosctl",
    ];
    let first = text.split(' ').next().unwrap_or_default();
    programs.contains(&first) && !text.contains('\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrators_kubectl_asks_the_same_cluster() {
        let of = |words: &[&str]| {
            let words = words.iter().map(OsString::from).collect();
            Hint::from("kubectl get csr").after(&Invocation::CommandLine(words))
        };
        let given = [
            "kubelet-tls",
            "approve",
            "--kubeconfig",
            "/a b",
            "--context=c;d",
            "--all",
        ];
        assert_eq!(
            of(&given),
            "kubectl --kubeconfig '/a b' '--context=c;d' get csr"
        );
        assert_eq!(
            of(&["kubelet-tls", "csr", "--kubeconfig", "/n"]),
            "kubectl get csr"
        );
        assert_eq!(of(&["kubelet-tls", "approve"]), "kubectl get csr");
    }

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
    fn a_word_that_is_no_utf_8_keeps_its_bytes() {
        use std::os::unix::ffi::OsStrExt as _;
        assert_eq!(shell_word(OsStr::from_bytes(b"a\xff'")), r"$'a\xff\''");
    }

    #[test]
    fn a_command_is_built_from_words() {
        let name = "x;touch pwned;#";
        let command = Command::new("kubectl").args(["describe", "csr", name]);
        assert_eq!(command.as_str(), "kubectl describe csr 'x;touch pwned;#'");
        let both = Command::new("rm")
            .arg("a b")
            .and("systemctl restart kubelet");
        assert_eq!(both.as_str(), "rm 'a b' && systemctl restart kubelet");
        let piped = Command::from("journalctl -u kubelet").pipe(grep("csr", []));
        assert_eq!(piped.as_str(), "journalctl -u kubelet | grep -ni csr");
        assert_eq!(
            edit(Path::new("a b"), Some(3)).as_str(),
            "${EDITOR:-vi} +3 'a b'"
        );
        assert_eq!(
            move_away(Path::new("/a'b")).as_str(),
            r"mv '/a'\''b' '/a'\''b.old'"
        );
    }

    #[test]
    fn a_command_line_is_repeated() {
        let invocation =
            Invocation::CommandLine(vec!["kubelet-tls".into(), "diff".into(), "my file".into()]);
        assert_eq!(Hint::Rerun.after(&invocation), "kubelet-tls diff 'my file'");
        assert_eq!(
            Hint::AsRoot.after(&invocation),
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
