//! Killed, interrupted, or not alone: the node has the old config or the new one, whole, and the next run finishes.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::worker::{CONFIG, ENABLED, Worker, well};
use standins::kubelet::Knobs;
use support::snapshot::without_line;

const SOON: Duration = Duration::from_secs(20);

/// Whatever happened before, one more `apply` gets the node to where it should be, in one restart at most.
fn assert_finishes(worker: &Worker, what: &str) {
    let starts = worker.starts();
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{what}: {apply}");
    assert!(
        worker.config().content.text.contains(ENABLED),
        "{what}: {apply}"
    );
    worker.assert_no_leftovers();
    assert!(worker.starts() <= starts + 1, "{what}: {apply}");
    assert!(
        worker.unit().is_running() && worker.runs_what_its_config_says(),
        "{what}: {apply}"
    );
    let newest = worker.requests().pop().expect("a request");
    assert!(apply.stdout.contains(&newest), "{what}: {newest}: {apply}");
}

/// Has a run killed between the write and the restart: the new file under the old kubelet.
fn cut_off_before_the_restart(worker: &Worker) {
    const ASKED: &str = "/run/asked-to-restart";
    let machine = &worker.machine;
    machine.write(
        "/usr/local/sbin/systemctl",
        format!("#!/bin/sh\ncase \"$*\" in *restart*) touch {ASKED}; exec sleep 1000;; esac\nexec /usr/bin/systemctl \"$@\"\n"),
        0o755,
    );
    let before = worker.unit();
    let mut apply = worker.tool(&["apply"]).spawn();
    apply.wait_until(SOON, |_| machine.path(ASKED).exists());
    apply.signal(Signal::SIGKILL);
    let apply = apply.wait(SOON);
    assert_eq!(apply.signal, Some(9), "{apply}");
    assert!(
        worker.config().content.text.contains(ENABLED),
        "written before the restart"
    );
    assert_eq!(worker.unit(), before);
    machine.must(&["rm", ASKED, "/usr/local/sbin/systemctl"]);
}

/// The next run restarts the kubelet, once.
pub fn a_kill_between_write_and_restart_is_completed_by_the_next_run() {
    let worker = Worker::start("kill-restart");
    cut_off_before_the_restart(&worker);
    assert_finishes(&worker, "killed before the restart");
    assert_eq!(worker.starts(), 2);
}

/// A request of an earlier kubelet does not show that the running one has read the change.
pub fn killed_before_the_restart_after_an_earlier_request() {
    let worker = Worker::start("kill-orphan");
    let apply = worker.tool(&["apply", "--settle", "0s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let disable = worker.tool(&["apply", "--disable", "--settle", "0s"]).run();
    assert_eq!(disable.code, Some(0), "{disable}");
    cut_off_before_the_restart(&worker);
    let starts = worker.starts();
    assert_finishes(&worker, "killed after an earlier request");
    assert_eq!((worker.starts(), worker.requests().len()), (starts + 1, 2));
}

/// A kill while it watches the kubelet die of the change: only the next run can roll it back.
pub fn a_kill_while_the_kubelet_crash_loops_is_undone_by_the_next_run() {
    let worker = Worker::start("kill-gate");
    let before = worker.config();
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(500),
        ..well()
    });
    let mut apply = worker.tool(&["apply", "--settle", "30s"]).spawn();
    apply.wait_until(SOON, |_| worker.starts() == 2);
    apply.signal(Signal::SIGKILL);
    apply.wait(SOON);
    thread::sleep(Duration::from_secs(1));
    assert!(worker.config().content.text.contains(ENABLED));

    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(78), "{apply}");
    assert_eq!(worker.config().content, before.content, "{apply}");
    worker.await_healthy();
    assert!(worker.unit().is_running(), "{apply}");
}

/// Ctrl-C, a lost terminal, a polite kill: no half-applied node, whichever way it decides.
pub fn interrupted_while_the_kubelet_settles() {
    let worker = Worker::start("interrupted");
    let before = worker.config().content;
    for signal in [Signal::SIGINT, Signal::SIGHUP, Signal::SIGTERM] {
        let starts = worker.starts();
        let mut apply = worker.tool(&["apply", "--settle", "4s"]).spawn();
        apply.wait_until(SOON, |_| worker.starts() > starts);
        apply.signal_all(signal);
        let apply = apply.wait(Duration::from_secs(60));
        let what = format!("{signal}: {apply}");

        worker.assert_no_leftovers();
        worker.await_healthy();
        let after = worker.config().content;
        assert!(
            after == before || without_line(&after.text, ENABLED) == before.text,
            "{what}"
        );
        assert!(worker.runs_what_its_config_says(), "{what}");
        assert!(worker.unit().is_running(), "{what}");
        assert_finishes(&worker, &what);
        let disable = worker.tool(&["apply", "--disable", "--settle", "1s"]).run();
        assert_eq!(disable.code, Some(0), "{disable}");
        worker.machine.write(CONFIG, &before.text, 0o644);
        worker.machine.must(&["systemctl", "restart", "kubelet"]);
        worker.await_healthy();
    }
}

/// Before the first write there is nothing to complete: it ends as a signal ends a program.
pub fn a_signal_before_the_write_changes_nothing() {
    let worker = Worker::start("interrupted-early");
    let (config, unit) = (worker.config(), worker.unit());
    let slowed = "inject=flock:delay_enter=1500000:when=1";
    let mut apply = worker
        .tool(&["apply"])
        .under(&[
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=flock",
            "-e",
            slowed,
        ])
        .spawn();
    apply.pid();
    thread::sleep(Duration::from_millis(700));
    apply.signal(Signal::SIGINT);
    let apply = apply.wait(SOON);
    assert_eq!(apply.signal, Some(2), "{apply}");
    assert_eq!((worker.config(), worker.unit()), (config, unit), "{apply}");
}

/// Ctrl-C does not keep a dying kubelet from getting its old config back.
pub fn interrupted_while_the_kubelet_dies() {
    let worker = Worker::start("interrupted-death");
    let before = worker.config();
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(1500),
        ..well()
    });
    let mut apply = worker.tool(&["apply"]).spawn();
    apply.wait_until(SOON, |_| worker.starts() == 2);
    apply.signal_all(Signal::SIGINT);
    let apply = apply.wait(Duration::from_secs(60));
    assert_eq!(apply.code, Some(78), "{apply}");
    assert_eq!(worker.config().content, before.content, "{apply}");
    worker.assert_healthy();
}

/// No process reads its output any more, as after a lost ssh session.
pub fn a_closed_pipe_does_not_stop_it_halfway() {
    let worker = Worker::start("closed-pipe");
    worker
        .machine
        .run(&["sh", "-c", "kubelet-tls apply --settle 1s 2>&1 | head -c 1"]);
    worker.await_healthy();
    assert!(worker.runs_what_its_config_says());
    assert_finishes(&worker, "a closed pipe");
}

/// Of fifty that begin together one works; those that come while it works say so, and those that come later find it done.
pub fn fifty_at_once() {
    const RUNS: usize = 50;
    let worker = Worker::start("fifty");
    let script = format!(
        "for n in $(seq {RUNS}); do (kubelet-tls apply --settle 2s -o json >/run/$n.json 2>/run/$n.err; echo $? >/run/$n.code) & done; wait"
    );
    let mut all = worker.machine.spawn(&["sh", "-c", &script]);
    all.wait_until(SOON, |_| worker.starts() == 2);
    let written = worker.config();
    let diff = worker.tool(&["diff"]).run();
    assert_eq!(diff.code, Some(0), "looking needs no lock: {diff}");
    let late = worker.tool(&["apply"]).run();
    assert_eq!(late.code, Some(75), "{late}");
    assert!(late.took < Duration::from_secs(3), "{late}");
    assert!(late.stderr.starts_with("error: cannot "), "{late}");
    let all = all.wait(Duration::from_secs(60));
    assert_eq!(all.code, Some(0), "{all}");

    let (mut changed, mut restarted, mut busy) = (0, 0, 0);
    for n in 1..=RUNS {
        let read = |kind: &str| worker.machine.read_text(format!("/run/{n}.{kind}"));
        let (code, said) = (read("code"), read("err"));
        let document: serde_json::Value = serde_json::from_str(&read("json")).expect("a document");
        changed += usize::from(document["changed"] == true);
        restarted += usize::from(document["restart"]["performed"] == true);
        match code.trim() {
            "0" => assert!(document["csr"]["name"].is_string(), "{document}"),
            "75" => {
                busy += 1;
                assert_eq!(document["error"]["code"], 75, "{document}");
                assert!(
                    said.contains("another kubelet-tls holds the lock"),
                    "{said}"
                );
            }
            _ => panic!("exit {code}: {said}"),
        }
    }
    println!(
        "{RUNS} at once: {changed} changed, {restarted} restarted, {busy} of the others said 75"
    );
    assert_eq!((changed, restarted), (1, 1));
    assert_eq!(worker.config(), written);
    assert_eq!((worker.starts(), worker.requests().len()), (2, 1));
    worker.assert_no_leftovers();
    worker.assert_healthy();
}
