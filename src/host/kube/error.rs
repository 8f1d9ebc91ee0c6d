//! Why the API server gave no answer, and what may be done about it.

use std::path::PathBuf;
use std::time::Duration;

use super::Unreachable;
use super::kubeconfig::KubeconfigError;

/// Why the API server gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The kubeconfig cannot be used.
    #[error("{}: {reason}", path.display())]
    Kubeconfig {
        /// The kubeconfig that was named or found.
        path: PathBuf,
        /// What is wrong with it.
        reason: KubeconfigError,
    },
    /// No connection, no TLS, no HTTP.
    #[error("cannot reach {server}: {reason}")]
    Unreachable {
        /// The API server's address.
        server: String,
        /// How far the connection came.
        reason: Unreachable,
    },
    /// It answered with an HTTP status other than success.
    #[error("{server} answers {code}{}", said(.message))]
    Status {
        /// The API server's address.
        server: String,
        /// The HTTP status, or the `code` of a `Status` object in a watch.
        code: u16,
        /// The `message` of its `Status` object; empty if it sent another body.
        message: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Its answer is not what the API answers.
    #[error("{server} sent an unexpected response: {reason}")]
    InvalidResponse {
        /// The API server's address.
        server: String,
        /// What is wrong with the answer, as a clause for a message.
        reason: String,
    },
}

fn said(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}

/// The object that was asked for; `None` where the server says that it does not exist.
pub(super) fn existing<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(None),
        answer => answer.map(Some),
    }
}

impl ApiError {
    /// Whether the credential is not good enough; asking again does not help.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Status {
                code: 401 | 403,
                ..
            }
        )
    }

    /// Whether the object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { code: 404, .. })
    }

    /// Whether the object was changed since it was read.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Status { code: 409, .. })
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Status { code: 410, .. })
    }

    /// Transient: the same question may be answered in a moment. The outcome of a write is then unknown.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::InvalidResponse { .. } => true,
            Self::Status { code, .. } => matches!(code, 408 | 410 | 429 | 500..=599),
            Self::Kubeconfig { .. } => false,
        }
    }

    /// When the server wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self {
            *retry_after
        } else {
            None
        }
    }
}
