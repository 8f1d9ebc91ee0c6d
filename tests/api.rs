//! How the tool deals with the API server: real answers served as they were captured, servers on a bad day, and what
//! all of it costs; servers that mean harm are in tests/hostile.rs. The real binary, on a node of stand-ins; [`Api`](kubelet_tls::host::kube::Api) alone where a whole
//! node would add nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test sets its scene and fails by panicking"
)]

#[path = "api/approvals.rs"]
mod approvals;
#[path = "api/approver.rs"]
mod approver;
#[path = "api/before.rs"]
mod before;
#[path = "api/captured.rs"]
mod captured;
#[path = "api/check.rs"]
mod check;
#[path = "api/costs.rs"]
mod costs;
#[path = "api/during.rs"]
mod during;
#[path = "api/fields.rs"]
mod fields;
#[path = "api/kubeconfigs.rs"]
mod kubeconfigs;
#[path = "api/proxies.rs"]
mod proxies;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/scene.rs"]
mod scene;
#[path = "api/states.rs"]
mod states;
