//! What was found instead of what was looked for.

use std::error::Error;
use std::fmt;

use crate::text::hint::Command;

/// What was found instead of what was looked for, in words for a person. It becomes a condition's message or a line of
/// output; no decision rests on its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation(String);

impl Explanation {
    /// An explanation in these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// An error with its causes, on one line.
    pub fn of(error: impl Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self(text)
    }

    /// The clause that follows a colon in a message.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the kubelet's files are not a configuration that it could read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadConfig {
    /// The file, the place in it and the reason, with what to do in words.
    pub message: String,
    /// What to type; none where only the message says it.
    pub next: Option<Command>,
}

impl UnreadConfig {
    /// What to type: `diff` says the same again where nothing better is known.
    pub fn fix(&self) -> Command {
        let next = self.next.clone();
        next.unwrap_or_else(|| "kubelet-tls diff".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read /x")]
    struct Unreadable(#[source] std::io::Error);

    #[test]
    fn an_error_becomes_an_explanation_with_its_causes() {
        let error = Unreadable(std::io::Error::other("it is a directory"));
        assert_eq!(
            Explanation::of(error).as_str(),
            "cannot read /x: it is a directory"
        );
    }
}
