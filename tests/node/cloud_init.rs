//! The examples under `cloud-init/`, run as cloud-init runs them.

use standins::kubelet::Knobs;
use standins::pace;

use super::command::Finished;
use super::worker::{CONFIG, ENABLED, Worker, well};

const CONTROL_PLANE: &str = include_str!("../../cloud-init/control-plane.yaml");
const WORKER: &str = include_str!("../../cloud-init/worker.yaml");
const KUBEADM_FILE: &str = "/etc/kubernetes/kubeadm.yaml";
/// What the real one would write.
const WRITTEN_BY_KUBEADM: &str = "/usr/share/kubeadm/config.yaml";
const NO_CHECKSUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Of kubeadm what concerns the kubelet: writes its file, with what the KubeletConfiguration beside an
/// InitConfiguration says, and starts it.
const KUBEADM: &str = r#"#!/bin/sh
set -eu
[ "$2" = --config ]
case $1 in
    init)
        grep -qx 'kind: InitConfiguration' "$3"
        { cat /usr/share/kubeadm/config.yaml; grep -x 'serverTLSBootstrap: true' "$3" || :; } >/var/lib/kubelet/config.yaml
        ;;
    join)
        grep -qx 'kind: JoinConfiguration' "$3"
        cat /usr/share/kubeadm/config.yaml >/var/lib/kubelet/config.yaml
        ;;
    *) exit 64 ;;
esac
echo "$1" >>/var/log/kubeadm
systemctl start kubelet
# as the real one waits for the kubelet's /healthz
port=$(sed -n 's/^healthzPort: //p' /var/lib/kubelet/config.yaml)
until grep -q ":$(printf %04X "$port") " /proc/net/tcp; do sleep 0.1; done
"#;

/// A machine before its first boot's runcmd: with the files of `write_files`, and no kubelet yet.
fn booted(label: &str, user_data: &str) -> Worker {
    let worker = Worker::boot(label);
    let machine = &worker.machine;
    machine.write("/usr/bin/kubeadm", KUBEADM, 0o755);
    machine.write(WRITTEN_BY_KUBEADM, machine.read(CONFIG), 0o644);
    machine.must(&["rm", CONFIG]);
    machine.must(&["systemctl", "daemon-reload"]);
    let document: serde_yaml::Value = serde_yaml::from_str(user_data).expect("YAML");
    for file in document["write_files"].as_sequence().expect("files") {
        let text = |key: &str| file[key].as_str().expect("a string");
        let mode = u32::from_str_radix(text("permissions"), 8).expect("a mode");
        machine.write(text("path"), text("content"), mode);
    }
    worker
}

/// cloud-init's `shellify`: every entry into one script, and that script's exit code is the stage's.
fn runcmd(worker: &Worker, user_data: &str, more: &str) -> Finished {
    let document: serde_yaml::Value = serde_yaml::from_str(user_data).expect("YAML");
    let entries = document["runcmd"].as_sequence().expect("entries");
    assert_eq!(entries.len(), 1);
    let entry = entries[0].as_str().expect("a string");
    let script = "/var/lib/cloud/instance/scripts/runcmd";
    worker
        .machine
        .write(script, format!("#!/bin/sh\n{entry}\n{more}"), 0o700);
    worker.machine.run(&[script])
}

fn kubeadm_ran(worker: &Worker) -> bool {
    worker.machine.path("/var/log/kubeadm").exists()
}

fn await_request(worker: &Worker) {
    let is_there = || !worker.requests().is_empty();
    assert!(
        pace::wait_for(std::time::Duration::from_secs(20), is_there),
        "no request"
    );
}

/// The kubelet starts with the setting: one start, and its request is there to be approved.
pub fn a_control_plane_is_initialised_with_the_edited_file() {
    let worker = booted("cloud-init-control-plane", CONTROL_PLANE);
    let ran = runcmd(&worker, CONTROL_PLANE, "");
    assert_eq!(ran.code, Some(0), "{ran}");
    let kubeadm = worker.machine.read_text(KUBEADM_FILE);
    assert!(
        kubeadm.contains("kind: KubeletConfiguration\n"),
        "{kubeadm}"
    );
    assert!(worker.config().content.text.contains(ENABLED));
    worker.await_healthy();
    assert_eq!(worker.starts(), 1);
    await_request(&worker);
    worker.approve(&worker.requests()[0]);
    worker.await_handshake(std::time::Duration::from_secs(20));
}

/// A file that cannot be edited for certain: `kubeadm init` is not reached, nor any entry after.
pub fn a_refused_file_stops_the_script_before_kubeadm_init() {
    let worker = booted("cloud-init-refused", CONTROL_PLANE);
    let twice =
        "kind: KubeletConfiguration\nserverTLSBootstrap: false\nserverTLSBootstrap: false\n";
    let text = format!("{}---\n{twice}", worker.machine.read_text(KUBEADM_FILE));
    worker.machine.write(KUBEADM_FILE, &text, 0o600);
    let ran = runcmd(&worker, CONTROL_PLANE, "echo continued; true\n");
    assert_eq!(ran.code, Some(65), "{ran}");
    assert!(
        !ran.stdout.contains("continued") && !kubeadm_ran(&worker),
        "{ran}"
    );
    assert_eq!(worker.machine.read_text(KUBEADM_FILE), text);
}

/// A worker joins, is switched, and waits for its approval.
pub fn a_worker_is_switched_after_it_joined() {
    let worker = booted("cloud-init-worker", WORKER);
    let ran = runcmd(&worker, WORKER, "");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(worker.config().content.text.contains(ENABLED));
    let [request] = &worker.requests()[..] else {
        panic!("{:?}: {ran}", worker.requests())
    };
    assert!(ran.stdout.contains(request), "{ran}");
    worker.approve(request);
    worker.await_handshake(std::time::Duration::from_secs(20));
}

/// A kubelet that does not stay healthy with the change is rolled back, and the script fails.
pub fn a_worker_whose_kubelet_dies_is_rolled_back_and_the_script_fails() {
    let worker = booted("cloud-init-rolled-back", WORKER);
    worker.behave_when_changed(Knobs {
        die_after_ms: Some(100),
        ..well()
    });
    let ran = runcmd(&worker, WORKER, "echo continued; true\n");
    assert_eq!(ran.code, Some(78), "{ran}");
    assert!(
        !ran.stdout.contains("continued") && kubeadm_ran(&worker),
        "{ran}"
    );
    assert!(!worker.config().content.text.contains(ENABLED));
    worker.await_healthy();
}

/// Nothing is run whose checksum is not the one that was filled in.
pub fn a_download_is_checked_before_it_runs() {
    let worker = booted("cloud-init-download", WORKER);
    let machine = &worker.machine;
    machine.must(&["mv", "/usr/local/bin/kubelet-tls", "/srv/kubelet-tls"]);
    let curl = "#!/bin/sh\nset -eu\nwhile [ \"$1\" != -o ]; do shift; done\ncp /srv/kubelet-tls \"$2\"\nchmod 0600 \"$2\"\n";
    machine.write("/usr/bin/curl", curl, 0o755);
    let ran = runcmd(&worker, WORKER, "echo continued; true\n");
    assert!(ran.code.is_some_and(|code| code != 0), "{ran}");
    assert!(
        !ran.stdout.contains("continued") && !kubeadm_ran(&worker),
        "{ran}"
    );
    assert!(!machine.path("/usr/local/bin/kubelet-tls").exists());

    let sum = machine.must(&["sha256sum", "/srv/kubelet-tls"]);
    let (before, download) = WORKER.split_at(WORKER.find("runcmd:").expect("the entry"));
    let download = download.replace(NO_CHECKSUM, sum.split(' ').next().expect("a checksum"));
    let ran = runcmd(&worker, &format!("{before}{download}"), "");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(worker.config().content.text.contains(ENABLED));
}
