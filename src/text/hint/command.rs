//! A command line as a value: programs with their words, quoted one by one.

use std::ffi::OsStr;
use std::fmt;

use super::access::{AccessOptions, Invocation};
use super::shell::shell_word;

/// A command line for a POSIX shell, built word by word: `Command::new("kubectl").args(["describe", "csr", name])`.
///
/// Text that is known at compile time is a command as it is: `Command::from("systemctl cat kubelet")`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The commands, each with the operator that follows it; the last one's is not printed.
    steps: Vec<(ProgramCall, Operator)>,
}

/// One program with its arguments, each word as a shell reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ProgramCall(Vec<String>);

/// What a shell does with the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Then,
    Pipe,
}

/// What a command takes of an [`AccessOptions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    Administrator,
    Node,
    None,
}

impl Command {
    /// A command of `program` without arguments.
    pub fn new(program: &'static str) -> Self {
        Self::of(ProgramCall(vec![program.to_owned()]))
    }

    fn of(step: ProgramCall) -> Self {
        debug_assert!(step.is_command(), "no command: {step}");
        Self {
            steps: vec![(step, Operator::Then)],
        }
    }

    /// The same command with one more word, quoted where a shell needs it.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        if let Some((ProgramCall(words), _)) = self.steps.last_mut() {
            words.push(shell_word(word.as_ref()));
        }
        self
    }

    /// The same command with these words, each quoted where a shell needs it.
    #[must_use]
    pub fn args(self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        words.into_iter().fold(self, Self::arg)
    }

    /// The same command with the option `name` before each of these values.
    #[must_use]
    pub fn options(self, name: &str, values: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let values = values.into_iter();
        values.fold(self, |command, value| command.arg(name).arg(value))
    }

    /// This command, and `next` if it succeeds.
    #[must_use]
    pub fn and(self, next: impl Into<Self>) -> Self {
        self.joined(Operator::And, next.into())
    }

    /// This command, and `next` whatever comes of it.
    #[must_use]
    pub fn then(self, next: impl Into<Self>) -> Self {
        self.joined(Operator::Then, next.into())
    }

    /// This command with its output as the input of `next`.
    #[must_use]
    pub fn pipe(self, next: impl Into<Self>) -> Self {
        self.joined(Operator::Pipe, next.into())
    }

    fn joined(mut self, operator: Operator, next: Self) -> Self {
        if let Some((_, after)) = self.steps.last_mut() {
            *after = operator;
        }
        self.steps.extend(next.steps);
        self
    }

    /// The same command for someone who ran the program as `invocation`: it asks the same cluster, and calls the program
    /// by the same name.
    #[must_use]
    pub fn after(mut self, invocation: &Invocation) -> Self {
        if let Invocation::CommandLine {
            program, access, ..
        } = invocation
        {
            for (step, _) in &mut self.steps {
                let audience = step.audience();
                step.ask(access, audience);
                // A node has the program itself; kubectl and its plug-ins are where an administrator is.
                if audience != Audience::Node
                    && step.0.first().is_some_and(|word| word == "kubelet-tls")
                {
                    step.0[0].clone_from(program);
                }
            }
        }
        self
    }
}

impl ProgramCall {
    /// Adds the options of `access` if the program takes them and lacks its own.
    fn ask(&mut self, access: &AccessOptions, audience: Audience) {
        let options = match (access, audience) {
            (AccessOptions::Administrator(options), Audience::Administrator)
            | (AccessOptions::Node(options), Audience::Node) => options.clone(),
            (
                AccessOptions::Approver {
                    access,
                    policy,
                    allow,
                },
                Audience::Administrator,
            ) => {
                let has = |option: &str| self.0.iter().any(|word| word == option);
                let is_approve = self.0.get(1).is_some_and(|verb| verb == "approve");
                let takes_names = is_approve && !has("--all") && !has("--watch");
                let policy = policy.iter().filter(|_| is_approve);
                let allow = allow.iter().filter(|_| takes_names);
                policy.chain(allow).chain(access).cloned().collect()
            }
            _ => return,
        };
        let Self(words) = self;
        let is_kubectl = words.first().is_some_and(|program| program == "kubectl");
        // kubectl takes them before its verb, so that they stand apart from what the verb is about.
        let end = words.iter().position(|word| word == "--");
        let at = if is_kubectl {
            1
        } else {
            end.unwrap_or(words.len())
        };
        let options = options.iter().map(|option| shell_word(option));
        words.splice(at..at, options);
    }

    fn audience(&self) -> Audience {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        if words.contains(&"--kubeconfig") || words.contains(&"--help") {
            return Audience::None;
        }
        match words.as_slice() {
            // It reads no cluster.
            ["kubectl", "kustomize" | "config", ..] => Audience::None,
            ["kubectl", ..] | ["kubelet-tls", "approve" | "cluster" | "api-server", ..] => {
                Audience::Administrator
            }
            ["kubelet-tls", "metrics-server", options @ ..] if options.contains(&"--check") => {
                Audience::Administrator
            }
            ["kubelet-tls", "apply" | "status" | "csr", ..] => Audience::Node,
            _ => Audience::None,
        }
    }

    /// Whether the first word is a program or a shell's own command, of those that hints name.
    fn is_command(&self) -> bool {
        let first = self.0.first().map(String::as_str).unwrap_or_default();
        PROGRAMS.contains(&first) && !self.0.iter().any(|word| word.contains('\n'))
    }
}

impl fmt::Display for ProgramCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "";
        for (step, operator) in &self.steps {
            write!(f, "{before}{step}")?;
            before = match operator {
                Operator::And => " && ",
                Operator::Then => "; ",
                Operator::Pipe => " | ",
            };
        }
        Ok(())
    }
}

impl serde::Serialize for Command {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A command line in which nothing is another party's: words and operators between single spaces.
impl From<&'static str> for Command {
    fn from(text: &'static str) -> Self {
        let mut steps = Vec::new();
        let mut words = Vec::new();
        let mut end = |words: &mut Vec<String>, operator| {
            let step = ProgramCall(std::mem::take(words));
            debug_assert!(step.is_command(), "no command: {step} in {text}");
            steps.push((step, operator));
        };
        for word in text.split(' ') {
            match (word, word.strip_suffix(';')) {
                ("&&", _) => end(&mut words, Operator::And),
                ("|", _) => end(&mut words, Operator::Pipe),
                (_, Some(word)) => {
                    words.push(word.to_owned());
                    end(&mut words, Operator::Then);
                }
                (word, None) => words.push(word.to_owned()),
            }
        }
        end(&mut words, Operator::Then);
        Self { steps }
    }
}

/// What the first word of a hint may be.
const PROGRAMS: &[&str] = &[
    "${EDITOR:-vi}",
    "ansible-doc",
    "butane",
    "cat",
    "chattr",
    "cloud-init",
    "crictl",
    "curl",
    "df",
    "diff",
    "env",
    "export",
    "find",
    "findmnt",
    "grep",
    "iconv",
    "journalctl",
    "k0s",
    "k0sctl",
    "kind",
    "kubeadm",
    "kubectl",
    "kubelet-tls",
    "ls",
    "lsattr",
    "minikube",
    "mkdir",
    "mv",
    "nodeadm",
    "oc",
    "openssl",
    "rke",
    "rm",
    "sed",
    "ss",
    "ssh",
    "systemctl",
    "talosctl",
    "unset",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_not_accepted_as_a_command() {
        let is_command =
            |text: &str| ProgramCall(text.split(' ').map(str::to_owned).collect()).is_command();
        assert!(is_command("kubectl get csr"));
        assert!(!is_command("run it as root, with sudo"));
        assert!(!is_command("kubectl get csr\nreboot"));
    }

    /// However a constant is written, it is printed as it is.
    #[test]
    fn a_constant_is_printed_as_it_is_written() {
        for text in [
            "systemctl cat kubelet; grep -n A /a /b 2>/dev/null",
            "kubectl certificate approve $(kubelet-tls csr)",
            "journalctl -u kubelet --no-pager | grep -i csr",
            "systemctl list-units --type service '*kube*' 'k3s*'",
        ] {
            assert_eq!(Command::from(text).to_string(), text);
        }
    }
}
