//! Requests that real components took, and the Nodes that kubeadm makes.

use kubelet_tls::approval::{Asked, Cluster, Newest, Rule};
use serde_json::{Value, json};

use super::cluster::{add, asking, judge, node};
use super::request::{Made, dns, ip, rdn};

fn captured(version: &str, file: &str) -> Value {
    let path = format!("testdata/captured/{version}/{file}");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// As the cluster was, but with the control plane's endpoints, which were not captured.
fn real_cluster(version: &str) -> Cluster {
    let mut cluster = Cluster::default();
    add(&mut cluster, captured(version, "node.json"));
    for item in captured(version, "configmaps.json")["items"]
        .as_array()
        .unwrap()
    {
        if let Some(yaml) = item["data"]["ClusterConfiguration"].as_str() {
            cluster.add_kubeadm(yaml).unwrap();
        }
    }
    cluster.add_api_endpoint("10.77.0.20");
    cluster
}

#[test]
fn of_the_captured_requests_the_good_ones_alone() {
    for version in ["1.19", "1.36"] {
        let cluster = real_cluster(version);
        let items = captured(version, "csrs-pending.json")["items"].clone();
        let mut seen = 0;
        for item in items.as_array().unwrap() {
            let asked: Asked = serde_json::from_value(item.clone()).unwrap();
            let verdict = judge(&cluster, &asked).map_err(|broken| broken.rule);
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
        // Everything in the second capture is decided; as it was before, the kubelet's own is as good as it gets.
        for item in captured(version, "csrs-after-blind-approval.json")["items"]
            .as_array()
            .unwrap()
        {
            let asked: Asked = serde_json::from_value(item.clone()).unwrap();
            assert_eq!(judge(&cluster, &asked).unwrap_err().rule, Rule::Undecided);
            let mut pending = item.clone();
            pending["status"] = json!({});
            let asked: Asked = serde_json::from_value(pending).unwrap();
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
fn of_a_kubelets_retries_the_newest_alone() {
    let list = captured("1.36", "csr-list-denied-and-retried.json");
    let all: Vec<Asked> = serde_json::from_value(list["items"].clone()).unwrap();
    let mut newest = Newest::default();
    all.iter().for_each(|asked| newest.add(asked));
    let good: Vec<&str> = all
        .iter()
        .filter(|asked| newest.judge(asked).is_ok())
        .map(|asked| asked.name.as_str())
        .collect();
    assert_eq!(good, ["csr-b7vfl"]);
}

/// A control plane node's request for these names.
fn control_plane(cluster: &Cluster, name: &str, names: &[Vec<u8>]) -> Result<(), Rule> {
    let mut made = Made::new(names);
    let requestor = format!("system:node:{name}");
    made.subject[1] = rdn(3, &requestor);
    let asked = Asked {
        requestor,
        ..asking(made.pem())
    };
    judge(cluster, &asked).map_err(|broken| broken.rule)
}

const LABEL: &str = "node-role.kubernetes.io/control-plane";

#[test]
fn a_control_plane_node_has_the_api_servers_own_address() {
    for label in [LABEL, "node-role.kubernetes.io/master"] {
        let mut cluster = Cluster::default();
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
            cluster.add_api_endpoint(address);
        }
        cluster.add_api_address("10.0.0.100:6443");
        cluster.add_api_address("cp-2:6443");
        assert_eq!(
            control_plane(&cluster, "cp-1", &[dns("cp-1"), ip("10.0.0.2")]),
            Ok(())
        );
        // Clients are told cp-2's own name, and no other may have it.
        assert_eq!(
            control_plane(&cluster, "cp-2", &[dns("cp-2"), ip("10.0.0.3")]),
            Ok(())
        );
        // The other one's, and the load balancer's, which is nobody's.
        let others = control_plane(&cluster, "cp-1", &[ip("10.0.0.3")]);
        assert_eq!(others, Err(Rule::NameIsNodes));
        let balancer = control_plane(&cluster, "cp-1", &[ip("10.0.0.100")]);
        assert_eq!(balancer, Err(Rule::NameIsNotApiServers));
    }
}

#[test]
fn a_worker_that_claims_the_control_planes_address_keeps_it_from_both() {
    let mut cluster = Cluster::default();
    let address = [("InternalIP", "10.0.0.2")];
    add(&mut cluster, node("cp-1", json!({LABEL: ""}), &address));
    add(&mut cluster, node("worker-1", json!({}), &address));
    cluster.add_api_endpoint("10.0.0.2");
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
fn what_clients_are_told_of_a_lone_control_plane_is_its_own() {
    let addresses = [
        ("InternalIP", "10.0.0.2"),
        ("ExternalIP", "203.0.113.2"),
        ("Hostname", "host-1"),
        ("ExternalDNS", "api.example"),
    ];
    let names = [
        ip("10.0.0.2"),
        ip("203.0.113.2"),
        dns("host-1"),
        dns("api.example"),
    ];
    let made = |label: &str, endpoint: &str| {
        let mut cluster = Cluster::default();
        add(&mut cluster, node("cp-1", json!({label: ""}), &addresses));
        cluster.add_api_endpoint(endpoint);
        cluster.add_api_address("203.0.113.2");
        cluster.add_api_address("api.example:6443");
        cluster
    };
    assert_eq!(
        control_plane(&made(LABEL, "10.0.0.2"), "cp-1", &names),
        Ok(())
    );
    // Not without the label, which kubelets may not set; nor when the API server is elsewhere.
    for cluster in [made("role", "10.0.0.2"), made(LABEL, "10.0.0.9")] {
        let verdict = control_plane(&cluster, "cp-1", &names[1..]);
        assert_eq!(verdict, Err(Rule::NameIsNotApiServers));
    }
    let kubernetes = control_plane(&made(LABEL, "10.0.0.2"), "cp-1", &[dns("kubernetes")]);
    assert_eq!(kubernetes, Err(Rule::NameIsNotApiServers));
}

#[test]
fn a_nodes_own_name_is_not_lost_to_a_service_or_a_domain() {
    let mut cluster = Cluster::default();
    for name in ["web", "n1.cluster.local", "7"] {
        add(&mut cluster, node(name, json!({}), &[("Hostname", name)]));
    }
    cluster.add_service(
        serde_json::from_value(json!({"metadata": {"name": "web", "namespace": "x"}})).unwrap(),
    );
    for name in ["web", "n1.cluster.local", "7"] {
        assert_eq!(
            control_plane(&cluster, name, &[dns(name)]),
            Ok(()),
            "{name}"
        );
    }
}
