//! The scripts of the `kind` workflow, on this machine instead of kind's containers.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use standins::kubelet::Knobs;
use standins::{ApiServer, Config, KubeconfigStyle};

use super::address::Address;
use super::control_plane::{ControlPlaneNode, Kubelet};
use super::worker::{Worker, well};

/// The restart, then the request and its approval.
pub fn the_whole_job_in_the_documented_order() {
    let (worker, _address) = node("kind-documented");
    script(&worker, "cluster.sh", &["documented"]);
    assert_eq!((worker.requests().len(), worker.starts()), (1, 3));
}

/// The request and its approval, then the restart.
pub fn the_whole_job_with_the_certificate_first() {
    let (worker, _address) = node("kind-issue-first");
    script(&worker, "cluster.sh", &["issue_first"]);
    assert_eq!((worker.requests().len(), worker.starts()), (1, 3));
}

/// The stand-in asks for its next certificate seconds after the first.
pub fn a_renewal_is_approved() {
    let (worker, _address) = node("kind-renewal");
    worker.behave_when_changed(Knobs {
        renew_after_ms: Some(8000),
        ..well()
    });
    script(&worker, "renewal.sh", &[]);
    assert_eq!(worker.starts(), 2);
    assert!(worker.requests().len() >= 2, "{:?}", worker.requests());
}

/// As far as a cluster without Deployments goes: every node gets its certificate, the files are written and applied, and
/// a rollout that fails ends the script.
pub fn metrics_server_files_are_written_and_applied() {
    let (worker, _address) = node("kind-metrics");
    let work = tempfile::tempdir().expect("a directory");
    let kubectl = work.path().join("kubectl");
    let log = work.path().join("log");
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$*\" >>{}\n[ \"$1\" = apply ] && test -e \"$3/kustomization.yaml\"\n",
        log.display()
    );
    executable(&kubectl, &text);
    let directory = work.path().join("files");
    let output = run(&worker, "metrics-server.sh", |command| {
        command
            .env("KUBECTL", &kubectl)
            .env("DIR", &directory)
            .env("NODES", worker.name())
            .env("KUBELET_TLS_STATE_DIR", work.path().join("state"));
    });
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let applied = format!("apply -k {}", directory.display());
    let rollout = "-n kube-system rollout status deployment/metrics-server --timeout=5m";
    let log = fs::read_to_string(&log).unwrap_or_default();
    assert_eq!(log, format!("{applied}\n{rollout}\n"), "{}", said(&output));
    worker.handshake().expect("the certificate verifies");
}

/// The only node, a control plane: its API server verifies its kubelet, and no longer does.
pub fn the_api_server_verifies_kubelets_and_back() {
    let api = Arc::new(ApiServer::start(Config::default()));
    let (name, address) = ("worker-1", Address::new());
    let label = "kind-api-server";
    let node = ControlPlaneNode::join(label, api, name, address.text(), Kubelet::SelfSigned);
    let before = node.manifest();
    for (mode, verifies) in [("apply", true), ("rollback", false)] {
        let output = run(&node.worker, "api-server.sh", |command| {
            command.arg(mode).env("NODES", name);
        });
        assert!(output.status.success(), "{mode}: {}", said(&output));
        assert_eq!(node.verifies(), verifies, "{}", said(&output));
    }
    assert_eq!(node.manifest(), before);
    node.assert_alone();
}

/// A node that is its own control plane, as far as the scripts can tell.
fn node(label: &str) -> (Worker, Address) {
    let address = Address::new();
    let api = Arc::new(ApiServer::start(Config::default()));
    let worker = Worker::join(label, api, "worker-1", address.text());
    worker.start_kubelet();
    let administrator = worker
        .api
        .client_identity("kubernetes-admin", &["system:masters"]);
    worker.api.write_kubeconfig(
        &worker.machine.path("/etc/kubernetes/admin.conf"),
        &worker.machine.path("/root/pki"),
        &administrator,
        KubeconfigStyle::Inline,
    );
    (worker, address)
}

/// Runs a script of `tests/kind`, which must succeed.
fn script(worker: &Worker, name: &str, arguments: &[&str]) {
    let output = run(worker, name, |command| {
        command.args(arguments);
    });
    assert!(output.status.success(), "{name}: {}", said(&output));
}

fn run(worker: &Worker, name: &str, with: impl FnOnce(&mut Command)) -> Output {
    let work = tempfile::tempdir().expect("a directory");
    let on_node = work.path().join("on-node");
    // The first argument is the node's name.
    let words = worker.machine.command(&["env"]).command_line();
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    let text = format!("#!/bin/sh\nshift\nexec {} \"$@\"\n", words.join(" "));
    executable(&on_node, &text);
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kind");
    let mut command = Command::new("timeout");
    command
        .arg("120")
        .arg(scripts.join(name))
        .env("ON_NODE", &on_node)
        .env("NODE", worker.name())
        .env("CONTROL_PLANE", "control-plane-1")
        .env("TOOL", env!("CARGO_BIN_EXE_kubelet-tls"));
    with(&mut command);
    command.output().expect("timeout")
}

fn executable(path: &Path, text: &str) {
    fs::write(path, text).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn said(output: &Output) -> String {
    format!(
        "{}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
