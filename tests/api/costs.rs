//! What it costs: calls, memory, and the time from a request to its name.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use standins::api::{Csr, Logged, Matcher};
use standins::pki::Sans;
use standins::{ApiServer, Config, Fault, Knobs, KubeconfigStyle, Node, Options, Output, memory};

use support::binary;

use super::scene::{play, watches, with_kubeconfig};

/// Requests of so many nodes.
fn crowd(count: usize) -> impl Iterator<Item = Csr> {
    // One key for all: making one for each would take longer than the test.
    let one = Csr::kubelet_serving("other", &Sans::default());
    (0..count).map(move |n| {
        let mut csr = one.clone();
        csr.spec.username = format!("system:node:other-{n}");
        csr
    })
}

#[test]
fn one_list_one_watch_and_two_gets_at_most_however_many_requests_there_are() {
    let crowds = [("0", 0), ("1,000", 1000), ("5,000", 5000)];
    play(&crowds, |count| {
        // The kubelet keeps away from the API, so that every call is the tool's.
        let knobs = Knobs {
            standalone: true,
            ..Knobs::default()
        };
        let node = Node::new(Options {
            knobs,
            ..Options::default()
        });
        let api = node.api();
        api.add_csrs(crowd(*count));
        api.clear_requests();
        let over = AtomicBool::new(false);
        let apply = thread::scope(|scope| {
            scope.spawn(|| {
                let watched = |log: Vec<Logged>| log.iter().any(is_watch);
                while !over.load(Ordering::Relaxed) && !watched(api.requests()) {
                    thread::sleep(Duration::from_millis(5));
                }
                api.add_csr(Csr::kubelet_serving("worker-1", &Sans::default()));
            });
            let apply = node.run(binary(), &["apply", "--settle", "500ms"]);
            over.store(true, Ordering::Relaxed);
            apply
        });
        assert_eq!(apply.code, 0, "{}", apply.stderr);
        let log = api.requests();
        let count = |kind: fn(&Logged) -> bool| log.iter().filter(|call| kind(call)).count();
        let is_csr = |call: &Logged| call.target.contains("certificatesigningrequests?");
        assert_eq!(count(is_watch), 1, "{log:?}");
        assert_eq!(count(is_csr) - count(is_watch), 1, "{log:?}");
        assert!(log.len() <= 4, "{log:?}");
        assert!(log.iter().all(|call| call.method == "GET"), "{log:?}");
    });
}

fn is_watch(call: &Logged) -> bool {
    call.target.contains("watch=true")
}

/// The most memory it ever had resident, in KiB, looked at until it ends.
fn peak(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(memory::peak(child.id()).unwrap_or(0));
        thread::sleep(Duration::from_millis(1));
    }
    peak
}

const MEMORY: u64 = 64 * 1024;

/// That `csr` prints this name, with as little memory as ever beside these other requests.
fn assert_csr_is_small(others: &str, kubeconfig: &Path, name: &str) {
    let mut command = with_kubeconfig(kubeconfig, &["csr"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let peak = peak(&mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{name}\n"));
    eprintln!("memory with {others}: {} MiB", peak / 1024);
    assert!((1..MEMORY).contains(&peak), "{peak} KiB");
}

#[test]
fn memory_stays_small_with_20_000_requests() {
    let api = ApiServer::start(Config::default());
    api.add_csrs(crowd(20_000));
    let name = api.add_csr(Csr::kubelet_serving("worker-1", &Sans::default()));
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig =
        api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Kubelet);
    assert_csr_is_small("20,000 requests", &kubeconfig, &name);
}

#[test]
fn memory_stays_small_whatever_a_watch_sends() {
    let event = |object: String| format!("{{\"type\":\"ADDED\",\"object\":{object}}}\n");
    let megabytes = 4_000_000;
    let zeros = event(format!("[{}0]", "0,".repeat(megabytes / 2 - 50)));
    let lists = event(format!("[{}0]", "[],".repeat(megabytes / 3 - 50)));
    let fields = event(format!(
        "{{\"metadata\":{{\"resourceVersion\":\"1\"}},\"x\":[{}0]}}",
        "{\"a\":0},".repeat(megabytes / 8 - 50)
    ));
    let error = format!(
        "{{\"type\":\"ERROR\",\"object\":{{\"code\":500,\"x\":[{}0]}}}}\n",
        "{\"a\":0},".repeat(megabytes / 8 - 50)
    );
    let scenes = [
        ("zeros", zeros),
        ("lists", lists),
        ("fields", fields),
        ("an error", error),
        ("no end", "a".repeat(20_000_000)),
        ("no ends", "{}\n".repeat(2_000_000)),
    ];
    play(&scenes, |body| {
        let knobs = Knobs {
            never_csr: true,
            ..Knobs::default()
        };
        let node = Node::new(Options {
            knobs,
            ..Options::default()
        });
        node.api()
            .inject(watches(), Fault::Body(body.clone().into_bytes()));
        let mut command = node.command(binary());
        command.args(["apply", "--settle", "0s", "--timeout", "2s"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let peak = peak(&mut child);
        assert_eq!(child.wait().unwrap().code(), Some(75));
        assert!((1..MEMORY).contains(&peak), "{peak} KiB");
    });
}

#[test]
fn a_request_is_named_as_soon_as_it_exists() {
    let node = Node::new(Options::default());
    let mut delays: Vec<Duration> = (0..15).map(|_| delay(&node)).collect();
    delays.sort();
    let median = delays[delays.len() / 2];
    eprintln!(
        "from a request to its name: median {median:?}, longest {:?}",
        delays[14]
    );
    assert!(median < Duration::from_secs(1), "{delays:?}");
}

/// From the request's creation in the API to its name on standard output.
fn delay(node: &Node) -> Duration {
    let mut command = node.command(binary());
    // Each restart makes a new request. The settling time must not delay its name.
    command.args(["apply", "--restart", "always", "--settle", "500ms"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let shown: Vec<(String, Instant)> = lines
        .map(|line| (line.unwrap(), Instant::now()))
        .filter(|(line, _)| line.starts_with("csr-"))
        .collect();
    assert!(child.wait().unwrap().success());
    let [(name, at)] = shown.as_slice() else {
        panic!("{shown:?}");
    };
    at.duration_since(node.api().created_at(name).unwrap())
}

#[test]
fn requests_without_end_of_another_node_are_read_in_pages_of_bounded_size() {
    let api = ApiServer::start(Config::default());
    let name = api.add_csr(Csr::kubelet_serving("worker-1", &Sans::default()));
    let mut large = Csr::kubelet_serving("other", &Sans::default());
    large.spec.request = "A".repeat(1_400_000);
    api.add_csrs((0..LARGE).map(|_| large.clone()));
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig =
        api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Kubelet);
    assert_csr_is_small(&format!("{LARGE} large requests"), &kubeconfig, &name);
    // A list that expires on the way is begun again, once.
    let expired = || Fault::Status(410, None);
    let later = || Matcher::new().path("&continue=");
    api.inject(later().once(), expired());
    let output = Output::of(&mut with_kubeconfig(&kubeconfig, &["csr"]));
    assert_eq!(output.stdout, format!("{name}\n"), "{}", output.stderr);
    api.inject(later(), expired());
    let output = Output::of(&mut with_kubeconfig(&kubeconfig, &["csr"]));
    assert_eq!(output.code, 69, "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("a list expires before it is read to its end"),
        "{}",
        output.stderr
    );
}

/// So many requests are more than two of the pages that are read whole.
const LARGE: usize = 24;
