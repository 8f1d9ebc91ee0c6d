//! Which of several requests are approved, refused or denied.

use super::*;

#[test]
fn a_request_is_approved_only_as_it_was_judged() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    let version = fleet.api.csr(&name).unwrap().metadata.resource_version;
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (0, line(&name, "approved").as_str()),
        "{}",
        output.stderr
    );
    let csr = fleet.api.csr(&name).unwrap();
    let [condition] = csr.status.conditions.as_slice() else {
        panic!("{csr:?}");
    };
    assert_eq!(
        (
            condition.kind.as_str(),
            condition.status.as_str(),
            condition.reason.as_str()
        ),
        ("Approved", "True", "KubeletTLSApprove")
    );
    assert!(
        condition.message.contains("worker-1, 10.0.0.11"),
        "{}",
        condition.message
    );
    assert_ne!(csr.metadata.resource_version, version);
    assert_eq!(fleet.calls("PUT", &format!("/{name}/approval")), 1);
    // Approved already is done, by whichever of its names.
    let puts = fleet.calls("PUT", "");
    let again = fleet.approve(&[&format!("csr/{name}")]);
    assert_eq!(
        (again.code, again.stdout),
        (0, line(&name, "already approved"))
    );
    assert_eq!(fleet.calls("PUT", ""), puts);
}

#[test]
fn a_refused_request_is_78_and_the_others_are_approved() {
    let fleet = Fleet::new();
    let (good, foreign) = (fleet.good(1), fleet.request(2, [10, 0, 0, 13]));
    let (code, document) = fleet.document(&[&foreign, &good, "csr-nope"]);
    assert_eq!(code, 78);
    assert_eq!(fleet.states(&[&good, &foreign]), ["Approved", "Pending"]);
    let requests = document["requests"].as_array().unwrap();
    assert_eq!(requests[0]["approved"], true);
    assert_eq!(requests[1]["approved"], false);
    assert_eq!(requests[1]["node"], "worker-2");
    assert_eq!(requests[1]["rule"], "NameIsNodes");
    assert_eq!(
        requests[1]["message"],
        "IP 10.0.0.13 is not an address of Node worker-2"
    );
    assert_eq!(document["error"]["code"], 78);
    // A request given by name that does not exist is a wrong input.
    let output = fleet.approve(&["csr-nope"]);
    assert_eq!(
        (output.code, output.stdout),
        (65, line("csr-nope", "not found"))
    );
    // Another signer's request is another approver's business, whatever is asked for.
    let mut other = Csr::kubelet_serving("worker-3", &sans("worker-3", [10, 0, 0, 13]));
    other.spec.signer_name = "kubernetes.io/kube-apiserver-client-kubelet".into();
    let other = fleet.api.add_csr(other);
    let output = fleet.approve(&["--deny", &other]);
    assert!(
        output.stdout.contains("refused: SignerIsKubeletServing: "),
        "{}",
        output.stdout
    );
    assert_eq!(
        (output.code, fleet.states(&[&other])),
        (78, vec!["Pending"])
    );
}

#[test]
fn only_the_newest_request_of_a_node_is_approved() {
    let fleet = Fleet::new();
    let old = fleet.good(1);
    let (new, others) = (fleet.good(1), fleet.good(2));
    let output = fleet.approve(&["--node", "worker-1", "--dry-run", "-o", "name"]);
    assert_eq!((output.code, output.stdout), (0, format!("{new}\n")));
    let output = fleet.approve(&["--node", "worker-1"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(
        fleet.states(&[&old, &new, &others]),
        ["Pending", "Approved", "Pending"]
    );
    assert!(
        output
            .stdout
            .contains(&format!("{old} refused: NewestOfNode: {new} is newer")),
        "{}",
        output.stdout
    );
    // No kubelet has the key of the old one: the newest is approved.
    let output = fleet.approve(&[&old]);
    assert_eq!((output.code, fleet.states(&[&old])), (78, vec!["Pending"]));
    let output = fleet.approve(&["--node", "worker-3", "--node", "worker-1"]);
    assert_eq!(output.code, 0);
    assert!(
        output.stderr.contains("node worker-3 has made no request"),
        "{}",
        output.stderr
    );
    let output = fleet.approve(&["--node", "worker-33"]);
    assert_eq!(output.code, 65);
    let said = "error: cannot approve: Node worker-33 does not exist\nhint: kubectl --kubeconfig ";
    let (start, end) = (output.stderr.starts_with(said), " get nodes\n");
    assert!(start && output.stderr.ends_with(end), "{}", output.stderr);
}

#[test]
fn all_pending_requests_are_decided_and_listed_in_a_table() {
    let fleet = Fleet::new();
    let (good, foreign) = (fleet.good(1), fleet.request(2, [10, 96, 0, 1]));
    let mut other = Csr::kubelet_serving("worker-3", &sans("worker-3", [10, 0, 0, 13]));
    other.spec.signer_name = "example.com/other".into();
    let other = fleet.api.add_csr(other);
    fleet.api.clear_requests();
    let output = fleet.approve(&["--all", "--dry-run"]);
    assert_eq!(output.code, 0);
    let rows: Vec<Vec<&str>> = output
        .stdout
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["NODE", "REQUEST", "AGE", "SANS", "VERDICT"]);
    assert_eq!(rows[1][..2], ["worker-1", good.as_str()]);
    assert_eq!(rows[1][3..], ["worker-1,10.0.0.11", "approve"]);
    assert_eq!(rows[2][..2], ["worker-2", foreign.as_str()]);
    assert_eq!(rows[2][4..6], ["refuse", "NameIsNotServices:"]);
    assert_eq!(rows.len(), 3);
    assert!(fleet.api.requests().iter().all(|call| call.method == "GET"));
    let names = fleet.approve(&["--all", "--dry-run", "-o", "name"]);
    assert_eq!(names.stdout, format!("{good}\n"));
    let output = fleet.approve(&["--all"]);
    assert_eq!(output.code, 78, "{}", output.stderr);
    assert_eq!(
        fleet.states(&[&good, &foreign, &other]),
        ["Approved", "Pending", "Pending"]
    );
}

#[test]
fn only_deny_denies_and_never_for_what_another_party_claims() {
    let fleet = Fleet::new();
    // worker-2 claims worker-1's address, so that both break a rule.
    let mut liar = NodeSpec::new("worker-2", "10.0.0.12");
    liar.addresses
        .push(("InternalIP".into(), "10.0.0.11".into()));
    fleet.api.set_node(liar);
    let (victim, liars) = (fleet.good(1), fleet.request(2, [10, 0, 0, 11]));
    let (bad, good) = (fleet.request(3, [127, 0, 0, 1]), fleet.good(4));
    assert_eq!(fleet.approve(&["--all"]).code, 78);
    let all = [&victim, &liars, &bad, &good];
    assert_eq!(
        fleet.states(&all),
        ["Pending", "Pending", "Pending", "Approved"]
    );
    assert_eq!(fleet.approve(&["--all", "--deny", "--dry-run"]).code, 0);
    assert_eq!(fleet.states(&[&bad]), ["Pending"]);
    let (code, document) = fleet.document(&["--deny", &victim, &liars, &bad]);
    assert_eq!(code, 78);
    assert_eq!(
        fleet.states(&all),
        ["Pending", "Pending", "Denied", "Approved"]
    );
    let denied: Vec<&Value> = document["requests"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["denied"] == true)
        .collect();
    assert_eq!(
        (denied.len(), &denied[0]["rule"]),
        (1, &json!("NameIsUnicast"))
    );
    let condition = fleet.api.csr(&bad).unwrap().status.conditions.remove(0);
    assert_eq!(condition.reason, "KubeletTLSDeny");
    assert!(
        condition.message.contains("IP 127.0.0.1 is loopback"),
        "{}",
        condition.message
    );
}
