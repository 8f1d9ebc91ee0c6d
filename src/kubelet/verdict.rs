//! What an edit says besides its result: refusals and warnings.

use super::cause::Cause;
use crate::yaml::{self, Position};

/// Something that does not prevent the edit, but that the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where, if it is one place.
    pub position: Option<Position>,
    /// What is so there, and what follows from it.
    pub message: String,
    /// Whether it is about a serving certificate that is set by its path, which has a condition of its own in `status`.
    pub is_of_static_certificate: bool,
}

/// Why a file is not edited, and where. It displays as the reason alone; the caller knows the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Refusal {
    /// Where, if it is one place.
    pub position: Option<Position>,
    /// Why the file is refused, as a clause for a message.
    pub cause: Cause,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// The file: not YAML, ambiguous, not what it should be.
    Input,
    /// The change: it would have no effect, or keep the kubelet from starting.
    Effect,
}

impl Refusal {
    pub(crate) fn at(position: Position, cause: impl Into<Cause>) -> Refusal {
        Refusal {
            position: Some(position),
            cause: cause.into(),
        }
    }

    /// The reason, in words.
    pub fn reason(&self) -> String {
        self.cause.to_string()
    }

    /// What to do about it, in words.
    pub fn advice(&self) -> String {
        self.cause.advice()
    }

    /// Whether the file is refused, or the change.
    pub fn class(&self) -> RefusalClass {
        match self.cause {
            Cause::Effect(_) => RefusalClass::Effect,
            _ => RefusalClass::Input,
        }
    }
}

impl From<yaml::Error> for Refusal {
    fn from(error: yaml::Error) -> Refusal {
        Refusal {
            position: error.position,
            cause: error.into(),
        }
    }
}

impl Warning {
    pub(crate) fn at(position: Position, message: impl Into<String>) -> Warning {
        Warning {
            position: Some(position),
            message: message.into(),
            is_of_static_certificate: false,
        }
    }
}
