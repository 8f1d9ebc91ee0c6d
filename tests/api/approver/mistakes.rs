//! Common mistakes in clusters, each with its remedy.

use super::*;

const GIVE_EACH_ITS_OWN: &str = "give each kubelet the address of its own node: --node-ip";
const OR_VOUCH: &str = "set the kubelet's --node-ip to an address of the node alone; or vouch for the name: approve CSR --allow NAME";

/// A cluster of the field: what is refused in it, each with these words, and what a given command then approves.
#[test]
fn common_mistakes_in_clusters_are_refused_with_their_remedy() {
    for (file, rule, remedy, way_out) in [
        (
            "15-approve-vagrant",
            "NameIsNoOtherNodes",
            GIVE_EACH_ITS_OWN,
            &[][..],
        ),
        (
            "15b-approve-nat-external-ip",
            "NameIsNoOtherNodes",
            GIVE_EACH_ITS_OWN,
            &[],
        ),
        (
            "15c-approve-same-ipv6",
            "NameIsNoOtherNodes",
            GIVE_EACH_ITS_OWN,
            &[],
        ),
        (
            "17-approve-lbip",
            "NameIsNotServices",
            OR_VOUCH,
            &["192.0.2.7", "192.0.2.2"],
        ),
        (
            "17b-approve-external-ips",
            "NameIsNotServices",
            OR_VOUCH,
            &["192.0.2.7"],
        ),
        (
            "17c-approve-dual-stack-lbip",
            "NameIsNotServices",
            OR_VOUCH,
            &["fd00:2::7"],
        ),
    ] {
        let scene: Value =
            serde_json::from_slice(&std::fs::read(format!("testdata/field/{file}.json")).unwrap())
                .unwrap();
        let fleet = Fleet::new();
        (1..4).for_each(|number| fleet.api.remove_node(&format!("worker-{number}")));
        let requests = set_up(&fleet, &scene);
        let (code, document) = fleet.document(&["--all"]);
        assert_eq!(code, 78, "{file}: {document}");
        for row in document["requests"].as_array().unwrap() {
            assert_eq!(row["rule"], rule, "{file}: {row}");
            assert_eq!(row["remedy"], remedy, "{file}: {row}");
        }
        for name in &requests {
            let output = fleet.approve(&[name]);
            assert_eq!(output.code, 78, "{file}");
            let said = format!("; {remedy}\n");
            assert!(output.stderr.contains(&said), "{file}: {}", output.stderr);
            // The hint is a command that works.
            let Some((_, command)) = output.stderr.split_once("hint: kubelet-tls ") else {
                assert!(way_out.is_empty(), "{file}: {}", output.stderr);
                continue;
            };
            let (command, access) = command.split_once(" --kubeconfig ").unwrap();
            let given = fleet.directory.path().join("admin.conf");
            assert_eq!(access.lines().next(), given.to_str(), "{file}");
            let words: Vec<&str> = command.split_whitespace().skip(1).collect();
            assert!(way_out.contains(words.last().unwrap()), "{file}: {words:?}");
            assert_eq!(fleet.approve(&words).code, 0, "{file}: {words:?}");
            assert!(fleet.is_approved(name));
        }
    }
}

fn set_up(fleet: &Fleet, scene: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let endpoints: Vec<String> = scene["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    let endpoints: Vec<&str> = endpoints.iter().map(String::as_str).collect();
    fleet.api.set_api_endpoints(&endpoints);
    let data = [("ClusterConfiguration", scene["cc"].as_str().unwrap())];
    fleet
        .api
        .set_configmap("kube-system", "kubeadm-config", &data);
    for service in scene["services"].as_array().into_iter().flatten() {
        let (namespace, name) = (
            &service["metadata"]["namespace"],
            &service["metadata"]["name"],
        );
        let (spec, status) = (service["spec"].clone(), service["status"].clone());
        fleet
            .api
            .add_service(&text(namespace), &text(name), spec, status);
    }
    for object in scene["nodes"].as_array().unwrap() {
        let mut node = NodeSpec::new(object["name"].as_str().unwrap(), "192.0.2.250");
        let addresses = object["addr"].as_array().unwrap().iter();
        node.addresses = addresses
            .map(|pair| (text(&pair[0]), text(&pair[1])))
            .collect();
        if object["cp"] == true {
            let label = "node-role.kubernetes.io/control-plane".to_owned();
            node.labels.insert(label, String::new());
        }
        fleet.api.set_node(node);
    }
    let csrs = scene["csrs"].as_array().unwrap().iter();
    csrs.map(|csr| {
        let mut wanted = Sans::default();
        for san in csr["sans"].as_array().unwrap() {
            match san.as_str().unwrap().split_once(':').unwrap() {
                ("IP", ip) => wanted.ips.push(ip.parse().unwrap()),
                (_, name) => wanted.dns.push(name.to_owned()),
            }
        }
        fleet.request(csr["node"].as_str().unwrap(), &wanted)
    })
    .collect()
}
