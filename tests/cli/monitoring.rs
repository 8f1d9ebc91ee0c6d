//! Metrics and alerts, as Prometheus' own promtool reads them.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use standins::{Node, Options};

const BINARY: &str = env!("CARGO_BIN_EXE_kubelet-tls");

fn check_metrics(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
}

#[test]
fn the_alerts_fire_when_they_should() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/tests.yaml");
    let output = Command::new("promtool")
        .args(["test", "rules"])
        .arg(tests)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn the_state_of_a_node_is_printed_as_metrics() {
    let node = Node::new(Options::default());
    let run = |arguments: &[&str]| node.run(BINARY, arguments);
    let off = run(&["status", "-o", "prometheus"]);
    assert_eq!(off.code, 1, "{}", off.stderr);
    check_metrics(&off.stdout);
    let has = |text: &str, line: &str| text.lines().any(|one| one == line);
    let condition = |kind: &str, status: &str, value: u8| {
        format!("kubelet_tls_condition{{type=\"{kind}\",status=\"{status}\"}} {value}")
    };
    assert!(has(
        &off.stdout,
        &condition("ServerTLSBootstrapEnabled", "False", 1)
    ));
    assert!(has(
        &off.stdout,
        &condition("ServerTLSBootstrapEnabled", "True", 0)
    ));
    assert!(has(
        &off.stdout,
        "kubelet_tls_pending_request_age_seconds 0"
    ));
    assert!(!off.stdout.contains("certificate_not_after"));

    assert_eq!(run(&["apply", "--settle", "0s"]).code, 0);
    let name = run(&["csr"]).stdout;
    node.api().approve(name.trim());
    assert_eq!(run(&["apply", "--wait", "issued"]).code, 0);
    let on = run(&["status", "-o", "prometheus"]);
    check_metrics(&on.stdout);
    assert!(has(&on.stdout, &condition("RenewalOnTime", "True", 1)));
    assert!(
        on.stdout
            .contains("kubelet_tls_certificate_not_after_timestamp_seconds 1"),
        "{}",
        on.stdout
    );
}

#[test]
fn the_textfile_is_replaced_in_one_step() {
    let node = Node::new(Options::default());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kubelet-tls.prom");
    std::fs::write(&file, "old").unwrap();
    let status = |file: &Path| {
        let file = file.to_str().unwrap();
        node.run(BINARY, &["status", "--textfile", file])
    };
    let output = status(&file);
    assert_eq!(output.code, 1, "{}", output.stderr);
    assert!(output.stdout.starts_with("CONDITION"), "{}", output.stdout);
    let text = std::fs::read_to_string(&file).unwrap();
    check_metrics(&text);
    assert!(text.contains("kubelet_tls_status_timestamp_seconds "));
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    // node_exporter would not read it.
    let other = status(&directory.path().join("metrics.txt"));
    assert_eq!(other.code, 64, "{}", other.stderr);
    // Where any user may write, another one may have put a symlink.
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(directory.path(), open).unwrap();
    assert_eq!(status(&file).code, 78);
}

#[test]
fn the_state_of_a_cluster_is_printed_as_metrics() {
    let node = Node::new(Options::default());
    let admin = node.api().admin_kubeconfig(node.root());
    let output = standins::Output::of(
        node.command(BINARY)
            .args(["cluster", "status", "-o", "prometheus"])
            .env("KUBECONFIG", admin),
    );
    assert_eq!(output.code, 1, "{}", output.stderr);
    check_metrics(&output.stdout);
    assert!(
        output.stdout.contains("kubelet_tls_node_secured{node=\""),
        "{}",
        output.stdout
    );
}
