//! The certificate before the restart, on a real systemd, the kubelet's port probed throughout.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::worker::{ENABLED, Worker};

const PKI: &str = "/var/lib/kubelet/pki";
const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-server-current.pem";

/// Old certificate, refused connections while the kubelet restarts, new certificate; never a TLS alert, and one request.
pub fn no_handshake_fails() {
    let worker = Worker::start("issue-first");
    worker.api.auto_approve(Duration::from_millis(500));
    let before = worker.config().content;
    let (done, tried) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (apply, met) = thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let mut met: Vec<String> = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let now = worker.handshake().err().unwrap_or_default();
                tried.fetch_add(1, Ordering::Relaxed);
                if met.last() != Some(&now) {
                    met.push(now);
                }
                thread::sleep(Duration::from_millis(2));
            }
            met
        });
        let apply = worker
            .tool(&["apply", "--issue-first", "--settle", "2s", "-o", "json"])
            .run();
        thread::sleep(Duration::from_secs(1));
        done.store(true, Ordering::Relaxed);
        (apply, prober.join().expect("the prober"))
    });
    assert_eq!(apply.code, Some(0), "{apply}");
    let alerts: Vec<&String> = met.iter().filter(|met| met.contains("alert")).collect();
    assert_eq!(alerts, [""; 0], "{met:?}");
    assert!(met[0].contains("invalid peer certificate"), "{met:?}");
    assert_eq!(met.last().map(String::as_str), Some(""), "{met:?}");
    assert!(tried.load(Ordering::Relaxed) > 50);
    assert_eq!(
        (worker.requests().len(), worker.starts()),
        (1, 2),
        "{apply}"
    );
    let result = apply.json();
    assert_eq!(result["csr"]["state"], "Issued", "{apply}");
    assert_eq!(result["certificate"]["verified"], true, "{apply}");
    worker.assert_healthy();

    let rollback = worker.tool(&["rollback", "--settle", "1s"]).run();
    assert_eq!(rollback.code, Some(0), "{rollback}");
    assert_eq!(worker.config().content, before);
    assert!(!worker.machine.path(CURRENT).is_symlink(), "{rollback}");
}

/// Killed at each call that changes what is on the disk: the next run gets there, with one pair and one request that
/// counts, and a rollback leaves nothing of it.
pub fn killed_at_any_step() {
    const STEPS: [&str; 4] = [
        "fsync,fdatasync",
        "rename,renameat,renameat2",
        "symlink,symlinkat,link,linkat",
        "unlink,unlinkat",
    ];
    thread::scope(|scope| {
        for calls in STEPS {
            scope.spawn(move || {
                let worker = Worker::start(&format!("issue-{}", &calls[..5]));
                worker.api.auto_approve(Duration::from_millis(100));
                let before = worker.config().content;
                for nth in 1.. {
                    if !killed_at(&worker, calls, nth, &before.text) {
                        assert!(nth > 1, "{calls}: nothing was killed");
                        break;
                    }
                }
            });
        }
    });
}

/// Whether `apply` made so many such calls that it could be killed at this one.
fn killed_at(worker: &Worker, calls: &str, nth: u32, old: &str) -> bool {
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
    let arguments = ["apply", "--issue-first", "--settle", "500ms"];
    let killed = worker.tool(&arguments).under(&strace).run();
    let step = format!("{calls} {nth}: {killed}");
    let was_killed = killed.signal == Some(9) || killed.code == Some(137);
    assert!(was_killed || killed.code == Some(0), "{step}");
    let again = worker.tool(&arguments).run();
    assert_eq!(again.code, Some(0), "{step}\n{again}");
    assert!(
        worker.config().content.text.contains(ENABLED),
        "{step}\n{again}"
    );
    worker
        .handshake()
        .unwrap_or_else(|error| panic!("{error}: {step}\n{again}"));
    worker.assert_no_leftovers();
    let rollback = worker.tool(&["rollback", "--settle", "500ms"]).run();
    assert_eq!(rollback.code, Some(0), "{step}\n{again}\n{rollback}");
    assert_eq!(worker.config().content.text, old, "{step}\n{rollback}");
    let left = std::fs::read_dir(worker.machine.path(PKI)).expect("pki");
    let left: Vec<String> = left
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with("kubelet-server") || name.starts_with(".kubelet-tls"))
        .collect();
    assert_eq!(left, [""; 0], "{step}\n{again}\n{rollback}");
    let key = worker.machine.path("/var/lib/kubelet-tls/serving-key.pem");
    assert!(!key.exists(), "{step}\n{again}");
    was_killed
}
