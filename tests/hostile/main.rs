//! Servers that mean harm: each hostile answer at each question of each verb that talks to the API. The exit code is in
//! the contract and says what happened, the deadline holds, memory stays small, no wrong name is ever printed, and the
//! node is untouched, or as wanted. One command: `cargo test --test hostile`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test sets its scene and fails by panicking"
)]

mod answers;
mod cases;
mod crowds;
mod rows;
mod scripts;
mod watch;
mod wire;

use support::{api as scene, approver};
