//! What is looked at before anything is changed.

use super::*;

#[test]
fn an_unhealthy_kubelet_is_not_touched() {
    let node = node();
    node.set_knobs(|knobs| knobs.healthz = Healthz::Error);
    node.systemctl(&["restart", "kubelet.service"]);
    std::thread::sleep(Duration::from_millis(500));
    let before = node.config();
    let starts = node.kubelet_starts();
    let apply = run(&node, &["apply"]);
    assert_eq!(
        (apply.code, apply.stdout.as_str()),
        (78, ""),
        "{}",
        apply.stderr
    );
    snapbox::assert_data_eq!(
        steady(&node, &apply.stderr),
        snapbox::str![[r#"
error: cannot restart kubelet.service: it was not healthy before: http://127.0.0.1:[HEALTHZ]/healthz answers 500; nothing was changed; fix the kubelet first, or change only the file: kubelet-tls apply --restart never
hint: journalctl -u kubelet --no-pager -n 50

"#]]
    );
    assert_eq!((node.config(), node.kubelet_starts()), (before, starts));
    // The file alone may still be edited.
    assert_eq!(
        run(&node, &["apply", "--restart", "never", "--wait", "none"]).code,
        0
    );
}

#[test]
fn a_flag_that_decides_is_named() {
    let node = Node::new(Options {
        extra_args: vec!["--rotate-server-certificates=false".into()],
        ..Options::default()
    });
    let before = node.config();
    for verb in ["diff", "apply"] {
        let refused = run(&node, &[verb]);
        assert_eq!(refused.code, 78, "{}", refused.stderr);
        assert!(
            refused
                .stderr
                .contains("--rotate-server-certificates=false"),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(node.config(), before);
}

#[test]
fn a_drop_in_that_decides_is_the_file_that_changes() {
    let directory = tempfile::tempdir().unwrap();
    let off = directory.path().join("90-off.conf");
    const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    std::fs::write(&off, format!("{HEAD}servertlsbootstrap: false\n")).unwrap();
    std::fs::write(directory.path().join("10-other.conf"), HEAD).unwrap();
    let flag = format!("--config-dir={}", directory.path().display());
    let node = Node::new(Options {
        extra_args: vec![flag],
        ..Options::default()
    });
    let main = node.config();
    let diff = run(&node, &["diff"]);
    assert_eq!(diff.code, 1, "{}", diff.stderr);
    assert!(
        diff.stdout.starts_with(&format!("--- {}\n", off.display())),
        "{}",
        diff.stdout
    );
    let lock = crate::files::hold_lock(directory.path());
    assert_eq!(
        run(&node, &["apply"]).code,
        75,
        "its directory is locked from the first look on"
    );
    drop(lock);
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_eq!(node.config(), main);
    assert_eq!(
        std::fs::read_to_string(&off).unwrap(),
        format!("{HEAD}servertlsbootstrap: true\n")
    );
    assert_eq!(node.api().csrs_of(node.name()).len(), 1, "it took effect");
    assert_eq!(run(&node, &["diff"]).code, 0);
    // Of this spelling the kubelet takes no notice, so the main file decides.
    std::fs::write(&off, format!("{HEAD}SERVERTLSBOOTSTRAP: false\n")).unwrap();
    let diff = run(&node, &["diff"]);
    assert!(
        diff.stdout
            .starts_with(&format!("--- {}\n", node.config_path().display())),
        "{}",
        diff.stdout
    );
}

#[test]
fn a_gate_that_a_drop_in_switches_off_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let gate = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfeatureGates: {AllBeta: false}\n";
    std::fs::write(directory.path().join("gates.conf"), gate).unwrap();
    let flag = format!("--config-dir={}", directory.path().display());
    let node = Node::new(Options {
        extra_args: vec![flag],
        ..Options::default()
    });
    let diff = run(&node, &["diff"]);
    assert_eq!(diff.code, 78, "{}", diff.stderr);
    assert!(diff.stderr.contains("AllBeta=false"), "{}", diff.stderr);
    assert_eq!(
        run(&node, &["apply", "--disable", "--settle", "0s"]).code,
        0
    );
}

#[test]
fn a_flag_that_the_restart_would_bring_is_seen_before_it() {
    let node = node();
    let before = node.config();
    let defaults = node.path("/etc/default/kubelet");
    std::fs::create_dir_all(defaults.parent().unwrap()).unwrap();
    std::fs::write(
        &defaults,
        "KUBELET_EXTRA_ARGS=--rotate-server-certificates=false\n",
    )
    .unwrap();
    let starts = node.kubelet_starts();
    let apply = run(&node, &["apply", "--settle", "1s"]);
    assert_eq!(
        (apply.code, node.config(), node.kubelet_starts()),
        (78, before, starts),
        "{}",
        apply.stderr
    );
    assert!(
        apply
            .stderr
            .contains("is started with --rotate-server-certificates=false"),
        "{}",
        apply.stderr
    );
}

#[test]
fn nothing_is_changed_without_the_api_unless_that_was_asked_for() {
    let mut node = node();
    node.api_mut().stop();
    let before = node.config();
    let apply = run(&node, &["apply"]);
    assert_eq!(
        (apply.code, node.config()),
        (69, before),
        "{}",
        apply.stderr
    );
    assert!(apply.stderr.contains("--wait none"), "{}", apply.stderr);
    let apply = run(&node, &["apply", "--wait", "none", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert!(node.config().contains("serverTLSBootstrap: true"));
    assert_eq!(run(&node, &["csr"]).code, 69);
}

#[test]
fn a_dry_run_touches_nothing() {
    let node = node();
    let before = (node.config(), node.kubelet_starts());
    let dry = run(&node, &["apply", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert_eq!(dry.stdout, run(&node, &["diff"]).stdout);
    assert_eq!((node.config(), node.kubelet_starts()), before);
}

/// A dry run says all that the run would do, and warns of all that it would warn of.
#[test]
fn a_dry_run_says_all_that_the_run_would_do() {
    let node = node();
    let (before, starts) = (node.config(), node.kubelet_starts());
    let dry = run(&node, &["apply", "--dry-run", "-o", "json"]);
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    let outage = "from the restart until the kubelet's CSR is approved";
    let restart =
        "(dry run) nothing was changed; would restart kubelet.service: its configuration changes";
    for words in [outage, restart] {
        assert!(dry.stderr.contains(words), "{words}: {}", dry.stderr);
    }
    let document: serde_json::Value = serde_json::from_str(&dry.stdout).unwrap();
    assert_eq!(document["dryRun"], true);
    assert_eq!(document["restart"]["performed"], false);
    let warning = document["warnings"][0].as_str().unwrap();
    assert!(warning.contains(outage), "{warning}");

    let first = run(&node, &["apply", "--dry-run", "--issue-first"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(
        first.stderr.contains("(dry run) would first create a CSR")
            && !first.stderr.contains(outage),
        "{}",
        first.stderr
    );
    assert_eq!((node.config(), node.kubelet_starts()), (before, starts));

    assert_eq!(run(&node, &["apply", "--settle", "0s"]).code, 0);
    let again = run(&node, &["apply", "--dry-run"]);
    assert!(
        again.stderr.contains("would not restart kubelet.service"),
        "{}",
        again.stderr
    );
    // Its pending request would be lost with a restart that the file's rewriting asks for.
    let always = run(&node, &["apply", "--dry-run", "--restart", "always"]);
    assert!(
        always
            .stderr
            .contains("the restart makes the pending CSR csr-"),
        "{}",
        always.stderr
    );
    let would = "would restart kubelet.service: --restart always asks for it\n";
    assert!(always.stderr.contains(would), "{}", always.stderr);
    let real = run(&node, &["apply", "--restart", "always", "--settle", "0s"]);
    let why = "restarting kubelet.service: --restart always asks for it\n";
    assert!(real.stderr.contains(why), "{}", real.stderr);
}
