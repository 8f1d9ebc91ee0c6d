//! The demo of the README, as `cargo run --example demo` shows it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test runs what it tests and fails by panicking"
)]

use std::path::PathBuf;
use std::process::Command;

/// `target/debug/examples/demo` of a test in `target/debug/deps`.
fn demo() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().with_file_name("examples/demo");
    assert!(
        path.is_file(),
        "{} is not built; cargo test without a selection builds it",
        path.display()
    );
    path
}

#[test]
fn the_demo_shows_the_main_job_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(demo())
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}{errors}");
    assert_eq!(errors, "");

    let mut rest = text.as_str();
    for line in [
        "Before: a certificate that the kubelet made itself",
        "  verified     no: the cluster's CA did not sign it",
        "# kubelet-tls diff; echo $?",
        "+serverTLSBootstrap: true",
        "1",
        "# kubelet-tls apply --settle 1s",
        "restarting kubelet.service",
        "# kubectl certificate approve $(kubelet-tls csr)",
        "# kubelet-tls apply --wait issued",
        "Now: a certificate of the cluster's CA",
        "  issued by    CN=kubernetes",
        "  for          DNS worker-1, IP 127.0.0.1",
        "  verified     yes, against the cluster's CA",
        "# kubelet-tls apply",
        "# kubelet-tls apply join.yaml; echo $?",
        "65",
    ] {
        let found = rest.split_once(&format!("{line}\n"));
        let Some((_, after)) = found else {
            panic!("{line:?} is missing or out of order in:\n{text}");
        };
        rest = after;
    }
    assert_eq!(rest, "", "nothing comes after the last exit code");

    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    // The node's processes have its directory in their command line.
    let directory = temporary.path().to_str().unwrap().as_bytes();
    let running = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|line| line.windows(directory.len()).any(|part| part == directory))
        .count();
    assert_eq!(running, 0, "processes were left running");
}
