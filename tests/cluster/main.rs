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

mod api_server;
mod captured;
mod hostile;
mod names;
mod nodes;
mod refusals;
mod rollback;
mod scene;
mod state;
mod status;
mod trouble;
