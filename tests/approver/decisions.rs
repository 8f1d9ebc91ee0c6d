//! What is decided, and when it is judged again.

use std::time::Duration;

use standins::pace;

use serde_json::json;
use standins::api::NodeSpec;

use super::scene::{LONG, Scene, node};

const NETWORK: &[&str] = &["--ip-prefix", "10.0.0.0/24"];

#[test]
fn requests_are_decided_as_they_come() {
    let scene = Scene::new();
    let before = scene.good(1);
    let approver = scene.start(NETWORK);
    let first = approver.next();
    assert_eq!(first["request"], json!(before));
    assert_eq!(first["verdict"], "approved");
    assert_eq!(first["node"], "worker-1");
    assert_eq!(first["names"], json!(["worker-1", "10.0.0.11"]));
    assert!(scene.api.csr(&before).unwrap().is("Approved"));

    let foreign = scene.request(2, [10, 0, 0, 13]);
    let refused = approver.next();
    assert_eq!(refused["request"], json!(foreign));
    assert_eq!(
        (&refused["verdict"], refused["rule"].is_string()),
        (&json!("refused"), true)
    );
    assert!(!scene.api.csr(&foreign).unwrap().is("Approved"));

    let after = scene.good(3);
    assert_eq!(approver.next()["request"], json!(after));
    // A verdict that does not change is not repeated.
    approver.silent_for(Duration::from_secs(3));
    assert_eq!(approver.end(), Some(0));
}

#[test]
fn a_refused_request_is_judged_again_when_a_fact_changes() {
    let scene = Scene::new();
    let approver = scene.start(NETWORK);
    approver.ready();
    // Its Node does not exist yet.
    let joining = scene.request(99, [10, 0, 0, 99]);
    let refused = approver.next();
    assert_eq!(refused["rule"], "NodeExists");
    scene.api.set_node(NodeSpec::new("worker-99", "10.0.0.99"));
    let approved = approver.next();
    assert_eq!(
        (&approved["request"], &approved["verdict"]),
        (&json!(joining), &json!("approved"))
    );

    // Another Node has the address, until it is gone.
    let mut thief = node(5);
    thief
        .addresses
        .push(("ExternalIP".into(), "10.0.0.16".into()));
    scene.api.set_node(thief);
    std::thread::sleep(Duration::from_millis(200));
    let shared = scene.good(6);
    let refused = approver.next();
    assert_eq!(
        (&refused["request"], &refused["verdict"]),
        (&json!(shared), &json!("refused"))
    );
    scene.api.remove_node("worker-5");
    assert_eq!(approver.next()["verdict"], "approved");

    // A Service takes the address first.
    scene.api.add_service(
        "default",
        "lb",
        json!({"clusterIP": "10.96.0.9", "externalIPs": ["10.0.0.17"]}),
        json!({}),
    );
    std::thread::sleep(Duration::from_millis(200));
    scene.good(7);
    let refused = approver.next();
    assert!(
        refused["rule"].as_str().unwrap().contains("Service"),
        "{refused}"
    );
}

#[test]
fn two_approvers_decide_each_request_once() {
    let scene = Scene::new();
    let (one, two) = (scene.start(NETWORK), scene.start(NETWORK));
    one.ready();
    two.ready();
    let names: Vec<String> = (1..10).map(|number| scene.good(number)).collect();
    for _ in 0..names.len() {
        // Whichever of the two was first.
        let are_approved = || {
            let mut csrs = names.iter().map(|name| scene.api.csr(name).unwrap());
            csrs.all(|csr| csr.is("Approved"))
        };
        assert!(pace::wait_for(LONG, are_approved));
    }
    for name in &names {
        let conditions = &scene.api.csr(name).unwrap().status.conditions;
        assert_eq!(conditions.len(), 1, "{name}");
    }
    assert_eq!((one.end(), two.end()), (Some(0), Some(0)));
}

#[test]
fn a_dry_run_writes_nothing() {
    let scene = Scene::new();
    let approver = scene.start(&[NETWORK, &["--dry-run"]].concat());
    let name = scene.good(1);
    assert_eq!(approver.next()["verdict"], "wouldApprove");
    assert_eq!(scene.api.csr(&name).unwrap().state(), "Pending");
}
