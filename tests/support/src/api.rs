//! A node in a cluster that is not empty: every scene has old requests of this node and new ones of others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use standins::api::Csr;
use standins::pki::Sans;
use standins::{Matcher, Node, Options, Output};

use super::binary;

/// Its name begins like that of the node under test.
const OTHER: &str = "worker-10";
/// What a run may take beyond what it was told to wait: the restart, and a machine that does other things too.
pub const SLACK: Duration = Duration::from_millis(2500);

/// A node with a past.
pub struct Scene {
    pub node: Node,
    /// The earlier requests: the newest, which is named until another one exists, and a denied one.
    pub old: Vec<String>,
}

/// One run of the tool, and what was seen around it.
pub struct Run {
    pub output: Output,
    /// The names it printed.
    pub names: Vec<String>,
    /// From its first watch to its end; from its start if it did not watch.
    pub waited: Duration,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(mut options: Options) -> Self {
        // Time for a fault to strike, and for another node's request to come first.
        if options.knobs.csr_delay_ms == 0 {
            options.knobs.csr_delay_ms = 300;
        }
        let node = Node::new(options);
        let api = node.api();
        let sans = Sans {
            dns: vec![node.name().to_owned()],
            ips: vec![[127, 0, 0, 1].into()],
        };
        let made = |of: &str, at: &str| {
            let mut csr = Csr::kubelet_serving(of, &sans);
            csr.metadata.creation_timestamp = Some(at.to_owned());
            api.add_csr(csr)
        };
        let denied = made(node.name(), "2026-01-01T00:00:00Z");
        assert!(api.deny(&denied));
        // The newest of the old ones is the one that could be mistaken for an answer.
        let pending = made(node.name(), "2026-01-01T00:15:00Z");
        made(OTHER, "2026-01-01T00:20:00Z");
        Self {
            old: vec![pending, denied],
            node,
        }
    }

    /// Runs `apply` with these options; when its watch begins, another node's request arrives.
    pub fn apply(&self, options: &[&str]) -> Run {
        let api = self.node.api();
        api.clear_requests();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if self.is_watched() {
                        api.add_csr(Csr::kubelet_serving(OTHER, &Sans::default()));
                        return;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            });
            let began = Instant::now();
            let arguments = [&["apply"], options].concat();
            let output = self.node.run(binary(), &arguments);
            let waited = self.first_watch().unwrap_or(began).elapsed();
            over.store(true, Ordering::Relaxed);
            Run {
                names: names(&output.stdout),
                output,
                waited,
            }
        })
    }

    fn first_watch(&self) -> Option<Instant> {
        let log = self.node.api().requests();
        log.iter()
            .find(|request| request.target.contains(OURS) && request.target.contains("watch=true"))
            .map(|request| request.at)
    }

    /// The requests that this node made since the scene was set, oldest first.
    pub fn new_requests(&self) -> Vec<String> {
        let all = self.node.api().csrs_of(self.node.name());
        all.into_iter()
            .map(|csr| csr.metadata.name)
            .filter(|name| !self.old.contains(name))
            .collect()
    }

    /// Whether the tool's watch has begun.
    pub fn is_watched(&self) -> bool {
        self.first_watch().is_some()
    }

    /// What must hold whatever the server does.
    pub fn check_never_wrong(&self, run: &Run, limit: Duration) {
        let new = self.new_requests();
        for name in &run.names {
            assert!(new.contains(name), "{name} is a wrong name\n{run}");
        }
        assert!(
            run.waited < limit + SLACK,
            "{:?} instead of {limit:?}\n{run}",
            run.waited
        );
        assert!(!run.output.stderr.contains("panicked"), "{run}");
    }

    /// Exit 0 and the name of the newest request, once.
    pub fn check_named(&self, run: &Run, limit: Duration) {
        self.check_never_wrong(run, limit);
        assert_eq!(run.output.code, 0, "{run}");
        assert_eq!(run.names, self.new_requests(), "{run}");
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Output {
            code,
            stdout,
            stderr,
        } = &self.output;
        write!(
            f,
            "exit {code} after {:?}\n{stdout}---\n{stderr}",
            self.waited
        )
    }
}

/// Lines of standard output that are names of requests.
fn names(stdout: &str) -> Vec<String> {
    let names = stdout.lines().filter(|line| line.starts_with("csr-"));
    names.map(str::to_owned).collect()
}

/// In every list and watch of the tool's, and in none of the kubelet's.
const OURS: &str = "spec.signerName";

/// The tool's watches.
pub fn watches() -> Matcher {
    Matcher::new().path(OURS).watch()
}

/// The tool's lists.
pub fn lists() -> Matcher {
    Matcher::new().path(OURS).list()
}

/// Plays all scenes, a few at a time; they mostly wait. Names those that failed.
pub fn play<T: Sync>(scenes: &[(&str, T)], play: impl Fn(&T) + Sync) {
    let next = Mutex::new(scenes.iter());
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                loop {
                    let Some((name, scene)) = next.lock().unwrap().next() else {
                        return;
                    };
                    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| play(scene))) {
                        let cause = cause
                            .downcast_ref::<String>()
                            .cloned()
                            .or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                            .unwrap_or_default();
                        failures.lock().unwrap().push(format!("{name}: {cause}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {} scenes failed:\n{}",
        failures.len(),
        scenes.len(),
        failures.join("\n\n")
    );
}

/// The binary with this kubeconfig, outside any node, and nothing of the caller's environment.
pub fn with_kubeconfig(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .env_clear()
        .current_dir("/");
    command
}
