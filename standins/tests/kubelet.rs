//! What the stand-in kubelet does when it is configured, denied, killed or told to misbehave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use kubelet_tls_standins::api::NodeSpec;
use kubelet_tls_standins::pki::{Request, Sans, YEAR};
use kubelet_tls_standins::{Healthz, Knobs, Node, Options, Release};

const TIMEOUT: Duration = Duration::from_secs(20);

fn node(options: Options) -> Node {
    Node::new(Options {
        executable: Some(env!("CARGO_BIN_EXE_kubelet-tls-standins").into()),
        ..options
    })
}

fn bootstrapping(knobs: Knobs) -> Node {
    node(Options {
        config_line: Some("serverTLSBootstrap: true".into()),
        knobs,
        ..Options::default()
    })
}

/// Restarts a kubelet that is to crash, and returns its last log lines.
fn crash(node: &Node) -> String {
    assert_eq!(node.systemctl(&["restart", "kubelet"]).code, 0);
    assert!(
        node.wait_for(TIMEOUT, |n| n.show(&["SubState"])["SubState"]
            == "auto-restart"),
        "{}",
        node.journal()
    );
    node.journal()
        .lines()
        .rfind(|l| l.contains("command failed"))
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_denied_kubelet_asks_again_at_growing_intervals() {
    let node = bootstrapping(Knobs {
        csr_backoff_ms: 100,
        ..Knobs::default()
    });
    let mut created = Vec::new();
    for known in 0..3 {
        let csr = node.api().wait_for_csr("worker-1", known, TIMEOUT).unwrap();
        created.push(node.api().created_at(&csr.metadata.name).unwrap());
        node.api().deny(&csr.metadata.name);
    }
    assert!(created[1] - created[0] >= Duration::from_millis(100));
    assert!(created[2] - created[1] >= Duration::from_millis(200));
    // A deleted one is given up too.
    let csr = node.api().wait_for_csr("worker-1", 3, TIMEOUT).unwrap();
    node.api().delete_csr(&csr.metadata.name);
    assert!(node.api().wait_for_csr("worker-1", 3, TIMEOUT).is_some());
}

#[test]
fn a_restart_orphans_the_pending_request() {
    let node = bootstrapping(Knobs::default());
    let first = node
        .api()
        .wait_for_csr("worker-1", 0, TIMEOUT)
        .unwrap()
        .metadata
        .name;
    node.restart_kubelet();
    let second = node
        .api()
        .wait_for_csr("worker-1", 1, TIMEOUT)
        .unwrap()
        .metadata
        .name;
    node.api().approve(&first);
    std::thread::sleep(Duration::from_millis(200));
    assert!(node.handshake("127.0.0.1").is_err());
    node.api().approve(&second);
    assert!(node.wait_for(TIMEOUT, |n| n.handshake("127.0.0.1").is_ok()));
}

#[test]
fn it_asks_again_when_an_address_changes_or_no_answer_comes() {
    let node = bootstrapping(Knobs {
        address_poll_ms: Some(50),
        csr_timeout_ms: 500,
        csr_backoff_ms: 50,
        ..Knobs::default()
    });
    // No answer comes: the first stays pending beside the second.
    let second = node
        .api()
        .wait_for_csr("worker-1", 1, TIMEOUT)
        .unwrap()
        .metadata
        .name;
    assert!(
        node.api()
            .csrs_of("worker-1")
            .iter()
            .all(|csr| csr.state() == "Pending")
    );
    node.api().approve(&second);
    assert!(node.wait_for(TIMEOUT, |n| n.handshake("127.0.0.1").is_ok()));
    let known = node.api().csrs().len();
    node.api().set_node(NodeSpec::new("worker-1", "127.0.0.2"));
    let third = node.api().wait_for_csr("worker-1", known, TIMEOUT).unwrap();
    assert_eq!(
        Request::parse(&third.request_pem()).unwrap().sans.ips,
        ["127.0.0.2".parse::<std::net::IpAddr>().unwrap()]
    );
    assert!(node.handshake("127.0.0.1").is_ok());
}

#[test]
fn a_pair_that_is_there_is_served_without_asking() {
    let node = node(Options::default());
    let sans = Sans {
        dns: vec!["worker-1".into()],
        ips: vec!["127.0.0.1".parse().unwrap()],
    };
    let (request, key) = Request::make("system:node:worker-1", &["system:nodes"], &sans);
    let usages = ["digital signature".to_owned(), "server auth".to_owned()];
    let request = Request::parse(request.as_bytes()).unwrap();
    let install = |certificate: &str| {
        let pki = node.path("/var/lib/kubelet/pki");
        fs::write(
            pki.join("kubelet-server-2026-01-01-00-00-00.pem"),
            format!("{certificate}{key}"),
        )
        .unwrap();
        let _ = fs::remove_file(pki.join("kubelet-server-current.pem"));
        symlink(
            pki.join("kubelet-server-2026-01-01-00-00-00.pem"),
            pki.join("kubelet-server-current.pem"),
        )
        .unwrap();
    };
    install(&node.api().ca().sign(&request, &usages, YEAR).unwrap());
    node.edit_config(|text| text + "serverTLSBootstrap: true\n");
    node.restart_kubelet();
    assert!(node.handshake("127.0.0.1").is_ok());
    std::thread::sleep(Duration::from_millis(300));
    assert!(node.api().csrs().is_empty());
    // One that does not cover the node's addresses is served, and another asked for.
    let partial = Request {
        sans: Sans {
            dns: vec![],
            ..sans
        },
        ..request
    };
    install(&node.api().ca().sign(&partial, &usages, YEAR).unwrap());
    node.restart_kubelet();
    assert!(node.handshake("127.0.0.1").is_ok());
    assert!(node.api().wait_for_csr("worker-1", 0, TIMEOUT).is_some());
    // One that does not match its key is fatal.
    install(&node.api().ca().server("other", &Sans::default()).cert_pem);
    assert!(
        crash(&node).contains("private key does not match public key"),
        "{}",
        node.journal()
    );
}

#[test]
fn the_kubelet_exits_on_what_the_real_one_exits_on() {
    let node = node(Options::default());
    let good = node.config();
    for (line, words) in [
        (
            "serverTLSBootstrap: 1",
            "json: cannot unmarshal number into Go struct field KubeletConfiguration.serverTLSBootstrap of type bool",
        ),
        (
            "serverTLSBootstrap: true\nfeatureGates: {AllBeta: false}",
            "serverTLSBootstrap true requires feature gate RotateKubeletServerCertificate",
        ),
        (
            "clusterDNS: [",
            "couldn't get version/kind; json parse error: error converting YAML to JSON: yaml: ",
        ),
    ] {
        node.edit_config(|_| format!("{good}{line}\n"));
        let last_words = crash(&node);
        assert!(last_words.contains(words), "{last_words}");
    }
    fs::remove_file(node.config_path()).unwrap();
    assert!(crash(&node).contains("no such file or directory"));
    fs::write(
        node.config_path(),
        "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1\n",
    )
    .unwrap();
    assert!(
        crash(&node).contains("no kind \\\"KubeletConfiguration\\\" is registered for version")
    );
}

#[test]
fn flags_beat_files_and_the_last_one_wins() {
    let with = |extra: &[&str], line: &str| {
        node(Options {
            extra_args: extra.iter().map(|s| (*s).to_owned()).collect(),
            config_line: Some(line.to_owned()),
            ..Options::default()
        })
    };
    let off = with(
        &["--rotate-server-certificates=false"],
        "serverTLSBootstrap: true",
    );
    let on = with(
        &[
            "--rotate-server-certificates=false",
            "--rotate_server_certificates",
        ],
        "serverTLSBootstrap: off",
    );
    assert!(on.api().wait_for_csr("worker-1", 0, TIMEOUT).is_some());
    assert!(off.api().csrs().is_empty());
    let extra = off.path("/etc/default/kubelet");
    fs::write(&extra, "KUBELET_EXTRA_ARGS=--no-such-flag\n").unwrap();
    assert!(crash(&off).contains("failed to parse kubelet flag: unknown flag: --no-such-flag"));
}

#[test]
fn drop_ins_are_merged_whatever_the_case_of_their_keys() {
    let node = node(Options::default());
    let dir = node.path("/etc/kubernetes/kubelet.conf.d");
    fs::create_dir(&dir).unwrap();
    let head = "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n";
    fs::write(
        dir.join("10.conf"),
        format!("{head}servertlsbootstrap: true\n"),
    )
    .unwrap();
    fs::write(dir.join("20.yaml"), "not read").unwrap();
    let extra = node.path("/etc/default/kubelet");
    let text = fs::read_to_string(&extra).unwrap();
    fs::write(
        &extra,
        format!("{} --config-dir={}\n", text.trim_end(), dir.display()),
    )
    .unwrap();
    node.restart_kubelet();
    assert!(node.api().wait_for_csr("worker-1", 0, TIMEOUT).is_some());
    fs::write(dir.join("30.conf"), format!("{head}port: 1\nport: 2\n")).unwrap();
    assert!(crash(&node).contains("already set in map"));
}

#[test]
fn the_kubelet_misbehaves_as_told() {
    let node = node(Options::default());
    // Healthy until serverTLSBootstrap is in effect.
    node.set_knobs(|k| k.die_after_ms_if_bootstrap = Some(100));
    node.restart_kubelet();
    std::thread::sleep(Duration::from_millis(300));
    assert!(node.is_healthy());
    node.edit_config(|text| text + "serverTLSBootstrap: true\n");
    crash(&node);
    node.set_knobs(|k| {
        *k = Knobs {
            healthz: Healthz::OkThenExit,
            exit_code: 7,
            ..Knobs::default()
        }
    });
    node.systemctl(&["restart", "kubelet"]);
    assert!(node.wait_healthy(TIMEOUT));
    assert!(
        node.wait_for(TIMEOUT, |n| n.show(&["ExecMainStatus"])["ExecMainStatus"]
            == "7")
    );
    node.set_knobs(|k| {
        *k = Knobs {
            healthz: Healthz::Error,
            never_csr: true,
            ..Knobs::default()
        }
    });
    node.systemctl(&["restart", "kubelet"]);
    let known = node.api().csrs().len();
    assert!(!node.wait_healthy(Duration::from_millis(500)));
    assert_eq!(node.api().csrs().len(), known);
    assert_eq!(node.show(&["SubState"])["SubState"], "running");
}

#[test]
fn an_old_kubelet_asks_for_key_encipherment() {
    let node = node(Options {
        release: Release::V1_19,
        config_line: Some("serverTLSBootstrap: true".into()),
        ..Options::default()
    });
    let csr = node.api().wait_for_csr("worker-1", 0, TIMEOUT).unwrap();
    assert_eq!(
        csr.spec.usages,
        ["digital signature", "key encipherment", "server auth"]
    );
    assert!(csr.spec.extra.is_empty());
    node.api().approve(&csr.metadata.name);
    assert!(node.wait_for(TIMEOUT, |n| n.handshake("127.0.0.1").is_ok()));
    assert_eq!(
        node.run("kubelet", &["--version"]).stdout,
        "Kubernetes v1.36.2\n"
    );
    let cert_dir = format!("--cert-dir={}", node.path("/var/lib/kubelet/pki").display());
    assert_eq!(
        node.run("kubelet", &["--version", &cert_dir]).stdout,
        "Kubernetes v1.19.16\n"
    );
}

#[test]
fn a_deaf_kubelet_is_killed() {
    let node = node(Options {
        knobs: Knobs {
            ignore_sigterm: true,
            ..Knobs::default()
        },
        ..Options::default()
    });
    let drop_in = node.path("/etc/systemd/system/kubelet.service.d/20-timeout.conf");
    fs::write(drop_in, "[Service]\nTimeoutStopSec=900ms\n").unwrap();
    assert_eq!(node.show(&["NeedDaemonReload"])["NeedDaemonReload"], "yes");
    assert!(
        node.systemctl(&["stop", "--no-block", "nonsense"])
            .stderr
            .contains("Unit nonsense.service not loaded.")
    );
    assert_eq!(node.systemctl(&["daemon-reload"]).code, 0);
    let shown = node.show(&["NeedDaemonReload", "TimeoutStopUSec"]);
    assert_eq!(
        (
            shown["NeedDaemonReload"].as_str(),
            shown["TimeoutStopUSec"].as_str()
        ),
        ("no", "900ms")
    );
    let before = Instant::now();
    assert_eq!(
        node.systemctl(&["restart", "--no-block", "kubelet"]).code,
        0
    );
    assert!(before.elapsed() < Duration::from_millis(900));
    assert!(node.wait_for(TIMEOUT, |n| n.show(&["SubState"])["SubState"]
        == "stop-sigterm"));
    assert!(node.wait_for(TIMEOUT, |n| n.kubelet_starts() == 2));
    assert!(before.elapsed() >= Duration::from_millis(400));
    assert!(
        node.journal()
            .contains("State 'stop-sigterm' timed out. Killing.")
    );
}

#[test]
fn a_unit_that_cannot_be_started_fails() {
    let node = node(Options::default());
    assert_eq!(node.systemctl(&["is-active", "kubelet"]).stdout, "active\n");
    assert_eq!(
        node.systemctl(&["show", "-p", "LoadState", "--value", "nonsense.service"])
            .stdout,
        "not-found\n"
    );
    assert_eq!(node.systemctl(&["stop", "kubelet"]).code, 0);
    assert_eq!(node.systemctl(&["is-active", "kubelet"]).code, 3);
    let shown = node.show(&["ActiveState", "SubState", "Result", "MainPID"]);
    assert_eq!(
        shown.values().collect::<Vec<_>>(),
        ["inactive", "0", "success", "dead"]
    );
    fs::remove_file(node.path("/bin/kubelet")).unwrap();
    // Done, says systemctl, although there is nothing to execute.
    assert_eq!(node.systemctl(&["start", "kubelet"]).code, 0);
    assert!(
        node.wait_for(TIMEOUT, |n| n.show(&["ExecMainStatus"])["ExecMainStatus"]
            == "203")
    );
    let unit = node.path("/etc/systemd/system/kubelet.service");
    fs::remove_file(&unit).unwrap();
    symlink("/dev/null", &unit).unwrap();
    node.systemctl(&["daemon-reload"]);
    assert_eq!(node.show(&["LoadState"])["LoadState"], "masked");
    let masked = node.systemctl(&["restart", "kubelet"]);
    assert_eq!(
        (masked.code, masked.stderr.as_str()),
        (
            1,
            "Failed to restart kubelet.service: Unit kubelet.service is masked.\n"
        )
    );
}

#[test]
fn nothing_is_left_behind() {
    let node = node(Options {
        knobs: Knobs {
            ignore_sigterm: true,
            ..Knobs::default()
        },
        ..Options::default()
    });
    let (root, pid) = (node.root().to_owned(), node.main_pid());
    assert!(pid > 0 && root.exists());
    drop(node);
    let gone = || !Path::new(&format!("/proc/{pid}/exe")).exists();
    let until = Instant::now() + TIMEOUT;
    while !gone() {
        assert!(Instant::now() < until, "the kubelet is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!root.exists());
}
