//! Killed at random moments, on a real systemd: the next run finishes, every time.
//!
//! `KILLS=1000 cargo test --test node -- kills::` does it as often; without it, a few times.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::command::Finished;
use super::worker::{CONFIG, ENABLED, Worker};
use standins::kubelet::Knobs;
use support::snapshot::{Content, without_line};

/// Without `KILLS`.
const A_FEW: usize = 20;
/// A run waits more than it works.
const MACHINES: usize = 4;
const APPLY: [&str; 6] = ["apply", "--wait", "none", "--settle", "100ms", "-q"];
const RECEIPT: &str = "/var/lib/kubelet-tls/receipt.json";

pub fn a_change_that_is_killed_is_completed_or_undone_by_the_next_run() {
    let kills = std::env::var("KILLS").map_or(Ok(A_FEW), |kills| kills.parse());
    play(kills.expect("a number in KILLS"), "Done");
}

/// The kubelet dies of the change, and the change is rolled back: that too may be killed.
pub fn a_rollback_that_is_killed_is_completed_by_the_next_run() {
    let kills = std::env::var("KILLS").map_or(Ok(A_FEW), |kills| kills.parse());
    play(kills.expect("a number in KILLS") / 10, "PutBack");
}

/// Kills so many runs, each at a moment of its own, and lets the next run finish; `end` is how the receipt ends.
fn play(kills: usize, end: &str) {
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| now.as_secs());
    let (next, states) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for number in 0..MACHINES.min(kills) {
            let (next, states) = (&next, &states);
            scope.spawn(move || {
                let worker = Worker::start(&format!("kills-{number}"));
                let quick = Knobs {
                    start_delay_ms: 20,
                    standalone: true,
                    ..Knobs::default()
                };
                let changed = Knobs {
                    die_after_ms: (end == "PutBack").then_some(30),
                    ..quick.clone()
                };
                worker.behave(quick, changed);
                let before = worker.config().content;
                let mut moments = Moments(seed.wrapping_add(number as u64) | 1);
                // What a run takes undisturbed, at its longest: the machine's first is slow.
                let mut longest = Duration::ZERO;
                for _ in 0..3 {
                    reset(&worker, &before);
                    let run = worker.tool(&APPLY).run();
                    longest = run.took;
                    assert_ends(&worker, &before, &run, end);
                }
                while next.fetch_add(1, Ordering::Relaxed) < kills {
                    // One that has ended before its moment was not killed.
                    let state = std::iter::repeat_with(|| {
                        kill_at(&worker, &before, moments.next(longest), end)
                    })
                    .find_map(|left| left);
                    let mut states = states.lock().expect("no panic");
                    *states.entry(state.unwrap_or_default()).or_insert(0) += 1;
                }
            });
        }
    });
    let states = states.into_inner().expect("no panic");
    let all: usize = states.values().sum();
    assert_eq!(all, kills);
    println!(
        "{kills} runs killed at random (seed {seed}), each finished by the next to {end}; they left {states:?}"
    );
}

/// Kills a run after so long, has the next one finish, and says what the killed one left; none where it had ended.
fn kill_at(worker: &Worker, before: &Content, moment: Duration, end: &str) -> Option<String> {
    reset(worker, before);
    let after = format!("{:.4}", moment.as_secs_f64());
    let mut argv = vec!["timeout", "--signal=KILL", &after, "kubelet-tls"];
    argv.extend(APPLY);
    let killed = worker.machine.run(&argv);
    // Ended by a signal, timeout ends itself by the same.
    let was_killed = killed.signal == Some(9) || killed.code == Some(137);
    let text = worker.config().content.text;
    assert!(
        text == before.text || without_line(&text, ENABLED) == before.text,
        "neither the old file nor the new one after {after} s: {killed}\n{text}"
    );
    let file = if text == before.text { "old" } else { "new" };
    let left = match state(worker) {
        None => "no trace".to_owned(),
        Some(state) => format!("{state} with the {file} file"),
    };
    let next = worker.tool(&APPLY).run();
    assert_ends(worker, before, &next, end);
    was_killed.then_some(left)
}

/// The old file under a kubelet that has read it, and no run before, nor a restart that one has asked for.
fn reset(worker: &Worker, before: &Content) {
    let restarting =
        "while grep -aqs 'restart.kubelet.servic[e]' /proc/[0-9]*/cmdline; do sleep 0.01; done";
    worker.machine.must(&["sh", "-c", restarting]);
    worker.machine.write(CONFIG, &before.text, before.mode);
    worker.machine.must(&["rm", "-rf", "/var/lib/kubelet-tls"]);
    worker.machine.must(&["systemctl", "restart", "kubelet"]);
    worker.await_healthy();
}

fn assert_ends(worker: &Worker, before: &Content, run: &Finished, end: &str) {
    assert_eq!(run.code, Some(if end == "Done" { 0 } else { 78 }), "{run}");
    let now = worker.config().content;
    assert_eq!(now.text.contains(ENABLED), end == "Done", "{run}");
    let undone = Content {
        text: without_line(&now.text, ENABLED),
        ..now
    };
    assert_eq!(undone, *before, "{run}");
    worker.await_healthy();
    assert!(worker.unit().is_running(), "{run}");
    assert!(worker.runs_what_its_config_says(), "{run}");
    assert_eq!(state(worker).as_deref(), Some(end), "{run}");
    let mode = worker.machine.path(RECEIPT).metadata().expect("a receipt");
    assert_eq!(mode.permissions().mode() & 0o7777, 0o600);
    let left = worker.machine.must(&["ls", "-A", "/var/lib/kubelet-tls"]);
    assert_eq!(left, "receipt.json", "{run}");
    worker.assert_no_leftovers();
}

/// The receipt's.
fn state(worker: &Worker) -> Option<String> {
    let text = std::fs::read_to_string(worker.machine.path(RECEIPT)).ok()?;
    let receipt: serde_json::Value = serde_json::from_str(&text).expect("a whole receipt");
    receipt["state"].as_str().map(str::to_owned)
}

/// Random moments, by xorshift64.
struct Moments(u64);

impl Moments {
    fn next(&mut self, longest: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // Never 0, which would be no limit.
        longest.mul_f64((self.0 >> 11) as f64 / (1_u64 << 53) as f64) + Duration::from_micros(100)
    }
}
