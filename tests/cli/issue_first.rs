//! `apply --issue-first` on a node of stand-ins, its kubelet's port probed throughout.

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
fn at_the_timeout_nothing_is_switched() {
    let node = node();
    let before = node.config();
    let apply = issue_first(&node, &["--timeout", "1s"]);
    assert_eq!(
        (apply.code, node.config()),
        (75, before),
        "{}",
        apply.stderr
    );
    assert!(
        apply.stderr.contains("The kubelet is unchanged"),
        "{}",
        apply.stderr
    );
    // The same command continues from there.
    node.api().approve(&names(&node)[0]);
    let apply = issue_first(&node, &[]);
    assert_eq!((apply.code, names(&node).len()), (0, 1), "{}", apply.stderr);
}

/// What was created before and is no longer good is reported and recreated.
#[test]
fn a_lost_request_is_recreated() {
    type Spoil = fn(&Node, &str);
    let cases: [(&str, Spoil); 3] = [
        ("was denied", |node, name| assert!(node.api().deny(name))),
        ("no longer exists", |node, name| node.api().delete_csr(name)),
        ("other addresses", |node, _| {
            let mut spec = NodeSpec::new("worker-1", "127.0.0.1");
            spec.addresses
                .push(("InternalDNS".into(), "worker-1.example".into()));
            node.api().set_node(spec);
        }),
    ];
    for (said, spoil) in cases {
        let node = node();
        let before = node.config();
        assert_eq!(issue_first(&node, &["--wait", "csr"]).code, 0);
        let made = names(&node).remove(0);
        spoil(&node, &made);
        let again = issue_first(&node, &["--wait", "csr", "-o", "name"]);
        assert_eq!((again.code, node.config()), (0, before), "{}", again.stderr);
        assert!(again.stderr.contains(said), "{said}: {}", again.stderr);
        assert_ne!(again.stdout.trim(), made);
        node.api().approve(again.stdout.trim());
        let apply = issue_first(&node, &[]);
        assert_eq!(apply.code, 0, "{said}: {}", apply.stderr);
    }
}

#[test]
fn a_denial_ends_the_wait() {
    let node = node();
    let before = node.config();
    let apply = thread::scope(|scope| {
        let apply = scope.spawn(|| issue_first(&node, &["-o", "json"]));
        assert!(node.wait_for(SOON, |node| !names(node).is_empty()));
        thread::sleep(Duration::from_millis(300));
        node.api().deny(&names(&node)[0]);
        apply.join().unwrap()
    });
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
    assert_eq!(json(&apply)["csr"]["state"], "Denied");
    assert!(!key(&node).exists());
}

/// A certificate that does not match the request switches nothing.
#[test]
fn a_wrong_certificate_is_refused() {
    type Forge = fn(&Node, &Request) -> String;
    let cases: [(&str, Forge); 6] = [
        ("did not sign it", |_, request| {
            let ca = Ca::new("kubernetes");
            ca.sign(
                request,
                &["server auth".to_owned()],
                Duration::from_secs(3600),
            )
            .unwrap()
        }),
        ("not valid now", |node, request| {
            let identity = node
                .api()
                .ca()
                .expired_server("system:node:worker-1", &request.sans);
            identity.cert_pem
        }),
        ("key", |node, request| {
            let (pem, _) = Request::make("system:node:worker-1", &["system:nodes"], &request.sans);
            let other = Request::parse(pem.as_bytes()).unwrap();
            let usages = ["server auth".to_owned()];
            node.api()
                .ca()
                .sign(&other, &usages, Duration::from_secs(3600))
                .unwrap()
        }),
        ("not for this address", |node, request| {
            let mut less = request.clone();
            less.sans.ips.clear();
            let usages = ["server auth".to_owned()];
            node.api()
                .ca()
                .sign(&less, &usages, Duration::from_secs(3600))
                .unwrap()
        }),
        ("subject", |node, request| {
            let mut other = request.clone();
            other.common_name = "system:node:worker-2".into();
            let usages = ["server auth".to_owned()];
            node.api()
                .ca()
                .sign(&other, &usages, Duration::from_secs(3600))
                .unwrap()
        }),
        ("certificate", |_, _| "nonsense".to_owned()),
    ];
    for (said, forge) in cases {
        let node = node();
        let before = node.config();
        assert_eq!(issue_first(&node, &["--wait", "csr"]).code, 0);
        let csr = node.api().csrs_of(node.name()).remove(0);
        let request = Request::parse(&csr.request_pem()).unwrap();
        node.api()
            .issue(&csr.metadata.name, &forge(&node, &request));
        let starts = node.kubelet_starts();
        let apply = issue_first(&node, &[]);
        assert_eq!(
            (apply.code, node.config(), node.kubelet_starts()),
            (78, before, starts),
            "{said}: {}",
            apply.stderr
        );
        assert!(apply.stderr.contains(said), "{said}: {}", apply.stderr);
        assert!(
            apply.stderr.contains("the kubelet is unchanged"),
            "{}",
            apply.stderr
        );
        assert!(fs::symlink_metadata(current(&node)).is_err());
        assert!(!key(&node).exists());
    }
}

/// The kubelet dies of the change: the pair goes with it.
#[test]
fn a_rollback_removes_the_pair_too() {
    let mut options = Options::default();
    options.knobs.die_after_ms_if_bootstrap = Some(100);
    let node = Node::new(options);
    node.api().auto_approve(Duration::ZERO);
    let before = node.config();
    let apply = issue_first(&node, &[]);
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
    assert!(node.is_healthy());
    assert!(fs::symlink_metadata(current(&node)).is_err());
}

/// A file that was edited before and not read by the kubelet yet.
#[test]
fn an_edit_without_a_restart_can_be_completed_without_an_outage() {
    let node = node();
    node.api().auto_approve(Duration::ZERO);
    thread::sleep(Duration::from_millis(300));
    let before = node.config();
    let edit = run(&node, &["apply", "--restart", "never"]);
    assert_eq!(edit.code, 0, "{}", edit.stderr);
    let (apply, met) = probed(&node, || issue_first(&node, &[]));
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_eq!(met, [Met::SelfSigned, Met::Trusted]);
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert!(fs::symlink_metadata(current(&node)).is_err());
}

/// Killed at any moment, one more run gets there; and a rollback undoes all of it.
#[test]
fn a_run_that_is_killed_at_any_moment_is_completed_by_the_next() {
    let (mut nth, mut kills) = (0, 0);
    loop {
        let node = node();
        node.api().auto_approve(Duration::from_millis(100));
        let before = node.config();
        let mut command = node.command(env!("CARGO_BIN_EXE_kubelet-tls"));
        let mut child = command.args(ISSUE_FIRST).arg("-q").spawn().unwrap();
        let moment = Instant::now() + Duration::from_millis(120 * nth);
        while Instant::now() < moment && child.try_wait().unwrap().is_none() {
            thread::sleep(Duration::from_millis(1));
        }
        let over = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        let apply = issue_first(&node, &[]);
        assert_eq!(apply.code, 0, "{nth}: {}", apply.stderr);
        assert!(node.config().contains("serverTLSBootstrap: true"), "{nth}");
        assert!(
            node.handshake("127.0.0.1").is_ok(),
            "{nth}: {}",
            apply.stderr
        );
        let rollback = run(&node, &["rollback", "--settle", "0s"]);
        assert_eq!(
            (rollback.code, node.config()),
            (0, before),
            "{nth}: {}",
            rollback.stderr
        );
        assert!(
            fs::symlink_metadata(current(&node)).is_err(),
            "{nth}: {}",
            apply.stderr
        );
        if over {
            break;
        }
        (nth, kills) = (nth + 1, kills + 1);
    }
    assert!(kills > 5, "{kills}");
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

/// Addresses come with time, as from a cloud provider, so that the same command may do later.
#[test]
fn a_node_without_an_address_can_be_tried_again_later() {
    let node = node();
    let before = node.config();
    let mut spec = NodeSpec::new("worker-1", "127.0.0.1");
    spec.addresses = vec![("Hostname".into(), "worker-1".into())];
    node.api().set_node(spec);
    let apply = issue_first(&node, &[]);
    assert_eq!(
        (apply.code, node.config(), names(&node).len()),
        (75, before, 0),
        "{}",
        apply.stderr
    );
    for words in [
        "it has no IP address in its status yet; the kubelet is unchanged",
        "hint: kubectl describe node worker-1",
    ] {
        assert!(apply.stderr.contains(words), "{words}: {}", apply.stderr);
    }
}

/// Of a node's own object its kubelet writes nearly all, and anyone who may create requests chooses their names.
#[test]
fn no_hostile_name_is_printed_as_it_is() {
    let names = hostile::names();
    let node = node();
    for name in &names {
        let mut csr = Csr::kubelet_serving("worker-1", &Sans::default());
        csr.metadata.name.clone_from(name);
        node.api().add_csr(csr);
    }
    for (number, name) in names.iter().enumerate() {
        let mut spec = NodeSpec::new("worker-1", "127.0.0.1");
        for kind in ["Hostname", "InternalDNS", "InternalIP"] {
            spec.addresses.push((kind.into(), name.clone()));
        }
        spec.kubelet_version.clone_from(name);
        node.api().set_node(spec);
        for verb in [
            &["status"][..],
            &["csr"],
            &["apply", "--issue-first", "--dry-run"],
        ] {
            let format = ["text", "json", "yaml", "name"][number % 4];
            let output = run(&node, &[verb, &["-o", format]].concat());
            hostile::assert_harmless(&format!("{}{}", output.stdout, output.stderr), &names);
        }
    }
}

#[test]
fn a_rollback_says_that_it_removes_the_certificate() {
    let node = node();
    node.api().auto_approve(Duration::from_millis(50));
    assert_eq!(issue_first(&node, &[]).code, 0);
    let pair = fs::read_link(current(&node)).unwrap();
    let pair = pair.file_name().unwrap().to_str().unwrap().to_owned();
    let dry = run(&node, &["rollback", "--dry-run"]);
    let said = "(dry run) would remove the certificate that the apply installed: ";
    assert!(
        dry.stderr.contains(said) && dry.stderr.contains(&pair),
        "{}",
        dry.stderr
    );
    assert!(current(&node).exists());
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(rollback.code, 0, "{}", rollback.stderr);
    assert!(
        rollback
            .stderr
            .contains("removes the certificate that the apply installed"),
        "{}",
        rollback.stderr
    );
    assert!(!current(&node).exists());
}
