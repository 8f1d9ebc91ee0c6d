//! The standard streams, and environment variables.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the environment is read"
)]

use std::io::{self, IsTerminal as _};

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

/// Whether standard error is a terminal.
pub fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// Whether the environment variable `name` is set to something.
pub fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// The value of the first of the environment variables `names` that is set to something.
pub fn first_of(names: &[&str]) -> Option<String> {
    let values = names.iter().filter_map(|name| std::env::var(name).ok());
    values.into_iter().find(|value| !value.is_empty())
}
