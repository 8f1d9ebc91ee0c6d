//! How far a request comes, and what a run that waits for its certificate makes of that.

use std::time::Duration;

use serde_json::Value;
use standins::{Config, Knobs, Options, Output};

use super::scene::{Run, Scene};

const ISSUED: [&str; 6] = ["--wait", "issued", "--settle", "0s", "-o", "json"];

fn document(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn apply(scene: &Scene, timeout: &str) -> (Run, Value) {
    let run = scene.apply(&[&ISSUED[..], &["--timeout", timeout]].concat());
    let document = document(&run.output);
    (run, document)
}

#[test]
fn an_approved_request_is_waited_for_until_its_certificate_is_served() {
    let scene = Scene::new();
    scene.node.api().auto_approve(Duration::from_millis(200));
    let (run, document) = apply(&scene, "15s");
    assert_eq!(run.output.code, 0, "{run}");
    let new = scene.new_requests();
    assert_eq!(document["csr"]["name"], new[0]);
    assert_eq!(document["csr"]["state"], "Issued");
    let certificate = &document["certificate"];
    assert_eq!(certificate["verified"], true, "{run}");
    assert_eq!(certificate["dnsNames"], serde_json::json!(["worker-1"]));
    assert_eq!(certificate["ipAddresses"], serde_json::json!(["127.0.0.1"]));
    assert!(
        certificate["issuer"]
            .as_str()
            .unwrap()
            .contains("kubernetes"),
        "{run}"
    );
    let ends = certificate["notAfter"].as_str().unwrap();
    assert!(
        ends.ends_with('Z') && ends.len() == "2026-11-23T07:16:56Z".len(),
        "{ends}"
    );
    assert!(scene.node.handshake("127.0.0.1").is_ok());
}

#[test]
fn after_a_denial_the_next_request_is_the_one_that_counts() {
    let knobs = Knobs {
        csr_backoff_ms: 300,
        ..Knobs::default()
    };
    let scene = Scene::with(Options {
        knobs,
        ..Options::default()
    });
    let api = scene.node.api();
    let known = api.csrs_of("worker-1").len();
    let (run, document) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let wait = Duration::from_secs(20);
            let first = api.wait_for_csr("worker-1", known, wait).unwrap();
            assert!(api.deny(&first.metadata.name));
            let second = api.wait_for_csr("worker-1", known + 1, wait).unwrap();
            assert!(api.approve(&second.metadata.name));
        });
        apply(&scene, "20s")
    });
    assert_eq!(run.output.code, 0, "{run}");
    let new = scene.new_requests();
    assert_eq!(new.len(), 2, "{run}");
    assert_eq!(document["csr"]["name"], new[1], "{run}");
    assert_eq!(document["csr"]["state"], "Issued", "{run}");
    assert_eq!(document["certificate"]["verified"], true, "{run}");
    let said = run
        .output
        .stderr
        .lines()
        .find(|line| line.contains(" is Denied"));
    let denied = " is Denied (KubectlDeny: This CSR was denied by kubectl certificate deny.): system:node:worker-1, DNS worker-1, IP 127.0.0.1";
    assert_eq!(said, Some(format!("{}{denied}", new[0]).as_str()), "{run}");
}

#[test]
fn a_request_that_the_signer_refuses_is_failed_at_the_timeout() {
    let scene = Scene::with(Options {
        // Up to 1.24 the signer wants key encipherment too.
        api: Config {
            version: "v1.24.17".into(),
            ..Config::default()
        },
        knobs: Knobs {
            key_encipherment: Some(false),
            csr_backoff_ms: 60_000,
            ..Knobs::default()
        },
        ..Options::default()
    });
    scene.node.api().auto_approve(Duration::from_millis(50));
    let (run, document) = apply(&scene, "2s");
    scene.check_never_wrong(&run, Duration::from_secs(2));
    assert_eq!(run.output.code, 75, "{run}");
    assert_eq!(document["csr"]["name"], scene.new_requests()[0], "{run}");
    assert_eq!(document["csr"]["state"], "Failed", "{run}");
    assert_eq!(document["error"]["code"], 75, "{run}");
    assert!(document["csr"]["message"].is_string(), "{run}");
    let hint = document["error"]["hint"].as_str().unwrap();
    assert!(hint.starts_with("kubectl get csr csr-"), "{hint}");
}

#[test]
fn a_request_that_is_not_signed_stays_approved_until_the_timeout() {
    let scene = Scene::with(Options {
        api: Config {
            signs: false,
            ..Config::default()
        },
        ..Options::default()
    });
    scene.node.api().auto_approve(Duration::from_millis(50));
    let (run, document) = apply(&scene, "2s");
    scene.check_never_wrong(&run, Duration::from_secs(2));
    assert_eq!(run.output.code, 75, "{run}");
    assert_eq!(document["csr"]["state"], "Approved", "{run}");
    assert_eq!(document["certificate"], Value::Null, "{run}");
    assert_eq!(document["changed"], true, "{run}");
}

#[test]
fn a_request_that_is_not_approved_is_pending_at_the_timeout() {
    let scene = Scene::new();
    let (run, document) = apply(&scene, "2s");
    scene.check_never_wrong(&run, Duration::from_secs(2));
    assert_eq!(run.output.code, 75, "{run}");
    assert_eq!(document["csr"]["state"], "Pending", "{run}");
    let hint = document["error"]["hint"].as_str().unwrap();
    let name = &scene.new_requests()[0];
    assert_eq!(hint, format!("kubelet-tls approve {name}"));
}

#[test]
fn a_request_that_is_approved_at_once_is_still_named() {
    let scene = Scene::new();
    scene.node.api().auto_approve(Duration::ZERO);
    let run = scene.apply(&["--settle", "0s", "--timeout", "9s"]);
    scene.check_named(&run, Duration::from_secs(9));
}
