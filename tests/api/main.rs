//! How the tool deals with the API server: real answers served as they were captured, servers on a bad day, and what
//! all of it costs; servers that mean harm are in tests/hostile. The real binary, on a node of stand-ins; [`Api`](kubelet_tls::parts::host::Api) alone where a whole
//! node would add nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test sets its scene and fails by panicking"
)]

mod approvals;
mod approver;
mod before;
mod captured;
mod check;
mod costs;
mod during;
mod fields;
mod kubeconfigs;
mod proxies;
mod refusals;
mod states;

use support::api as scene;
