//! What several test files and the benchmark share: scenes of stand-ins with the real binary in them, and what they are
//! compared with.
//!
//! - [`api`] a node in a cluster with a past, and how a run of the tool is watched
//! - [`approver`] a cluster, and an approver that runs beside it
//! - [`large`] the same with thousands of objects
//! - [`request`] CSRs made byte by byte, so that each can be wrong in one way
//! - [`snapshot`] what a file is, to compare it with later
//! - [`harness`] runs tests that may have to be skipped, and says so
//! - [`rows`] the rows of docs/benchmarks.md
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::new_without_default,
    clippy::disallowed_methods,
    reason = "a scene that cannot be set fails the test that uses it"
)]

pub mod api;
pub mod approver;
pub mod harness;
pub mod large;
pub mod request;
pub mod rows;
pub mod snapshot;

use std::sync::LazyLock;

/// The path of the binary under test, which cargo builds before it builds a test or a benchmark, beside their directory.
pub fn binary() -> &'static str {
    static BINARY: LazyLock<String> = LazyLock::new(|| {
        let test = std::env::current_exe().unwrap();
        let directory = test.parent().and_then(std::path::Path::parent).unwrap();
        let binary = directory.join("kubelet-tls");
        assert!(binary.exists(), "{} was not built", binary.display());
        binary.into_os_string().into_string().unwrap()
    });
    &BINARY
}
