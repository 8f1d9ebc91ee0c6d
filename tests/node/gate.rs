//! The gate: a kubelet that does not come back with the change gets its old config back.

use std::os::unix::fs::chown;
use std::thread;
use std::time::Duration;

use super::command::Finished;
use super::worker::{CONFIG, ENABLED, Worker, well};
use standins::kubelet::{Healthz, Knobs};
use support::snapshot::{Snapshot, acl_for_user_1000, set_attribute};

/// What the stand-in kubelet says before it dies as it was told.
const LAST_WORDS: &str = "Failed to start ContainerManager";

/// After a refused change: as before, running, healthy, and the operator told.
fn assert_put_back(worker: &Worker, before: &Snapshot, apply: &Finished) {
    assert_eq!(apply.code, Some(78), "{apply}");
    assert_eq!(worker.config().content, before.content, "{apply}");
    worker.assert_no_leftovers();
    worker.await_healthy();
    let stood = worker.unit();
    assert!(
        stood.is_running(),
        "{stood:?}: {apply}\n--- journal\n{}",
        worker.journal()
    );
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(worker.unit(), stood, "it runs for good: {apply}");
}

/// Gives the config an owner, a mode and attributes that no new file would have.
fn own(worker: &Worker) -> Snapshot {
    let path = worker.machine.path(CONFIG);
    chown(&path, Some(12), Some(34)).expect("chown");
    set_attribute(&path, "user.origin", b"written by kubeadm\0\xff");
    set_attribute(&path, "system.posix_acl_access", &acl_for_user_1000());
    let before = worker.config();
    let content = &before.content;
    assert_eq!(
        (content.owner, content.mode, content.attributes.len()),
        ((12, 34), 0o640, 2)
    );
    before
}

/// The kubelet dies of the new config at once, in a crash loop that `systemctl restart` calls a success.
pub fn a_crash_loop_is_rolled_back_byte_for_byte() {
    let worker = Worker::start("rolled-back");
    let before = own(&worker);
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(100),
        ..well()
    });
    let apply = worker.tool(&["apply", "-o", "json"]).run();
    assert_put_back(&worker, &before, &apply);
    let result = apply.json();
    assert_eq!(result["rolledBack"], true, "{apply}");
    assert_eq!(result["changed"], false, "{apply}");
    assert_eq!(result["error"]["code"], 78, "{apply}");

    let apply = worker.tool(&["apply"]).run();
    assert_put_back(&worker, &before, &apply);
    assert!(
        apply.stderr.contains(LAST_WORDS),
        "its journal is shown: {apply}"
    );
    assert_eq!(worker.requests(), [""; 0]);
}

/// It fails for another reason, and dies with the old file too: the file is rolled back, and both failures are reported.
pub fn both_failures_of_a_kubelet_that_dies_either_way_are_reported() {
    let worker = Worker::start("either-way");
    let before = own(&worker);
    let dies = Knobs {
        die_after_ms: Some(100),
        ..well()
    };
    worker.behave(dies.clone(), dies);
    let apply = worker.tool(&["apply"]).run();
    assert_eq!(apply.code, Some(78), "{apply}");
    assert_eq!(worker.config().content, before.content, "{apply}");
    let told = [
        LAST_WORDS,
        "rolling back",
        LAST_WORDS,
        "the kubelet is not healthy with the old file either",
    ];
    let mut rest = apply.stderr.as_str();
    for words in told {
        let found = rest.split_once(words);
        rest = found.unwrap_or_else(|| panic!("no {words:?}: {apply}")).1;
    }
    worker.behave(well(), well());
    worker.await_healthy();
}

/// It settles, then dies while its request is awaited.
pub fn a_death_while_the_request_is_awaited_counts() {
    let worker = Worker::start("late-death");
    let before = worker.config();
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(4000),
        never_csr: true,
        ..well()
    });
    let apply = worker
        .tool(&["apply", "--settle", "1s", "--timeout", "60s"])
        .run();
    assert_put_back(&worker, &before, &apply);
    assert!(
        apply.took < Duration::from_secs(40),
        "seen at once, not at the deadline: {apply}"
    );
}

/// A kubelet of 1.19 takes ten seconds to its first `/healthz`.
pub fn a_slow_start_is_waited_for() {
    let worker = Worker::start("slow");
    worker.behave_when_changed(Knobs {
        start_delay_ms: 8000,
        ..well()
    });
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_eq!(worker.starts(), 2);
    assert!(apply.stdout.contains(&worker.requests()[0]), "{apply}");
}

/// It runs, but never gets well. Each takes the tool a minute of patience, so they wait together.
pub fn a_kubelet_that_never_answers_well_is_rolled_back() {
    thread::scope(|scope| {
        for healthz in [
            Healthz::Error,
            Healthz::Hang,
            Healthz::Refuse,
            Healthz::OkThenExit,
        ] {
            scope.spawn(move || {
                let worker = Worker::start(&format!("{healthz:?}").to_lowercase());
                let before = own(&worker);
                worker.behave_when_changed(Knobs { healthz, ..well() });
                let apply = worker.tool(&["apply", "--settle", "1s"]).run();
                assert_put_back(&worker, &before, &apply);
                assert!(
                    apply.took < Duration::from_secs(100),
                    "{healthz:?}: {apply}"
                );
            });
        }
    });
}

/// What does not run well before the change is not blamed on the change, nor made worse by it.
pub fn an_unhealthy_kubelet_is_left_alone() {
    let worker = Worker::start("unhealthy");
    let untouched = worker.config();
    let refused = |code: i32, why: &str, words: &[&str]| {
        let starts = worker.starts();
        let apply = worker.tool(&["apply", "--settle", "1s"]).run();
        assert_eq!(apply.code, Some(code), "{why}: {apply}");
        assert!(
            words.iter().any(|word| apply.stderr.contains(word)),
            "{why}: {apply}"
        );
        assert!(apply.stderr.contains("\nhint: "), "{why}: {apply}");
        worker
            .tool(&["apply", "-o", "json"])
            .run()
            .assert_failed_unchanged(code, why);
        assert_eq!(worker.config(), untouched, "{why}: {apply}");
        assert_eq!(worker.starts(), starts, "{why}: {apply}");
        assert_eq!(worker.requests(), [""; 0], "{why}: {apply}");
    };

    worker.machine.must(&["systemctl", "stop", "kubelet"]);
    refused(78, "stopped", &["inactive", "not running"]);
    worker
        .machine
        .must(&["systemctl", "mask", "--runtime", "kubelet"]);
    refused(69, "masked", &["masked"]);
    worker
        .machine
        .must(&["systemctl", "unmask", "--runtime", "kubelet"]);

    let unwell = Knobs {
        healthz: Healthz::Error,
        ..well()
    };
    worker.behave(unwell.clone(), unwell);
    worker.machine.must(&["systemctl", "start", "kubelet"]);
    thread::sleep(Duration::from_secs(1));
    refused(
        78,
        "answers 500",
        &["500", "healthz", "not healthy", "unhealthy"],
    );

    let dying = Knobs {
        die_after_ms: Some(0),
        ..well()
    };
    worker.behave(dying.clone(), dying);
    worker.machine.must(&["systemctl", "restart", "kubelet"]);
    thread::sleep(Duration::from_secs(1));
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(78), "crash loop: {apply}");
    assert_eq!(worker.config(), untouched);
    worker.machine.must(&["systemctl", "stop", "kubelet"]);

    worker.machine.must(&[
        "rm",
        "-r",
        "/usr/lib/systemd/system/kubelet.service",
        "/usr/lib/systemd/system/kubelet.service.d",
    ]);
    worker.machine.must(&["systemctl", "daemon-reload"]);
    refused(69, "no unit", &["kubelet.service"]);
}

/// All files of the plan, or none: the kubeadm file that rode along comes back too.
pub fn every_file_of_the_plan_is_rolled_back() {
    const KUBEADM: &str = "/root/kubeadm.yaml";
    const TEXT: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
    let worker = Worker::start("all-or-none");
    let before = worker.config();
    worker.machine.write(KUBEADM, TEXT, 0o600);
    let both = ["apply", "--settle", "1s", "--kubeadm-config", KUBEADM];

    worker.machine.must(&["chattr", "+i", KUBEADM]);
    let apply = worker.tool(&both).run();
    assert_eq!(apply.code, Some(74), "{apply}");
    assert_eq!(
        (worker.config(), worker.starts()),
        (before.clone(), 1),
        "{apply}"
    );
    worker.machine.must(&["chattr", "-i", KUBEADM]);

    worker.behave_when_changed(Knobs {
        die_after_ms: Some(0),
        ..well()
    });
    let apply = worker.tool(&both).run();
    assert_put_back(&worker, &before, &apply);
    assert_eq!(worker.machine.read_text(KUBEADM), TEXT, "{apply}");

    worker.behave_when_changed(well());
    let apply = worker.tool(&both).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert!(
        worker
            .machine
            .read_text(KUBEADM)
            .ends_with(&format!("{ENABLED}\n")),
        "{apply}"
    );
    assert!(
        worker.machine.read_text(CONFIG).contains(ENABLED),
        "{apply}"
    );
}

/// With `healthzPort: 0` there is only the process to go by.
pub fn a_kubelet_without_healthz_is_judged_by_its_process() {
    let worker = Worker::boot("no-healthz");
    let text = worker.config().content.text;
    let off = |line: &str| line.starts_with("healthzPort:");
    let text: String = text
        .lines()
        .map(|line| {
            if off(line) {
                "healthzPort: 0\n".to_owned()
            } else {
                format!("{line}\n")
            }
        })
        .collect();
    worker.machine.write(CONFIG, text, 0o644);
    worker.machine.must(&["systemctl", "start", "kubelet"]);
    let before = worker.config();

    worker.behave_when_changed(Knobs {
        die_after_ms: Some(500),
        ..well()
    });
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(78), "{apply}");
    assert_eq!(worker.config().content, before.content, "{apply}");
    assert!(worker.unit().is_running(), "{apply}");

    worker.behave_when_changed(well());
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let newest = worker.requests().pop().expect("a request");
    assert!(apply.stdout.contains(&newest), "{newest}: {apply}");
}

/// systemd refuses the restart: the file is rolled back, and the kubelet never read it.
pub fn a_refused_restart_is_rolled_back() {
    let worker = Worker::start("refused");
    let (before, unit) = (worker.config(), worker.unit());
    worker.machine.write(
        "/usr/local/sbin/systemctl",
        "#!/bin/sh\ncase \"$*\" in *restart*) echo 'Job for kubelet.service canceled.' >&2; exit 1;; esac\nexec /usr/bin/systemctl \"$@\"\n",
        0o755,
    );
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(69), "{apply}");
    assert!(
        apply.stderr.contains("Job for kubelet.service canceled"),
        "{apply}"
    );
    let again = worker
        .tool(&["apply", "--settle", "1s", "-o", "json"])
        .run();
    again.assert_failed_unchanged(69, "refused");
    assert_eq!(
        (worker.config().content, worker.unit()),
        (before.content, unit),
        "{apply}"
    );
    worker.assert_no_leftovers();
}

/// What a refusal tells to type instead does what was asked for, not the opposite.
pub fn a_hint_repeats_what_was_asked_for() {
    let worker = Worker::start("hint");
    worker.machine.must(&["systemctl", "stop", "kubelet"]);
    let disable = worker
        .tool(&["apply", "--disable", "--restart", "always"])
        .run();
    assert_eq!(disable.code, Some(78), "{disable}");
    for command in disable.stderr.split("kubelet-tls apply").skip(1) {
        assert!(command.contains("--disable"), "{disable}");
    }
}
