//! Which requests may be approved: every rule with requests that break it alone, real requests, the control plane's own,
//! the holes of other approvers, and laws over generated requests and clusters.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

mod breakers;
mod cluster;
mod compromised;
mod docs;
mod each_rule;
mod holes;
mod laws;
mod policy;
mod real;
mod rules;

use support::request;
