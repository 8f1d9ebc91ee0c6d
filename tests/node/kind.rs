//! The scripts of the `kind` workflow, on this machine instead of kind's containers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use standins::kubelet::Knobs;
use standins::{ApiServer, Config, KubeconfigStyle};

use super::address::Address;
use super::worker::{Worker, well};

/// The restart, then the request and its approval.
pub fn the_whole_job_in_the_documented_order() {
    let (worker, _address) = node("kind-documented");
    script(&worker, "cluster.sh", &["documented"]);
    assert_eq!((worker.requests().len(), worker.starts()), (1, 3));
}

/// The request and its approval, then the restart.
pub fn the_whole_job_with_the_certificate_first() {
    let (worker, _address) = node("kind-issue-first");
    script(&worker, "cluster.sh", &["issue_first"]);
    assert_eq!((worker.requests().len(), worker.starts()), (1, 3));
}

/// The stand-in asks for its next certificate seconds after the first.
pub fn a_renewal_is_approved() {
    let (worker, _address) = node("kind-renewal");
    worker.behave_when_changed(Knobs {
        renew_after_ms: Some(8000),
        ..well()
    });
    script(&worker, "renewal.sh", &[]);
    assert_eq!(worker.starts(), 2);
    assert!(worker.requests().len() >= 2, "{:?}", worker.requests());
}

/// A node that is its own control plane, as far as the scripts can tell.
fn node(label: &str) -> (Worker, Address) {
    let address = Address::new();
    let api = Arc::new(ApiServer::start(Config::default()));
    let worker = Worker::join(label, api, "worker-1", address.text());
    worker.start_kubelet();
    let administrator = worker
        .api
        .client_identity("kubernetes-admin", &["system:masters"]);
    worker.api.write_kubeconfig(
        &worker.machine.path("/etc/kubernetes/admin.conf"),
        &worker.machine.path("/root/pki"),
        &administrator,
        KubeconfigStyle::Inline,
    );
    (worker, address)
}

/// Runs a script of `tests/kind`, which must succeed.
fn script(worker: &Worker, name: &str, arguments: &[&str]) {
    let work = tempfile::tempdir().expect("a directory");
    let on_node = work.path().join("on-node");
    // The first argument is the node's name.
    let words = worker.machine.command(&["env"]).command_line();
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let text = format!("#!/bin/sh\nshift\nexec {} \"$@\"\n", words.join(" "));
    fs::write(&on_node, text).expect("write");
    fs::set_permissions(&on_node, fs::Permissions::from_mode(0o755)).expect("chmod");
    let output = Command::new("timeout")
        .arg("120")
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/kind")
                .join(name),
        )
        .args(arguments)
        .env("ON_NODE", &on_node)
        .env("NODE", worker.name())
        .env("CONTROL_PLANE", "control-plane-1")
        .env("TOOL", env!("CARGO_BIN_EXE_kubelet-tls"))
        .output()
        .expect("timeout");
    assert!(output.status.success(), "{name}: {}", said(&output));
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
