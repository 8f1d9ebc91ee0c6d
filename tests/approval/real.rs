//! Requests that real components took, and the Nodes that kubeadm makes.

use kubelet_tls::parts::approval::{Inventory, Rule};
use kubelet_tls::parts::csr::{Newest, Request, Standing};
use serde_json::{Value, json};

use super::cluster::{
    add, add_api_names, add_kubeadm, add_service, asking, judge, node, set_endpoints,
};
use super::request::{Made, dns, ip, rdn};

fn captured(version: &str, file: &str) -> Value {
    let path = format!("testdata/captured/{version}/{file}");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// As the cluster was, but with the control plane's endpoints, which were not captured.
fn real_cluster(version: &str) -> Inventory {
    let mut cluster = Inventory::default();
    add(&mut cluster, captured(version, "node.json"));
    for item in captured(version, "configmaps.json")["items"]
        .as_array()
        .unwrap()
    {
        if let Some(yaml) = item["data"]["ClusterConfiguration"].as_str() {
            add_kubeadm(&mut cluster, yaml);
        }
    }
    set_endpoints(&mut cluster, &["10.77.0.20"]);
    cluster
}

#[test]
fn only_the_good_ones_of_the_captured_requests_are_approved() {
    for version in ["1.19", "1.36"] {
        let cluster = real_cluster(version);
        let items = captured(version, "csrs-pending.json")["items"].clone();
        let mut seen = 0;
        for item in items.as_array().unwrap() {
            let asked: Request = serde_json::from_value(item.clone()).unwrap();
            let verdict = judge(&cluster, &asked)
                .map(drop)
                .map_err(|violation| violation.rule);
            let wanted = match asked.name.as_str() {
                "good-two-usages" | "good-three-usages" => Ok(()),
                "bad-client-auth" => Err(Rule::UsagesAreServing),
                "bad-cn-other-node" => Err(Rule::CommonNameIsRequestor),
                "bad-email-san" | "bad-uri-san" => Err(Rule::NamesAreDnsOrIp),
                "bad-extra-org" => Err(Rule::SubjectIsPlain),
                "bad-foreign-dns" | "bad-foreign-ip" => Err(Rule::NameIsNodes),
                "bad-no-san" => Err(Rule::HasNames),
                "bad-requestor-admin" => Err(Rule::RequestorIsNode),
                "csr-c59x8" | "other-signer-client" => Err(Rule::Undecided),
                other => panic!("what is {other}?"),
            };
            assert_eq!(verdict, wanted, "{version} {}", asked.name);
            seen += 1;
        }
        assert!(seen >= 11);
        // Everything in the second capture is decided; as it was before, the kubelet's own request follows every rule.
        for item in captured(version, "csrs-after-blind-approval.json")["items"]
            .as_array()
            .unwrap()
        {
            let asked: Request = serde_json::from_value(item.clone()).unwrap();
            assert_eq!(judge(&cluster, &asked).unwrap_err().rule, Rule::Undecided);
            let mut pending = item.clone();
            pending["status"] = json!({});
            let asked: Request = serde_json::from_value(pending).unwrap();
            let good = asked.name.starts_with("good-") || asked.name == "csr-c59x8";
            assert_eq!(
                judge(&cluster, &asked).is_ok(),
                good,
                "{version} {}",
                asked.name
            );
        }
    }
}

#[test]
fn only_the_newest_of_a_kubelets_retries_is_approved() {
    let list = captured("1.36", "csr-list-denied-and-retried.json");
    let all: Vec<Request> = serde_json::from_value(list["items"].clone()).unwrap();
    let mut newest = Newest::default();
    all.iter().for_each(|asked| drop(newest.add(asked)));
    let good: Vec<&str> = all
        .iter()
        .filter(|asked| newest.standing(asked) == Standing::Newest)
        .map(|asked| asked.name.as_str())
        .collect();
    assert_eq!(good, ["csr-b7vfl"]);
}

/// A control plane node's request for these names.
fn control_plane(cluster: &Inventory, name: &str, names: &[Vec<u8>]) -> Result<(), Rule> {
    let mut made = Made::new(names);
    let requestor = format!("system:node:{name}");
    made.subject[1] = rdn(3, &requestor);
    let asked = Request {
        requestor,
        ..asking(made.pem())
    };
    judge(cluster, &asked)
        .map(drop)
        .map_err(|violation| violation.rule)
}

const LABEL: &str = "node-role.kubernetes.io/control-plane";

#[test]
fn a_control_plane_node_has_the_api_servers_own_address() {
    for label in [LABEL, "node-role.kubernetes.io/master"] {
        let mut cluster = Inventory::default();
        for (name, address) in [("cp-1", "10.0.0.2"), ("cp-2", "10.0.0.3")] {
            let addresses = [
                ("InternalIP", address),
                ("Hostname", name),
                ("InternalIP", "10.0.0.100"),
            ];
            add(
                &mut cluster,
                node(name, json!({label: ""}), &addresses[..2]),
            );
        }
        set_endpoints(&mut cluster, &["10.0.0.2", "10.0.0.3"]);
        add_api_names(&mut cluster, "kubeconfig", &["10.0.0.100", "cp-2"]);
        assert_eq!(
            control_plane(&cluster, "cp-1", &[dns("cp-1"), ip("10.0.0.2")]),
            Ok(())
        );
        // Clients are told cp-2's own name, and no other may have it.
        assert_eq!(
            control_plane(&cluster, "cp-2", &[dns("cp-2"), ip("10.0.0.3")]),
            Ok(())
        );
        // The other one's, and the load balancer's, which no Node has.
        let others = control_plane(&cluster, "cp-1", &[ip("10.0.0.3")]);
        assert_eq!(others, Err(Rule::NameIsNodes));
        let balancer = control_plane(&cluster, "cp-1", &[ip("10.0.0.100")]);
        assert_eq!(balancer, Err(Rule::NameIsNotApiServers));
    }
}

#[test]
fn a_worker_that_claims_the_control_planes_address_keeps_it_from_both() {
    let mut cluster = Inventory::default();
    let address = [("InternalIP", "10.0.0.2")];
    add(&mut cluster, node("cp-1", json!({LABEL: ""}), &address));
    add(&mut cluster, node("worker-1", json!({}), &address));
    set_endpoints(&mut cluster, &["10.0.0.2"]);
    let names = [ip("10.0.0.2")];
    assert_eq!(
        control_plane(&cluster, "worker-1", &names),
        Err(Rule::NameIsNotApiServers)
    );
    assert_eq!(
        control_plane(&cluster, "cp-1", &names),
        Err(Rule::NameIsNoOtherNodes)
    );
}

#[test]
fn a_control_plane_node_may_have_the_address_that_clients_are_told() {
    let addresses = [
        ("InternalIP", "10.0.0.2"),
        ("ExternalIP", "203.0.113.2"),
        ("Hostname", "cp-1"),
        ("ExternalDNS", "api.example"),
    ];
    let cluster = |label: &str| {
        let mut cluster = Inventory::default();
        add(
            &mut cluster,
            node("cp-1.corp", json!({label: ""}), &addresses),
        );
        set_endpoints(&mut cluster, &["10.0.0.2"]);
        add_api_names(&mut cluster, "kubeconfig", &["203.0.113.2", "api.example"]);
        // kubeadm puts the Node's name into the certificate of its API server.
        let presented = ["kubernetes", "cp-1", "cp-1.corp", "10.0.0.2"];
        add_api_names(&mut cluster, "certificate", &presented);
        cluster
    };
    let own = [
        ip("10.0.0.2"),
        ip("203.0.113.2"),
        dns("cp-1"),
        dns("cp-1.corp"),
    ];
    assert_eq!(control_plane(&cluster(LABEL), "cp-1.corp", &own), Ok(()));
    // Not without the label, which kubelets may not set.
    for name in own {
        let verdict = control_plane(&cluster("role"), "cp-1.corp", &[name]);
        assert_eq!(verdict, Err(Rule::NameIsNotApiServers));
    }
    // A name of the API server that is not this Node's is not any Node's.
    for name in ["api.example", "kubernetes"] {
        let verdict = control_plane(&cluster(LABEL), "cp-1.corp", &[dns(name)]);
        assert_eq!(verdict, Err(Rule::NameIsNotApiServers), "{name}");
    }
}

#[test]
fn a_nodes_own_name_is_not_lost_to_a_service_or_a_domain() {
    let mut cluster = Inventory::default();
    for name in ["web", "n1.cluster.local", "7"] {
        add(&mut cluster, node(name, json!({}), &[("Hostname", name)]));
    }
    let service = json!({"metadata": {"name": "web", "namespace": "x"}});
    add_service(&mut cluster, service);
    for name in ["web", "n1.cluster.local", "7"] {
        assert_eq!(
            control_plane(&cluster, name, &[dns(name)]),
            Ok(()),
            "{name}"
        );
    }
}
