//! `status`: each state made on purpose, and named rightly.

use std::time::Duration;

use standins::{Healthz, Node, Options, Output};

fn status(node: &Node) -> serde_json::Value {
    let output = node.run(env!("CARGO_BIN_EXE_kubelet-tls"), &["status", "-o", "json"]);
    let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let all_true = document["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .all(|condition| condition["status"] == "True");
    assert_eq!(output.code, i32::from(!all_true), "{}", output.stderr);
    document
}

/// `Type=Status(Reason)` of each condition named.
fn said(document: &serde_json::Value, kinds: &[&str]) -> Vec<String> {
    let conditions = document["conditions"].as_array().unwrap();
    assert_eq!(conditions.len(), 9);
    kinds
        .iter()
        .map(|kind| {
            let condition = conditions
                .iter()
                .find(|condition| condition["type"] == *kind)
                .unwrap();
            assert_eq!(
                condition["status"] == "False",
                condition["hint"].is_string(),
                "{condition}"
            );
            format!(
                "{}({})",
                condition["status"].as_str().unwrap(),
                condition["reason"].as_str().unwrap()
            )
        })
        .collect()
}

fn run(node: &Node, arguments: &[&str]) -> Output {
    node.run(env!("CARGO_BIN_EXE_kubelet-tls"), arguments)
}

const ISSUED: &str = "ServingCertificateIssued";
const TRUSTED: &str = "ServingCertificateTrusted";
const ENABLED: &str = "ServerTLSBootstrapEnabled";

#[test]
fn conditions_follow_a_node_from_off_to_all_true() {
    let node = Node::new(Options::default());
    let off = status(&node);
    assert_eq!(
        said(
            &off,
            &[
                ENABLED,
                "ValueTakesEffect",
                "KubeletUpToDate",
                "KubeletHealthy",
                ISSUED,
                TRUSTED,
                "NoStaleRequests"
            ]
        ),
        [
            "False(NotSet)",
            "True(NoOverride)",
            "True(StartedAfterConfig)",
            "True(Answers)",
            "False(NotEnabled)",
            "False(SelfSigned)",
            "True(None)"
        ]
    );
    assert_eq!(said(&off, &["ClusterConfigAgrees"]), ["True(Agrees)"]);

    assert_eq!(run(&node, &["apply", "--settle", "0s"]).code, 0);
    let pending = status(&node);
    assert_eq!(
        said(&pending, &[ENABLED, ISSUED, TRUSTED]),
        ["True(Set)", "False(Pending)", "False(NoCertificate)"]
    );
    assert_eq!(
        said(&pending, &["ClusterConfigAgrees"]),
        ["False(UpgradeWouldUndo)"]
    );

    let name = run(&node, &["csr"]).stdout;
    node.api().approve(name.trim());
    assert_eq!(run(&node, &["apply", "--wait", "issued"]).code, 0);
    let config = node.config();
    node.api()
        .set_configmap("kube-system", "kubelet-config", &[("kubelet", &config)]);
    let all = run(&node, &["status"]);
    assert_eq!(all.code, 0, "{}", all.stdout);
    let text: String = all
        .stdout
        .lines()
        .map(|line| line.split("  ").take(1).collect::<String>() + "\n")
        .collect();
    snapbox::assert_data_eq!(
        text,
        snapbox::str![[r#"
CONDITION
ServerTLSBootstrapEnabled
ValueTakesEffect
KubeletUpToDate
KubeletHealthy
ServingCertificateIssued
ServingCertificateTrusted
RenewalOnTime
ClusterConfigAgrees
NoStaleRequests

"#]]
    );
    assert_eq!(run(&node, &["status", "-o", "name"]).stdout, "");
}

#[test]
fn an_upgrade_that_reverted_the_change_is_seen() {
    let node = Node::new(Options::default());
    let plain = node.config();
    let on = format!("{plain}serverTLSBootstrap: true\n");
    node.api()
        .set_configmap("kube-system", "kubelet-config", &[("kubelet", &on)]);
    let lost = status(&node);
    assert_eq!(
        said(&lost, &[ENABLED, "ClusterConfigAgrees"]),
        ["False(NotSet)", "False(NodeLacksIt)"]
    );
    std::thread::sleep(Duration::from_millis(100));
    node.edit_config(|_| on);
    assert_eq!(
        said(&status(&node), &["KubeletUpToDate"]),
        ["False(StartedBeforeConfig)"]
    );
}

#[test]
fn what_overrides_or_prevents_the_value_is_named() {
    let flag = Node::new(Options {
        config_line: Some("serverTLSBootstrap: true".into()),
        extra_args: vec!["--rotate-server-certificates=false".into()],
        ..Options::default()
    });
    assert_eq!(
        said(&status(&flag), &[ENABLED, "ValueTakesEffect"]),
        ["False(UnsetByFlag)", "False(FlagDecides)"]
    );
    let gate = Node::new(Options {
        extra_args: vec!["--feature-gates=AllBeta=false".into()],
        ..Options::default()
    });
    assert_eq!(
        said(&status(&gate), &["ValueTakesEffect"]),
        ["False(FeatureGateOff)"]
    );
}

#[test]
fn an_unhealthy_kubelet_and_one_that_is_down_are_told_apart() {
    let node = Node::new(Options::default());
    node.set_knobs(|knobs| knobs.healthz = Healthz::Error);
    node.systemctl(&["restart", "kubelet.service"]);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(
        said(&status(&node), &["KubeletHealthy"]),
        ["False(Unhealthy)"]
    );
    node.systemctl(&["stop", "kubelet.service"]);
    assert_eq!(
        said(
            &status(&node),
            &["ValueTakesEffect", "KubeletUpToDate", "KubeletHealthy"]
        ),
        [
            "Unknown(KubeletNotRunning)",
            "Unknown(KubeletNotRunning)",
            "False(Unhealthy)"
        ]
    );
}

#[test]
fn flags_that_the_next_start_brings_are_reported() {
    let node = Node::new(Options::default());
    std::thread::sleep(Duration::from_millis(100));
    let defaults = node.path("/etc/default/kubelet");
    let flags = std::fs::read_to_string(&defaults).unwrap();
    std::fs::write(
        &defaults,
        flags.replace(
            "KUBELET_EXTRA_ARGS=",
            "KUBELET_EXTRA_ARGS=--rotate-server-certificates=true ",
        ),
    )
    .unwrap();
    let changed = status(&node);
    assert_eq!(
        said(&changed, &[ENABLED, "KubeletUpToDate"]),
        ["False(NotSet)", "False(FlagsChanged)"]
    );
    assert_eq!(run(&node, &["apply", "--settle", "0s"]).code, 0);
    assert_eq!(
        said(
            &status(&node),
            &[ENABLED, "ValueTakesEffect", "KubeletUpToDate"]
        ),
        [
            "True(SetByFlag)",
            "True(NoOverride)",
            "True(StartedAfterConfig)"
        ]
    );
}

#[test]
fn what_the_api_does_not_say_is_unknown() {
    let mut node = Node::new(Options::default());
    node.api_mut().stop();
    let document = status(&node);
    assert_eq!(
        said(
            &document,
            &[TRUSTED, "ClusterConfigAgrees", "NoStaleRequests"]
        ),
        [
            "Unknown(AddressesUnknown)",
            "Unknown(NotReadable)",
            "Unknown(NotReadable)"
        ]
    );
}

#[test]
fn requests_whose_keys_are_lost_are_reported() {
    let node = Node::new(Options {
        config_line: Some("serverTLSBootstrap: true".into()),
        ..Options::default()
    });
    node.api()
        .wait_for_csr(node.name(), 0, Duration::from_secs(10))
        .unwrap();
    node.restart_kubelet();
    node.api()
        .wait_for_csr(node.name(), 1, Duration::from_secs(10))
        .unwrap();
    assert_eq!(said(&status(&node), &["NoStaleRequests"]), ["False(Stale)"]);
}

/// A patch of kubeadm's keeps the setting through upgrades of this node; status says that the upgrade needs the directory.
#[test]
fn a_patch_of_kubeadms_is_named_for_the_next_upgrade() {
    let node = Node::new(Options::default());
    assert!(node.wait_healthy(Duration::from_secs(30)));
    let patches = node.path("/etc/kubernetes/patches");
    std::fs::create_dir_all(&patches).unwrap();
    let directory = patches.to_str().unwrap();
    let apply = run(&node, &["apply", "--settle", "0s", "--patches", directory]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let patch = patches.join("kubeletconfiguration0+merge.yaml");
    let agrees = || said(&status(&node), &["ClusterConfigAgrees"]);
    assert_eq!(agrees(), ["True(UpgradeNeedsPatches)"]);
    let table = run(&node, &["status"]).stdout;
    assert!(
        table.contains(&format!("needs --patches {directory}")),
        "{table}"
    );

    std::fs::write(&patch, "serverTLSBootstrap: false\n").unwrap();
    assert_eq!(agrees(), ["False(UpgradeWouldUndo)"]);
    std::fs::write(&patch, "serverTLSBootstrap: true\n").unwrap();
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(rollback.code, 0, "{}", rollback.stderr);
    assert!(!patch.exists());
    assert!(!node.config().contains("serverTLSBootstrap"));
}

/// One broken file costs the conditions that rest on it, not the others.
#[test]
fn the_other_conditions_are_shown_for_a_configuration_that_is_not_yaml() {
    let node = Node::new(Options::default());
    assert!(node.wait_healthy(Duration::from_secs(30)));
    node.edit_config(|config| format!("{config}\tbroken: [\n"));
    let document = status(&node);
    assert_eq!(
        said(
            &document,
            &[
                ENABLED,
                "ValueTakesEffect",
                "KubeletUpToDate",
                "KubeletHealthy",
                ISSUED,
                TRUSTED,
                "ClusterConfigAgrees",
                "NoStaleRequests"
            ]
        ),
        [
            "False(NotReadable)",
            "Unknown(NotReadable)",
            "False(StartedBeforeConfig)",
            // The stand-in's ports are in the file that cannot be read.
            "Unknown(NotReadable)",
            "False(NoCertificate)",
            "Unknown(NotReadable)",
            "Unknown(NotReadable)",
            "True(None)"
        ]
    );
    // status edits nothing, and the next step is the line to correct, whichever condition is read first.
    let path = node.config_path();
    let message = document["conditions"][0]["message"].as_str().unwrap();
    let start = format!("cannot read {}:", path.display());
    assert!(message.starts_with(&start), "{message}");
    let at = message.strip_prefix(&start).unwrap();
    let line = at.split(':').next().unwrap();
    let fix = format!("${{EDITOR:-vi}} +{line} {}", path.display());
    for kind in [ENABLED, "KubeletUpToDate", ISSUED] {
        let mut all = document["conditions"].as_array().unwrap().iter();
        let condition = all.find(|condition| condition["type"] == kind).unwrap();
        assert_eq!(condition["hint"], fix, "{condition}");
    }
}

#[test]
fn verbose_says_each_call_with_its_time() {
    let node = Node::new(Options::default());
    let said = |arguments: &[&str], line: &str| {
        let output = run(&node, arguments);
        output
            .stderr
            .lines()
            .any(|one| one.starts_with(line) && one.contains(" (0.") && one.ends_with(" s)"))
    };
    for line in [
        "systemctl --no-pager --no-ask-password show kubelet.service",
        "GET /api/v1/nodes/",
        "GET /apis/certificates.k8s.io/v1/certificatesigningrequests?",
    ] {
        assert!(said(&["status", "-v"], line), "{line}");
        assert!(!said(&["status"], line), "{line}");
    }
}

/// A static certificate has a condition of its own, so the first one does not repeat that warning. A value that the kubelet
/// does not start with is another matter, whichever key it belongs to.
#[test]
fn a_static_certificate_is_said_once_and_a_wrong_type_is_not_hidden() {
    let node = Node::new(Options::default());
    let plain = node.config();
    let message = |body: &str| {
        node.edit_config(|_| format!("{plain}serverTLSBootstrap: true\n{body}"));
        let document = status(&node);
        let conditions = document["conditions"].as_array().unwrap();
        conditions[0]["message"].as_str().unwrap().to_owned()
    };
    let said = message("tlsCertFile: /etc/kubelet.crt\n");
    assert!(!said.contains("tlsCertFile"), "{said}");
    let said = message("tlsCertFile: [/etc/kubelet.crt]\n");
    assert!(
        said.contains("the value of tlsCertFile is of the wrong type"),
        "{said}"
    );
}
