//! What names a Node may have: the ranks of claims, the options, and the ways out.

use kubelet_tls::parts::approval::{ApprovalPolicy, Inventory, Rule, Verdict, Vouched};
use serde_json::{Value, json};

use super::cluster::{
    add, add_api_names, add_service, asking, cluster, good, network, node, policy, set_endpoints,
};
use super::request::*;

/// What this policy says of a request of `of` for these names.
fn judge(
    policy: &ApprovalPolicy,
    inventory: &Inventory,
    of: &str,
    names: &[Vec<u8>],
) -> Result<(), Rule> {
    let requestor = format!("system:node:{of}");
    let mut made = Made::new(names);
    made.subject[1] = rdn(3, &requestor);
    let request = kubelet_tls::parts::csr::Request {
        requestor,
        ..asking(made.pem())
    };
    let verdict = policy.judge(&request, inventory).into_result();
    verdict.map(drop).map_err(|violation| violation.rule)
}

fn nodes(all: &[(&str, &[(&str, &str)])]) -> Inventory {
    let mut inventory = Inventory::default();
    for (name, addresses) in all {
        add(&mut inventory, node(name, json!({}), addresses));
    }
    set_endpoints(&mut inventory, &["10.0.0.2"]);
    inventory
}

#[test]
fn a_nodes_own_dns_names_are_approved() {
    let inventory = nodes(&[
        (
            "w1.corp.example",
            &[("Hostname", "W1"), ("InternalDNS", "other.example")],
        ),
        ("w2.corp.example", &[("Hostname", "w2.corp.example")]),
        ("w3", &[("Hostname", "something")]),
    ]);
    let suffixes = ApprovalPolicy {
        dns_suffixes: vec!["internal".into(), "corp.example".into()],
        ..ApprovalPolicy::default()
    };
    let plain = ApprovalPolicy::default();
    for (policy, of, name, wanted) in [
        // The Node's name, and its first label where that is its Hostname.
        (&plain, "w1.corp.example", "w1.corp.example", Ok(())),
        (&plain, "w1.corp.example", "W1", Ok(())),
        (&plain, "w2.corp.example", "w2", Err(Rule::NameIsNodes)),
        (&plain, "w3", "something", Err(Rule::NameIsNodes)),
        // Whatever else its kubelet wrote into the Node does not give a claim.
        (
            &plain,
            "w1.corp.example",
            "other.example",
            Err(Rule::NameIsNodes),
        ),
        // Either of the two below a given domain, at a label boundary.
        (&plain, "w3", "w3.internal", Err(Rule::NameIsNodes)),
        (&suffixes, "w3", "w3.internal", Ok(())),
        (&suffixes, "w3", "w3.corp.example", Ok(())),
        (&suffixes, "w1.corp.example", "w1.internal", Ok(())),
        (
            &suffixes,
            "w1.corp.example",
            "w1.corp.example.internal",
            Ok(()),
        ),
        (&suffixes, "w3", "xw3.internal", Err(Rule::NameIsNodes)),
        (&suffixes, "w3", "w3.sub.internal", Err(Rule::NameIsNodes)),
        (&suffixes, "w3", "w3.xinternal", Err(Rule::NameIsNodes)),
        (&suffixes, "w3", "internal", Err(Rule::NameIsNodes)),
        (&suffixes, "w3", "w9.internal", Err(Rule::NameIsNodes)),
    ] {
        assert_eq!(
            judge(policy, &inventory, of, &[dns(name)]),
            wanted,
            "{of}: {name}"
        );
    }
}

#[test]
fn a_nodes_name_outranks_what_other_nodes_say_of_their_addresses() {
    let evil: &[(&str, &str)] = &[
        ("Hostname", "worker-1"),
        ("InternalDNS", "worker-1"),
        ("ExternalDNS", "worker-1.corp"),
        ("InternalIP", "10.0.0.9"),
    ];
    let inventory = nodes(&[("worker-1", &[("Hostname", "worker-1")]), ("evil", evil)]);
    let policy = ApprovalPolicy {
        dns_suffixes: vec!["corp".into()],
        ..ApprovalPolicy::default()
    };
    for name in ["worker-1", "worker-1.corp"] {
        assert_eq!(judge(&policy, &inventory, "worker-1", &[dns(name)]), Ok(()));
        assert!(judge(&policy, &inventory, "evil", &[dns(name)]).is_err());
    }
}

#[test]
fn another_nodes_name_or_its_beginning_is_refused() {
    let hostname: &[(&str, &str)] = &[("Hostname", "w1")];
    let inventory = nodes(&[
        ("w1.lab", hostname),
        ("w1.corp.example", hostname),
        ("w10", &[]),
    ]);
    let policy = ApprovalPolicy {
        dns_suffixes: vec!["corp".into(), "example".into()],
        ..ApprovalPolicy::default()
    };
    let other = Err(Rule::NameIsNoOtherNodes);
    // Both are called w1 for short: neither may have that, nor anything built on it.
    for of in ["w1.lab", "w1.corp.example"] {
        for name in ["w1", "w1.corp", "w1.example"] {
            assert_eq!(
                judge(&policy, &inventory, of, &[dns(name)]),
                other,
                "{of}: {name}"
            );
        }
        assert_eq!(judge(&policy, &inventory, of, &[dns(of)]), Ok(()));
    }
    // `w1` is not a prefix of `w10` that ends at a label boundary.
    let inventory = nodes(&[("w1.lab", hostname), ("w10", &[])]);
    assert_eq!(judge(&policy, &inventory, "w1.lab", &[dns("w1")]), Ok(()));
}

#[test]
fn honest_names_that_look_local_are_approved() {
    for (name, wanted) in [
        ("worker-1.localdomain", Ok(())),
        ("localhost.localdomain", Err(Rule::NameIsUnicast)),
        ("localhost", Err(Rule::NameIsUnicast)),
        ("w.localhost", Err(Rule::NameIsUnicast)),
    ] {
        let inventory = nodes(&[(name, &[])]);
        let policy = ApprovalPolicy::default();
        assert_eq!(
            judge(&policy, &inventory, name, &[dns(name)]),
            wanted,
            "{name}"
        );
        if let Verdict::Refuse(violation) = {
            let requestor = format!("system:node:{name}");
            let mut made = Made::new(&[dns(name)]);
            made.subject[1] = rdn(3, &requestor);
            let request = kubelet_tls::parts::csr::Request {
                requestor,
                ..asking(made.pem())
            };
            policy.judge(&request, &inventory)
        } {
            assert!(
                violation.remedy.contains("--hostname-override"),
                "{violation:?}"
            );
            assert!(violation.remedy.contains("join"), "{violation:?}");
        }
    }
}

#[test]
fn two_nodes_with_one_address_are_both_refused_and_named() {
    let same: &[(&str, &str)] = &[("InternalIP", "10.0.2.15")];
    let inventory = nodes(&[("w1", same), ("w2", same)]);
    for of in ["w1", "w2"] {
        let requestor = format!("system:node:{of}");
        let mut made = Made::new(&[ip("10.0.2.15")]);
        made.subject[1] = rdn(3, &requestor);
        let request = kubelet_tls::parts::csr::Request {
            requestor,
            ..asking(made.pem())
        };
        let Verdict::Refuse(violation) = ApprovalPolicy::default().judge(&request, &inventory)
        else {
            panic!("{of}");
        };
        assert_eq!(violation.rule, Rule::NameIsNoOtherNodes);
        for part in ["w1", "w2", "10.0.2.15"] {
            assert!(violation.message.contains(part), "{violation}");
        }
        assert!(violation.remedy.contains("--node-ip"));
    }
}

#[test]
fn names_that_an_administrator_vouches_for_are_approved() {
    let mut inventory = cluster();
    let balancer: Value = json!({"metadata": {"name": "lb", "namespace": "n"}, "spec": {"clusterIP": "10.96.1.1"},
        "status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.7"}]}}});
    add_service(&mut inventory, balancer);
    let with = |names: &[&str]| ApprovalPolicy {
        vouched: Vouched::new(
            &names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>(),
        ),
        ip_prefixes: vec![network("10.9.0.0/16")],
        ..policy()
    };
    let address = [ip("10.0.0.7")];
    let refused =
        |names: &[&str], asked: &[Vec<u8>]| judge(&with(names), &inventory, "worker-1", asked);
    assert_eq!(refused(&[], &address), Err(Rule::NameIsNotServices));
    assert_eq!(
        refused(&["10.0.0.8"], &address),
        Err(Rule::NameIsNotServices)
    );
    assert_eq!(refused(&["10.0.0.7"], &address), Ok(()));
    // A name that nothing known speaks for.
    assert_eq!(refused(&["Known.Corp"], &[dns("known.corp")]), Ok(()));
    assert_eq!(refused(&["10.5.5.5"], &[ip("10.5.5.5")]), Ok(()));
    // Not what is another's for certain, or no one's.
    for (name, rule) in [
        ("10.0.0.8", Rule::NameIsNoOtherNodes),
        ("worker-2", Rule::NameIsNoOtherNodes),
        ("10.0.0.100", Rule::NameIsNotApiServers),
        ("10.96.0.1", Rule::NameIsNotApiServers),
        ("api.example", Rule::NameIsNotApiServers),
        ("kubernetes.default.svc", Rule::NameIsNotApiServers),
        ("127.0.0.1", Rule::NameIsUnicast),
        ("localhost", Rule::NameIsUnicast),
        ("::ffff:10.0.0.7", Rule::NameIsUnicast),
    ] {
        let asked = match name.parse::<std::net::IpAddr>() {
            Ok(_) => ip(name),
            Err(_) => dns(name),
        };
        assert_eq!(refused(&[name], &[asked]), Err(rule), "{name}");
    }
    // The next command vouches for a load balancer's address, which may be the nodes', and for no cluster IP.
    let hint = |names: &[Vec<u8>]| {
        let request = asking(Made::new(names).pem());
        let Verdict::Refuse(violation) = policy().judge(&request, &inventory) else {
            panic!("approved");
        };
        violation.hint("csr-1").to_string()
    };
    assert_eq!(hint(&address), "kubelet-tls approve csr-1 --allow 10.0.0.7");
    assert_eq!(hint(&[ip("10.96.0.1")]), "kubectl describe csr csr-1");
}

#[test]
fn a_node_without_an_address_is_approved_with_a_warning() {
    let approval = |names: &[Vec<u8>]| {
        let request = asking(Made::new(names).pem());
        policy().judge(&request, &cluster()).into_result().unwrap()
    };
    let warning = approval(&[dns("worker-1")]).warning.unwrap();
    assert!(warning.contains("metrics-server"), "{warning}");
    assert_eq!(approval(&[dns("worker-1"), ip("10.0.0.7")]).warning, None);
    assert_eq!(
        policy()
            .judge(&good(), &cluster())
            .into_result()
            .unwrap()
            .node,
        "worker-1"
    );
}

#[test]
fn a_node_that_registers_meanwhile_keeps_its_name_and_address() {
    let mut inventory = nodes(&[("evil", &[("InternalIP", "10.0.0.50"), ("Hostname", "evil")])]);
    let policy = ApprovalPolicy::default();
    assert_eq!(
        judge(&policy, &inventory, "evil", &[ip("10.0.0.50")]),
        Ok(())
    );
    let honest = node("new", json!({}), &[("InternalIP", "10.0.0.50")]);
    add(&mut inventory, honest);
    assert_eq!(
        judge(&policy, &inventory, "evil", &[ip("10.0.0.50")]),
        Err(Rule::NameIsNoOtherNodes)
    );
}

#[test]
fn the_api_servers_names_change_with_their_sources() {
    let mut inventory = nodes(&[("w", &[("InternalIP", "10.0.0.50")])]);
    let policy = ApprovalPolicy::default();
    let verdict = |inventory: &Inventory| judge(&policy, inventory, "w", &[ip("10.0.0.50")]);
    assert_eq!(verdict(&inventory), Ok(()));
    add_api_names(&mut inventory, "certificate", &["10.0.0.50"]);
    assert_eq!(verdict(&inventory), Err(Rule::NameIsNotApiServers));
    add_api_names(&mut inventory, "certificate", &["10.0.0.51"]);
    assert_eq!(verdict(&inventory), Ok(()));
}
