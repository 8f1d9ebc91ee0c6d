//! What went wrong, and how the process ends.

use std::fmt;

use crate::text::hint::{Command, Hint, Invocation};

/// What to do, in words, with a command after them where one does it.
#[derive(Debug)]
struct Advice {
    text: String,
    command: Option<Command>,
}

/// An error that ends a verb, for people and for scripts.
#[derive(Debug)]
pub struct Problem {
    /// How the process ends.
    pub code: Code,
    /// The chain of causes. Its first line is `cannot VERB OBJECT`, lower case, without a full stop.
    pub source: anyhow::Error,
    /// What to do about it, where that is not a command. It follows the causes.
    advice: Vec<Advice>,
    /// The next command to type.
    pub hint: Option<Hint>,
}

impl Problem {
    /// A problem whose causes are in `message` already: `cannot VERB OBJECT: CAUSE`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self::of(code, anyhow::Error::msg(message.into()))
    }

    /// A problem with a typed cause; [`Self::context`] then says what could not be done because of it.
    pub fn of(code: Code, source: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            source: source.into(),
            advice: Vec::new(),
            hint: None,
        }
    }

    /// The same problem with `cannot VERB OBJECT` before its causes.
    #[must_use]
    pub fn context(mut self, what: impl fmt::Display + Send + Sync + 'static) -> Self {
        self.source = self.source.context(what);
        self
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// The same with the next command to type.
    #[must_use]
    pub fn hint(mut self, command: impl Into<Hint>) -> Self {
        self.hint = Some(command.into());
        self
    }

    /// The same, for a command that may be typed again.
    #[must_use]
    pub fn rerun(mut self) -> Self {
        self.hint = Some(Hint::Rerun);
        self
    }

    /// The same, for a command that only root may type.
    #[must_use]
    pub fn only_root(mut self) -> Self {
        self.hint = Some(Hint::AsRoot);
        self
    }

    /// The same with a sentence that says what happened to the node or what to do, where that is not a command.
    #[must_use]
    pub fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.advice.push(Advice {
            text: advice.to_string(),
            command: None,
        });
        self
    }

    /// The same with what a command does, and the command: one beside the hint.
    #[must_use]
    pub fn advise_command(mut self, purpose: impl fmt::Display, command: Command) -> Self {
        self.advice.push(Advice {
            text: purpose.to_string(),
            command: Some(command),
        });
        self
    }

    /// The whole of it on one line: `cannot VERB OBJECT: CAUSE: CAUSE; ADVICE`.
    pub fn message(&self) -> String {
        self.written(Command::clone)
    }

    /// The same, with commands for someone who ran the program as `invocation`.
    pub fn message_after(&self, invocation: &Invocation) -> String {
        self.written(|command| command.clone().after(invocation))
    }

    fn written(&self, typed: impl Fn(&Command) -> Command) -> String {
        let advice = self
            .advice
            .iter()
            .map(|Advice { text, command }| match command {
                Some(command) => format!("{text}: {}", typed(command)),
                None => text.clone(),
            });
        std::iter::once(format!("{:#}", self.source))
            .chain(advice)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

/// Exit codes other than success; the numbers are those of sysexits.h where it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    /// `diff`: there are differences. `status`: a condition is not True. `csr`: no request exists. Not an error.
    Negative = 1,
    /// The command line is wrong.
    Usage = 64,
    /// An input is refused.
    Input = 65,
    /// systemd or the API server cannot be reached or refuses.
    Unavailable = 69,
    /// Reading or writing failed.
    Io = 74,
    /// Ran out of time, or another run holds the lock.
    Temporary = 75,
    /// Not root, or the API said Forbidden.
    Permission = 77,
    /// The change would have no effect or would break the kubelet; or it was rolled back.
    Refused = 78,
}

/// How a verb ended.
#[derive(Debug)]
pub enum Ending {
    /// It did what was asked, or there was nothing to do: exit code 0.
    Done,
    /// The answer is negative: `diff` found differences, a condition is not True, no CSR exists. Exit code 1, and no error;
    /// the text, where there is one, is for people.
    Negative(Option<String>),
    /// An error ended it.
    Failed(Problem),
}

/// What a verb returns: its result, with the fields that are known, and how it ended.
#[derive(Debug)]
pub struct Outcome<R> {
    /// The result; on failure it holds what was known and done until then.
    pub result: R,
    /// How the verb ended.
    pub ending: Ending,
}

impl<R> Outcome<R> {
    /// The result of a verb that did what was asked.
    pub fn done(result: R) -> Self {
        Self {
            result,
            ending: Ending::Done,
        }
    }

    /// The result as far as it was known when `problem` ended the verb.
    pub fn failed(result: R, problem: Problem) -> Self {
        Self {
            result,
            ending: Ending::Failed(problem),
        }
    }

    /// The result as far as it was known, and what ended the verb, if anything did.
    pub fn new(result: R, ended: Result<(), Problem>) -> Self {
        match ended {
            Ok(()) => Self::done(result),
            Err(problem) => Self::failed(result, problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{path} is not a symlink")]
    struct NotSymlink {
        path: &'static str,
        source: std::io::Error,
    }

    #[test]
    fn the_chain_of_causes_is_one_line_and_the_advice_follows() {
        let cause = NotSymlink {
            path: "/x",
            source: std::io::Error::other("it is a file"),
        };
        let problem = Problem::of(Code::Refused, cause)
            .advise("nothing was changed")
            .context("cannot edit /x")
            .advise("move it away");
        assert_eq!(
            problem.message(),
            "cannot edit /x: /x is not a symlink: it is a file; nothing was changed; move it away"
        );
        assert_eq!(problem.to_string(), problem.message());
    }
}
