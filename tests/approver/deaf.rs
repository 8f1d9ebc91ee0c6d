//! Watches that are accepted and say nothing.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use standins::pace;

use super::scene::{LONG, Scene};

/// The time after which a watch that says nothing counts as deaf.
const DEAF: Duration = Duration::from_secs(120);

/// This takes as long as it says: the approver has no clock but the system's.
#[test]
fn health_fails_while_watches_are_silent_and_recovers_with_them() {
    let scene = Scene::new();
    let approver = scene.start(&["--ip-prefix", "10.0.0.0/24"]);
    approver.ready();
    let watches = |kind: &str| {
        let log = scene.api.requests();
        log.iter()
            .filter(|call| call.target.starts_with(kind) && call.target.contains("watch=true"))
            .count()
    };
    let kinds = [
        "/api/v1/nodes",
        "/api/v1/services",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
    ];
    let before = kinds.map(watches);

    scene.api.hush_watches(true);
    let began = Instant::now();
    let name = scene.good(1);
    thread::sleep(DEAF - Duration::from_secs(20));
    assert_eq!(
        approver.get("/healthz").0,
        200,
        "two minutes have not passed"
    );
    let fails = pace::wait_for(LONG * 2, || approver.get("/healthz").0 == 503);
    assert!(fails, "healthy although no watch was heard");
    assert!(began.elapsed() >= DEAF - Duration::from_secs(5));
    let all_fail = || {
        let (_, body) = approver.get("/healthz");
        ["nodes", "services", "certificatesigningrequests"]
            .iter()
            .all(|kind| body.contains(&format!("{kind}: nothing heard")))
    };
    assert!(
        pace::wait_for(LONG, all_fail),
        "{:?}",
        approver.get("/healthz")
    );
    // Each watch was begun again meanwhile, in vain.
    for (kind, before) in kinds.iter().zip(before) {
        assert!(watches(kind) > before, "{kind}");
    }
    assert!(approver.decision().is_none());
    assert_eq!(scene.api.csr(&name).unwrap().state(), "Pending");

    scene.api.hush_watches(false);
    let decision = approver.next();
    assert_eq!(
        (&decision["request"], &decision["verdict"]),
        (&json!(name), &json!("approved"))
    );
    let recovers = pace::wait_for(LONG, || approver.get("/healthz").0 == 200);
    assert!(recovers, "{:?}", approver.get("/healthz"));
    approver.ready();
    approver.silent_for(Duration::from_secs(1));
    assert_eq!(scene.api.csr(&name).unwrap().status.conditions.len(), 1);
    assert_eq!(approver.end(), Some(0));
}
