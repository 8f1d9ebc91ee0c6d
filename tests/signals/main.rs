//! Signals, closed streams and lost terminals at many moments of an `apply` and of a `rollback`: either nothing has
//! happened, and the program died of the signal; or all of it is done, and it says so; and the next run finds nothing
//! left to fix. One command: `cargo test --test signals`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test sets its scene and fails by panicking"
)]

mod api_server;
mod blow;
mod moments;
mod streams;
