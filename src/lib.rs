//! `kubelet-tls`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking"))]

pub mod kubeadm;
pub mod kubelet;
pub mod yaml;
