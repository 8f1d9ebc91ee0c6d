//! `cluster diff`, `cluster apply` and `rollback --cluster`: the real binary, as an administrator, on a stand-in API server
//! with the ConfigMaps that real kubeadms left.
//!
//! `SNAPSHOTS=overwrite cargo test --test cluster` rewrites the expected texts after a wanted change.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test sets its scene and fails by panicking"
)]

#[path = "cluster/api_server.rs"]
mod api_server;
#[path = "cluster/captured.rs"]
mod captured;
#[path = "cluster/hostile.rs"]
mod hostile;
#[path = "cluster/names.rs"]
mod names;
#[path = "cluster/nodes.rs"]
mod nodes;
#[path = "cluster/refusals.rs"]
mod refusals;
#[path = "cluster/rollback.rs"]
mod rollback;
#[path = "cluster/scene.rs"]
mod scene;
#[path = "cluster/state.rs"]
mod state;
#[path = "cluster/status.rs"]
mod status;
#[path = "cluster/trouble.rs"]
mod trouble;
