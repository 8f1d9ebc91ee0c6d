//! The demo of the README, as `cargo run --example demo` shows it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test runs what it tests and fails by panicking"
)]

mod picture;

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
fn the_demo_tells_the_whole_job_and_leaves_nothing_behind() {
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
        "1. Before: the kubelet signed its certificate itself, so no client can verify it.",
        "  verified     no: the cluster's CA did not sign it",
        "# kubelet-tls diff; echo $?",
        "+serverTLSBootstrap: true",
        "1",
        "# kubelet-tls apply --issue-first --wait csr",
        "the kubelet is unchanged so far; once the request is approved, run the same command again",
        "# kubelet-tls approve --all; echo $?",
        "hint: kubectl describe csr csr-zzkq8",
        "78",
        "# kubelet-tls apply --issue-first --settle 1s",
        "restarting kubelet.service",
        "6. Now: a certificate that the cluster's CA signed.",
        "  issued by    CN=kubernetes",
        "  verified     yes, against the cluster's CA",
        "# kubelet-tls apply",
        "# kubelet-tls cluster apply",
        "1 of 2 nodes run without the change: worker-2",
        "# kubelet-tls status",
        "NoStaleRequests            True     None                no stale CSRs are pending",
        "# kubelet-tls rollback --settle 1s",
        "-serverTLSBootstrap: true",
        "The kubelet serves its self-signed certificate again:",
        "  verified     no: the cluster's CA did not sign it",
    ] {
        let found = rest.split_once(&format!("{line}\n"));
        let Some((_, after)) = found else {
            panic!("{line:?} is missing or out of order in:\n{text}");
        };
        rest = after;
    }
    assert_eq!(rest, "", "nothing comes after the last certificate");
    check_picture(&text);

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

/// The README's picture is what this run looks like; `cargo build --example demo && UPDATE_PICTURE=1 cargo test --test demo` writes it.
fn check_picture(text: &str) {
    let file = "docs/demo.svg";
    let Some(made) = picture::of(text) else {
        println!("{file} is not checked: this machine has no address but loopback");
        return;
    };
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        std::fs::write(file, &made).unwrap();
    }
    let shown = std::fs::read_to_string(file).unwrap_or_default();
    assert_eq!(
        shown, made,
        "{file} is out of date: cargo build --example demo && UPDATE_PICTURE=1 cargo test --test demo"
    );
}
