//! Where the kubelet's flags come from: the unit and its drop-ins, wherever a distribution puts them.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;
use standins::kubelet::Knobs;
use standins::{ApiServer, Config};

use super::address::Address;
use super::worker::{CONFIG, ENABLED, Worker, well};

const ELSEWHERE: &str = "/etc/kubernetes/kubelet-config.yaml";

/// As packages before 1.29 had it, and as administrators override it.
pub fn drop_ins_in_etc_decide() {
    let worker = Worker::boot("drop-ins");
    let machine = &worker.machine;
    machine.must(&["mkdir", "-p", "/etc/systemd/system"]);
    machine.must(&[
        "mv",
        "/usr/lib/systemd/system/kubelet.service.d",
        "/etc/systemd/system/kubelet.service.d",
    ]);
    machine.must(&["cp", CONFIG, ELSEWHERE]);
    machine.write(
        "/etc/systemd/system/kubelet.service.d/20-site.conf",
        format!("[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config={ELSEWHERE}\"\n"),
        0o644,
    );
    worker.start_kubelet();
    let untouched = worker.config();

    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert!(
        apply.stdout.contains(&format!("--- {ELSEWHERE}")),
        "{apply}"
    );
    assert_eq!(worker.config(), untouched, "not the file that decides");
    assert!(machine.read_text(ELSEWHERE).contains(ENABLED));
    assert!(apply.stdout.contains(&worker.requests()[0]), "{apply}");
}

/// The command line overrides the files.
pub fn a_flag_against_it_makes_the_edit_pointless() {
    let worker = Worker::boot("flags");
    worker.machine.write(
        "/etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=--rotate-server-certificates=false\n",
        0o644,
    );
    worker.start_kubelet();
    let (config, unit) = (worker.config(), worker.unit());
    for arguments in [&["diff"][..], &["apply", "--settle", "1s"]] {
        let refused = worker.tool(arguments).run();
        assert_eq!(refused.code, Some(78), "{refused}");
        assert!(
            refused.stderr.contains("--rotate-server-certificates"),
            "{refused}"
        );
        assert_eq!(
            (worker.config(), worker.unit()),
            (config.clone(), unit.clone()),
            "{refused}"
        );
    }
}

/// A flag that no running kubelet has read yet counts too, at the latest when the restart has brought it.
pub fn a_flag_that_the_next_start_brings_counts() {
    let worker = Worker::start("new-flag");
    worker.machine.write(
        "/etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=--rotate-server-certificates=false\n",
        0o644,
    );
    let before = worker.config().content;
    let apply = worker
        .tool(&["apply", "--settle", "1s", "--timeout", "5s"])
        .run();
    assert_eq!(apply.code, Some(78), "{apply}");
    assert!(
        apply.stderr.contains("--rotate-server-certificates=false"),
        "{apply}"
    );
    assert_eq!(worker.config().content, before, "{apply}");
    worker.assert_healthy();
}

/// The unit names another file since the kubelet was started: the one it reads now is not the one that counts.
pub fn another_file_that_the_next_start_reads_counts() {
    let worker = Worker::start("new-config");
    let machine = &worker.machine;
    machine.must(&["cp", CONFIG, ELSEWHERE]);
    machine.write(
        "/etc/systemd/system/kubelet.service.d/20-site.conf",
        format!("[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--config={ELSEWHERE}\"\n"),
        0o644,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    let before = worker.config().content;

    let apply = worker
        .tool(&["apply", "--settle", "1s", "--timeout", "5s"])
        .run();
    assert_eq!(worker.config().content, before, "{apply}");
    match apply.code {
        Some(0) => assert!(machine.read_text(ELSEWHERE).contains(ENABLED), "{apply}"),
        _ => assert_eq!(
            (apply.code, machine.read_text(ELSEWHERE)),
            (Some(78), before.text),
            "{apply}"
        ),
    }
    worker.assert_healthy();
}

/// systemd without a message bus, as in a rescue shell; a kubelet that must be killed; and Ctrl-C while it is.
pub fn a_slow_stop_is_waited_for_without_a_message_bus() {
    let worker = Worker::boot("slow-stop");
    let machine = &worker.machine;
    machine.write(
        "/etc/systemd/system/kubelet.service.d/20-site.conf",
        "[Service]\nTimeoutStopSec=3\n",
        0o644,
    );
    let deaf = Knobs {
        ignore_sigterm: true,
        ..well()
    };
    worker.behave(deaf.clone(), deaf);
    worker.start_kubelet();
    machine.must(&["systemctl", "stop", "dbus.socket", "dbus.service"]);

    let before = worker.unit();
    let mut apply = worker.tool(&["apply", "--settle", "1s"]).spawn();
    apply.wait_until(Duration::from_secs(10), |_| {
        worker.unit().active == "deactivating"
    });
    apply.signal_all(Signal::SIGINT);
    let apply = apply.wait(Duration::from_secs(60));
    worker.await_healthy();
    assert_ne!(worker.unit().invocation, before.invocation, "{apply}");
    assert!(worker.runs_what_its_config_says(), "{apply}");

    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert!(machine.read_text(CONFIG).contains(ENABLED));
    assert!(worker.runs_what_its_config_says(), "{apply}");
    worker.assert_healthy();
    let newest = worker.requests().pop().expect("a request");
    assert!(apply.stdout.contains(&newest), "{apply}");
}

/// `--config-dir` comes after the file and wins: what decides is a drop-in there, and that is what changes.
pub fn a_config_directory_decides() {
    const DROP_IN: &str = "/etc/kubernetes/kubelet.conf.d/90-off.conf";
    const OFF: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nserverTLSBootstrap: false\n";
    let worker = Worker::boot("config-dir");
    worker.machine.write(DROP_IN, OFF, 0o644);
    worker.machine.write(
        "/etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d\n",
        0o644,
    );
    worker.start_kubelet();
    let config = worker.config();
    let drop_in = || worker.machine.read_text(DROP_IN);

    let dying = Knobs {
        die_after_ms_if_bootstrap: Some(500),
        ..well()
    };
    worker.behave(dying.clone(), dying);
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(78), "{apply}");
    assert_eq!(drop_in(), OFF, "{apply}");
    worker.assert_healthy();

    worker.behave(well(), well());
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert_eq!(drop_in(), OFF.replace("false", "true"), "{apply}");
    assert_eq!(worker.config(), config, "{apply}");
    let newest = worker.requests().pop().expect("a request");
    assert!(apply.stdout.contains(&newest), "{apply}");
}

/// A kubelet that has not run yet: its command line is systemd's word, quotes, specifiers and all, as an RPM
/// distribution's `/etc/sysconfig/kubelet` has it.
pub fn a_kubelet_that_never_ran_is_read_from_its_unit() {
    let worker = Worker::boot("never-ran");
    let machine = &worker.machine;
    machine.must(&[
        "mkdir",
        "-p",
        "/etc/sysconfig",
        "/etc/systemd/system/kubelet.service.d",
        "/srv/kubelet.service",
    ]);
    machine.must(&["cp", CONFIG, "/srv/kubelet.service/config.yaml"]);
    machine.write(
        "/etc/systemd/system/kubelet.service.d/30-site.conf",
        "[Service]\nEnvironment=\"KUBELET_CONFIG_ARGS=--node-labels='a=b' --config=/srv/%n/config.yaml\"\n\
         EnvironmentFile=-/etc/sysconfig/kubelet\n",
        0o644,
    );
    machine.write(
        "/etc/sysconfig/kubelet",
        "# extra \\\n# arguments\nKUBELET_EXTRA_ARGS=\"--v=2 \\\n  --rotate-server-certificates=F\"\n",
        0o644,
    );
    machine.must(&["systemctl", "daemon-reload"]);
    let diff = worker.tool(&["diff"]).run();
    assert_eq!(diff.code, Some(78), "{diff}");
    assert!(
        diff.stderr.contains(
            "--rotate-server-certificates=F (KUBELET_EXTRA_ARGS in /etc/sysconfig/kubelet:"
        ),
        "{diff}"
    );

    machine.write(
        "/etc/sysconfig/kubelet",
        "KUBELET_EXTRA_ARGS='--v=2'\n",
        0o644,
    );
    let diff = worker.tool(&["diff"]).run();
    assert_eq!(diff.code, Some(1), "{diff}");
    assert!(
        diff.stdout
            .starts_with("--- /srv/kubelet.service/config.yaml\n"),
        "{diff}"
    );
    worker.start_kubelet();
    assert_eq!(
        worker.tool(&["diff"]).run().stdout,
        diff.stdout,
        "the kubelet runs with what systemd said"
    );
}

/// A kubelet that an administrator set up by hand: a unit of its own, other paths, and nothing of kubeadm's.
pub fn a_node_without_kubeadm_is_changed_too() {
    const UNIT: &str = "[Unit]\nDescription=kubelet\n[Service]\nExecStart=/usr/bin/kubelet --config=/etc/kubelet/config.yaml --kubeconfig=/etc/kubelet/kubeconfig\nRestart=always\nRestartSec=10\n[Install]\nWantedBy=multi-user.target\n";
    let address = Address::new();
    let api = Arc::new(ApiServer::start(Config::default()));
    let worker = Worker::join("no-kubeadm", api, "worker-1", address.text());
    let machine = &worker.machine;
    machine.write("/usr/lib/systemd/system/kubelet.service", UNIT, 0o644);
    machine.must(&["mkdir", "/etc/kubelet"]);
    machine.must(&["mv", CONFIG, "/etc/kubelet/config.yaml"]);
    machine.must(&[
        "mv",
        "/etc/kubernetes/kubelet.conf",
        "/etc/kubelet/kubeconfig",
    ]);
    machine.must(&["rm", "-r", "/usr/lib/systemd/system/kubelet.service.d"]);
    machine.must(&["rm", "/var/lib/kubelet/kubeadm-flags.env"]);
    worker.start_kubelet();

    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    assert!(!apply.stderr.contains("kubeadm"), "{apply}");
    assert!(
        machine
            .read_text("/etc/kubelet/config.yaml")
            .contains(ENABLED)
    );
    let csr = worker.tool(&["csr", "--check"]).run();
    assert_eq!(csr.code, Some(0), "{csr}");
    let request = worker.requests().pop().expect("a request");
    assert_eq!(csr.stdout.trim_end(), request, "{csr}");
    worker.approve(&request);
    worker.await_handshake(Duration::from_secs(10));

    let status = worker.tool(&["status", "-o", "json"]).run();
    assert_eq!(status.code, Some(0), "{status}");
    let conditions = status.json()["conditions"].clone();
    let kinds = conditions.as_array().expect("conditions").iter();
    let kinds: Vec<_> = kinds.filter_map(|kind| kind["type"].as_str()).collect();
    assert_eq!(kinds.len(), 8, "{status}");
    assert!(!kinds.contains(&"ClusterConfigAgrees"), "{status}");

    let rollback = worker.tool(&["rollback", "--settle", "1s"]).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
}
