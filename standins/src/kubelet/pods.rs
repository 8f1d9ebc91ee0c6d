//! Static Pods: every file of the directory that is a Pod runs as a process of its container's command and args.
//!
//! The kubelet hears of a changed file at once, and then the file that changed last decides. At its next look over the
//! whole directory the last file in the order of names decides, of those that name the same Pod. A file that is not a
//! Pod changes nothing until then, and then its Pod is stopped.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{klog, yaml};
use crate::client::{Client, Kubeconfig};

/// How soon a change is noticed; really by inotify.
const NOTICE: Duration = Duration::from_millis(20);
/// From one look over the directory to the next; really 20 s (`fileCheckFrequency`).
const LOOK: Duration = Duration::from_secs(1);
/// The second crash waits so long, every one after it twice as long as the one before; really 10 s.
const BACK_OFF: Duration = Duration::from_millis(500);
/// The longest such wait; really 5 min, of which 40 s were seen.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(2);
/// How long a process may take to end after SIGTERM; really 30 s.
const GRACE: Duration = Duration::from_secs(2);

/// How often a Pod is reported to an API server that cannot be reached.
const REPORTS: usize = 5;

/// A file as it was seen: changed if one of these has.
type Seen = (u64, u64, i64, i64);

/// A Pod that a file describes.
#[derive(Clone, PartialEq)]
struct StaticPod {
    name: String,
    /// Everything that the file says but for comments: a change of these restarts the Pod.
    object: Value,
    command: Vec<String>,
}

/// A Pod's process, or the wait for its next one.
struct Running {
    pod: StaticPod,
    child: Option<Child>,
    crashes: u32,
    starts_at: Instant,
}

/// Runs the Pods of the directory without end. The thread must live as long as the process: the Pods die with it.
pub(crate) fn run(directory: &Path, reporter: Option<&Reporter>) -> ! {
    let mut seen = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    let mut last_look: Option<Instant> = None;
    loop {
        let now = signatures(directory);
        let vanished = seen.keys().any(|path| !now.contains_key(path));
        if vanished || last_look.is_none_or(|at| at.elapsed() >= LOOK) {
            last_look = Some(Instant::now());
            wanted = look(&now);
        } else {
            let changed = now
                .iter()
                .filter(|(path, now)| seen.get(*path) != Some(*now));
            for (path, _) in changed {
                match read(path) {
                    Ok(pod) => drop(wanted.insert(pod.name.clone(), pod)),
                    Err(why) => complain(path, &why),
                }
            }
        }
        seen = now;
        reconcile(&wanted, &mut running, reporter);
        thread::sleep(NOTICE);
    }
}

/// The files of the directory but for those whose names begin with a dot.
fn signatures(directory: &Path) -> BTreeMap<PathBuf, Seen> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .filter_map(|entry| {
            let file = fs::metadata(entry.path())
                .ok()
                .filter(fs::Metadata::is_file)?;
            let seen = (file.ino(), file.size(), file.mtime(), file.mtime_nsec());
            Some((entry.path(), seen))
        })
        .collect()
}

/// The Pods of all files, of each name the one of the last file.
fn look(files: &BTreeMap<PathBuf, Seen>) -> BTreeMap<String, StaticPod> {
    let mut pods = BTreeMap::new();
    for path in files.keys() {
        match read(path) {
            Ok(pod) => drop(pods.insert(pod.name.clone(), pod)),
            Err(why) => complain(path, &why),
        }
    }
    pods
}

fn complain(path: &Path, why: &str) {
    let message = format!("\"Could not process manifest file\" path={path:?} err={why:?}");
    klog::error("file.go:187", &message);
}

fn read(path: &Path) -> Result<StaticPod, String> {
    let text = fs::read_to_string(path).map_err(|error| super::config::go_error(&error))?;
    let (object, _) = yaml::first_document(&text)?;
    if object["kind"] != "Pod" || object["apiVersion"] != "v1" {
        return Err("couldn't parse as pod(no kind \"Pod\"), please check config file".into());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let container = &object["spec"]["containers"][0];
    let words = ["command", "args"].map(|field| container[field].as_array());
    let command: Vec<String> = words
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    if name.is_empty() || command.is_empty() {
        return Err("invalid pod: spec.containers: Required value".into());
    }
    Ok(StaticPod {
        name: name.to_owned(),
        command,
        object,
    })
}

/// Starts what is to run and does not, ends what is not to run any more.
fn reconcile(
    wanted: &BTreeMap<String, StaticPod>,
    running: &mut BTreeMap<String, Running>,
    reporter: Option<&Reporter>,
) {
    running.retain(|name, one| {
        let stays = wanted.get(name) == Some(&one.pod);
        if !stays {
            stop(one);
        }
        stays
    });
    for (name, pod) in wanted {
        let one = running.entry(name.clone()).or_insert_with(|| {
            if let Some(reporter) = reporter {
                reporter.report(pod);
            }
            Running {
                pod: pod.clone(),
                child: None,
                crashes: 0,
                starts_at: Instant::now(),
            }
        });
        if let Some(child) = &mut one.child {
            let Ok(Some(status)) = child.try_wait() else {
                continue;
            };
            let wait = back_off(one.crashes);
            one.crashes += 1;
            one.child = None;
            one.starts_at = Instant::now() + wait;
            let message = format!(
                "\"Error syncing pod, skipping\" err=\"failed to \\\"StartContainer\\\" for {name:?} with CrashLoopBackOff: back-off {wait:?} restarting failed container\" status={status:?}"
            );
            klog::error("pod_workers.go:1324", &message);
        }
        if Instant::now() >= one.starts_at {
            match start(pod) {
                Ok(child) => one.child = Some(child),
                Err(error) => {
                    one.starts_at = Instant::now() + LONGEST_BACK_OFF;
                    let message =
                        format!("\"Failed to start container\" pod={name:?} err={error:?}");
                    klog::error("kuberuntime_manager.go:1", &message);
                }
            }
        }
    }
}

/// Tells the API server of the Pods that run here, by their mirrors.
pub(crate) struct Reporter {
    pub(crate) node: String,
    pub(crate) kubeconfig: PathBuf,
}

impl Reporter {
    /// Until it is told, or another report of the same Pod must have come.
    fn report(&self, pod: &StaticPod) {
        let mut mirror = pod.object.clone();
        mirror["spec"]["nodeName"] = self.node.clone().into();
        let namespace = mirror["metadata"]["namespace"]
            .as_str()
            .unwrap_or("default");
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{}-{}",
            pod.name, self.node
        );
        let kubeconfig = self.kubeconfig.clone();
        thread::spawn(move || {
            for _ in 0..REPORTS {
                let client = Kubeconfig::read(&kubeconfig)
                    .and_then(|config| Client::new(&config, "kubelet"));
                let body = mirror.to_string();
                let told = client.and_then(|client| client.request("PUT", &path, Some(&body)));
                if told.is_ok_and(|answer| answer.code == 200) {
                    return;
                }
                thread::sleep(LOOK);
            }
        });
    }
}

fn back_off(crashes: u32) -> Duration {
    match crashes.checked_sub(1) {
        None => Duration::ZERO,
        Some(doubled) => LONGEST_BACK_OFF.min(BACK_OFF * 2_u32.pow(doubled.min(8))),
    }
}

fn start(pod: &StaticPod) -> std::io::Result<Child> {
    let program = &pod.command[0];
    // The image's program lies beside the kubelet's own, if it does not lie on the path.
    let own = std::env::args().next().unwrap_or_default();
    let beside = Path::new(&own).with_file_name(program);
    let path = if beside.is_file() {
        beside
    } else {
        PathBuf::from(program)
    };
    klog::info(
        "kubelet.go:1",
        &format!("\"Starting container\" pod={:?}", pod.name),
    );
    Command::new(path)
        .arg0(program)
        .args(&pod.command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
}

fn stop(one: &mut Running) {
    let Some(child) = &mut one.child else { return };
    if let Ok(pid) = i32::try_from(child.id()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    let until = Instant::now() + GRACE;
    while Instant::now() < until {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}
