//! Holes that were published of other approvers, each as a case of its own.

use kubelet_tls::parts::approval::{ApprovalPolicy, Inventory, Rule};
use kubelet_tls::parts::csr::Request;
use serde_json::json;

use super::cluster::{add, asking, cluster, node, policy, set_endpoints};
use super::request::*;

fn verdict(inventory: &Inventory, request: &Request) -> Result<(), Rule> {
    let verdict = policy().judge(request, inventory).into_result();
    verdict.map(drop).map_err(|violation| violation.rule)
}

#[test]
fn the_identity_is_the_requestors_and_not_that_of_the_first_dns_name() {
    // worker-1 asks with worker-2's name first, and with worker-2's address.
    for names in [
        vec![dns("worker-2"), dns("worker-1"), ip("10.0.0.7")],
        vec![dns("worker-2"), ip("10.0.0.8")],
    ] {
        let request = asking(Made::new(&names).pem());
        assert_eq!(verdict(&cluster(), &request), Err(Rule::NameIsNoOtherNodes));
    }
}

#[test]
fn a_request_with_addresses_alone_is_judged() {
    let request = asking(Made::new(&[ip("10.0.0.7")]).pem());
    assert_eq!(verdict(&cluster(), &request), Ok(()));
    let request = asking(Made::new(&[ip("10.0.0.8")]).pem());
    assert_eq!(verdict(&cluster(), &request), Err(Rule::NameIsNoOtherNodes));
}

#[test]
fn no_other_signers_request_is_approved() {
    for signer in [
        "kubernetes.io/kube-apiserver-client",
        "kubernetes.io/kube-apiserver-client-kubelet",
        "kubernetes.io/legacy-unknown",
        "example.com/serving",
        "kubernetes.io/kubelet-serving ",
        "",
    ] {
        let request = Request {
            signer: signer.into(),
            ..super::cluster::good()
        };
        assert_eq!(
            verdict(&cluster(), &request),
            Err(Rule::SignerIsKubeletServing),
            "{signer}"
        );
    }
}

#[test]
fn dns_names_are_looked_at() {
    for name in [
        "vault.corp.example",
        "worker-9",
        "metrics-server.kube-system.svc",
        "worker-1x",
    ] {
        let names = [dns("worker-1"), dns(name), ip("10.0.0.7")];
        let request = asking(Made::new(&names).pem());
        assert!(verdict(&cluster(), &request).is_err(), "{name}");
    }
}

#[test]
fn the_nodes_own_object_is_not_believed() {
    // Everything that it asks for, the requestor has written into its own Node.
    let claimed = [
        "10.0.0.8",
        "10.96.0.1",
        "10.244.7.7",
        "10.0.0.2",
        "198.51.100.1",
    ];
    let mut addresses: Vec<(&str, &str)> = claimed.iter().map(|ip| ("InternalIP", *ip)).collect();
    addresses.extend([
        ("Hostname", "worker-2"),
        ("ExternalDNS", "vault.corp.example"),
    ]);
    let mut inventory = cluster();
    add(&mut inventory, node("worker-1", json!({}), &addresses));
    let names = claimed
        .map(ip)
        .into_iter()
        .chain([dns("worker-2"), dns("vault.corp.example")]);
    for name in names {
        let request = asking(Made::new(&[name]).pem());
        assert!(verdict(&inventory, &request).is_err());
    }
}

#[test]
fn thousands_of_names_are_not_vouched_for() {
    let mut inventory = Inventory::default();
    let all: Vec<String> = (0..3_825)
        .map(|n| format!("10.1.{}.{}", n / 250, n % 250 + 1))
        .collect();
    let addresses: Vec<(&str, &str)> = all.iter().map(|ip| ("InternalIP", ip.as_str())).collect();
    add(&mut inventory, node("worker-1", json!({}), &addresses));
    set_endpoints(&mut inventory, &["10.0.0.2"]);
    let ask = |count: usize| {
        let names: Vec<Vec<u8>> = all.iter().take(count).map(|address| ip(address)).collect();
        let request = asking(Made::new(&names).pem());
        let verdict = ApprovalPolicy::default().judge(&request, &inventory);
        verdict
            .into_result()
            .map(drop)
            .map_err(|violation| violation.rule)
    };
    assert_eq!(ask(3_825), Err(Rule::NamesWithinMaximum));
    assert_eq!(ask(33), Err(Rule::NamesWithinMaximum));
    assert_eq!(ask(32), Ok(()));
}
