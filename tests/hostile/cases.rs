//! Plays every case, a few at a time, for they mostly wait; and judges it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use standins::api::NodeSpec;
use standins::{Fault, Options, Output, memory, pace};

use super::answers::{Harm, answers, of_http, of_watches, strayed};
use super::crowds::{CROWDS, Crowd};
use super::rows::{After, At, Question, ROWS, Row};
use support::binary;

use super::scene::Scene;
use super::wire::{PROBED, WIRES, Wire, sit};

/// The bound on what the tool holds in memory, in KiB.
const MEMORY: u64 = 64 * 1024;
/// What a case may take beyond its deadline where many others share the machine with it: starting, and a restart. The
/// longest that the tool would wait without a deadline is 30 s for an answer and 75 s within a watch.
const SLACK: Duration = Duration::from_secs(12);
/// So many are played at once; they mostly wait.
const AT_ONCE: usize = 48;
/// A crowd keeps a core busy for as long as it is read: they are played one after another, when the rest is done.
const CROWDS_AT_ONCE: usize = 1;

enum Hostility {
    Answer(Fault),
    Wire(Wire),
    Crowd(Crowd),
}

struct Case {
    row: &'static Row,
    name: String,
    harm: Harm,
    hostility: Hostility,
}

/// What one run did, seen from outside.
struct Seen {
    output: Output,
    /// On the clock of [`pace`].
    took: Duration,
    /// The most memory it had resident, in KiB.
    peak: u64,
}

#[derive(Default)]
struct Tally {
    violations: Vec<String>,
    peak: u64,
    overshoot: Duration,
    worst: String,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in ROWS {
        let mut add = |name: String, harm, hostility| {
            cases.push(Case {
                row,
                name,
                harm,
                hostility,
            });
        };
        match row.at {
            At::Connections(_) | At::Probe => {
                for (name, wire) in WIRES {
                    add(name.to_owned(), Harm::Useless, Hostility::Wire(wire));
                }
            }
            At::Always(question) | At::Thoroughly(question) | At::Briefly(question) => {
                let mut all = answers();
                if matches!(row.at, At::Thoroughly(_)) {
                    all.extend(of_http());
                }
                if question == Question::Watch {
                    all.extend(of_watches());
                }
                if matches!(row.at, At::Briefly(_)) {
                    // Two of these last longer than the run.
                    all.retain(|(_, harm, _)| *harm != Harm::Lasting);
                }
                for (name, harm, fault) in all {
                    add(name, harm, Hostility::Answer(fault));
                }
                if row.takes_crowds() {
                    for (name, crowd) in CROWDS {
                        add(name.to_owned(), Harm::None, Hostility::Crowd(crowd));
                    }
                }
            }
        }
    }
    cases
}

#[test]
fn no_server_misleads_a_run_or_delays_it_beyond_its_deadline() {
    let cases = cases();
    let only = std::env::var("HOSTILE").unwrap_or_default();
    let cases: Vec<&Case> = cases
        .iter()
        .filter(|case| case.title().contains(&only))
        .collect();
    let tally = Mutex::new(Tally::default());
    let began = Instant::now();
    let (crowds, others): (Vec<&Case>, Vec<&Case>) = cases.iter().partition(|case| case.is_crowd());
    play_all(&others, AT_ONCE, &tally);
    play_all(&crowds, CROWDS_AT_ONCE, &tally);
    let mut tally = tally.into_inner().unwrap();
    if strayed() > 0 {
        tally
            .violations
            .push(format!("{} redirects were followed", strayed()));
    }
    // Past the harness, which keeps to itself what a good test prints.
    let _ = writeln!(
        std::io::stderr(),
        "hostile servers: {} cases, {} violations; peak memory {} MiB; worst overshoot of a deadline, start and restart included, {:.1} s ({}); {:.0} s",
        cases.len(),
        tally.violations.len(),
        tally.peak.div_ceil(1024),
        tally.overshoot.as_secs_f64(),
        tally.worst,
        began.elapsed().as_secs_f64(),
    );
    assert!(
        tally.violations.is_empty(),
        "{}",
        tally.violations.join("\n\n")
    );
}

fn play_all(cases: &[&Case], at_once: usize, tally: &Mutex<Tally>) {
    let next = Mutex::new(cases.iter());
    let spare = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().unwrap().next() else {
                        return;
                    };
                    let played = thread::scope(|scope| scope.spawn(|| case.play(&spare)).join());
                    let mut tally = tally.lock().unwrap();
                    match played {
                        Ok((seen, wrong)) => tally.take(case, &seen, &wrong),
                        Err(_) => tally.violations.push(format!("{}: no scene", case.title())),
                    }
                }
            });
        }
    });
}

impl Tally {
    fn take(&mut self, case: &Case, seen: &Seen, wrong: &[String]) {
        self.peak = self.peak.max(seen.peak);
        let over = seen
            .took
            .saturating_sub(Duration::from_secs(case.seconds()));
        if over > self.overshoot {
            self.overshoot = over;
            self.worst = case.title();
        }
        if !wrong.is_empty() {
            let Output {
                code,
                stdout,
                stderr,
            } = &seen.output;
            let short = |text: &str| text.chars().take(1500).collect::<String>();
            self.violations.push(format!(
                "{}: {}\nexit {code} after {:?}, {} KiB\n{}---\n{}",
                case.title(),
                wrong.join("; "),
                seen.took,
                seen.peak,
                short(stdout),
                short(stderr)
            ));
        }
    }
}

impl Case {
    fn title(&self) -> String {
        format!("{}: {}", self.row.name, self.name)
    }

    /// How long it may take.
    fn seconds(&self) -> u64 {
        match self.goes_well() {
            true => self.row.seconds.max(120),
            false => self.row.seconds,
        }
    }

    fn is_crowd(&self) -> bool {
        matches!(self.hostility, Hostility::Crowd(_))
    }

    /// Whether nothing keeps it from its end.
    fn goes_well(&self) -> bool {
        self.harm == Harm::None && self.row.codes[0] == 0
    }

    fn play(&self, spare: &Mutex<Vec<Scene>>) -> (Seen, Vec<String>) {
        let crowded = self.is_crowd();
        let plain = self.row.node == After::Untouched && !crowded;
        let plain = plain && !matches!(self.row.at, At::Probe);
        let used = if plain {
            spare.lock().unwrap().pop()
        } else {
            None
        };
        let scene = used.unwrap_or_else(|| Scene::with(Options::default()));
        let kubeconfig = self.set(&scene);
        let before = state(&scene);
        let seen = self.run(&scene, kubeconfig);
        let wrong = self.judge(&scene, &seen, &before);
        if plain && wrong.is_empty() && state(&scene) == before {
            scene.node.api().clear_faults();
            scene.node.api().clear_requests();
            spare.lock().unwrap().push(scene);
        }
        (seen, wrong)
    }

    /// Lets the server turn hostile; the kubeconfig to use, where it is not the node's.
    fn set(&self, scene: &Scene) -> Option<PathBuf> {
        let api = scene.node.api();
        match (&self.hostility, self.row.at) {
            (Hostility::Answer(fault), At::Always(question) | At::Thoroughly(question)) => {
                api.inject(question.matcher(), fault.clone())
            }
            (Hostility::Answer(fault), At::Briefly(question)) => {
                api.inject(question.matcher().times(2), fault.clone())
            }
            (Hostility::Crowd(crowd), _) if self.row.is_list() => drop(api.add_csrs(crowd())),
            (Hostility::Wire(wire), At::Connections(good)) => {
                let front = sit(
                    *wire,
                    (Ipv4Addr::LOCALHOST, 0).into(),
                    api.address(),
                    good,
                    api.ca(),
                );
                let own =
                    fs::read_to_string(scene.node.path("/etc/kubernetes/kubelet.conf")).unwrap();
                let path = scene.node.path("/hostile.conf");
                fs::write(&path, own.replace(&api.url(), &format!("https://{front}"))).unwrap();
                (self.row.besides)(scene);
                return Some(path);
            }
            (Hostility::Wire(wire), At::Probe) => {
                let port = scene.node.kubelet_port();
                sit(*wire, (PROBED, port).into(), api.address(), 0, api.ca());
                let node = NodeSpec::new(scene.node.name(), &PROBED.to_string());
                api.set_node(NodeSpec {
                    kubelet_port: port,
                    ..node
                });
            }
            _ => {}
        }
        (self.row.besides)(scene);
        None
    }

    fn run(&self, scene: &Scene, kubeconfig: Option<PathBuf>) -> Seen {
        let mut command = scene.node.command(binary());
        // What is to go well has the time for it on a busy machine, and needs it nowhere else.
        let patient = |word: &&'static str| match *word {
            "2s" if self.goes_well() => "600s",
            word => word,
        };
        command.args(self.row.arguments.iter().map(patient));
        if let Some(path) = kubeconfig {
            command.arg("--kubeconfig").arg(path);
        }
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            if let (Hostility::Crowd(crowd), false) = (&self.hostility, self.row.is_list()) {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) && !scene.is_watched() {
                        thread::sleep(Duration::from_millis(5));
                    }
                    scene.node.api().add_csrs(crowd());
                });
            }
            let began = pace::now();
            let piped = command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut child = piped.spawn().unwrap();
            let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
            let stdout = scope.spawn(|| drain(out));
            let stderr = scope.spawn(|| drain(err));
            let limit = Duration::from_secs(self.seconds()) + SLACK * 2;
            let (peak, status) = watch(&mut child, limit);
            let took = pace::now() - began;
            over.store(true, Ordering::Relaxed);
            let output = Output {
                code: status
                    .code()
                    .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
                stdout: stdout.join().unwrap(),
                stderr: stderr.join().unwrap(),
            };
            standins::schema::check_output(&output.stdout);
            Seen { output, took, peak }
        })
    }

    /// What is wrong with it.
    fn judge(&self, scene: &Scene, seen: &Seen, before: &State) -> Vec<String> {
        let mut wrong = Vec::new();
        // What harms nothing does not keep `apply` from its work.
        let node = match self.row.node {
            After::Untouched if seen.output.code == 0 && self.row.arguments.contains(&"apply") => {
                After::Applied
            }
            node => node,
        };
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        let Output {
            code,
            stdout,
            stderr,
        } = &seen.output;
        let [fine, useless, forbidden] = self.row.codes;
        let right_code = match self.harm {
            Harm::None => *code == fine,
            Harm::Useless | Harm::Lasting => *code == useless,
            Harm::Forbidding => *code == forbidden,
            Harm::Some => self.row.codes.contains(code),
        };
        // Some wrong types do not matter to a verb that does not look there.
        let lenient = self.row.asks_for_an_object();
        // After an event that cannot be read the requests are listed again, and the list has the request.
        let relisted = self.row.is_watch() && matches!(self.harm, Harm::Useless | Harm::Lasting);
        must(
            right_code || (lenient && self.row.codes.contains(code)) || (relisted && *code == fine),
            "the exit code",
        );
        must(!stderr.contains("panicked"), "a panic");
        must((1..MEMORY).contains(&seen.peak), "memory");
        must(
            seen.took < Duration::from_secs(self.seconds()) + SLACK,
            "the deadline",
        );
        let plain = |text: &str| text.chars().all(|c| c == '\n' || !c.is_control());
        must(plain(stdout) && plain(stderr), "control characters");
        must(
            *code <= 1 || stderr.contains("error: cannot "),
            "no error is told",
        );
        if self.row.arguments.contains(&"json") {
            let document = serde_json::from_str::<serde_json::Value>(stdout).unwrap_or_default();
            let conditions = document["conditions"].as_array();
            must(conditions.is_some_and(|all| all.len() == 9), "the document");
        } else {
            let mut right = scene.new_requests();
            // Others put on this node's name are not the kubelet's.
            right.retain(|name| is_kubelets(name));
            if right.is_empty() && node == After::Untouched {
                right.push(scene.old[0].clone());
            }
            let names: Vec<&str> = stdout.lines().collect();
            must(
                names.iter().all(|name| right.iter().any(|one| one == name)),
                "a wrong name",
            );
            let named = *code == 0 || matches!(self.row.at, At::Probe);
            must(names.is_empty() != named, "a name, or none");
        }
        let after = state(scene);
        match node {
            After::Untouched => must(after == *before, "the node was touched"),
            After::Applied => {
                must(
                    scene.node.config().contains("\nserverTLSBootstrap: true\n"),
                    "not applied",
                );
                must(after.starts == before.starts + 1, "the number of restarts");
                must(scene.node.is_healthy(), "the kubelet is not healthy");
                must(after.receipt.contains("\"Done\""), "the receipt");
            }
        }
        wrong
    }
}

/// Whether this is a name that the API server makes for `csr-`.
fn is_kubelets(name: &str) -> bool {
    let suffix = name.strip_prefix("csr-").unwrap_or_default();
    suffix.len() == 5
        && suffix
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// What the tool could have changed.
#[derive(Debug, PartialEq)]
struct State {
    config: String,
    inode: (u64, i64, i64),
    starts: usize,
    receipt: String,
}

fn state(scene: &Scene) -> State {
    let metadata = fs::metadata(scene.node.config_path()).unwrap();
    let receipt = scene.node.path("/var/lib/kubelet-tls/receipt.json");
    State {
        config: scene.node.config(),
        inode: (metadata.ino(), metadata.mtime(), metadata.mtime_nsec()),
        starts: scene.node.kubelet_starts(),
        receipt: fs::read_to_string(receipt).unwrap_or_default(),
    }
}

fn drain(mut pipe: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(1 << 20).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Looks at its memory until it ends; one that never ends is ended.
fn watch(child: &mut Child, limit: Duration) -> (u64, std::process::ExitStatus) {
    let began = pace::now();
    let mut peak = 0;
    loop {
        peak = peak.max(memory::peak(child.id()).unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            return (peak, status);
        }
        if pace::now() - began > limit {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(5));
    }
}
