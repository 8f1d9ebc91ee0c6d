//! `approve --watch` against the stand-in API server: one process, real TLS, lists and watches.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

mod decisions;
mod deploy;
mod endpoints;
mod large;
mod rights;
mod scale;
mod scene;
mod trouble;
