//! The next command to type: every hint is one that a shell takes as it is printed.
//!
//! A hint is built from a program and words, and [`Command::arg`] quotes every word, so that a name that another party
//! chose is one word of the command whatever characters it has. Advice that isn't a command belongs in the message.

mod access;
mod command;
mod shell;

use std::path::Path;

pub use access::{AccessOptions, Invocation};
pub use command::Command;

use shell::{shell_word, shell_words};

/// What to type next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A command of this program or another.
    Command(Command),
    /// The same command line again.
    Rerun,
    /// The same command line as root.
    AsRoot,
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

impl Hint {
    /// The command line to type, with the options that `invocation` was given.
    pub fn after(&self, invocation: &Invocation) -> String {
        match (self, invocation) {
            (Self::Command(command), invocation) => command.clone().after(invocation).to_string(),
            (Self::Rerun, Invocation::CommandLine { words, .. }) => shell_words(words),
            (Self::AsRoot, Invocation::CommandLine { words, .. }) => {
                format!("sudo {}", shell_words(words))
            }
            (Self::Rerun, Invocation::AnsibleTask) => "run the task again".to_owned(),
            (Self::AsRoot, Invocation::AnsibleTask) => "become: true".to_owned(),
        }
    }
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

/// Lists the directory that a file should be in, or shows what is there instead.
pub fn list_beside(path: &Path) -> Command {
    let directory = path.parent().filter(|path| !path.as_os_str().is_empty());
    Command::from("ls -l").arg(directory.unwrap_or(Path::new(".")))
}

/// Downloads what was named as a file and is an address, and shows the change to it.
pub fn download(path: &Path) -> Option<Command> {
    let address = path.to_str()?;
    let is_address = ["https://", "http://"]
        .iter()
        .any(|scheme| address.starts_with(scheme));
    let curl = is_address.then(|| Command::from("curl -fsSL").arg(address))?;
    Some(curl.pipe("kubelet-tls diff -"))
}

/// Moves a file out of the way, beside where it is.
pub fn move_away(path: &Path) -> Command {
    let mut old = path.as_os_str().to_owned();
    old.push(".old");
    Command::new("mv").arg(path).arg(old)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    #[test]
    fn a_hint_repeats_the_kubeconfig_of_the_command_line() {
        let options = ["--kubeconfig", "/a b", "--context", "c;d"].map(OsString::from);
        let administrator = AccessOptions::Administrator(options.into());
        let node = AccessOptions::Node(["--kubeconfig", "/n"].map(OsString::from).into());
        for (hint, of_administrator, of_node) in [
            (
                "kubectl get csr",
                "kubectl --kubeconfig '/a b' --context 'c;d' get csr",
                "kubectl get csr",
            ),
            (
                "kubelet-tls cluster diff; kubectl get nodes",
                "kubelet-tls cluster diff --kubeconfig '/a b' --context 'c;d'; kubectl --kubeconfig '/a b' --context 'c;d' get nodes",
                "kubelet-tls cluster diff; kubectl get nodes",
            ),
            (
                "kubelet-tls apply && kubelet-tls status",
                "kubelet-tls apply && kubelet-tls status",
                "kubelet-tls apply --kubeconfig /n && kubelet-tls status --kubeconfig /n",
            ),
            (
                "kubelet-tls metrics-server --dir d && kubectl apply -k d",
                "kubelet-tls metrics-server --dir d && kubectl --kubeconfig '/a b' --context 'c;d' apply -k d",
                "kubelet-tls metrics-server --dir d && kubectl apply -k d",
            ),
            (
                "kubelet-tls api-server diff --help",
                "kubelet-tls api-server diff --help",
                "kubelet-tls api-server diff --help",
            ),
            ("kubelet-tls diff", "kubelet-tls diff", "kubelet-tls diff"),
            (
                "kubectl --kubeconfig /k get csr",
                "kubectl --kubeconfig /k get csr",
                "kubectl --kubeconfig /k get csr",
            ),
            (
                "ssh n kubelet-tls apply",
                "ssh n kubelet-tls apply",
                "ssh n kubelet-tls apply",
            ),
        ] {
            let after = |access: &AccessOptions| {
                Hint::from(hint).after(&Invocation::CommandLine {
                    program: "kubelet-tls".into(),
                    words: Vec::new(),
                    access: access.clone(),
                })
            };
            assert_eq!(after(&administrator), of_administrator);
            assert_eq!(after(&node), of_node);
        }
        let files = Command::new("kubelet-tls").args(["apply", "--", "f"]);
        let invocation = Invocation::CommandLine {
            program: "kubelet-tls".into(),
            words: Vec::new(),
            access: node,
        };
        assert_eq!(
            files.after(&invocation).to_string(),
            "kubelet-tls apply --kubeconfig /n -- f"
        );
    }

    #[test]
    fn a_command_is_built_from_words() {
        let name = "x;touch pwned;#";
        let command = Command::new("kubectl").args(["describe", "csr", name]);
        assert_eq!(
            command.to_string(),
            "kubectl describe csr 'x;touch pwned;#'"
        );
        let both = Command::new("rm")
            .arg("a b")
            .and("systemctl restart kubelet");
        assert_eq!(both.to_string(), "rm 'a b' && systemctl restart kubelet");
        let piped = Command::from("journalctl -u kubelet").pipe(grep("csr", []));
        assert_eq!(piped.to_string(), "journalctl -u kubelet | grep -ni csr");
        assert_eq!(
            edit(Path::new("a b"), Some(3)).to_string(),
            "${EDITOR:-vi} +3 'a b'"
        );
        let beside = |path: &str| list_beside(Path::new(path)).to_string();
        assert_eq!(beside("a"), "ls -l .");
        assert_eq!(beside("/b c/a"), "ls -l '/b c'");
        let download = |path: &str| download(Path::new(path)).map(|command| command.to_string());
        assert_eq!(
            download("https://x/y?z").as_deref(),
            Some("curl -fsSL 'https://x/y?z' | kubelet-tls diff -")
        );
        assert_eq!(download("https:/x"), None);
        assert_eq!(
            move_away(Path::new("/a'b")).to_string(),
            r"mv '/a'\''b' '/a'\''b.old'"
        );
    }

    #[test]
    fn a_command_line_is_repeated() {
        let invocation = Invocation::CommandLine {
            program: "kubelet-tls".into(),
            words: vec!["kubelet-tls".into(), "diff".into(), "my file".into()],
            access: AccessOptions::Node(Vec::new()),
        };
        assert_eq!(Hint::Rerun.after(&invocation), "kubelet-tls diff 'my file'");
        assert_eq!(
            Hint::AsRoot.after(&invocation),
            "sudo kubelet-tls diff 'my file'"
        );
    }

    #[test]
    fn a_plug_in_of_kubectl_is_called_as_one() {
        let invocation = Invocation::CommandLine {
            program: "kubectl kubelet-tls".into(),
            words: Vec::new(),
            access: AccessOptions::Administrator(Vec::new()),
        };
        let after = |hint: &'static str| Hint::from(hint).after(&invocation);
        assert_eq!(
            after("kubelet-tls cluster diff"),
            "kubectl kubelet-tls cluster diff"
        );
        assert_eq!(after("kubelet-tls apply"), "kubelet-tls apply");
    }
}
