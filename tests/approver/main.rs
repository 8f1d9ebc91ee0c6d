//! `approve --watch` against the stand-in API server: one process, real TLS, lists and watches.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

mod credentials;
mod deaf;
mod decisions;
mod deploy;
mod endpoints;
mod proxies;
mod refused;
mod rights;
mod scale;
mod trouble;
mod year;

use support::{approver as scene, large, request};
