//! What an edit says besides its result: refusals and warnings.

use crate::yaml::{self, Position};

/// Something that is no obstacle, but that the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, if it is one place.
    pub position: Option<Position>,
    /// What is so there, and what follows from it.
    pub message: String,
}

/// Why a file is not edited. It displays as the reason alone; the caller knows the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Where, if it is one place.
    pub position: Option<Position>,
    /// The cause.
    pub reason: String,
    /// What to do about it.
    pub advice: String,
    /// What kind of refusal it is.
    pub class: RefusalClass,
}

/// What stands against an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// The file: not YAML, ambiguous, not what it should be.
    Input,
    /// The change: it would have no effect, or keep the kubelet from starting.
    Effect,
}

/// A text out of a file, in a message: a word as it is, anything else in quotes, so that nothing in it reaches a
/// terminal as more than text, and of a long one the beginning.
pub(crate) fn shown(text: &str) -> String {
    const LONGEST: usize = 64;
    let is_of_a_word = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None if !text.is_empty() && text.chars().all(is_of_a_word) => text.to_owned(),
        None => format!("{text:?}"),
    }
}

impl Refusal {
    pub(crate) fn input(
        position: Option<Position>,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) -> Refusal {
        Refusal {
            position,
            reason: reason.into(),
            advice: advice.into(),
            class: RefusalClass::Input,
        }
    }

    pub(crate) fn effect(
        position: Option<Position>,
        reason: impl Into<String>,
        advice: impl Into<String>,
    ) -> Refusal {
        Refusal {
            class: RefusalClass::Effect,
            ..Refusal::input(position, reason, advice)
        }
    }
}

impl From<yaml::Error> for Refusal {
    fn from(error: yaml::Error) -> Refusal {
        let yaml::Error {
            position,
            reason,
            advice,
        } = error;
        Refusal::input(position, reason, advice)
    }
}

impl Warning {
    pub(crate) fn at(position: Position, message: impl Into<String>) -> Warning {
        Warning {
            position: Some(position),
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_the_file_cannot_speak_to_the_terminal() {
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
