//! That the machines are what the other tests take them for: a real systemd, a real journal, several at once, and
//! nothing left behind.

use std::fs;
use std::thread;
use std::time::Duration;

use super::machine::Machine;
use super::worker::{CONFIG, ENABLED, Worker};

/// kubeadm's unit with a program that dies soon (of one that is gone already, journald cannot tell the start), as a kubelet does with a config it cannot load.
const DIES: &str = "\
[Service]
ExecStart=/bin/sh -c 'echo cannot load the config >&2; sleep 0.1; exit 1'
Restart=always
RestartSec=1
[Unit]
StartLimitInterval=0
";

/// What the gate stands on: `restart` succeeds although the unit crash-loops, and the journal tells starts apart.
pub fn a_crash_loop_shows_in_the_unit_not_in_the_exit_code() {
    let machine = Machine::boot("crash-loop");
    machine.write("/etc/systemd/system/dies.service", DIES, 0o644);
    machine.must(&["systemctl", "daemon-reload"]);
    machine.must(&["systemctl", "restart", "dies"]);

    let show =
        |property: &str| machine.must(&["systemctl", "show", "--value", "-p", property, "dies"]);
    thread::sleep(Duration::from_millis(500));
    assert_eq!(show("ActiveState"), "activating");
    assert_eq!(show("SubState"), "auto-restart");
    let (invocation, restarts) = (show("InvocationID"), show("NRestarts"));
    thread::sleep(Duration::from_millis(1500));
    assert_ne!(show("InvocationID"), invocation);
    assert_ne!(show("NRestarts"), restarts);

    let words = machine.must(&[
        "journalctl",
        "-o",
        "cat",
        &format!("_SYSTEMD_INVOCATION_ID={invocation}"),
        "+",
        &format!("INVOCATION_ID={invocation}"),
    ]);
    // its own words and systemd's, in an order that differs by a hair's breadth
    for line in [
        "cannot load the config",
        "dies.service: Main process exited, code=exited, status=1/FAILURE",
    ] {
        assert!(words.lines().any(|other| other == line), "{line}: {words}");
    }
    assert!(!words.contains("restart counter is at 2"), "{words}");
    machine.shutdown();
}

/// What every test that fails relies on.
pub fn machines_leave_nothing_behind() {
    let traces = |name: &str| -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut found: Vec<String> = mounts
            .lines()
            .filter(|line| line.contains(name))
            .map(str::to_owned)
            .collect();
        let machines = Machine::directory();
        for place in [
            "/sys/fs/cgroup/systemd".as_ref(),
            "/sys/fs/cgroup/unified".as_ref(),
            "/sys/fs/cgroup".as_ref(),
            machines.as_path(),
        ] {
            for entry in fs::read_dir(place).into_iter().flatten().flatten() {
                let path = entry.path().to_string_lossy().into_owned();
                found.extend(path.contains(name).then_some(path));
            }
        }
        found
    };
    let (name, init) = {
        let machine = Machine::boot("left-behind");
        machine.must(&["systemctl", "is-active", "multi-user.target"]);
        machine.write("/var/lib/immutable", "", 0o644);
        machine.must(&["chattr", "+i", "/var/lib/immutable"]);
        let orphan = machine.run(&[
            "sh",
            "-c",
            "setsid sleep 1000 >/dev/null 2>&1 & echo started",
        ]);
        assert_eq!(orphan.stdout, "started\n");
        assert!(!traces(machine.name()).is_empty());
        (machine.name().to_owned(), machine.root())
    };
    assert!(!init.exists());
    assert_eq!(traces(&name), Vec::<String>::new());
}

/// A command's exit code, output and fatal signal come back as they were.
pub fn commands_run_as_they_would_at_a_shell() {
    let machine = Machine::boot("commands");
    let finished = machine.run(&["sh", "-c", "cat; echo said >&2; exit 78"]);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(78), "said\n")
    );
    let finished = machine.command(&["cat"]).input("through a pipe").run();
    assert_eq!(finished.stdout, "through a pipe");

    let mut sleep = machine.spawn(&["sleep", "1000"]);
    sleep.signal(nix::sys::signal::Signal::SIGINT);
    let finished = sleep.wait(Duration::from_secs(5));
    assert_eq!((finished.code, finished.signal), (None, Some(2)));
    assert_eq!(machine.must(&["hostname"]), "worker-1");
}

/// The node that the tests change: changed by hand, it does what they expect of it.
pub fn a_worker_bootstraps_its_certificate_when_told_to() {
    let worker = Worker::start("worker");
    let running = worker.unit();
    assert_eq!(
        (worker.starts(), running.is_running()),
        (1, true),
        "{running:?}"
    );
    assert!(worker.runs_what_its_config_says());
    let text = worker.config().content.text;
    worker
        .machine
        .write(CONFIG, format!("{text}{ENABLED}\n"), 0o644);
    assert!(!worker.runs_what_its_config_says());

    worker.machine.must(&["systemctl", "restart", "kubelet"]);
    worker.await_healthy();
    assert_eq!(worker.starts(), 2);
    assert!(worker.runs_what_its_config_says());
    let request = worker
        .api
        .wait_for_csr("worker-1", 0, Duration::from_secs(10))
        .expect("a request");
    assert!(
        worker.handshake().is_err(),
        "no certificate before the approval"
    );
    worker.approve(&request.metadata.name);
    worker.await_handshake(Duration::from_secs(10));
}
