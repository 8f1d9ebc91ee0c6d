//! The standard streams, and environment variables.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]

use std::io;

use super::files::{FileCause, FileError, read_capped};

/// Reads standard input, at most `cap` bytes.
///
/// # Errors
/// When it is larger, or cannot be read.
pub fn read_stdin(cap: u64) -> Result<Vec<u8>, FileError> {
    let wrong = |cause: FileCause| FileError {
        action: "read",
        path: "-".into(),
        cause,
    };
    read_capped(io::stdin().lock(), cap).map_err(wrong)
}

/// The value of the first of the environment variables `names` that is set to something.
pub fn first_of(names: &[&str]) -> Option<String> {
    let values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.into_iter().find(|value| !value.is_empty())
}
