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
mod large;
mod proxies;
mod refused;
#[path = "../approval/request.rs"]
#[allow(dead_code, reason = "the rest is for tests/approval.rs")]
mod request;
mod rights;
mod scale;
mod scene;
mod trouble;
mod year;
