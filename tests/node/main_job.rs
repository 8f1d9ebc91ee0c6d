//! The main job, and that it is done once.

use std::time::Duration;

use super::worker::{CONFIG, ENABLED, Worker, added_lines, removed_lines};
use support::snapshot::{set_attribute, without_line};

/// `diff` shows one line, `apply` makes it true, restarts once and names the request, and doing it again does nothing.
pub fn diff_then_apply_then_nothing_left_to_do() {
    let worker = Worker::start("main-job");
    let untouched = worker.config();
    let running = worker.unit();

    let diff = worker.tool(&["diff"]).run();
    assert_eq!(diff.code, Some(1), "{diff}");
    assert_eq!(added_lines(&diff.stdout), [ENABLED], "{diff}");
    assert_eq!(removed_lines(&diff.stdout), [""; 0], "{diff}");
    let dry = worker.tool(&["apply", "--dry-run"]).run();
    assert_eq!(dry.code, Some(0), "{dry}");
    assert_eq!(added_lines(&dry.stdout), [ENABLED], "{dry}");
    assert_eq!(worker.config(), untouched);
    assert_eq!(worker.unit(), running);

    let apply = worker.tool(&["apply"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_eq!(added_lines(&apply.stdout), [ENABLED], "{apply}");
    let applied = worker.config();
    assert!(
        applied.content.text.lines().any(|line| line == ENABLED),
        "{}",
        applied.content.text
    );
    assert_eq!(
        without_line(&applied.content.text, ENABLED),
        untouched.content.text
    );
    assert_eq!(worker.starts(), 2, "restarted exactly once");
    let restarted = worker.unit();
    assert!(
        restarted.is_running() && restarted.invocation != running.invocation,
        "{restarted:?}"
    );
    worker.assert_healthy();

    let requests = worker.requests();
    let [request] = requests.as_slice() else {
        panic!("one request, not {requests:?}")
    };
    assert!(apply.stdout.contains(request), "{request}: {apply}");
    let csr = worker.tool(&["csr"]).run();
    assert_eq!((csr.code, csr.stdout), (Some(0), format!("{request}\n")));

    let again = worker.tool(&["apply"]).run();
    assert_eq!(again.code, Some(0), "{again}");
    assert!(
        again.stdout.contains(request),
        "the request still waits: {again}"
    );
    assert_eq!(worker.config(), applied, "not even its time");
    assert_eq!(worker.unit(), restarted);
    assert_eq!(worker.requests(), requests);
    let diff = worker.tool(&["diff"]).run();
    assert_eq!(
        (diff.code, diff.stdout.as_str()),
        (Some(0), ""),
        "{}",
        diff.stderr
    );

    assert!(
        worker.handshake().is_err(),
        "no certificate before the approval"
    );
    worker.approve(request);
    worker.await_handshake(Duration::from_secs(10));
    let issued = worker.tool(&["apply", "--wait", "issued"]).run();
    assert_eq!(issued.code, Some(0), "{issued}");
    assert_eq!(worker.unit(), restarted);
    assert_eq!(worker.requests(), requests);
}

/// `--wait issued` comes back when the certificate is served, and says what it is.
pub fn apply_waits_for_the_certificate() {
    let worker = Worker::start("wait-issued");
    let mut apply = worker
        .tool(&["apply", "--settle", "1s", "--wait", "issued", "-o", "json"])
        .spawn();
    apply.wait_until(Duration::from_secs(20), |_| !worker.requests().is_empty());
    worker.approve(&worker.requests()[0]);
    let apply = apply.wait(Duration::from_secs(20));
    assert_eq!(apply.code, Some(0), "{apply}");
    let result = apply.json();
    assert_eq!(result["kind"], "ApplyResult");
    assert_eq!(result["changed"], true);
    assert_eq!(result["node"], "worker-1");
    assert_eq!(result["restart"]["performed"], true);
    assert_eq!(result["restart"]["healthy"], true);
    assert_eq!(result["csr"]["state"], "Issued");
    assert_eq!(result["certificate"]["verified"], true);
    worker.handshake().expect("the certificate verifies");

    // the kubelet finds its certificate good and asks for no other: nothing to wait for
    let disable = worker.tool(&["apply", "--disable", "--settle", "1s"]).run();
    assert_eq!(disable.code, Some(0), "{disable}");
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert!(apply.took < Duration::from_secs(15), "{apply}");
    assert_eq!(worker.requests().len(), 1, "{apply}");
    worker.await_handshake(Duration::from_secs(5));
}

/// The right file under a kubelet that has not read it: an edit by hand, or a run that was cut off.
pub fn a_kubelet_older_than_its_config_is_restarted() {
    let worker = Worker::start("older");
    let text = worker.config().content.text;
    // a start and a write within one tick of the clock are told apart in neither direction
    std::thread::sleep(Duration::from_millis(1100));
    worker
        .machine
        .write(CONFIG, format!("{text}{ENABLED}\n"), 0o644);
    let edited = worker.config();

    let apply = worker
        .tool(&[
            "apply",
            "--settle",
            "1s",
            "--restart",
            "never",
            "--wait",
            "none",
        ])
        .run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_eq!(worker.starts(), 1);
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_eq!(worker.starts(), 2);
    assert_eq!(worker.config(), edited);
    assert!(apply.stdout.contains(&worker.requests()[0]), "{apply}");
}

/// `--disable` makes the same checks and restarts the kubelet too.
pub fn disable_sets_the_key_to_false() {
    let worker = Worker::start("disable");
    let before = worker.config().content;
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let disable = worker.tool(&["apply", "--disable", "--settle", "1s"]).run();
    assert_eq!(disable.code, Some(0), "{disable}");
    assert_eq!(
        added_lines(&disable.stdout),
        ["serverTLSBootstrap: false"],
        "{disable}"
    );
    assert_eq!(removed_lines(&disable.stdout), [ENABLED], "{disable}");
    assert_eq!(worker.starts(), 3);
    worker.assert_healthy();
    let after = worker.config().content;
    assert_eq!(
        without_line(&after.text, "serverTLSBootstrap: false"),
        before.text
    );
    assert_eq!(
        worker.requests().len(),
        1,
        "no request by a kubelet that does not ask"
    );
}

/// `rollback` restores the exact bytes, with their owner, mode and attributes, and restarts the kubelet too.
pub fn rollback_restores_the_file_and_restarts_the_kubelet() {
    let worker = Worker::start("rollback");
    let path = worker.machine.path(CONFIG);
    std::os::unix::fs::chown(&path, Some(12), Some(34)).expect("chown");
    set_attribute(&path, "user.origin", b"kubeadm");
    let before = worker.config().content;
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let dry = worker.tool(&["rollback", "--dry-run"]).run();
    assert_eq!(dry.code, Some(0), "{dry}");
    assert_eq!(removed_lines(&dry.stdout), [ENABLED], "{dry}");
    assert_eq!(worker.starts(), 2);
    let rollback = worker.tool(&["rollback", "--settle", "1s"]).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
    assert_eq!(rollback.stdout, dry.stdout);
    assert_eq!(worker.config().content, before);
    assert_eq!(worker.starts(), 3);
    worker.assert_healthy();
    worker.assert_no_leftovers();
    let again = worker.tool(&["rollback"]).run();
    assert_eq!((again.code, worker.starts()), (Some(0), 3), "{again}");
}

/// What `status` says follows the job, on a real systemd with kubeadm's own unit.
pub fn status_follows_the_job() {
    let worker = Worker::start("status");
    let lacking = |arguments: &[&str]| {
        let mut all = vec!["status", "-o", "name"];
        all.extend_from_slice(arguments);
        let status = worker.tool(&all).run();
        assert_eq!(
            status.code,
            Some(i32::from(!status.stdout.is_empty())),
            "{status}"
        );
        status.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let not_enabled = [
        "ServerTLSBootstrapEnabled",
        "ServingCertificateIssued",
        "ServingCertificateTrusted",
        // Unknown: the kubelet has no certificate to renew.
        "RenewalOnTime",
    ];
    assert_eq!(lacking(&[]), not_enabled);
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let pending = [
        "ServingCertificateIssued",
        "ServingCertificateTrusted",
        "RenewalOnTime",
        "ClusterConfigAgrees",
    ];
    assert_eq!(lacking(&[]), pending);
    worker.approve(&worker.requests()[0]);
    worker.await_handshake(Duration::from_secs(10));
    // The ConfigMap is an administrator's to change.
    assert_eq!(lacking(&[]), ["ClusterConfigAgrees"]);

    worker.machine.write(
        "/etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=--rotate-server-certificates=false\n",
        0o644,
    );
    assert_eq!(lacking(&[]), ["KubeletUpToDate", "ClusterConfigAgrees"]);
    worker.machine.must(&["systemctl", "restart", "kubelet"]);
    worker.await_healthy();
    let status = worker.tool(&["status"]).run();
    assert!(
        status.stdout.contains(
            "--rotate-server-certificates=false (KUBELET_EXTRA_ARGS in /etc/default/kubelet:1)"
        ),
        "{status}"
    );
    assert!(status.stdout.contains("FlagDecides"), "{status}");
}
