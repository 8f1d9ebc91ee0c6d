//! The stand-ins together: a node boots, crash-loops, bootstraps.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::time::Duration;

use kubelet_tls_standins::{Knobs, Node, Options};

const TIMEOUT: Duration = Duration::from_secs(20);

fn node(options: Options) -> Node {
    Node::new(Options {
        executable: Some(env!("CARGO_BIN_EXE_kubelet-tls-standins").into()),
        ..options
    })
}

#[test]
fn boots_and_serves_what_it_signed_itself() {
    let node = node(Options::default());
    assert_eq!(node.restarts(), 0);
    assert_eq!(node.kubelet_starts(), 1);
    let cmdline = std::fs::read_to_string(format!("/proc/{}/cmdline", node.main_pid())).unwrap();
    let args: Vec<&str> = cmdline.split_terminator('\0').collect();
    assert_eq!(args[0], node.path("/bin/kubelet").to_str().unwrap());
    assert!(
        args.contains(&format!("--config={}", node.config_path().display()).as_str()),
        "{args:?}"
    );
    // No CA of the cluster's has signed it, so it does not verify.
    let why = node.handshake("127.0.0.1").unwrap_err();
    assert!(why.contains("UnknownIssuer"), "{why}");
    assert!(node.api().csrs().is_empty());
}

#[test]
fn bootstraps_once_it_is_told_to_and_approved() {
    let node = node(Options::default());
    node.edit_config(|text| text + "serverTLSBootstrap: true\n");
    node.restart_kubelet();
    let csr = node
        .api()
        .wait_for_csr("worker-1", 0, TIMEOUT)
        .expect("no CSR");
    assert_eq!(
        (csr.state(), csr.spec.username.as_str()),
        ("Pending", "system:node:worker-1")
    );
    let why = node.handshake("127.0.0.1").unwrap_err();
    assert!(why.contains("InternalError"), "{why}");
    assert!(node.api().approve(&csr.metadata.name));
    assert!(
        node.wait_for(TIMEOUT, |node| node.handshake("127.0.0.1").is_ok()),
        "{}",
        node.journal()
    );
    assert!(node.handshake("worker-1").is_ok());
    let current = node.path("/var/lib/kubelet/pki/kubelet-server-current.pem");
    assert!(current.is_symlink());
    // A restart serves the same one at once and asks for nothing.
    node.restart_kubelet();
    assert!(node.handshake("127.0.0.1").is_ok());
    assert_eq!(node.api().csrs().len(), 1);
}

#[test]
fn crash_loops_as_captured() {
    let node = node(Options::default());
    let properties = [
        "MainPID",
        "Result",
        "NRestarts",
        "ExecMainStatus",
        "ActiveState",
        "SubState",
        "InvocationID",
    ];
    let healthy = node.show(&properties);
    node.edit_config(|text| text + "serverTLSBootstrap: \"true\"\n");
    assert_eq!(node.systemctl(&["restart", "kubelet"]).code, 0);
    assert!(
        node.wait_for(TIMEOUT, |node| node.show(&["SubState"])["SubState"]
            == "auto-restart")
    );
    let crashed = node.show(&properties);
    let line: Vec<String> = properties[..6]
        .iter()
        .map(|p| format!("{p}={}", crashed[*p]))
        .collect();
    // The second line of the captured loop.
    assert_eq!(
        line.join(" "),
        "MainPID=0 Result=exit-code NRestarts=0 ExecMainStatus=1 ActiveState=activating SubState=auto-restart"
    );
    assert_ne!(crashed["InvocationID"], healthy["InvocationID"]);
    let (ours, theirs) = (
        format!("_SYSTEMD_INVOCATION_ID={}", crashed["InvocationID"]),
        format!("INVOCATION_ID={}", crashed["InvocationID"]),
    );
    let journal = node
        .run(
            "journalctl",
            &["-o", "cat", "--no-pager", "-n", "3", &ours, "+", &theirs],
        )
        .stdout;
    let lines: Vec<&str> = journal.lines().collect();
    assert!(lines[0].ends_with("of type bool\""), "{journal}");
    assert_eq!(
        lines[1],
        "kubelet.service: Main process exited, code=exited, status=1/FAILURE"
    );
    assert_eq!(lines[2], "kubelet.service: Failed with result 'exit-code'.");
    assert!(node.wait_for(TIMEOUT, |node| node.restarts() >= 2));
    // Put right while it waits for its next restart: the counter stays as it was.
    let drop_in = node.path("/etc/systemd/system/kubelet.service.d/20-slow.conf");
    std::fs::write(drop_in, "[Service]\nRestartSec=60\n").unwrap();
    node.systemctl(&["daemon-reload"]);
    std::thread::sleep(Duration::from_secs(1));
    node.edit_config(|text| text.replace("serverTLSBootstrap: \"true\"\n", ""));
    let before = node.restarts();
    node.restart_kubelet();
    assert_eq!(node.restarts(), before);
    node.restart_kubelet();
    assert_eq!(node.restarts(), 0);
}

#[test]
fn restart_waits_for_a_kubelet_that_takes_its_time() {
    let node = node(Options {
        knobs: Knobs {
            stop_delay_ms: 300,
            ..Knobs::default()
        },
        ..Options::default()
    });
    let before = std::time::Instant::now();
    assert_eq!(node.systemctl(&["restart", "kubelet"]).code, 0);
    assert!(before.elapsed() >= Duration::from_millis(300));
    assert_eq!(node.systemctl(&["restart", "nonsense"]).code, 5);
}
