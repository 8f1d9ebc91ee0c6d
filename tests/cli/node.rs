//! `diff`, `apply` and `csr` on a node of stand-ins: a kubelet that loads its config as the real one does, a systemd
//! that restarts it, an API server with real TLS and real watches.

use std::time::Duration;

use standins::{Healthz, Node, Options, Output, pace};

fn node() -> Node {
    Node::new(Options::default())
}

fn run(node: &Node, arguments: &[&str]) -> Output {
    node.run(env!("CARGO_BIN_EXE_kubelet-tls"), arguments)
}

/// As a fixed text: the paths, ports, names and times of this run are taken out.
fn steady(node: &Node, text: &str) -> String {
    let mut text = text.replace(&node.root().display().to_string(), "[ROOT]");
    for csr in node.api().csrs() {
        text = text.replace(&csr.metadata.name, "[CSR]");
    }
    let port = node.kubelet_port().to_string();
    // Whether it answers before or after its request appears is the machine's mood.
    let text: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains(" answers after "))
        .collect();
    text.replace(&port, "[PORT]")
        .replace(&node.healthz_port().to_string(), "[HEALTHZ]")
}

#[test]
fn apply_changes_the_file_restarts_the_kubelet_and_names_the_csr() {
    let node = node();
    let before = node.config();

    let diff = run(&node, &["diff"]);
    assert_eq!(diff.code, 1, "{}", diff.stderr);
    let added: Vec<&str> = diff
        .stdout
        .lines()
        .skip(2)
        .filter(|line| line.starts_with(['+', '-']))
        .collect();
    assert_eq!(added, ["+serverTLSBootstrap: true"]);

    let starts = node.kubelet_starts();
    let apply = run(&node, &["apply", "--settle", "1s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let csrs = node.api().csrs_of(node.name());
    assert_eq!(csrs.len(), 1);
    let name = csrs[0].metadata.name.clone();
    assert_eq!(
        apply.stdout,
        format!("{}{name}\n", diff.stdout),
        "the diff shown is the change made, then the name"
    );
    assert_eq!(node.kubelet_starts(), starts + 1);
    assert_eq!(node.config().lines().count(), before.lines().count() + 1);
    snapbox::assert_data_eq!(
        steady(&node, &apply.stderr),
        snapbox::str![[r#"
warning: from the restart until the kubelet's CSR is approved, port [PORT] of this node refuses TLS: no logs, exec, port-forward or metrics; running pods are not affected and the Node stays Ready. Use --issue-first to avoid this outage
restarting kubelet.service
[CSR] is Pending: system:node:worker-1, DNS worker-1, IP 127.0.0.1
next: an administrator approves it, on a machine with a cluster administrator's kubeconfig: kubelet-tls approve [CSR]
kubelet.service is healthy: it stayed up and answered for 1 s
next: configmap/kube-system/kubelet-config does not set serverTLSBootstrap, so the next kubeadm upgrade will revert this node, and new nodes will not have it: kubelet-tls cluster apply

"#]]
    );

    let written = std::fs::metadata(node.config_path())
        .unwrap()
        .modified()
        .unwrap();
    let again = run(&node, &["apply"]);
    assert_eq!(
        (again.code, again.stdout),
        (0, format!("{name}\n")),
        "{}",
        again.stderr
    );
    assert_eq!(
        node.kubelet_starts(),
        starts + 1,
        "a kubelet that waits must not be restarted"
    );
    assert_eq!(node.api().csrs_of(node.name()).len(), 1);
    assert_eq!(
        std::fs::metadata(node.config_path())
            .unwrap()
            .modified()
            .unwrap(),
        written
    );

    assert_eq!(run(&node, &["csr"]).stdout, format!("{name}\n"));
    assert!(
        node.handshake("127.0.0.1").is_err(),
        "until the approval no certificate exists"
    );
    assert!(node.api().approve(&name));
    let issued = run(&node, &["apply", "--wait", "issued", "-o", "json"]);
    assert_eq!(issued.code, 0, "{}", issued.stderr);
    let document: serde_json::Value = serde_json::from_str(&issued.stdout).unwrap();
    assert_eq!(document["changed"], false);
    assert_eq!(document["certificate"]["verified"], true);
    assert_eq!(document["certificate"]["ipAddresses"][0], "127.0.0.1");
    assert!(node.handshake("127.0.0.1").is_ok());
}

#[test]
fn each_verb_prints_its_result_document() {
    let node = node();
    let apply = run(&node, &["apply", "--settle", "0s", "-o", "json"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let mut document: serde_json::Value = serde_json::from_str(&apply.stdout).unwrap();
    assert!(document["restart"]["seconds"].as_f64().unwrap() > 0.0);
    document["restart"]["seconds"] = 0.75.into();
    document["csr"]["created"] = "2026-11-23T07:16:56Z".into();
    let text = serde_json::to_string_pretty(&document).unwrap();
    snapbox::assert_data_eq!(
        steady(&node, &text),
        snapbox::str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "certificate": null,
  "changed": true,
  "csr": {
    "created": "2026-11-23T07:16:56Z",
    "dnsNames": [
      "worker-1"
    ],
    "ipAddresses": [
      "127.0.0.1"
    ],
    "name": "[CSR]",
    "requestor": "system:node:worker-1",
    "state": "Pending"
  },
  "dryRun": false,
  "edits": [
    {
      "changed": true,
      "diff": "--- [ROOT]/var/lib/kubelet/config.yaml/n+++ [ROOT]/var/lib/kubelet/config.yaml/n@@ -28,6 +28,7 @@/n imageMaximumGCAge: 0s/n imageMinimumGCAge: 0s/n kind: KubeletConfiguration/n+serverTLSBootstrap: true/n logging:/n   flushFrequency: 0/n   options:/n",
      "target": "[ROOT]/var/lib/kubelet/config.yaml"
    }
  ],
  "kind": "ApplyResult",
  "node": "worker-1",
  "restart": {
    "healthy": true,
    "performed": true,
    "seconds": 0.75,
    "unit": "kubelet.service"
  },
  "rolledBack": false,
  "warnings": [
    "from the restart until the kubelet's CSR is approved, port [PORT] of this node refuses TLS: no logs, exec, port-forward or metrics; running pods are not affected and the Node stays Ready. Use --issue-first to avoid this outage"
  ]
}
"#]]
    );

    let csr = run(&node, &["csr", "-o", "json"]);
    let mut document: serde_json::Value = serde_json::from_str(&csr.stdout).unwrap();
    document["csr"]["created"] = "2026-11-23T07:16:56Z".into();
    snapbox::assert_data_eq!(
        steady(&node, &serde_json::to_string_pretty(&document).unwrap()),
        snapbox::str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "csr": {
    "created": "2026-11-23T07:16:56Z",
    "dnsNames": [
      "worker-1"
    ],
    "ipAddresses": [
      "127.0.0.1"
    ],
    "name": "[CSR]",
    "requestor": "system:node:worker-1",
    "state": "Pending"
  },
  "kind": "CsrResult",
  "node": "worker-1",
  "warnings": []
}
"#]],
    );
    let name = run(&node, &["csr"]).stdout;
    assert_eq!(run(&node, &["csr", "-o", "name"]).stdout, name);
    assert_eq!(run(&node, &["apply", "-o", "name"]).stdout, name);
}

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
fn an_edit_by_hand_takes_effect_by_a_restart() {
    let node = node();
    std::thread::sleep(Duration::from_millis(300));
    node.edit_config(|config| format!("{config}serverTLSBootstrap: true\n"));
    let starts = node.kubelet_starts();
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_eq!(node.kubelet_starts(), starts + 1);
    assert!(apply.stderr.contains("has not read it"), "{}", apply.stderr);
    assert_eq!(
        apply.stdout.trim(),
        node.api().csrs_of(node.name())[0].metadata.name.clone()
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
fn csr_is_exit_1_if_no_csr_exists() {
    let node = node();
    let csr = run(&node, &["csr"]);
    assert_eq!((csr.code, csr.stdout.as_str()), (1, ""));
    snapbox::assert_data_eq!(
        csr.stderr,
        snapbox::str![[r#"
node worker-1 has no kubelet-serving CSR

"#]]
    );
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

#[test]
fn two_runs_at_once_make_one_change() {
    let node = node();
    let starts = node.kubelet_starts();
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| run(&node, &["apply", "--settle", "1s"]).code))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(
        codes.contains(&0) && codes.iter().all(|code| matches!(code, 0 | 75)),
        "{codes:?}"
    );
    assert_eq!(node.kubelet_starts(), starts + 1);
    assert_eq!(node.api().csrs_of(node.name()).len(), 1);
}

#[test]
fn one_apply_costs_one_list_and_one_watch() {
    let node = node();
    let sans = standins::pki::Sans::default();
    node.api().add_csrs(
        (0..300).map(|n| standins::api::Csr::kubelet_serving(&format!("other-{n}"), &sans)),
    );
    node.api().clear_requests();
    let apply = run(&node, &["apply", "--settle", "1s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let log = node.api().requests();
    let ours: Vec<&str> = log
        .iter()
        .filter(|request| request.target.contains("spec.signerName"))
        .map(|request| {
            if request.target.contains("watch=true") {
                "watch"
            } else {
                "list"
            }
        })
        .collect();
    assert_eq!(ours, ["list", "watch"]);
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
