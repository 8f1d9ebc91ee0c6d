//! Rolling back, with the certificate that was installed.

use super::*;

/// The kubelet dies of the change: the pair goes with it.
#[test]
fn a_rollback_removes_the_pair_too() {
    let mut options = Options::default();
    options.knobs.die_after_ms_if_bootstrap = Some(100);
    let node = Node::new(options);
    node.api().auto_approve(Duration::ZERO);
    let before = node.config();
    let apply = issue_first(&node, &[]);
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
    assert!(node.is_healthy());
    assert!(fs::symlink_metadata(current(&node)).is_err());
}

#[test]
fn a_rollback_says_that_it_removes_the_certificate() {
    let node = node();
    node.api().auto_approve(Duration::from_millis(50));
    assert_eq!(issue_first(&node, &[]).code, 0);
    let pair = fs::read_link(current(&node)).unwrap();
    let pair = pair.file_name().unwrap().to_str().unwrap().to_owned();
    let dry = run(&node, &["rollback", "--dry-run"]);
    let said = "(dry run) would remove the certificate that the apply installed: ";
    assert!(
        dry.stderr.contains(said) && dry.stderr.contains(&pair),
        "{}",
        dry.stderr
    );
    assert!(current(&node).exists());
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(rollback.code, 0, "{}", rollback.stderr);
    assert!(
        rollback
            .stderr
            .contains("removes the certificate that the apply installed"),
        "{}",
        rollback.stderr
    );
    assert!(!current(&node).exists());
}
