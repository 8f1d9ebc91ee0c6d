//! `approve` through the API's conventions: the approval subresource, conflicts, pages, credentials.

mod decisions;
mod races;
mod reading;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{ApiServer, Config, Fault, KubeconfigStyle, Matcher, Node, Options, Output, pace};

use support::binary;

use super::scene::with_kubeconfig;

struct Fleet {
    api: ApiServer,
    directory: tempfile::TempDir,
}

fn sans(node: &str, ip: [u8; 4]) -> Sans {
    Sans {
        dns: vec![node.to_owned()],
        ips: vec![ip.into()],
    }
}

impl Fleet {
    /// worker-1 to worker-9, each with an address of its own.
    fn new() -> Self {
        let api = ApiServer::start(Config::default());
        for number in 1..10 {
            let name = format!("worker-{number}");
            api.set_node(NodeSpec::new(&name, &format!("10.0.0.1{number}")));
        }
        Self {
            api,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A request of worker-N's for its own name and this address.
    fn request(&self, number: u8, ip: [u8; 4]) -> String {
        let node = format!("worker-{number}");
        self.api
            .add_csr(Csr::kubelet_serving(&node, &sans(&node, ip)))
    }

    fn good(&self, number: u8) -> String {
        self.request(number, [10, 0, 0, 10 + number])
    }

    fn approve(&self, arguments: &[&str]) -> Output {
        let kubeconfig = self.api.admin_kubeconfig(self.directory.path());
        approve(&kubeconfig, arguments)
    }

    fn document(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.approve(&[arguments, &["-o", "json"]].concat());
        (output.code, serde_json::from_str(&output.stdout).unwrap())
    }

    fn states(&self, names: &[&String]) -> Vec<&'static str> {
        let state = |name: &&String| match self.api.csr(name).unwrap() {
            csr if csr.is("Denied") => "Denied",
            csr if csr.is("Approved") => "Approved",
            _ => "Pending",
        };
        names.iter().map(state).collect()
    }

    fn calls(&self, method: &str, part: &str) -> usize {
        let log = self.api.requests();
        log.iter()
            .filter(|call| call.method == method && call.target.contains(part))
            .count()
    }
}

fn approve(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let arguments = [&["approve"], arguments].concat();
    Output::of(&mut with_kubeconfig(kubeconfig, &arguments))
}

fn line(name: &str, what: &str) -> String {
    format!("certificatesigningrequest.certificates.k8s.io/{name} {what}\n")
}

#[test]
fn no_escape_sequence_reaches_a_terminal() {
    let fleet = Fleet::new();
    let evil = "\u{1b}[2J\u{202e}";
    let mut csr = Csr::kubelet_serving("worker-1", &sans("worker-1", [10, 0, 0, 11]));
    csr.metadata.name = format!("csr-{evil}");
    csr.spec.username = format!("system:node:{evil}");
    fleet.api.add_csr(csr);
    let mut csr = Csr::kubelet_serving("worker-1", &sans("worker-1", [10, 0, 0, 11]));
    csr.spec.usages = vec![evil.into()];
    fleet.api.add_csr(csr);
    for arguments in [
        &["--all"][..],
        &["--all", "--dry-run"],
        &["--all", "-o", "json"],
        &["--all", "-o", "yaml"],
    ] {
        let output = fleet.approve(arguments);
        let said = output.stdout + &output.stderr;
        assert!(
            said.chars().all(|c| c == '\n' || (' '..='~').contains(&c)),
            "{said:?}"
        );
        assert!(said.contains("u{202e}"), "{said}");
    }
}

#[test]
fn every_good_request_is_issued() {
    let fleet = Fleet::new();
    let mut dual = NodeSpec::new("worker-2", "10.0.0.12");
    for (kind, address) in [
        ("InternalIP", "fd00::12"),
        ("ExternalIP", "203.0.113.12"),
        ("ExternalDNS", "worker-2.corp"),
    ] {
        dual.addresses.push((kind.into(), address.into()));
    }
    fleet.api.set_node(dual);
    let all = Sans {
        dns: vec!["worker-2".into(), "worker-2.corp".into()],
        ips: ["10.0.0.12", "fd00::12", "203.0.113.12"]
            .map(|ip| ip.parse().unwrap())
            .to_vec(),
    };
    let ip_only = Sans {
        dns: vec![],
        ips: vec![[10, 0, 0, 13].into()],
    };
    let two = |node: &str, sans: &Sans| Csr::kubelet_serving(node, sans);
    let mut three = two("worker-4", &sans("worker-4", [10, 0, 0, 14]));
    three.spec.usages.insert(1, "key encipherment".into());
    let mut rsa = two("worker-1", &Sans::default());
    rsa.spec.request = base64(&std::fs::read("testdata/approval/rsa-2048.pem").unwrap());
    fleet.api.set_node(NodeSpec::new("worker-1", "10.0.0.7"));
    let requests = [two("worker-2", &all), two("worker-3", &ip_only), three, rsa];
    let names = fleet.api.add_csrs(requests);
    // The domain of nodes' names outside the cluster is an administrator's to know.
    let output = fleet.approve(&["--all"]);
    assert_eq!(output.code, 78);
    assert!(
        output
            .stdout
            .contains("DNS worker-2.corp is not the name of Node worker-2")
    );
    let output = fleet.approve(&["--all", "--dns-suffix", ".corp"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let states = || {
        names
            .iter()
            .map(|name| fleet.api.csr(name).unwrap().state())
            .collect::<Vec<_>>()
    };
    let are_issued = pace::wait_for(std::time::Duration::from_secs(20), || {
        states() == ["Issued"; 4]
    });
    assert!(are_issued, "{:?}\n{}", states(), output.stdout);
}

fn base64(bytes: &[u8]) -> String {
    let value = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()));
    value.unwrap().as_str().unwrap().to_owned()
}

#[test]
fn from_the_kubelets_request_to_a_certificate_that_it_serves() {
    let node = Node::new(Options {
        config_line: Some("serverTLSBootstrap: true".into()),
        starts: false,
        ..Options::default()
    });
    // Loopback, where the stand-in listens, is nothing to approve.
    node.api().set_node(NodeSpec {
        kubelet_port: node.kubelet_port(),
        ..NodeSpec::new("worker-1", "10.0.0.7")
    });
    assert_eq!(node.systemctl(&["start", "kubelet"]).code, 0);
    let limit = std::time::Duration::from_secs(20);
    let csr = node.api().wait_for_csr("worker-1", 0, limit).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = node.api().admin_kubeconfig(directory.path());
    let output = approve(&kubeconfig, &["--node", "worker-1"]);
    assert_eq!(
        output.stdout,
        line(&csr.metadata.name, "approved"),
        "{}",
        output.stderr
    );
    for name in ["worker-1", "10.0.0.7"] {
        assert!(
            node.wait_for(limit, |node| node.handshake(name).is_ok()),
            "{}",
            node.journal()
        );
    }
}
