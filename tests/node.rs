//! The real binary on a real node: a Debian with its own systemd, kubeadm's unit for the kubelet, and a stand-in for
//! the kubelet alone.
//!
//! Needs root, debootstrap and systemd-container; without them the tests are skipped in one line, or fail where
//! `KUBELET_TLS_REQUIRE_NODE_TESTS=1`. The Debian is made once, in `target/` or where `KUBELET_TLS_NODE_ROOT` says.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test fails by panicking, is about files and processes, and has no users of its own"
)]

mod node {
    pub mod command;
    pub mod debian;
    pub mod harness;
    pub mod machine;
    pub mod proof;
}

use std::process::ExitCode;

use node::{debian, harness, machine, proof};

const TESTS: &[harness::Test] = &[
    (
        "a_crash_loop_shows_in_the_unit_not_in_the_exit_code",
        proof::a_crash_loop_shows_in_the_unit_not_in_the_exit_code,
    ),
    (
        "machines_leave_nothing_behind",
        proof::machines_leave_nothing_behind,
    ),
    (
        "commands_run_as_they_would_at_a_shell",
        proof::commands_run_as_they_would_at_a_shell,
    ),
];

fn main() -> ExitCode {
    harness::run(TESTS, || {
        debian::root()?;
        machine::sweep();
        Ok(())
    })
}
