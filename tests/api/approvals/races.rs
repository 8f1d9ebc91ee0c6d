//! Requests that change while they are decided.

use super::*;

#[test]
fn a_request_that_changed_meanwhile_is_judged_again() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    let conflict = || Fault::Status(409, None);
    fleet
        .api
        .inject(Matcher::new().method("PUT").times(2), conflict());
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (0, vec!["Approved"]),
        "{}",
        output.stderr
    );
    // It is read again each time, and only so many times.
    let name = fleet.good(2);
    fleet.api.clear_requests();
    fleet
        .api
        .inject(Matcher::new().method("PUT").path(&name), conflict());
    let other = fleet.good(3);
    let output = fleet.approve(&[&name, &other]);
    assert_eq!(fleet.states(&[&other]), ["Approved"]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (75, vec!["Pending"]),
        "{}",
        output.stderr
    );
    assert_eq!(fleet.calls("PUT", &name), 5);
    assert_eq!(
        fleet.calls("GET", &format!("certificatesigningrequests/{name}")),
        5
    );
}

#[test]
fn what_changed_since_it_was_read_is_not_approved() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    let own = format!("certificatesigningrequests/{name}");
    let stale = || {
        let mut csr = fleet.api.csr(&name).unwrap();
        csr.metadata.resource_version = "1".into();
        csr.status.conditions.clear();
        Fault::Body(serde_json::to_vec(&csr).unwrap())
    };
    fleet.api.inject(Matcher::new().path(&own).list(), stale());
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (75, vec!["Pending"]),
        "{}",
        output.stderr
    );
    // Another administrator denies it between the reading and the writing.
    fleet.api.clear_faults();
    let list = fleet.api.csr(&name).unwrap();
    let page = json!({"metadata": {"resourceVersion": "1"}, "items": [serde_json::to_value(&list).unwrap()]});
    assert!(fleet.api.deny(&name));
    fleet.api.inject(
        Matcher::new().path("signerName").once(),
        Fault::Body(page.to_string().into_bytes()),
    );
    fleet
        .api
        .inject(Matcher::new().path(&own).list().once(), stale());
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (78, vec!["Denied"]),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stdout
            .contains("refused: Undecided: it is Denied already"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_decision_whose_answer_was_lost_is_found_again() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    fleet.api.inject(
        Matcher::new().method("PUT").once(),
        Fault::Status(503, None),
    );
    fleet
        .api
        .inject(Matcher::new().list().times(2), Fault::Close);
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (0, vec!["Approved"]),
        "{}",
        output.stderr
    );
}
