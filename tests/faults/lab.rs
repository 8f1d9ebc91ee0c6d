//! Every call of a run, each fault that it can meet, one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Mutex;
use std::thread;

use super::scene::{End, Place, Scenario, Scene};
use super::trace::{self, Call, Fault, Thread, WRITE_ERRORS};

/// A run waits more than it works, so several scenes play at once: more where it waits for a request or an API server.
const SCENES: (usize, usize, usize) = (5, 20, 8);
/// How often a run is made undisturbed, to learn which calls it makes.
const LOOKS: usize = 3;
/// How often a fault is tried that does not come to pass, because that run made fewer calls.
const TRIES: usize = 4;
/// Without `FAULTS=all`: of the faults in calls that write nothing, one in so many.
const SAMPLE: usize = 10;
/// The same of runs of thousands of calls.
const LONG_SAMPLE: usize = 400;
/// A scenario says how far it is after so many faults.
const PROGRESS: usize = 250;
/// In those, of the calls that write a file one in so many is where a run is killed.
const LONG_KILLS: usize = 2;
/// In those, of the calls that write a file one in so many fails.
const LONG_ERRORS: usize = 5;

/// What came of it, of all scenarios.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: usize,
    pub injected: usize,
    pub not_fired: usize,
    pub violations: usize,
}

pub static TALLY: Mutex<Tally> = Mutex::new(Tally {
    calls: 0,
    injected: 0,
    not_fired: 0,
    violations: 0,
});

/// How many of the faults are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Sample,
    /// The kill at every call, and no errors.
    Kills,
    All,
}

/// What `FAULTS` asks for: `all`, `kills`, or without it a sample.
pub fn extent() -> Extent {
    match std::env::var("FAULTS").as_deref() {
        Ok("all") => Extent::All,
        Ok("kills") => Extent::Kills,
        _ => Extent::Sample,
    }
}

/// How many scenes play at once: what `FAULTS_SCENES` says, or as many as suit the runs made at `place`.
fn scenes_at(place: Place) -> usize {
    let asked = std::env::var("FAULTS_SCENES").ok();
    asked
        .and_then(|scenes| scenes.parse().ok())
        .unwrap_or(match place {
            Place::NodeOfCluster => SCENES.1,
            Place::ControlPlane => SCENES.2,
            _ => SCENES.0,
        })
}

const SETTLE: [&str; 7] = ["apply", "--wait", "none", "--settle", "100ms", "-o", "json"];

pub fn a_file_by_itself() {
    play(Scenario {
        name: "apply FILE",
        place: Place::File,
        before: &[],
        run: &["apply"],
        end: End::Changed,
    });
}

pub fn a_node() {
    play(Scenario {
        name: "apply",
        place: Place::Node,
        before: &[],
        run: &SETTLE,
        end: End::Changed,
    });
}

pub fn a_request_that_is_waited_for() {
    play(Scenario {
        name: "apply, with the request",
        place: Place::NodeOfCluster,
        before: &[],
        run: &WAIT,
        end: End::Changed,
    });
}

pub fn a_certificate_before_the_restart() {
    play(Scenario {
        name: "apply --issue-first",
        place: Place::NodeAheadOfItsKubelet,
        before: &[],
        run: &ISSUE_FIRST,
        end: End::Changed,
    });
}

pub fn a_node_and_its_kubeadm_file() {
    play(Scenario {
        name: "apply --kubeadm-config",
        place: Place::NodeAndKubeadm,
        before: &[],
        run: &SETTLE,
        end: End::Changed,
    });
}

pub fn a_kubelet_that_dies_of_it() {
    play(Scenario {
        name: "apply, rolled back",
        place: Place::Node,
        before: &[],
        run: &SETTLE_LONGER,
        end: End::PutBack,
    });
}

pub fn the_opposite_after_an_earlier_run() {
    play(Scenario {
        name: "apply --disable",
        place: Place::Node,
        before: &[&SETTLE],
        run: &[
            "apply",
            "--disable",
            "--wait",
            "none",
            "--settle",
            "100ms",
            "-o",
            "json",
        ],
        end: End::Changed,
    });
}

pub fn a_rollback() {
    play(Scenario {
        name: "rollback",
        place: Place::Node,
        before: &[&SETTLE],
        run: &["rollback", "--settle", "100ms", "-o", "json"],
        end: End::Undone,
    });
}

pub fn an_api_server() {
    play(Scenario {
        name: "api-server apply",
        place: Place::ControlPlane,
        before: &[],
        run: &VERIFY,
        end: End::Changed,
    });
}

pub fn an_api_server_that_does_not_come_back() {
    play(Scenario {
        name: "api-server apply, rolled back",
        place: Place::ControlPlane,
        before: &[],
        run: &VERIFY_IMPATIENTLY,
        end: End::PutBack,
    });
}

pub fn an_api_server_rolled_back() {
    play(Scenario {
        name: "api-server rollback",
        place: Place::ControlPlane,
        before: &[&VERIFY],
        run: &[
            "api-server",
            "rollback",
            "--settle",
            "100ms",
            "--timeout",
            "20s",
            "-o",
            "json",
        ],
        end: End::Undone,
    });
}

const VERIFY: [&str; 8] = [
    "api-server",
    "apply",
    "--settle",
    "100ms",
    "--timeout",
    "20s",
    "-o",
    "json",
];
/// It waits for an API server that never comes back.
const VERIFY_IMPATIENTLY: [&str; 8] = [
    "api-server",
    "apply",
    "--settle",
    "100ms",
    "--timeout",
    "1500ms",
    "-o",
    "json",
];

/// The time that a kubelet is given to ask before the request of the one before counts is 15 s, which the run after a
/// fault may need.
const WAIT: [&str; 7] = [
    "apply",
    "--settle",
    "100ms",
    "--timeout",
    "20s",
    "-o",
    "json",
];
const ISSUE_FIRST: [&str; 8] = [
    "apply",
    "--issue-first",
    "--settle",
    "100ms",
    "--timeout",
    "20s",
    "-o",
    "json",
];

/// Longer, so that a busy machine does not take a kubelet for well that is about to die.
const SETTLE_LONGER: [&str; 7] = ["apply", "--wait", "none", "--settle", "500ms", "-o", "json"];

fn play(scenario: Scenario) {
    let first = Scene::set(scenario);
    let calls = calls_of(&first);
    let mut planned: Vec<(Call, Fault)> = calls
        .iter()
        .flat_map(|call| call.faults().map(|fault| (call.clone(), fault)))
        .collect();
    match extent() {
        Extent::Sample => planned = sample(planned, scenario.place),
        Extent::Kills => planned.retain(|(_, fault)| *fault == Fault::Kill),
        // A run that is cut short has then tried the kills.
        Extent::All => planned.sort_by_key(|(_, fault)| *fault != Fault::Kill),
    }
    let all = planned.len();
    let queue = Mutex::new(planned.iter().enumerate());
    let (fired, not_fired) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let violations = Mutex::new(Vec::new());
    let work = |scene: Scene| {
        loop {
            let next = queue.lock().expect("no panic").next();
            let Some((number, (call, fault))) = next else {
                break;
            };
            if number > 0 && number % PROGRESS == 0 {
                eprintln!("{}: {number} of {all} faults begun", scenario.name);
            }
            let mut came = false;
            for _ in 0..TRIES {
                let wrong = disturb(&scene, call, *fault);
                if let Some(wrong) = wrong {
                    came = true;
                    fired.lock().expect("no panic").insert((
                        call.thread,
                        call.name.clone(),
                        call.nth,
                        fault.to_string(),
                    ));
                    if !wrong.is_empty() {
                        let wrong = wrong.join("\n    ");
                        let found = format!("{}: {fault} at {call}\n    {wrong}", scenario.name);
                        eprintln!("{found}");
                        violations.lock().expect("no panic").push(found);
                    }
                    break;
                }
            }
            if !came {
                not_fired
                    .lock()
                    .expect("no panic")
                    .push((call.clone(), *fault));
            }
        }
    };
    thread::scope(|scope| {
        let work = &work;
        for _ in 1..scenes_at(scenario.place).min(all) {
            scope.spawn(move || work(Scene::set(scenario)));
        }
        work(first);
    });
    let fired = fired.into_inner().expect("no panic");
    let not_fired = not_fired.into_inner().expect("no panic");
    let violations = violations.into_inner().expect("no panic");
    let tried: BTreeSet<(Thread, &str, u32)> = fired
        .iter()
        .map(|(thread, name, nth, _)| (*thread, name.as_str(), *nth))
        .collect();
    let mut of_threads: BTreeMap<&str, usize> = BTreeMap::new();
    for (thread, ..) in &tried {
        *of_threads.entry(thread.role).or_default() += 1;
    }
    let of_threads: Vec<String> = of_threads
        .iter()
        .map(|(role, calls)| format!("{role} {calls}"))
        .collect();
    println!(
        "{}: {} calls tried ({}), {} faults injected, {} not (their calls were not made), {} violations",
        scenario.name,
        tried.len(),
        of_threads.join(", "),
        fired.len(),
        not_fired.len(),
        violations.len()
    );
    for (call, fault) in not_fired.iter().filter(|(call, _)| call.sure) {
        println!("    did not come to pass: {fault} at {call}");
    }
    let mut tally = TALLY.lock().expect("no panic");
    tally.calls += tried.len();
    tally.injected += fired.len();
    tally.not_fired += not_fired.len();
    tally.violations += violations.len();
    drop(tally);
    assert!(violations.is_empty(), "{}", violations.join("\n"));
    assert!(!fired.is_empty(), "nothing was injected");
    // A run under load may make fewer calls than the undisturbed ones did, but hardly ever.
    let missed = not_fired.iter().filter(|(call, _)| call.sure).count();
    assert!(
        missed * 20 <= all,
        "of {all} faults {missed} did not come to pass",
    );
}

/// Of each call that writes the kill and one error, of all else one in so many. With the request to wait for, the main
/// thread writes what it writes without, so what is always tried is that no thread can be started.
fn sample(planned: Vec<(Call, Fault)>, place: Place) -> Vec<(Call, Fault)> {
    if place == Place::ControlPlane {
        return sample_of_long_runs(planned);
    }
    let elsewhere = place == Place::NodeOfCluster;
    let (mut writes, mut others) = (0, 0);
    let mut keep = |(call, fault): &(Call, Fault)| match fault {
        Fault::Error("EAGAIN") if elsewhere => true,
        Fault::Kill if call.writes() && !elsewhere => {
            writes += 1;
            true
        }
        Fault::Error(errno) if call.writes() && !elsewhere => {
            *errno == WRITE_ERRORS[writes % WRITE_ERRORS.len()]
        }
        _ => {
            others += 1;
            others % SAMPLE == 0
        }
    };
    planned.into_iter().filter(|it| keep(it)).collect()
}

/// Of a run of thousands of calls, most of which read the process table or talk to the API server: the kill at every other
/// call that writes a file, an error at one in so many of them, and few of all else.
fn sample_of_long_runs(planned: Vec<(Call, Fault)>) -> Vec<(Call, Fault)> {
    let (mut kills, mut others) = (0, 0);
    let mut keep = |(call, fault): &(Call, Fault)| match fault {
        Fault::Kill if call.writes_a_file() => {
            kills += 1;
            kills % LONG_KILLS == 0
        }
        Fault::Error(errno) if call.writes_a_file() => {
            kills % LONG_ERRORS == 0
                && *errno == WRITE_ERRORS[kills / LONG_ERRORS % WRITE_ERRORS.len()]
        }
        _ => {
            others += 1;
            others % LONG_SAMPLE == 0
        }
    };
    planned.into_iter().filter(|it| keep(it)).collect()
}

/// The calls of all looks together.
fn calls_of(scene: &Scene) -> Vec<Call> {
    let looks: Vec<Vec<Call>> = (0..LOOKS).map(|_| scene.calls()).collect();
    let same =
        |a: &Call, b: &Call| (a.thread.nth, &a.name, a.nth) == (b.thread.nth, &b.name, b.nth);
    let mut all: Vec<Call> = Vec::new();
    for call in looks.iter().flatten() {
        if !all.iter().any(|other| same(other, call)) {
            let made = |look: &Vec<Call>| look.iter().any(|other| same(other, call));
            // A look at the kernel's list of sockets takes as many reads as the machine's other programs have sockets.
            let sure = call.name != "read" && looks.iter().all(made);
            let mut call = call.clone();
            call.sure = sure;
            all.push(call);
        }
    }
    all
}

/// What a fault broke; none where it did not come to pass.
fn disturb(scene: &Scene, call: &Call, fault: Fault) -> Option<Vec<String>> {
    scene.reset();
    let run = scene.run_with(call, fault);
    let trace = fs::read_to_string(scene.trace()).unwrap_or_default();
    if !fault.fired(&trace) {
        return None;
    }
    let mut wrong = scene.faults_of(&run, fault, trace::lost_the_answer(&trace));
    if !wrong.is_empty() {
        wrong.push(format!("it said: {}{}", run.stdout, run.stderr));
    }
    wrong.extend(scene.faults_of_the_next_run());
    Some(wrong)
}
