//! Which requests may be approved: every rule with requests that break it alone, real requests, the control plane's own,
//! and laws over made-up ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

#[path = "approval/cluster.rs"]
mod cluster;
#[path = "approval/laws.rs"]
mod laws;
#[path = "approval/real.rs"]
mod real;
#[path = "approval/request.rs"]
mod request;
#[path = "approval/rules.rs"]
mod rules;
