//! `--metrics`: what monitoring sees.

use std::io::Write as _;
use std::process::{Command, Stdio};

use standins::pace;
use support::harness::is_required;

use super::scene::{LONG, Scene};

#[test]
fn metrics_and_health_are_served() {
    let scene = Scene::new();
    let approver = scene.start(&["--ip-prefix", "10.0.0.0/24"]);
    approver.ready();
    scene.good(1);
    scene.request(2, [10, 0, 0, 13]);
    let (first, second) = (approver.next(), approver.next());
    let rule = if first["verdict"] == "refused" {
        &first["rule"]
    } else {
        &second["rule"]
    };
    let (mut status, mut metrics) = approver.get("/metrics");
    // The approved request leaves the gauge when the watch has told of its approval.
    pace::wait_for(LONG, || {
        (status, metrics) = approver.get("/metrics");
        metrics.contains("kubelet_tls_approver_pending_requests 1")
    });
    assert_eq!(status, 200);
    for line in [
        "kubelet_tls_approver_decisions_total{verdict=\"approved\",rule=\"\"} 1".to_owned(),
        format!("kubelet_tls_approver_decisions_total{{verdict=\"refused\",rule={rule}}} 1"),
        "kubelet_tls_approver_decision_latency_seconds_count 1".to_owned(),
        "kubelet_tls_approver_pending_requests 1".to_owned(),
        "kubelet_tls_approver_watch_last_event_timestamp_seconds{watch=\"nodes\"}".to_owned(),
        "kubelet_tls_approver_oldest_pending_request_age_seconds ".to_owned(),
        format!(
            "kubelet_tls_approver_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
    ] {
        assert!(metrics.contains(&line), "no {line} in\n{metrics}");
    }
    promtool(&metrics);
    assert_eq!(approver.get("/healthz").0, 200);
    assert_eq!(approver.get("/nothing").0, 404);
}

/// What Prometheus's own linter says.
fn promtool(metrics: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            assert!(!is_required(), "promtool: {error}");
            eprintln!("skipped: no promtool: {error}");
            return;
        }
    };
    // It reads the older text format, in which a counter's metadata have its whole name and nothing follows the end.
    let text = metrics
        .replace("decisions counter", "decisions_total counter")
        .replace(
            "HELP kubelet_tls_approver_decisions ",
            "HELP kubelet_tls_approver_decisions_total ",
        )
        .replace(
            "HELP kubelet_tls_approver_build ",
            "HELP kubelet_tls_approver_build_info ",
        )
        .replace(
            "TYPE kubelet_tls_approver_build info",
            "TYPE kubelet_tls_approver_build_info gauge",
        );
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("# UNIT") && *line != "# EOF")
        .map(|line| format!("{line}\n"))
        .collect();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{said}\n{text}"
    );
}
