//! `apply --issue-first` on a node of stand-ins, its kubelet's port probed throughout.

mod certificate;
mod completion;
mod rollback;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use standins::api::{Csr, NodeSpec};
use standins::pki::{Ca, Request, Sans};
use standins::{Node, Options, Output, hostile};

const SOON: Duration = Duration::from_secs(20);
const ISSUE_FIRST: [&str; 4] = ["apply", "--issue-first", "--settle", "500ms"];

fn node() -> Node {
    Node::new(Options::default())
}

fn run(node: &Node, arguments: &[&str]) -> Output {
    node.run(env!("CARGO_BIN_EXE_kubelet-tls"), arguments)
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.stdout).unwrap()
}

/// `apply --issue-first` with more options.
fn issue_first(node: &Node, more: &[&str]) -> Output {
    run(node, &[&ISSUE_FIRST, more].concat())
}

fn names(node: &Node) -> Vec<String> {
    let csrs = node.api().csrs_of(node.name());
    csrs.into_iter().map(|csr| csr.metadata.name).collect()
}

fn key(node: &Node) -> std::path::PathBuf {
    node.path("var/lib/kubelet-tls/serving-key.pem")
}

fn current(node: &Node) -> std::path::PathBuf {
    node.path("var/lib/kubelet/pki/kubelet-server-current.pem")
}

/// What a client of the kubelet's port meets, each thing once in a row, refused connections left out.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Met {
    SelfSigned,
    Refused,
    Trusted,
    Alert,
}

/// Runs `act` while another thread shakes hands with the kubelet every few milliseconds.
fn probed<T>(node: &Node, act: impl FnOnce() -> T) -> (T, Vec<Met>) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let prober = scope.spawn(|| {
            let mut met = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let now = match node.handshake("127.0.0.1") {
                    Ok(_) => Met::Trusted,
                    Err(error) if error.contains("refused") || error.contains("reset") => {
                        Met::Refused
                    }
                    Err(error) if error.contains("invalid peer certificate") => Met::SelfSigned,
                    Err(error) if error.contains("alert") => Met::Alert,
                    // A connection that was accepted by a process that ends.
                    Err(error) if error.contains("end of file") => Met::Refused,
                    Err(error) => unreachable!("{error}"),
                };
                // While it restarts; a quick one may not be met at all.
                if now != Met::Refused && met.last() != Some(&now) {
                    met.push(now);
                }
                thread::sleep(Duration::from_millis(2));
            }
            met
        });
        let outcome = act();
        // It stays so.
        thread::sleep(Duration::from_millis(300));
        done.store(true, Ordering::Relaxed);
        (outcome, prober.join().unwrap())
    })
}

#[test]
fn with_issue_first_no_handshake_fails() {
    let node = node();
    node.api().auto_approve(Duration::from_millis(200));
    let starts = node.kubelet_starts();
    let (apply, met) = probed(&node, || issue_first(&node, &["-o", "json"]));
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_eq!(met, [Met::SelfSigned, Met::Trusted]);
    assert_eq!((node.kubelet_starts(), names(&node).len()), (starts + 1, 1));
    let document = json(&apply);
    assert_eq!(document["csr"]["name"], names(&node)[0].as_str());
    assert_eq!(document["csr"]["state"], "Issued");
    assert_eq!(document["certificate"]["verified"], true);
    assert_eq!(document["changed"], true);
    assert!(!apply.stderr.contains("refuses TLS"), "{}", apply.stderr);

    // As the kubelet's own store has it.
    let pair = fs::read_link(current(&node)).unwrap();
    let name = pair.file_name().unwrap().to_str().unwrap();
    assert!(
        name.starts_with("kubelet-server-20") && name.ends_with(".pem"),
        "{name}"
    );
    assert_eq!(
        fs::metadata(&pair).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let text = fs::read_to_string(&pair).unwrap();
    assert!(text.find("CERTIFICATE").unwrap() < text.find("PRIVATE KEY").unwrap());
    assert!(!key(&node).exists());
    // As a kubelet asks.
    let csr = &node.api().csrs_of(node.name())[0];
    assert_eq!(
        csr.spec.usages,
        ["digital signature", "key encipherment", "server auth"]
    );
    let asked = Request::parse(&csr.request_pem()).unwrap();
    assert_eq!(asked.organizations, ["system:nodes"]);
    assert_eq!(asked.common_name, "system:node:worker-1");

    // Again: nothing to do.
    let again = issue_first(&node, &[]);
    assert_eq!(
        (again.code, node.kubelet_starts()),
        (0, starts + 1),
        "{}",
        again.stderr
    );
    assert_eq!(names(&node).len(), 1);
}

/// The prober sees an outage where there is one.
#[test]
fn without_issue_first_handshakes_fail() {
    let node = node();
    let (apply, met) = probed(&node, || run(&node, &["apply", "--settle", "500ms"]));
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert!(apply.stderr.contains("--issue-first"), "{}", apply.stderr);
    assert_eq!(met, [Met::SelfSigned, Met::Alert]);
}

#[test]
fn it_can_be_done_in_two_steps() {
    let node = node();
    let (before, starts) = (node.config(), node.kubelet_starts());
    let first = issue_first(&node, &["--wait", "csr", "-o", "name"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let made = names(&node);
    assert_eq!(first.stdout, format!("{}\n", made[0]));
    assert_eq!(
        (node.config(), node.kubelet_starts()),
        (before.clone(), starts)
    );
    assert_eq!(
        fs::metadata(key(&node)).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let directory = key(&node).parent().unwrap().to_owned();
    assert_eq!(
        fs::metadata(directory).unwrap().permissions().mode() & 0o7777,
        0o700
    );
    assert!(!current(&node).exists());
    let status = run(&node, &["status"]);
    let hints: Vec<&str> = status
        .stdout
        .lines()
        .filter(|line| line.contains("kubelet-tls apply"))
        .collect();
    assert!(!hints.is_empty(), "{}", status.stdout);
    for hint in hints {
        assert!(hint.ends_with("kubelet-tls apply --issue-first"), "{hint}");
    }

    let second = issue_first(&node, &["--wait", "csr", "-o", "name"]);
    assert_eq!(
        (second.code, second.stdout),
        (0, first.stdout),
        "{}",
        second.stderr
    );
    assert_eq!(
        (names(&node), node.config()),
        (made.clone(), before.clone())
    );

    node.api().approve(&made[0]);
    let (third, met) = probed(&node, || issue_first(&node, &["--wait", "csr"]));
    assert_eq!(third.code, 0, "{}", third.stderr);
    assert_eq!(met, [Met::SelfSigned, Met::Trusted]);
    assert_eq!((names(&node), node.kubelet_starts()), (made, starts + 1));
    assert!(!key(&node).exists());

    // And back: the pair goes too.
    let rollback = run(&node, &["rollback", "--settle", "500ms"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert!(fs::symlink_metadata(current(&node)).is_err());
    let left = fs::read_dir(current(&node).parent().unwrap()).unwrap();
    let left: Vec<String> = left
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("kubelet-server"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn options_that_exclude_issue_first_are_64() {
    let node = node();
    for arguments in [
        &["apply", "--issue-first", "--disable"][..],
        &["apply", "--issue-first", "--restart", "never"],
        &["apply", "--issue-first", "file.yaml"],
        &["apply", "--issue-first", "--root", "/x"],
    ] {
        assert_eq!(run(&node, arguments).code, 64, "{arguments:?}");
    }
    let dry = issue_first(&node, &["--dry-run"]);
    assert_eq!((dry.code, names(&node).len()), (0, 0), "{}", dry.stderr);
}
