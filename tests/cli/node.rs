//! `diff`, `apply` and `csr` on a node of stand-ins: a kubelet that loads its config as the real one does, a systemd
//! that restarts it, an API server with real TLS and real watches.

mod after_the_change;
mod before_the_change;

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
next: configmap/kube-system/kubelet-config does not enable serverTLSBootstrap, so the next kubeadm upgrade will revert this node, and new nodes will not have it: kubelet-tls cluster apply

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
fn an_edit_by_hand_takes_effect_by_a_restart() {
    let node = node();
    std::thread::sleep(Duration::from_millis(300));
    node.edit_config(|config| format!("{config}serverTLSBootstrap: true\n"));
    let starts = node.kubelet_starts();
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_eq!(node.kubelet_starts(), starts + 1);
    let why = "the kubelet has not read it: it runs with an older configuration or other flags than are written now\n";
    assert!(apply.stderr.contains(why), "{}", apply.stderr);
    assert_eq!(
        apply.stdout.trim(),
        node.api().csrs_of(node.name())[0].metadata.name.clone()
    );
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
