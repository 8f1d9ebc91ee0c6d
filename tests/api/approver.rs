//! `approve` against what a cluster may be, and what it may not know.

mod facts;
mod hostile_names;
mod mistakes;
mod renewals;

use std::collections::BTreeSet;
use std::net::{IpAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kubelet_tls::parts::host::Admin;
use kubelet_tls::parts::host::Source;
use kubelet_tls::parts::host::interfaces;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use serde_json::{Value, json};
use standins::api::{Csr, NodeSpec};
use standins::pki::{Request, Sans};
use standins::{ApiServer, Config, Fault, Matcher, Output, hostile};

use super::scene::with_kubeconfig;

struct Fleet {
    api: ApiServer,
    directory: tempfile::TempDir,
}

fn sans(dns: &[&str], ips: &[&str]) -> Sans {
    Sans {
        dns: dns.iter().map(|name| (*name).to_owned()).collect(),
        ips: ips.iter().map(|ip| ip.parse().unwrap()).collect(),
    }
}

impl Fleet {
    fn of_version(version: &str) -> Self {
        let api = ApiServer::start(Config {
            version: version.into(),
            ..Config::default()
        });
        for number in 1..4 {
            let name = format!("worker-{number}");
            api.set_node(NodeSpec::new(&name, &format!("10.0.0.1{number}")));
        }
        Self {
            api,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn new() -> Self {
        Self::of_version("v1.36.2")
    }

    fn request(&self, node: &str, sans: &Sans) -> String {
        self.api.add_csr(Csr::kubelet_serving(node, sans))
    }

    fn good(&self, number: u8) -> String {
        let node = format!("worker-{number}");
        self.request(&node, &sans(&[&node], &[&format!("10.0.0.1{number}")]))
    }

    fn approve(&self, arguments: &[&str]) -> Output {
        let kubeconfig = self.api.admin_kubeconfig(self.directory.path());
        approve(&kubeconfig, arguments)
    }

    fn document(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.approve(&[arguments, &["-o", "json"]].concat());
        (output.code, serde_json::from_str(&output.stdout).unwrap())
    }

    fn is_approved(&self, name: &str) -> bool {
        self.api.csr(name).unwrap().is("Approved")
    }
}

fn approve(kubeconfig: &Path, arguments: &[&str]) -> Output {
    let arguments = [&["approve"], arguments].concat();
    Output::of(&mut with_kubeconfig(kubeconfig, &arguments))
}

#[test]
fn one_bad_request_does_not_affect_the_others() {
    for (fault, code) in [
        (Fault::Status(422, None), 69),
        (Fault::Status(503, None), 69),
        (Fault::Status(403, None), 77),
    ] {
        let fleet = Fleet::new();
        let (first, bad, last) = (fleet.good(1), fleet.good(2), fleet.good(3));
        fleet
            .api
            .inject(Matcher::new().method("PUT").path(&bad), fault);
        let (ended, document) = fleet.document(&["--all", "--timeout", "6s"]);
        assert_eq!(ended, code, "{document}");
        assert!(fleet.is_approved(&first) && fleet.is_approved(&last));
        assert!(!fleet.is_approved(&bad));
        let rows = document["requests"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == bad.as_str()).unwrap();
        assert_eq!(row["approved"], false);
        assert!(
            row["message"].as_str().unwrap().contains("answers"),
            "{row}"
        );
        assert!(
            document["error"]["message"]
                .as_str()
                .unwrap()
                .contains(&bad)
        );
    }
    // One that is given by its name and cannot be read.
    let fleet = Fleet::new();
    let good = fleet.good(1);
    let path = "certificatesigningrequests/csr-odd";
    fleet
        .api
        .inject(Matcher::new().path(path), Fault::Body(b"{}".to_vec()));
    let output = fleet.approve(&["csr-odd", &good, "--timeout", "2s"]);
    assert!(fleet.is_approved(&good), "{}", output.stderr);
    assert_eq!(output.code, 69, "{}", output.stderr);
}

#[test]
fn it_says_so_when_no_request_is_pending() {
    let fleet = Fleet::new();
    let output = fleet.approve(&["--all"]);
    assert_eq!((output.code, output.stdout.as_str()), (0, ""));
    assert!(
        output
            .stderr
            .contains("no kubelet-serving request is pending"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_request_with_dns_names_alone_is_approved_with_a_warning() {
    let fleet = Fleet::new();
    let name = fleet.request("worker-1", &sans(&["worker-1"], &[]));
    let (code, document) = fleet.document(&["--all"]);
    assert_eq!(code, 0, "{document}");
    assert!(fleet.is_approved(&name));
    let warning = document["warnings"][0].as_str().unwrap();
    let said = "asks for DNS names alone: metrics-server and the API server dial addresses and cannot use its certificate, \
                and the kubelet asks again once its Node has an address";
    assert_eq!(warning, format!("{name} {said}"));
}

#[test]
fn each_option_of_the_policy_has_its_effect() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    for (options, rule) in [
        (&["--ip-prefix", "10.1.0.0/16"][..], "AddressWithinPrefixes"),
        (&["--max-names", "1"], "NamesWithinMaximum"),
        (&["--pod-cidr", "10.0.0.0/24"], "NameIsNotPods"),
        (&["--service-cidr", "10.0.0.0/24"], "NameIsNotServices"),
    ] {
        let (code, document) = fleet.document(&[&["--all"], options].concat());
        assert_eq!((code, &document["requests"][0]["rule"]), (78, &json!(rule)));
        assert!(
            !document["requests"][0]["remedy"]
                .as_str()
                .unwrap()
                .is_empty()
        );
    }
    let prefixes = ["--ip-prefix", "fd00::/8", "--ip-prefix", "10.0.0.0/24"];
    let output = fleet.approve(&[&["--all"], &prefixes[..]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(fleet.is_approved(&name));
    // Vouching is for requests that are named, and names are names.
    for wrong in [
        &["--all", "--allow", "10.0.0.1"][..],
        &["csr-1", "--allow", "a b"],
        &["csr-1", "--ip-prefix", "10.0.0.0"],
        &["--all", "--dns-suffix", "*.x"],
        &["csr-1", "--renewals"],
        &["--node", "a;b"],
    ] {
        assert_eq!(fleet.approve(wrong).code, 64, "{wrong:?}");
    }
}
