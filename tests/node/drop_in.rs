//! The units that keep the change: the kubelet's drop-in, and kubelet-tls.service with its path unit.

use std::os::unix::fs::chown;
use std::thread;
use std::time::Duration;

use standins::pace;

use standins::kubelet::Knobs;

use super::worker::{CONFIG, ENABLED, Worker, well};
use support::snapshot::{acl_for_user_1000, set_attribute};

pub const SOON: Duration = Duration::from_secs(30);

/// A unit as it is shipped, for a program in `/usr/bin`.
fn install(worker: &Worker, unit: &str) {
    let machine = &worker.machine;
    let from = format!("{}/systemd/{unit}", env!("CARGO_MANIFEST_DIR"));
    machine.copy_in(from, format!("/etc/systemd/system/{unit}"), 0o644);
    machine.must(&[
        "ln",
        "-sf",
        "/usr/local/bin/kubelet-tls",
        "/usr/bin/kubelet-tls",
    ]);
    machine.must(&["systemctl", "daemon-reload"]);
}

/// A healthy node with the drop-in, and what kubeadm wrote there.
fn with_drop_in(label: &str) -> (Worker, String) {
    let worker = Worker::start(label);
    install(&worker, "kubelet.service.d/20-kubelet-tls.conf");
    // systemd's ten seconds, for tests with a life of their own
    worker.machine.write(
        "/etc/systemd/system/kubelet.service.d/30-test.conf",
        "[Service]\nRestartSec=2\n",
        0o644,
    );
    worker.machine.must(&["systemctl", "daemon-reload"]);
    let text = worker.config().content.text;
    (worker, text)
}

fn apply(worker: &Worker, code: i32) {
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(code), "{apply}");
}

/// `kubeadm upgrade node`, as far as it concerns the kubelet's file.
pub fn upgrade(worker: &Worker, text: &str) {
    worker.machine.write(CONFIG, text, 0o644);
}

pub fn restart(worker: &Worker) {
    worker.machine.must(&["systemctl", "restart", "kubelet"]);
    worker.await_healthy();
}

pub fn enabled(worker: &Worker) -> bool {
    worker.config().content.text.contains(ENABLED)
}

pub fn receipt(worker: &Worker) -> serde_json::Value {
    let bytes = worker.machine.read("/var/lib/kubelet-tls/receipt.json");
    serde_json::from_slice(&bytes).expect("a receipt")
}

fn journal(worker: &Worker, unit: &str) -> String {
    worker.machine.must(&["journalctl", "--sync"]);
    let all = ["journalctl", "--quiet", "-o", "cat", "-u", unit];
    worker.machine.run(&all).stdout
}

pub fn wait_until(what: &str, done: impl FnMut() -> bool) {
    assert!(pace::wait_for(SOON, done), "{what}");
}

/// The key is back before the kubelet starts: one start, which has read it, and no restart of the program's own.
pub fn an_upgrade_does_not_undo_it() {
    let (worker, text) = with_drop_in("upgrade");
    restart(&worker);
    assert!(!enabled(&worker), "it was not applied here");
    assert!(
        journal(&worker, "kubelet")
            .contains("left unchanged: kubelet-tls apply was never run on this node")
    );
    apply(&worker, 0);
    worker.approve(&worker.requests()[0]);
    worker.await_handshake(SOON);

    for round in 0..2 {
        let starts = worker.starts();
        upgrade(&worker, &text);
        restart(&worker);
        assert!(enabled(&worker), "{round}");
        assert!(worker.runs_what_its_config_says(), "{round}");
        assert_eq!(worker.starts(), starts + 1, "{round}");
        assert_eq!(receipt(&worker)["state"], "Started", "{round}");
        worker.await_handshake(SOON);
    }
    worker.assert_no_leftovers();
    assert_eq!(worker.requests().len(), 1, "its certificate is still good");

    // As if it had lived with it for a while.
    let mut aged = receipt(&worker);
    aged["started"] = "2020-01-01T00:00:00Z".into();
    let path = "/var/lib/kubelet-tls/receipt.json";
    worker.machine.write(path, aged.to_string(), 0o600);
    restart(&worker);
    assert_eq!(receipt(&worker)["state"], "Done");
    let status = worker.tool(&["status", "-o", "name"]).run();
    assert_eq!(status.stdout, "ClusterConfigAgrees\n", "{status}");
}

/// The lock is the running `apply`'s: the start that it asked for waits for nothing.
pub fn it_backs_off_while_an_apply_runs() {
    let (worker, text) = with_drop_in("backs-off");
    let apply = worker.tool(&["apply", "--settle", "3s"]).run();
    assert_eq!((apply.code, worker.starts()), (Some(0), 2), "{apply}");
    assert!(apply.took < Duration::from_secs(15), "{apply}");
    assert!(journal(&worker, "kubelet").contains("another kubelet-tls run holds the lock"));
    assert_eq!(receipt(&worker)["state"], "Done");

    // proved by an `apply` of one's own, where the kubelet's start has made it
    upgrade(&worker, &text);
    restart(&worker);
    let again = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!((again.code, worker.starts()), (Some(0), 3), "{again}");
    assert!(again.stderr.contains("the kubelet's own start"), "{again}");
    assert_eq!(receipt(&worker)["state"], "Done");
}

/// A rollback, or an `apply --disable`, counts until an administrator applies again.
pub fn a_change_that_an_administrator_undid_stays_undone() {
    let (worker, text) = with_drop_in("undone");
    apply(&worker, 0);
    let rollback = worker.tool(&["rollback", "--settle", "1s"]).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
    let starts = worker.starts();
    restart(&worker);
    assert_eq!(worker.config().content.text, text);
    assert_eq!(worker.starts(), starts + 1);
    assert!(journal(&worker, "kubelet").contains("was rolled back"));

    apply(&worker, 0);
    let disable = worker.tool(&["apply", "--disable", "--settle", "1s"]).run();
    assert_eq!(disable.code, Some(0), "{disable}");
    // kubeadm writes no key where the value is false
    upgrade(&worker, &text);
    restart(&worker);
    assert_eq!(worker.config().content.text, text);

    apply(&worker, 0);
    upgrade(&worker, &text);
    restart(&worker);
    assert!(enabled(&worker));
    // what the kubelet's own start has made can be rolled back too
    let rollback = worker.tool(&["rollback", "--settle", "1s"]).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
    restart(&worker);
    assert_eq!(worker.config().content.text, text);
}

/// An automatic rollback stays in effect, however often the kubelet starts.
pub fn a_change_that_was_rolled_back_is_not_tried_again() {
    let (worker, text) = with_drop_in("rollback-stays");
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(100),
        ..well()
    });
    apply(&worker, 78);
    assert_eq!(worker.config().content.text, text);
    for _ in 0..2 {
        let starts = worker.starts();
        restart(&worker);
        thread::sleep(Duration::from_secs(3));
        assert_eq!(worker.starts(), starts + 1);
        assert_eq!(worker.config().content.text, text);
        worker.assert_healthy();
    }
}

/// It was proved once, and the kubelet of the upgrade does not live with it: it dies once, and then runs for good.
pub fn a_kubelet_that_dies_of_it_gets_its_file_back() {
    let (worker, text) = with_drop_in("dies-of-it");
    apply(&worker, 0);
    let starts = worker.starts();
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(100),
        ..well()
    });
    upgrade(&worker, &text);
    worker.machine.must(&["systemctl", "restart", "kubelet"]);
    wait_until("rolled back", || worker.config().content.text == text);
    worker.await_healthy();
    let stood = worker.unit();
    assert_eq!(worker.starts(), starts + 2, "one death");
    assert_eq!(receipt(&worker)["state"], "PutBack");
    assert!(journal(&worker, "kubelet").contains(
        "so the change is rolled back; to try it with a health check: kubelet-tls apply"
    ));
    thread::sleep(Duration::from_secs(4));
    assert_eq!(worker.unit(), stood, "it runs for good");
    restart(&worker);
    assert_eq!(worker.config().content.text, text);

    worker.behave(well(), well());
    apply(&worker, 0);
    upgrade(&worker, &text);
    restart(&worker);
    assert!(enabled(&worker));
}

/// With all that systemd takes from it, the service edits, keeps owner, mode and attributes, restarts, and proves.
pub fn the_hardened_service_does_its_work() {
    let worker = Worker::start("service");
    install(&worker, "kubelet-tls.service");
    install(&worker, "kubelet-tls.path");
    let machine = &worker.machine;
    let exposure = machine.must(&[
        "systemd-analyze",
        "security",
        "--no-pager",
        "--threshold=20",
        "kubelet-tls.service",
    ]);
    assert!(exposure.contains("Overall exposure level"), "{exposure}");
    let path = machine.path(CONFIG);
    chown(&path, Some(12), Some(34)).expect("chown");
    set_attribute(&path, "user.origin", b"kubeadm");
    set_attribute(&path, "system.posix_acl_access", &acl_for_user_1000());
    let before = worker.config().content;

    let started = machine.run(&["systemctl", "start", "kubelet-tls.service"]);
    let said = journal(&worker, "kubelet-tls");
    assert_eq!(started.code, Some(0), "{said}");
    let after = worker.config().content;
    assert!(after.text.contains(ENABLED), "{said}");
    assert_eq!(
        (after.owner, after.mode, after.attributes),
        (before.owner, before.mode, before.attributes),
        "{said}"
    );
    assert_eq!(worker.starts(), 2, "{said}");
    assert!(said.contains("is healthy"), "{said}");
    assert_eq!(receipt(&worker)["state"], "Done");
    worker.assert_healthy();

    // and with the path unit, as soon as kubeadm has written the file
    machine.must(&["systemctl", "start", "kubelet-tls.path"]);
    upgrade(&worker, &before.text);
    wait_until("made again", || enabled(&worker) && worker.starts() == 3);
    wait_until("proved", || receipt(&worker)["state"] == "Done");
    worker.assert_healthy();
}

/// A rollback, automatic or not, that the path unit sees does not start another round.
pub fn the_service_never_loops() {
    let worker = Worker::start("service-loop");
    install(&worker, "kubelet-tls.service");
    install(&worker, "kubelet-tls.path");
    let machine = &worker.machine;
    machine.write(
        "/etc/systemd/system/kubelet-tls.service.d/30-test.conf",
        "[Service]\nRestartSec=2\n",
        0o644,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    let text = worker.config().content.text;
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(100),
        ..well()
    });
    machine.must(&["systemctl", "start", "kubelet-tls.path"]);
    upgrade(&worker, &text);
    wait_until("rolled back", || {
        machine.path("/var/lib/kubelet-tls/receipt.json").exists()
            && receipt(&worker)["state"] == "PutBack"
    });
    assert_eq!(worker.config().content.text, text);
    worker.await_healthy();
    let stood = worker.unit();
    upgrade(&worker, &text);
    wait_until("left unchanged", || {
        journal(&worker, "kubelet-tls").contains("left unchanged: the apply of")
    });
    thread::sleep(Duration::from_secs(3));
    assert_eq!(worker.unit(), stood, "{}", journal(&worker, "kubelet-tls"));

    worker.behave(well(), well());
    apply(&worker, 0);
    let rollback = worker.tool(&["rollback", "--restart", "never"]).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(worker.config().content.text, text);
}
