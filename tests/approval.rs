//! Which requests may be approved: every rule with requests that break it alone, real requests, the control plane's own,
//! the holes of other approvers, and laws over generated requests and clusters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

#[path = "approval/breakers.rs"]
mod breakers;
#[path = "approval/cluster.rs"]
mod cluster;
#[path = "approval/compromised.rs"]
mod compromised;
#[path = "approval/docs.rs"]
mod docs;
#[path = "approval/holes.rs"]
mod holes;
#[path = "approval/laws.rs"]
mod laws;
#[path = "approval/policy.rs"]
mod policy;
#[path = "approval/real.rs"]
mod real;
#[path = "approval/request.rs"]
mod request;
#[path = "approval/rules.rs"]
mod rules;
