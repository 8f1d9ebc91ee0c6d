//! A clock that is wrong, and one that is stepped while the program runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use standins::{Fault, Matcher, Node, Options, Output};

use support::harness;

const TOOL: &str = env!("CARGO_BIN_EXE_kubelet-tls");
const ENABLED: &str = "serverTLSBootstrap: true\n";
const HOUR: i64 = 3600;
/// How far the clock is ahead before the step, in seconds: enough to be seen, and to step back an hour from with every
/// certificate still valid.
const AHEAD: i64 = 48 * HOUR;
/// What a run takes here at most; it waits for a request for 6 s.
const SANE: Duration = Duration::from_secs(25);
/// What happens within 1 s.
const SOON: Duration = Duration::from_secs(20);

/// A clock that was wrong when the config was last written: it costs one restart at most, and never the change.
pub fn a_clock_that_jumps() {
    const APPLY: [&str; 5] = ["apply", "--wait", "none", "--settle", "0s"];
    let times = [
        ("1970", SystemTime::UNIX_EPOCH),
        ("2 hours on", SystemTime::now() + Duration::from_secs(7200)),
        (
            "years on",
            SystemTime::now() + Duration::from_secs(500_000_000),
        ),
    ];
    let mut options = Options::default();
    options.knobs.standalone = true;
    let node = Node::new(options);
    let before = node.config();
    for (when, time) in times {
        let jump = || {
            let file = fs::File::open(node.config_path()).expect("the file");
            file.set_modified(time).expect("mtime");
        };
        node.edit_config(|_| before.clone());
        node.restart_kubelet();
        jump();
        let starts = node.kubelet_starts();
        let run = node.run(TOOL, &APPLY);
        assert_eq!(run.code, 0, "{when}: {}", run.stderr);
        assert!(node.config().contains(ENABLED), "{when}");
        assert_eq!(node.kubelet_starts(), starts + 1, "{when}");
        // After the change, and before a run that has nothing to do.
        jump();
        for _ in 0..3 {
            let run = node.run(TOOL, &APPLY);
            assert_eq!(run.code, 0, "{when}: {}", run.stderr);
        }
        assert!(node.kubelet_starts() <= starts + 2, "{when}");
        assert!(node.is_healthy(), "{when}");
    }
}

/// When the clock is stepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The node and the API server were looked at, and nothing is written.
    BeforeTheWrite,
    /// The kubelet has been restarted and is watched.
    Settling,
    /// It has settled, and has made no request.
    Asking,
}

/// `settimeofday` while the program waits: deadlines go by CLOCK_MONOTONIC, and what is compared with the times of files
/// and certificates costs a wrong verdict on them at most, and never the change.
pub fn a_clock_that_is_stepped() {
    let Some(faketime) = faketime() else {
        let missing = "no libfaketime; .ci/run installs it";
        assert!(!harness::is_required(), "{missing}");
        eprintln!("skipped clock::a_clock_that_is_stepped: {missing}");
        return;
    };
    let now = i64::try_from(unix_now().as_secs()).expect("this century");
    let steps = [
        ("an hour on", HOUR),
        ("an hour back", -HOUR),
        ("to 1970", HOUR - AHEAD - now),
        ("twenty years on", 20 * 365 * 24 * HOUR),
    ];
    std::thread::scope(|scope| {
        let tries = steps.map(|(name, step)| {
            let faketime = &faketime;
            scope.spawn(move || {
                for moment in [Moment::BeforeTheWrite, Moment::Settling, Moment::Asking] {
                    stepped(&format!("{name}, {moment:?}"), step, moment, faketime);
                }
            })
        });
        let failed: Vec<String> = tries
            .into_iter()
            .filter_map(|one| one.join().err())
            .map(|panic| panic.downcast_ref::<String>().cloned().unwrap_or_default())
            .collect();
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    });
}

fn stepped(what: &str, step: i64, moment: Moment, faketime: &Path) {
    let mut options = Options::default();
    if moment == Moment::Asking {
        options.knobs.csr_delay_ms = 2000;
    }
    let node = Node::new(options);
    let clock = Clock::new(faketime);
    clock.set(AHEAD);
    let (before, starts) = (node.config(), node.kubelet_starts());
    let settle = match moment {
        Moment::Settling => "1500ms",
        Moment::BeforeTheWrite | Moment::Asking => "100ms",
    };
    let apply = ["apply", "--settle", settle, "--timeout", "6s", "-o", "json"];
    // The last that is asked for before the write.
    let get = Matcher::new().agent("kubelet-tls/").path("/api/v1/nodes/");
    if moment == Moment::BeforeTheWrite {
        let late = Fault::Delay(Duration::from_secs(2));
        node.api().inject(get.once(), late);
    }
    node.api().clear_requests();
    let began = Instant::now();
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| clock.run(&node, &apply));
        let is_due = |node: &Node| match moment {
            Moment::BeforeTheWrite => {
                let requests = node.api().requests();
                requests.iter().any(|get| get.target.contains("/nodes/"))
            }
            Moment::Settling | Moment::Asking => {
                node.kubelet_starts() > starts && node.is_healthy()
            }
        };
        assert!(node.wait_for(SOON, is_due), "{what}: it is not so far");
        std::thread::sleep(Duration::from_millis(match moment {
            Moment::BeforeTheWrite => 200,
            Moment::Settling => 400,
            Moment::Asking => 900,
        }));
        let changed = node.config() != before;
        assert_eq!(
            changed,
            moment != Moment::BeforeTheWrite,
            "{what}: too late"
        );
        clock.set(AHEAD + step);
        run.join().expect("a run")
    });
    let took = began.elapsed();
    let said = format!("{what}: {}{}", run.stdout, run.stderr);
    assert!(took < SANE, "{took:?}: {said}");
    let document: serde_json::Value = serde_json::from_str(&run.stdout).expect(&said);
    // The cluster's certificates are good for a year from now on, and the watch is a new connection, which verifies them.
    let verifiable = step.abs() <= HOUR;
    if moment == Moment::BeforeTheWrite && !verifiable {
        assert_eq!(run.code, 75, "{said}");
        assert!(
            run.stderr
                .contains("its certificate has expired or is not valid yet"),
            "{said}"
        );
    } else {
        assert_eq!(run.code, 0, "{said}");
        let requests = node.api().csrs_of(node.name());
        let names: Vec<&str> = requests.iter().map(|csr| &*csr.metadata.name).collect();
        assert_eq!(
            names,
            [document["csr"]["name"].as_str().expect(&said)],
            "{said}"
        );
    }
    assert_eq!(document["changed"], true, "{said}");
    assert_eq!(document["restart"]["healthy"], true, "{said}");
    assert!(node.config().contains(ENABLED), "{said}");
    assert_eq!(node.kubelet_starts(), starts + 1, "{said}");
    // What it took for the time when it began to write.
    let receipt = fs::read_to_string(node.path("/var/lib/kubelet-tls/receipt.json")).expect(&said);
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect(&said);
    assert_eq!(receipt["state"], "Done", "{receipt}: {said}");
    let started: jiff::Timestamp = receipt["started"]
        .as_str()
        .and_then(|time| time.parse().ok())
        .expect(&said);
    let seen = started.as_second() - i64::try_from(unix_now().as_secs()).expect("this century");
    let faked = AHEAD
        + if moment == Moment::BeforeTheWrite {
            step
        } else {
            0
        };
    assert!(
        (seen - faked).abs() < 60,
        "{seen} s ahead: {receipt}: {said}"
    );

    let next = clock.run(&node, &apply);
    let wanted = if verifiable { 0 } else { 69 };
    assert_eq!(next.code, wanted, "{what}: {}{}", next.stdout, next.stderr);
    clock.set(0);
    let next = clock.run(&node, &apply);
    assert_eq!(next.code, 0, "{what}: {}{}", next.stdout, next.stderr);
    assert!(node.kubelet_starts() <= starts + 2, "{what}");
    let undone = clock.run(&node, &["rollback", "--settle", "100ms"]);
    assert_eq!(
        (undone.code, node.config()),
        (0, before),
        "{what}: {}",
        undone.stderr
    );
    assert!(node.is_healthy(), "{what}");
}

/// A clock for one program, apart from the machine's.
struct Clock {
    faketime: PathBuf,
    directory: tempfile::TempDir,
}

impl Clock {
    fn new(faketime: &Path) -> Self {
        Self {
            faketime: faketime.to_owned(),
            directory: tempfile::tempdir().expect("a directory"),
        }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("ahead")
    }

    /// Steps it to so many seconds before the machine's, at once.
    fn set(&self, ahead: i64) {
        let new = self.directory.path().join("new");
        fs::write(&new, format!("{ahead:+}\n")).expect("a file");
        fs::rename(&new, self.file()).expect("a file");
    }

    /// Runs the program by this clock.
    fn run(&self, node: &Node, arguments: &[&str]) -> Output {
        let settings = [
            format!("LD_PRELOAD={}", self.faketime.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file().display()),
            // It is read at every look at the clock.
            "FAKETIME_NO_CACHE=1".into(),
            // CLOCK_MONOTONIC, which a step leaves alone.
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
            // The times of files are those of before the step.
            "NO_FAKE_STAT=1".into(),
        ];
        let mut command = node.command("timeout");
        command
            .args(["-s", "KILL", "60", "env"])
            .args(settings)
            .arg(TOOL)
            .args(arguments)
            .stdin(Stdio::null());
        Output::of(&mut command)
    }
}

/// Where Debian and Fedora put it.
fn faketime() -> Option<PathBuf> {
    let arch = std::env::consts::ARCH;
    [format!("/usr/lib/{arch}-linux-gnu"), "/usr/lib64".into()]
        .map(|libraries| Path::new(&libraries).join("faketime/libfaketime.so.1"))
        .into_iter()
        .find(|library| library.is_file())
}

fn unix_now() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.expect("after 1970")
}
