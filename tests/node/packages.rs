//! The deb that `make packages` has built last, from its download to its purge, by the commands of the documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::command::Finished;
use super::drop_in::{SOON, enabled, receipt, restart, upgrade, wait_until};
use super::worker::{CONFIG, ENABLED, Worker, added_lines, removed_lines};
use support::harness;

/// The documents that have them.
const DOCUMENTS: [&str; 2] = [
    include_str!("../../README.md"),
    include_str!("../../docs/keep.md"),
];
const INSTALL: &str = "dpkg -i kubelet-tls_*_amd64.deb";
const ENABLE: &str = "systemctl enable --now kubelet-tls.path";
const DOWNLOADS: &str = "/root/downloads";
const UNITS: [&str; 5] = [
    "kubelet-tls.service",
    "kubelet-tls.path",
    "kubelet-tls-approver.service",
    "kubelet-tls-metrics.service",
    "kubelet-tls-metrics.timer",
];
const SHARE: &str = "/usr/share/kubelet-tls";
const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/20-kubelet-tls.conf";

/// Everything but dpkg's own records and the logs; of what comes and goes with systemd what has the package's name.
const FILES: &str = r"
    find / \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/lib/dpkg -o -path /var/log \) \
        -prune -o -type d -printf '%M %u:%g %p\n' -o -printf '%M %u:%g %s %p %l\n'
    find /run /tmp -name '*kubelet-tls*' -printf '%M %u:%g %p\n'
";

/// What it ships, beside its documentation.
const SHIPPED: [&str; 11] = [
    "/usr/bin/kubelet-tls",
    "/usr/share/man/man1/kubelet-tls.1.gz",
    "/usr/share/man/man1/kubelet-tls-apply.1.gz",
    "/usr/share/bash-completion/completions/kubelet-tls",
    "/usr/share/zsh/vendor-completions/_kubelet-tls",
    "/usr/share/fish/vendor_completions.d/kubelet-tls.fish",
    "/usr/lib/systemd/system/kubelet-tls.service",
    "/usr/lib/systemd/system/kubelet-tls.path",
    "/usr/lib/systemd/system/kubelet-tls-approver.service",
    "/usr/lib/systemd/system/kubelet-tls-metrics.service",
    "/usr/lib/systemd/system/kubelet-tls-metrics.timer",
];

/// Installed, used, upgraded, removed, installed again and purged; the kubelet notices nothing of any of it.
pub fn a_deb_from_download_to_purge() {
    let Some(downloads) = downloads() else { return };
    let worker = Worker::start("deb");
    let machine = &worker.machine;
    machine.must(&["rm", "/usr/local/bin/kubelet-tls"]);
    for file in downloads {
        let name = file.file_name().expect("a file").to_string_lossy();
        machine.copy_in(&file, format!("{DOWNLOADS}/{name}"), 0o644);
    }
    let before = files(&worker);
    let text = worker.config().content.text;

    let started = Instant::now();
    documented(&worker, 0, "sha256sum --check --ignore-missing SHA256SUMS");
    leaves_the_kubelet_alone(&worker, INSTALL);
    for path in SHIPPED {
        assert!(machine.path(path).is_file(), "{path}");
    }
    assert_units(&worker, "disabled", "inactive");
    assert_eq!(worker.config().content.text, text);

    let diff = documented(&worker, 1, "kubelet-tls diff");
    assert_eq!(added_lines(&diff.stdout), [ENABLED], "{diff}");
    let apply = documented(&worker, 0, "kubelet-tls apply");
    let request = worker.requests().remove(0);
    assert!(apply.stdout.contains(&request), "{apply}");
    worker.approve(&request);
    documented(&worker, 0, "kubelet-tls apply --wait issued");
    worker.await_handshake(SOON);
    let took = started.elapsed();
    println!(
        "from the checksum and dpkg -i to a verified node: {:.1} s",
        took.as_secs_f64()
    );
    assert!(took < Duration::from_secs(300), "{took:?}");
    let status = documented(&worker, 1, "kubelet-tls status");
    let untrue = status.stdout.lines().skip(1).filter(|line| {
        let status = line.split_whitespace().nth(1);
        !line.starts_with(' ') && status != Some("True")
    });
    let untrue: Vec<_> = untrue.filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(untrue, ["ClusterConfigAgrees"], "{status}");

    keeps_the_change(&worker, &text);
    let enabled_by = links(&worker);
    leaves_the_kubelet_alone(&worker, INSTALL);
    assert_eq!(links(&worker), enabled_by, "an upgrade leaves it enabled");
    assert_eq!(state(&worker, "is-active", "kubelet-tls.path"), "active");
    removed_while_it_is_used(&worker, &text);

    // The receipts have waited for it.
    leaves_the_kubelet_alone(&worker, INSTALL);
    assert_units(&worker, "disabled", "inactive");
    let rollback = documented(&worker, 0, "kubelet-tls rollback --dry-run");
    assert_eq!(removed_lines(&rollback.stdout), [ENABLED], "{rollback}");

    documented(&worker, 0, ENABLE);
    leaves_the_kubelet_alone(&worker, "dpkg --purge kubelet-tls");
    assert_gone(&worker);
    worker.handshake().expect("the certificate still verifies");
    assert_what_is_left(&worker, &before);
    restart(&worker);
    assert!(enabled(&worker));
}

/// An upgrade of the cluster with the drop-in, and one with the path unit beside it.
fn keeps_the_change(worker: &Worker, text: &str) {
    let copy = "install -D -m 0644 kubelet.service.d/20-kubelet-tls.conf -t /etc/systemd/system/kubelet.service.d/";
    assert!(is_documented(copy) && is_documented(&format!("cd {SHARE} ")));
    ran(worker, 0, &format!("cd {SHARE} && {copy}"));
    documented(worker, 0, "systemctl daemon-reload");
    let starts = worker.starts();
    upgrade(worker, text);
    restart(worker);
    assert!(enabled(worker) && worker.runs_what_its_config_says());
    assert_eq!(worker.starts(), starts + 1);

    documented(worker, 0, ENABLE);
    remade_by_the_path_unit(worker, text);
}

fn remade_by_the_path_unit(worker: &Worker, text: &str) {
    let starts = worker.starts();
    upgrade(worker, text);
    wait_until("made again", || {
        enabled(worker) && worker.starts() == starts + 1
    });
    wait_until("proved", || receipt(worker)["state"] == "Done");
    wait_until("over", || {
        state(worker, "is-active", "kubelet-tls.service") == "inactive"
    });
    worker.await_handshake(SOON);
    assert_eq!(worker.requests().len(), 1, "its certificate is still good");
}

/// A removal with the path unit enabled, the service failed and the drop-in copied: the kubelet starts without them.
fn removed_while_it_is_used(worker: &Worker, text: &str) {
    remade_by_the_path_unit(worker, text);
    // systemd remembers a failure even of a unit that is no more.
    let often = "for _ in 1 2 3 4 5 6; do systemctl start kubelet-tls.service; done";
    let started = worker.machine.run(&["sh", "-c", often]);
    let failed = state(worker, "is-failed", "kubelet-tls.service");
    assert_eq!(failed, "failed", "no limit to its starts: {started}");
    leaves_the_kubelet_alone(worker, "dpkg --remove kubelet-tls");
    assert_gone(worker);
    assert_eq!(receipt(worker)["state"], "Done");
    assert!(worker.machine.path(DROP_IN).exists(), "the administrator's");

    let starts = worker.starts();
    restart(worker);
    assert_eq!(worker.starts(), starts + 1);
    assert!(worker.unit().is_running() && worker.unit().restarts == "0");
    worker.await_handshake(SOON);
}

/// The package and the checksums, as a user downloads them who needs only these; `None` if they were not built.
fn downloads() -> Option<[PathBuf; 2]> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dist/packages");
    let files = fs::read_dir(&directory).into_iter().flatten().flatten();
    let deb = files
        .map(|file| file.path())
        .find(|path| path.to_string_lossy().ends_with("_amd64.deb"));
    if let Some(deb) = deb {
        return Some([deb, directory.join("SHA256SUMS")]);
    }
    let missing = "no deb in target/dist/packages; make packages builds it";
    assert!(!harness::is_required(), "{missing}");
    eprintln!("skipped: {missing}");
    None
}

fn is_documented(command: &str) -> bool {
    DOCUMENTS.iter().any(|text| text.contains(command))
}

/// Runs a command that the documents have, where the downloads are.
fn documented(worker: &Worker, code: i32, command: &str) -> Finished {
    assert!(is_documented(command), "not documented: {command}");
    ran(worker, code, command)
}

fn ran(worker: &Worker, code: i32, command: &str) -> Finished {
    let script = format!("cd {DOWNLOADS} && {command}");
    let finished = worker.machine.run(&["sh", "-c", &script]);
    assert_eq!(finished.code, Some(code), "{command}: {finished}");
    finished
}

/// What dpkg does, on a node whose pods run.
fn leaves_the_kubelet_alone(worker: &Worker, command: &str) {
    let (unit, config) = (worker.unit(), worker.config());
    let finished = documented(worker, 0, command);
    assert_eq!(worker.unit(), unit, "{finished}");
    assert_eq!(worker.config(), config, "{finished}");
    assert_eq!(finished.stderr, "", "{finished}");
}

/// One word of systemctl's.
fn state(worker: &Worker, verb: &str, unit: &str) -> String {
    let said = worker.machine.run(&["systemctl", verb, unit]);
    said.stdout.trim_end().to_owned()
}

fn assert_units(worker: &Worker, enabled: &str, active: &str) {
    for unit in UNITS {
        // Its timer starts it.
        let enabled = match unit {
            "kubelet-tls-metrics.service" => "static",
            _ => enabled,
        };
        assert_eq!(state(worker, "is-enabled", unit), enabled, "{unit}");
        assert_eq!(state(worker, "is-active", unit), active, "{unit}");
    }
}

/// What enables the units.
fn links(worker: &Worker) -> String {
    let find = ["find", "/etc", "/run", "-lname", "*kubelet-tls*"];
    worker.machine.must(&find)
}

/// No unit, no link to one, nothing that runs, nothing that has failed.
fn assert_gone(worker: &Worker) {
    let machine = &worker.machine;
    assert_eq!(links(worker), "");
    let units = [
        "systemctl",
        "list-units",
        "--all",
        "--plain",
        "--no-legend",
        "kubelet-tls*",
    ];
    assert_eq!(machine.must(&units), "");
    for path in SHIPPED.into_iter().chain([SHARE]) {
        assert!(!machine.path(path).exists(), "{path}");
    }
}

fn files(worker: &Worker) -> BTreeSet<String> {
    let listed = worker.machine.must(&["sh", "-c", FILES]);
    listed.lines().map(str::to_owned).collect()
}

/// What the user made, and what the kubelet did.
fn assert_what_is_left(worker: &Worker, before: &BTreeSet<String>) {
    let after = files(worker);
    let path = |line: &String| {
        let words = line.split(' ');
        let path = words.skip(2).find(|word| word.starts_with('/'));
        path.unwrap_or_default().to_owned()
    };
    let changed: BTreeSet<String> = after.symmetric_difference(before).map(path).collect();
    let served = "/var/lib/kubelet/pki/kubelet-server-current.pem";
    let pair = fs::read_link(worker.machine.path(served)).expect("a symlink");
    let directory = Path::new(DROP_IN).parent().expect("a directory");
    let expected = [
        directory.to_string_lossy().into_owned(),
        DROP_IN.to_owned(),
        CONFIG.to_owned(),
        served.to_owned(),
        pair.to_string_lossy().into_owned(),
    ];
    assert_eq!(changed, BTreeSet::from(expected));
}
