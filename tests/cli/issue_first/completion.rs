//! Runs that stop half-way, completed by the next one.

use super::*;

/// A file that was edited before and not read by the kubelet yet.
#[test]
fn an_edit_without_a_restart_can_be_completed_without_an_outage() {
    let node = node();
    node.api().auto_approve(Duration::ZERO);
    thread::sleep(Duration::from_millis(300));
    let before = node.config();
    let edit = run(&node, &["apply", "--restart", "never"]);
    assert_eq!(edit.code, 0, "{}", edit.stderr);
    let (apply, met) = probed(&node, || issue_first(&node, &[]));
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_eq!(met, [Met::SelfSigned, Met::Trusted]);
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert!(fs::symlink_metadata(current(&node)).is_err());
}

/// Killed at any moment, one more run gets there; and a rollback undoes all of it.
#[test]
fn a_run_that_is_killed_at_any_moment_is_completed_by_the_next() {
    let (mut nth, mut kills) = (0, 0);
    loop {
        let node = node();
        node.api().auto_approve(Duration::from_millis(100));
        let before = node.config();
        let mut command = node.command(env!("CARGO_BIN_EXE_kubelet-tls"));
        let mut child = command.args(ISSUE_FIRST).arg("-q").spawn().unwrap();
        let moment = Instant::now() + Duration::from_millis(120 * nth);
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        let over = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        let apply = issue_first(&node, &[]);
        assert_eq!(apply.code, 0, "{nth}: {}", apply.stderr);
        assert!(node.config().contains("serverTLSBootstrap: true"), "{nth}");
        assert!(
            node.handshake("127.0.0.1").is_ok(),
            "{nth}: {}",
            apply.stderr
        );
        let rollback = run(&node, &["rollback", "--settle", "0s"]);
        assert_eq!(
            (rollback.code, node.config()),
            (0, before),
            "{nth}: {}",
            rollback.stderr
        );
        assert!(
            fs::symlink_metadata(current(&node)).is_err(),
            "{nth}: {}",
            apply.stderr
        );
        if over {
            break;
        }
        (nth, kills) = (nth + 1, kills + 1);
    }
    assert!(kills > 5, "{kills}");
}
