//! Why the command line of the kubelet's next start cannot be told.

use super::WordSource;

/// Why the command line of the next start cannot be told, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownCommandLine {
    /// The unit has no command.
    #[error("the unit has no ExecStart=")]
    NoExecStart,
    /// It is not quoted: `--manifest-url-header` may hold a credential.
    #[error("ExecStart= is not as systemctl prints it")]
    ExecStartUnclear,
    /// systemctl prints arguments separated by spaces, without quotes.
    #[error(
        "ExecStart= has an argument that is empty or has spaces, which systemctl does not show apart"
    )]
    ArgumentsUnclear,
    /// The shell's own rules apply then.
    #[error("ExecStart= goes through a shell")]
    Shell,
    /// A variable that only systemd knows.
    #[error("the command line uses ${0}, which systemd sets when it starts the unit")]
    SetBySystemd(String),
    /// A variable that systemctl may have left out.
    #[error(
        "the command line uses ${0}, which may be among the variables with a space in their value that systemctl of this \
         version does not print"
    )]
    Withheld(String),
    /// A quoted word without its end.
    #[error("Environment= is cut off")]
    EnvironmentCutOff,
    /// A variable's value that is not text.
    #[error("Environment= is not UTF-8")]
    EnvironmentNotUtf8,
    /// A word without `=`.
    #[error("a word of Environment= assigns nothing")]
    AssignsNothing,
    /// systemd 239 reads such a file up to the NUL byte, newer ones do not load it.
    #[error("the environment file {0} holds a NUL byte")]
    NulByte(String),
    /// A required environment file.
    #[error("systemd will not start the unit: it cannot load the environment file {path}: {why}")]
    Unloadable {
        /// The path in the unit's `EnvironmentFile=`.
        path: String,
        /// What is wrong with it.
        why: Unloadable,
    },
    /// systemd's versions read something differently.
    #[error(
        "what systemd makes of {0} depends on its version: a backslash in quotes or at the end of a comment line, or a control \
         character"
    )]
    DependsOnVersion(WordSource),
}

/// Why systemd cannot load an environment file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unloadable {
    /// It was not found or could not be read.
    #[error("it is missing or cannot be read")]
    Unreadable,
    /// A line of it is not text.
    #[error("line {0} is not UTF-8")]
    NotUtf8(usize),
}
