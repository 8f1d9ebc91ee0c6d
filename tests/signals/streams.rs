//! What is decided before the first write, and by how the program was started.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standins::{Fault, Matcher, Node, Output, pace};

use super::blow::{BINARY, node, state};

fn shell(node: &Node, script: &str) -> Output {
    let script = script.replace("TOOL", BINARY);
    Output::of(
        node.command("sh")
            .args(["-c", &script])
            .stdin(Stdio::null()),
    )
}

/// While an API server keeps it waiting, nothing has happened, and Ctrl-C need not wait.
#[test]
fn before_the_write_a_signal_ends_it_at_once() {
    let node = node();
    let before = state(&node);
    let silence = Fault::Silent(Duration::from_secs(60));
    node.api()
        .inject(Matcher::new().agent("kubelet-tls/"), silence);
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        node.api().clear_requests();
        let mut command = node.command(BINARY);
        command
            .arg("apply")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        let asked = |node: &Node| !node.api().requests().is_empty();
        assert!(node.wait_for(Duration::from_secs(30), asked));
        thread::sleep(Duration::from_millis(100));
        let began = pace::now();
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(output.status.signal(), Some(signal as i32));
        assert!(
            (pace::now() - began) < Duration::from_secs(10),
            "{:?}",
            (pace::now() - began)
        );
        assert_eq!(state(&node), before);
    }
}

/// `nohup` means: continue.
#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let node = node();
    let script = "trap '' HUP INT; TOOL apply --settle 300ms & sleep 0.3; kill -HUP $!; kill -INT $!; wait $!";
    let output = shell(&node, script);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(!output.stderr.contains("interrupted"), "{}", output.stderr);
}

/// As under cron, or at the end of a pipe.
#[test]
fn closed_standard_streams_stop_no_run() {
    let node = node();
    let output = shell(&node, "TOOL apply --settle 300ms <&- >&- 2>&-");
    assert_eq!((output.code, state(&node).receipt.as_str()), (0, "Done"));
    let output = shell(
        &node,
        "TOOL rollback --settle 0s | true; TOOL status -o json 2>&- | head -c 1",
    );
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(state(&node).receipt, "RolledBack");
}
