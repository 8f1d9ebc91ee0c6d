//! `cluster status`: what each kubelet is configured to do, what it serves, and what is pending.

use std::time::Duration;

use serde_json::Value;
use standins::api::{Csr, NodeSpec};
use standins::kubelet::Fleet;
use standins::pki::{Ca, Sans};
use standins::{ApiServer, Config, Fault, Matcher, pace};

use super::scene::Scene;

/// A Node at these addresses, whose kubelet says this in its configz.
fn node(scene: &Scene, fleet: &Fleet, name: &str, addresses: &[&str], enabled: Option<bool>) {
    let internal = addresses
        .iter()
        .map(|address| ("InternalIP".to_owned(), (*address).to_owned()));
    scene.api.set_node(NodeSpec {
        addresses: internal
            .chain([("Hostname".to_owned(), name.to_owned())])
            .collect(),
        kubelet_port: fleet.port(),
        server_tls_bootstrap: enabled,
        ..NodeSpec::new(name, "127.0.0.1")
    });
}

fn request(scene: &Scene, node: &str) -> String {
    let sans = Sans {
        dns: vec![node.to_owned()],
        ips: vec![],
    };
    scene.api.add_csr(Csr::kubelet_serving(node, &sans))
}

/// A cluster whose kubelets are in each state.
fn each_state() -> (Scene, Fleet) {
    let scene = Scene::new();
    let fleet = Fleet::start();
    let ca = scene.api.ca();
    for name in ["control-plane-1", "worker-1", "worker-2"] {
        scene.api.remove_node(name);
    }
    node(
        &scene,
        &fleet,
        "a-good",
        &["127.1.0.1", "127.1.1.1"],
        Some(true),
    );
    fleet.issued(ca, "a-good", "127.1.0.1", &["127.1.0.1", "127.1.1.1"]);
    fleet.issued(ca, "a-good", "127.1.1.1", &["127.1.0.1", "127.1.1.1"]);
    node(&scene, &fleet, "b-off", &["127.1.0.2"], Some(false));
    fleet.self_signed("b-off", "127.1.0.2");
    node(&scene, &fleet, "c-waiting", &["127.1.0.3"], None);
    fleet.waiting("127.1.0.3");
    node(&scene, &fleet, "d-silent", &["127.1.0.4"], None);
    fleet.silent("127.1.0.4");
    node(&scene, &fleet, "e-other-ca", &["127.1.0.5"], Some(true));
    fleet.issued(
        &Ca::new("kubernetes"),
        "e-other-ca",
        "127.1.0.5",
        &["127.1.0.5"],
    );
    node(&scene, &fleet, "f-borrowed", &["127.1.0.6"], Some(true));
    fleet.issued(ca, "a-good", "127.1.0.6", &["127.1.0.6"]);
    (scene, fleet)
}

fn rows(document: &Value) -> Vec<String> {
    let nodes = document["nodes"].as_array().unwrap().iter();
    let rows = nodes.map(|node| {
        format!(
            "{} {}({})",
            node["name"].as_str().unwrap(),
            node["status"].as_str().unwrap(),
            node["reason"].as_str().unwrap()
        )
    });
    rows.collect()
}

#[test]
fn status_prints_a_row_for_each_node() {
    let (scene, _fleet) = each_state();
    let pending = request(&scene, "c-waiting");
    let document = scene.document(&["cluster", "status"], 1);
    assert_eq!(
        rows(&document),
        [
            "a-good True(Verified)",
            "b-off False(NotEnabled)",
            "c-waiting False(Pending)",
            "d-silent Unknown(Unreachable)",
            "e-other-ca False(UnknownAuthority)",
            "f-borrowed False(OtherNode)",
        ]
    );
    let good = &document["nodes"][0];
    assert_eq!(good["serverTLSBootstrap"], true);
    assert_eq!(good["addresses"].as_array().unwrap().len(), 2);
    assert_eq!(good["addresses"][1]["certificate"]["verified"], true);
    assert_eq!(
        good["notAfter"],
        good["addresses"][0]["certificate"]["notAfter"]
    );
    let waiting = &document["nodes"][2];
    assert_eq!(waiting["pending"]["name"], pending.as_str());
    assert_eq!(waiting["hint"], format!("kubelet-tls approve {pending}"));
    assert_eq!(waiting["serverTLSBootstrap"], Value::Null);

    let output = scene.expect(&["cluster", "status"], 1);
    assert_eq!(output.stdout.lines().count(), 7, "{}", output.stdout);
    let line = |name: &str| {
        let line = output.stdout.lines().find(|line| line.starts_with(name));
        line.unwrap()
            .split("  ")
            .filter(|cell| !cell.is_empty())
            .map(str::trim)
            .collect::<Vec<_>>()
            .join("|")
    };
    assert!(line("NODE") == "NODE|SECURED|REASON|ENABLED|SERVES|UNTIL|PENDING");
    assert!(
        line("a-good").starts_with("a-good|True|Verified|true|127.1.0.1:"),
        "{}",
        output.stdout
    );
    assert!(
        line("c-waiting").contains(&format!("|{pending} (")),
        "{}",
        output.stdout
    );
    snapbox::assert_data_eq!(
        output.stderr,
        snapbox::str![[r#"
c-waiting: to approve their requests: kubelet-tls approve --all
b-off: on each of them, as root: kubelet-tls apply --issue-first
d-silent, e-other-ca, f-borrowed: on each of them, as root: kubelet-tls status
1 of 6 nodes are secured

"#]]
    );
    // What an administrator types next asks the cluster that was named; what is typed on a node does not.
    let kubeconfig = scene.kubeconfig();
    let named = ["cluster", "status", "--kubeconfig", &kubeconfig];
    let document = scene.document(&named, 1);
    let hints = |node: usize| document["nodes"][node]["hint"].as_str().unwrap();
    assert_eq!(
        hints(2),
        format!("kubelet-tls approve {pending} --kubeconfig {kubeconfig}")
    );
    assert_eq!(hints(1), "kubelet-tls apply");
    let said = scene.expect(&named, 1).stderr;
    let approve = format!(": kubelet-tls approve --all --kubeconfig {kubeconfig}\n");
    assert!(said.contains(&approve), "{said}");
    assert!(
        said.contains(": kubelet-tls apply --issue-first\n"),
        "{said}"
    );

    let names = scene.expect(&["cluster", "status", "-o", "name"], 1).stdout;
    assert_eq!(
        names,
        "b-off\nc-waiting\nd-silent\ne-other-ca\nf-borrowed\n"
    );
}

#[test]
fn every_node_secured_is_exit_0() {
    let (scene, _fleet) = each_state();
    for name in ["b-off", "c-waiting", "d-silent", "e-other-ca", "f-borrowed"] {
        scene.api.remove_node(name);
    }
    let document = scene.document(&["cluster", "status"], 0);
    assert_eq!(rows(&document), ["a-good True(Verified)"]);
    scene.api.remove_node("a-good");
    // Nothing was proved of a cluster without nodes.
    assert_eq!(rows(&scene.document(&["cluster", "status"], 1)).len(), 0);
}

#[test]
fn what_may_not_be_read_is_a_warning() {
    let (scene, _fleet) = each_state();
    let forbid = |path: &str| {
        let matcher = Matcher::new().path(path);
        scene.api.inject(matcher, Fault::Status(403, None));
    };
    forbid("/proxy/configz");
    forbid("certificatesigningrequests");
    let document = scene.document(&["cluster", "status"], 1);
    assert_eq!(rows(&document)[0], "a-good True(Verified)");
    assert_eq!(document["nodes"][0]["serverTLSBootstrap"], Value::Null);
    assert_eq!(document["warnings"].as_array().unwrap().len(), 2);
    forbid("/api/v1/nodes?");
    let document = scene.document(&["cluster", "status"], 77);
    assert_eq!(document["nodes"], Value::Null);
}

/// One in ten is silent, one in ten waits; the API server answers nothing for one in ten.
#[test]
fn thousands_of_nodes_are_probed_side_by_side() {
    // The figure is of 5,000, with `KUBELETS=5000` and a release build.
    let nodes = std::env::var("KUBELETS").ok();
    let nodes: usize = nodes.map_or(1_000, |nodes| nodes.parse().unwrap());
    let api = ApiServer::start(Config::default());
    let fleet = Fleet::start();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = api.admin_kubeconfig(directory.path());
    for number in 0..nodes {
        let name = format!("n-{number:04}");
        let address = format!("127.2.{}.{}", number / 250, number % 250 + 1);
        match number % 10 {
            0 => fleet.waiting(&address),
            1 => fleet.silent(&address),
            _ => fleet.issued(api.ca(), &name, &address, &[&address]),
        }
        api.set_node(NodeSpec {
            kubelet_port: fleet.port(),
            server_tls_bootstrap: (number % 10 > 1).then_some(true),
            ..NodeSpec::new(&name, &address)
        });
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kubelet-tls"));
    command
        .args(["cluster", "status", "-o", "json"])
        .env_clear()
        .env("KUBECONFIG", kubeconfig);
    let began = pace::now();
    let output = standins::Output::of(&mut command);
    let took = pace::now() - began;
    assert_eq!(output.code, 1, "{}", output.stderr);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let count = |status: &str| {
        let rows = document["nodes"].as_array().unwrap().iter();
        rows.filter(|row| row["status"] == status).count()
    };
    eprintln!("{nodes} nodes in {took:?}");
    assert_eq!(
        [count("True"), count("False"), count("Unknown")],
        [nodes * 8 / 10, nodes / 10, nodes / 10]
    );
    assert!(took < Duration::from_secs(60), "{took:?}");
}
