//! Runs tests as libtest does, but two at a time at most, and with a say in whether they run at all.
//!
//! libtest swallows the output of tests that pass, so it has no way to tell that they only passed because they were
//! skipped. Its own command line is understood as far as cargo, nextest and editors use it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

/// A test and its name.
pub type Test = (&'static str, fn());

/// Set where a skipped test must be noticed, as in continuous integration.
const REQUIRED: &str = "KUBELET_TLS_REQUIRE_NODE_TESTS";

thread_local! {
    static FAILURE: RefCell<String> = const { RefCell::new(String::new()) };
}

#[derive(Default)]
struct Arguments {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    only_ignored: bool,
    threads: Option<usize>,
}

/// Runs the tests that the command line asks for, provided that `ready` finds nothing missing; `what` they are called
/// where they are skipped.
pub fn run(tests: &[Test], what: &str, ready: impl FnOnce() -> Result<(), String>) -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let chosen: VecDeque<Test> = tests
        .iter()
        .copied()
        .filter(|(name, _)| arguments.choose(name))
        .collect();
    if arguments.list {
        for (name, _) in &chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }

    let started = Instant::now();
    let (number, filtered) = (chosen.len(), tests.len() - chosen.len());
    println!(
        "\nrunning {number} test{}",
        if number == 1 { "" } else { "s" }
    );
    let mut failed = Vec::new();
    let (mut passed, mut skipped) = (0, 0);
    if number > 0 {
        match ready() {
            Ok(()) => {
                failed = run_all(chosen, arguments.threads.unwrap_or(2).min(2));
                passed = number - failed.len();
            }
            Err(reason) if is_required() => {
                failed.push((
                    what.to_owned(),
                    format!("{REQUIRED}=1, but they cannot run: {reason}"),
                ));
            }
            Err(reason) => {
                skipped = number;
                println!("skipped the {number} {what}: {reason}");
            }
        }
    }
    if !failed.is_empty() {
        println!("\nfailures:\n");
        for (name, message) in &failed {
            println!("---- {name} ----\n{message}\n");
        }
        println!("failures:");
        for (name, _) in &failed {
            println!("    {name}");
        }
    }
    println!(
        "\ntest result: {}. {passed} passed; {} failed; {skipped} ignored; 0 measured; {filtered} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    // libtest's own code for failed tests
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

/// Whether a test that cannot run fails.
pub fn is_required() -> bool {
    std::env::var_os(REQUIRED).is_some_and(|value| value == "1")
}

fn run_all(chosen: VecDeque<Test>, threads: usize) -> Vec<(String, String)> {
    panic::set_hook(Box::new(|panic| {
        // beside its own thread's, so that the report names the test; no one collects that of a helper thread
        if thread::current()
            .name()
            .is_some_and(|name| name.starts_with("test "))
        {
            FAILURE.with_borrow_mut(|failure| failure.push_str(&format!("{panic}\n")));
        } else {
            eprintln!("{panic}");
        }
    }));
    let queue = Mutex::new(chosen);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..threads.max(1) {
            let worker = thread::Builder::new()
                .name(format!("test {number}"))
                .spawn_scoped(scope, || {
                    loop {
                        let next = queue.lock().expect("no panic under the lock").pop_front();
                        let Some((name, test)) = next else { break };
                        let started = Instant::now();
                        let passed = panic::catch_unwind(AssertUnwindSafe(test)).is_ok();
                        let verdict = if passed { "ok" } else { "FAILED" };
                        println!(
                            "test {name} ... {verdict} <{:.1}s>",
                            started.elapsed().as_secs_f64()
                        );
                        let message = FAILURE.with_borrow_mut(std::mem::take);
                        if !passed {
                            failed
                                .lock()
                                .expect("no panic under the lock")
                                .push((name.to_owned(), message));
                        }
                    }
                });
            worker.expect("a thread");
        }
    });
    failed.into_inner().expect("no panic under the lock")
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            let (option, value) = match argument.split_once('=') {
                Some((option, value)) => (option, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            match option {
                "--list" => parsed.list = true,
                "--exact" => parsed.exact = true,
                "--ignored" => parsed.only_ignored = true,
                "--skip" => parsed.skip.extend(value.or_else(|| arguments.next())),
                "--test-threads" => {
                    parsed.threads = value
                        .or_else(|| arguments.next())
                        .and_then(|n| n.parse().ok())
                }
                "--format" | "--color" | "--logfile" | "-Z" if value.is_none() => {
                    drop(arguments.next())
                }
                option if option.starts_with('-') => {}
                _ => parsed.filters.push(argument),
            }
        }
        parsed
    }

    fn choose(&self, name: &str) -> bool {
        let matches = |filter: &String| {
            if self.exact {
                name == filter
            } else {
                name.contains(filter.as_str())
            }
        };
        // none of these tests is an ignored one
        !self.only_ignored
            && (self.filters.is_empty() || self.filters.iter().any(matches))
            && !self.skip.iter().any(matches)
    }
}
