//! The binary of another architecture, under the emulator: files, the API over TLS, keys and certificates.
//!
//! `make TARGET=aarch64-unknown-linux-musl` builds it; `qemu-user-static` runs it. Without either the test says that it
//! was skipped, and fails where `KUBELET_TLS_REQUIRE_NODE_TESTS` is set.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test reads its cases and fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{ApiServer, Config, Output};
use support::harness::is_required;

const TARGET: &str = "aarch64-unknown-linux-musl";
const EMULATOR: &str = "qemu-aarch64-static";

/// The binary, or the reason why it cannot run here.
fn binary() -> Result<PathBuf, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target")
        .join(TARGET)
        .join("release/kubelet-tls");
    if !path.exists() {
        return Err(format!("make TARGET={TARGET} builds it"));
    }
    match Command::new(EMULATOR).arg("--version").output() {
        Ok(_) => Ok(path),
        Err(error) => Err(format!("{EMULATOR}: {error}")),
    }
}

fn run(binary: &Path, directory: &Path, arguments: &[&str]) -> Output {
    Output::of(
        Command::new(EMULATOR)
            .arg(binary)
            .args(arguments)
            .current_dir(directory),
    )
}

#[test]
fn the_aarch64_binary_edits_approves_and_writes_certificates() {
    let binary = match binary() {
        Ok(binary) => binary,
        Err(reason) => {
            assert!(!is_required(), "no aarch64 binary: {reason}");
            eprintln!("skipped: no aarch64 binary: {reason}");
            return;
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();

    let captured = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captured/1.36/config.yaml");
    std::fs::copy(captured, at.join("config.yaml")).unwrap();
    let diff = run(&binary, at, &["diff", "config.yaml"]);
    assert_eq!(diff.code, 1, "{diff:?}");
    assert!(
        diff.stdout.contains("\n+serverTLSBootstrap: true\n"),
        "{diff:?}"
    );
    let apply = run(&binary, at, &["apply", "config.yaml"]);
    assert_eq!(apply.code, 0, "{apply:?}");
    let edited = std::fs::read_to_string(at.join("config.yaml")).unwrap();
    assert!(edited.contains("\nserverTLSBootstrap: true\n"), "{edited}");

    let api = ApiServer::start(Config::default());
    api.set_node(NodeSpec::new("worker-1", "10.0.0.11"));
    let names = Sans {
        dns: vec!["worker-1".to_owned()],
        ips: vec![[10, 0, 0, 11].into()],
    };
    let good = api.add_csr(Csr::kubelet_serving("worker-1", &names));
    let kubeconfig = api.admin_kubeconfig(at);
    let approve = [
        "approve",
        &good,
        "--kubeconfig",
        kubeconfig.to_str().unwrap(),
    ];
    let approved = run(&binary, at, &approve);
    assert_eq!(approved.code, 0, "{approved:?}");
    assert!(api.csr(&good).unwrap().is("Approved"));

    let written = run(&binary, at, &["metrics-server", "--out", "overlay"]);
    assert_eq!(written.code, 0, "{written:?}");
    let certificate = std::fs::read_to_string(at.join("overlay/tls.crt")).unwrap();
    assert!(
        certificate.contains("-----BEGIN CERTIFICATE-----"),
        "{certificate}"
    );
}
