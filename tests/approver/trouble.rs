//! Servers that fail, and credentials that change.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use standins::{Fault, Matcher, pace};

use super::scene::{LONG, Scene};

const NETWORK: &[&str] = &["--ip-prefix", "10.0.0.0/24"];

#[test]
fn a_watch_that_ends_is_started_again() {
    let scene = Scene::new();
    let approver = scene.start(NETWORK);
    approver.ready();
    scene.good(1);
    assert_eq!(approver.next()["verdict"], "approved");
    // The history that a watch needs is gone.
    scene.api.compact();
    scene.api.disconnect_all();
    scene.good(2);
    assert_eq!(approver.next()["verdict"], "approved");
    // An API server that cannot answer for a while.
    scene.api.inject(
        Matcher::new().method("GET").times(6),
        Fault::Status(503, None),
    );
    scene.api.disconnect_all();
    scene.good(3);
    assert_eq!(approver.next()["verdict"], "approved");
}

#[test]
fn nothing_is_approved_while_a_fact_is_unknown() {
    let scene = Scene::new();
    scene.api.inject(
        Matcher::new().path("/api/v1/services"),
        Fault::Status(403, None),
    );
    let approver = scene.start(NETWORK);
    let name = scene.good(1);
    approver.warns("cannot watch services");
    approver.silent_for(Duration::from_secs(2));
    assert_eq!(approver.get("/readyz").0, 503);
    assert_eq!(scene.api.csr(&name).unwrap().state(), "Pending");
}

#[test]
fn the_credential_is_read_again() {
    let scene = Scene::new();
    let approver = scene.start(NETWORK);
    approver.ready();
    let calls = |scene: &Scene| {
        let log = scene.api.requests();
        log.iter()
            .filter(|call| call.target.starts_with("/api/v1/nodes?limit"))
            .count()
    };
    let before = calls(&scene);
    approver.signal(Signal::SIGHUP);
    scene.good(1);
    assert_eq!(approver.next()["verdict"], "approved");
    let is_listed = || calls(&scene) != before;
    assert!(pace::wait_for(LONG, is_listed), "not listed again");
    // A kubeconfig that is broken meanwhile ends nothing.
    let kubeconfig = scene.api.admin_kubeconfig(scene.directory.path());
    let whole = fs::read(&kubeconfig).unwrap();
    fs::write(&kubeconfig, "{").unwrap();
    approver.signal(Signal::SIGHUP);
    approver.warns("cannot read the credential again");
    fs::write(&kubeconfig, whole).unwrap();
    let name = scene.good(2);
    let approved = approver.next();
    assert_eq!(
        (&approved["request"], &approved["verdict"]),
        (&json!(name), &json!("approved"))
    );
    assert_eq!(approver.end(), Some(0));
}

#[test]
fn one_bad_request_stops_no_other() {
    let scene = Scene::new();
    let bad = scene.good(1);
    let path = format!("/apis/certificates.k8s.io/v1/certificatesigningrequests/{bad}/approval");
    scene
        .api
        .inject(Matcher::new().path(&path), Fault::Status(422, None));
    let good = scene.good(2);
    let approver = scene.start(NETWORK);
    let mut verdicts = [approver.next(), approver.next()];
    verdicts.sort_by_key(|line| line["request"] != json!(bad));
    assert_eq!(verdicts[0]["verdict"], "failed");
    assert_eq!(
        (&verdicts[1]["request"], &verdicts[1]["verdict"]),
        (&json!(good), &json!("approved"))
    );
}
