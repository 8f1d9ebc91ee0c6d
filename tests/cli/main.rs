//! The real binary: its words, its documents and its exit codes.
//!
//! `SNAPSHOTS=overwrite cargo test --test cli` writes the expected texts again after a wanted change.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test looks at files itself, and fails by panicking"
)]

mod ansible;
mod api_server;
mod files;
mod help;
mod issue_first;
mod manual;
mod monitoring;
mod node;
mod preflight;
mod progress;
mod rollback;
mod status;

use std::path::Path;

use snapbox::cmd::Command;

/// The binary in `directory`, with nothing of the caller's environment that could matter.
pub fn kubelet_tls(directory: &Path) -> Command {
    Command::new(env!("CARGO_BIN_EXE_kubelet-tls"))
        .current_dir(directory)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("KUBECONFIG")
        // No systemctl: what a test needs of one, it brings.
        .env("PATH", directory)
}

/// Checks the result document that a command printed against its schema.
pub fn checked(output: &std::process::Output) {
    standins::schema::check_output(&String::from_utf8_lossy(&output.stdout));
}
