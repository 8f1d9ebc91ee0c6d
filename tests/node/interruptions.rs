//! Killed, interrupted, or not alone: the node has the old config or the new one, whole, and the next run finishes.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::snapshot::without_line;
use super::worker::{CONFIG, ENABLED, Worker, well};
use standins::kubelet::Knobs;

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
pub fn killed_between_write_and_restart() {
    let worker = Worker::start("kill-restart");
    cut_off_before_the_restart(&worker);
    assert_finishes(&worker, "killed before the restart");
    assert_eq!(worker.starts(), 2);
}

/// A request of the kubelet before the last is no sign that the running one knows of the change.
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

/// The calls that change what is on the disk for good.
const STEPS: [&str; 3] = [
    "fsync,fdatasync",
    "rename,renameat,renameat2",
    "unlink,unlinkat",
];

/// Runs `apply` once for each such call that it makes, and kills it at that call; `after` is told the old text, and
/// says what must hold then.
/// Each kind of call has a machine of its own, for most of the time goes by waiting.
fn killed_at_each_step(
    prepare: impl Fn(&Worker) + Sync,
    after: impl Fn(&Worker, &str, &str) + Sync,
) {
    thread::scope(|scope| {
        for calls in STEPS {
            let (prepare, after) = (&prepare, &after);
            scope.spawn(move || {
                let worker = Worker::start(&format!("kill-{}", &calls[..5]));
                prepare(&worker);
                let old = worker.config().content.text;
                for nth in 1.. {
                    worker.machine.write(CONFIG, &old, 0o644);
                    worker.machine.must(&["systemctl", "restart", "kubelet"]);
                    worker.await_healthy();
                    // creation times have whole seconds: a moment ago is as good as now
                    for request in worker.requests() {
                        worker.api.delete_csr(&request);
                    }
                    if !killed_at(&worker, &old, calls, nth, after) {
                        assert!(
                            nth > 1 || calls.starts_with("unlink"),
                            "{calls}: nothing was killed"
                        );
                        break;
                    }
                }
            });
        }
    });
}

/// Whether `apply` made so many such calls that it could be killed at this one.
fn killed_at(
    worker: &Worker,
    old: &str,
    calls: &str,
    nth: u32,
    after: impl Fn(&Worker, &str, &str),
) -> bool {
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:signal=SIGKILL:when={nth}");
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        &trace,
        "-e",
        &inject,
    ];
    let apply = worker
        .tool(&["apply", "--settle", "1s"])
        .under(&strace)
        .run();
    let step = format!("{calls} {nth}: {apply}");
    let text = worker.config().content.text;
    let whole = text == old || without_line(&text, ENABLED) == old;
    assert!(
        whole,
        "neither the old file nor the new one: {step}\n{text}"
    );
    after(worker, old, &step);
    apply.signal.is_some()
}

/// A kill at any step of a change that works leaves a whole file, and the next run finishes.
pub fn killed_at_any_step_of_the_change() {
    killed_at_each_step(|_| {}, |worker, _, step| assert_finishes(worker, step));
}

/// A kill at any step of a change that the kubelet dies of, and of putting it back: the next run sees to it that the
/// kubelet is well again with its old config.
pub fn killed_at_any_step_of_putting_back() {
    let dies = |worker: &Worker| {
        worker.behave_when_changed(Knobs {
            die_after_ms: Some(0),
            ..well()
        })
    };
    killed_at_each_step(dies, |worker, old, step| {
        let next = worker.tool(&["apply", "--settle", "1s"]).run();
        assert_eq!(next.code, Some(78), "{step}\n{next}");
        assert_eq!(worker.config().content.text, old, "{step}\n{next}");
        worker.assert_no_leftovers();
        worker.await_healthy();
        assert!(worker.runs_what_its_config_says(), "{step}\n{next}");
    });
}

/// A kill while it watches the kubelet die of the change: nobody is left to put it back but the next run.
pub fn killed_while_the_kubelet_crash_loops() {
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
pub fn interrupted_before_the_write() {
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

/// Nobody reads what it says any more, as after a lost ssh session.
pub fn a_closed_pipe_does_not_stop_it_halfway() {
    let worker = Worker::start("closed-pipe");
    worker
        .machine
        .run(&["sh", "-c", "kubelet-tls apply --settle 1s 2>&1 | head -c 1"]);
    worker.await_healthy();
    assert!(worker.runs_what_its_config_says());
    assert_finishes(&worker, "a closed pipe");
}

/// One works, the other says so and touches nothing.
pub fn two_at_once() {
    let worker = Worker::start("two");
    let mut first = worker.tool(&["apply", "--settle", "5s"]).spawn();
    first.wait_until(SOON, |_| worker.starts() == 2);
    let written = worker.config();
    let second = worker.tool(&["apply"]).run();
    assert_eq!(second.code, Some(75), "{second}");
    assert!(second.took < Duration::from_secs(3), "{second}");
    assert!(second.stderr.starts_with("error: cannot "), "{second}");
    let second = worker.tool(&["apply", "-o", "json"]).run();
    second.assert_failed_unchanged(75, "two at once");
    assert_eq!(
        worker.tool(&["diff"]).run().code,
        Some(0),
        "looking needs no lock"
    );

    let first = first.wait(Duration::from_secs(30));
    assert_eq!(first.code, Some(0), "{first}");
    assert_eq!(worker.config(), written);
    assert_eq!(worker.starts(), 2);
}
