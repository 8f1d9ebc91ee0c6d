//! The kubelet and its CSR after the change.

use super::*;

#[test]
fn a_certificate_on_disk_means_that_no_request_is_coming() {
    let node = node();
    assert_eq!(run(&node, &["apply", "--settle", "0s"]).code, 0);
    let name = node.api().csrs_of(node.name())[0].metadata.name.clone();
    node.api().approve(&name);
    assert_eq!(run(&node, &["apply", "--wait", "issued"]).code, 0);
    let off = run(&node, &["apply", "--disable", "--settle", "0s"]);
    assert_eq!(
        (
            off.code,
            node.config().contains("serverTLSBootstrap: false")
        ),
        (0, true),
        "{}",
        off.stderr
    );

    let started = pace::now();
    let on = run(&node, &["apply", "--settle", "0s", "-o", "json"]);
    assert_eq!(on.code, 0, "{}", on.stderr);
    assert!(
        (pace::now() - started) < Duration::from_secs(20),
        "said at once, not after the timeout"
    );
    assert!(on.stderr.contains("no new CSR is needed"), "{}", on.stderr);
    let document: serde_json::Value = serde_json::from_str(&on.stdout).unwrap();
    assert_eq!(document["certificate"]["verified"], true);
    assert_eq!(document["csr"], serde_json::Value::Null);
    assert_eq!(node.api().csrs_of(node.name()).len(), 1);
}

#[test]
fn a_kubelet_that_dies_of_the_change_gets_its_old_file_back() {
    let mut options = Options::default();
    options.knobs.die_after_ms_if_bootstrap = Some(100);
    let node = Node::new(options);
    let before = node.config();
    let apply = run(&node, &["apply", "--settle", "2s", "-o", "json"]);
    assert_eq!(apply.code, 78, "{}", apply.stderr);
    assert_eq!(node.config(), before);
    assert!(node.is_healthy());
    let document: serde_json::Value = serde_json::from_str(&apply.stdout).unwrap();
    assert_eq!(
        (&document["rolledBack"], &document["changed"]),
        (&true.into(), &false.into())
    );
    assert_eq!(document["restart"]["healthy"], false);
    assert_eq!(document["error"]["code"], 78);
    snapbox::assert_data_eq!(
        document["error"]["message"].as_str().unwrap().to_owned(),
        snapbox::str![
            "cannot enable serverTLSBootstrap: kubelet.service did not stay up: activating (auto-restart), exit status 1; the change was rolled back, and the kubelet is healthy again"
        ],
    );
    assert!(!document["journal"].as_array().unwrap().is_empty());
}

#[test]
fn a_kubelet_that_dies_while_its_csr_is_awaited_is_rolled_back() {
    let mut options = Options::default();
    options.knobs.die_after_ms_if_bootstrap = Some(2500);
    options.knobs.never_csr = true;
    let node = Node::new(options);
    let before = node.config();
    let apply = run(&node, &["apply", "--settle", "500ms"]);
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
}

/// A kubelet that was restarted leaves a request behind whose key is lost; approving it would be useless.
#[test]
fn the_request_of_the_kubelet_before_is_not_taken_for_this_ones() {
    let mut options = Options {
        config_line: Some("serverTLSBootstrap: true".into()),
        ..Options::default()
    };
    options.knobs.csr_delay_ms = 2000;
    let node = Node::new(options);
    let old = node
        .api()
        .wait_for_csr(node.name(), 0, Duration::from_secs(10))
        .unwrap()
        .metadata
        .name;
    node.restart_kubelet();
    let apply = run(&node, &["apply"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let newest = node.api().csrs_of(node.name()).pop().unwrap().metadata.name;
    assert_ne!(newest, old);
    assert_eq!(apply.stdout, format!("{newest}\n"));
}

#[test]
fn a_request_that_never_comes_is_diagnosed() {
    let mut options = Options::default();
    options.knobs.never_csr = true;
    let node = Node::new(options);
    let apply = run(
        &node,
        &["apply", "--settle", "0s", "--timeout", "2s", "-o", "json"],
    );
    assert_eq!(apply.code, 75, "{}", apply.stderr);
    let document: serde_json::Value = serde_json::from_str(&apply.stdout).unwrap();
    assert_eq!(
        (&document["changed"], &document["csr"]),
        (&true.into(), &serde_json::Value::Null)
    );
    snapbox::assert_data_eq!(
        document["error"]["message"].as_str().unwrap().to_owned(),
        snapbox::str![
            "cannot wait any longer: timed out after 2s: the kubelet is running but has not created a CSR; the change is in place, and port [..] refuses TLS until one is approved"
        ],
    );
}

#[test]
fn a_run_that_is_killed_while_the_kubelet_dies_is_undone_by_the_next() {
    let mut options = Options::default();
    options.knobs.die_after_ms_if_bootstrap = Some(300);
    let node = Node::new(options);
    let before = node.config();
    let mut cut_off = node.command(env!("CARGO_BIN_EXE_kubelet-tls"));
    let mut cut_off = cut_off
        .args(["apply", "--settle", "30s", "-q"])
        .spawn()
        .unwrap();
    assert!(node.wait_for(Duration::from_secs(10), |node| node.config() != before));
    std::thread::sleep(Duration::from_millis(50));
    cut_off.kill().unwrap();
    cut_off.wait().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    assert_ne!(
        node.config(),
        before,
        "the scene: written, and no process left to roll it back"
    );

    let apply = run(&node, &["apply", "--settle", "1s"]);
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
    assert!(node.is_healthy());
    assert!(
        apply.stderr.contains("an earlier run was interrupted"),
        "{}",
        apply.stderr
    );
}

/// From its start to its first answer a kubelet of 1.19 takes 11 s; that is not yet an unhealthy one.
#[test]
fn a_kubelet_that_is_still_starting_is_waited_for() {
    let node = node();
    node.set_knobs(|knobs| knobs.start_delay_ms = 4000);
    assert_eq!(node.systemctl(&["restart", "kubelet.service"]).code, 0);
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert!(
        apply.stderr.contains("does not answer yet; waiting for it"),
        "{}",
        apply.stderr
    );

    // No longer than is asked for.
    node.set_knobs(|knobs| knobs.healthz = Healthz::Refuse);
    assert_eq!(node.systemctl(&["restart", "kubelet.service"]).code, 0);
    let apply = run(&node, &["apply", "--disable", "--timeout", "1s"]);
    assert_eq!(apply.code, 78, "{}", apply.stderr);
    let why = "was not healthy before";
    assert!(apply.stderr.contains(why), "{}", apply.stderr);
}
