//! `approve` against what a cluster may be, and what it may not know.

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

/// What is read of the cluster, with a part of its path, and the rule of a ClusterRole that allows it.
const FACTS: &[(&str, &str)] = &[
    ("/api/v1/nodes", "resources: [nodes], verbs: [list]"),
    ("/api/v1/services", "resources: [services], verbs: [list]"),
    (
        "/endpointslices",
        "resources: [endpointslices], verbs: [list]",
    ),
    (
        "/configmaps/kubeadm-config",
        "resourceNames: [kubeadm-config], verbs: [get]",
    ),
];

#[test]
fn a_fact_that_is_unknown_refuses_everything() {
    for (path, rule) in FACTS {
        for (fault, code, said) in [
            (Fault::Status(403, None), 77, *rule),
            (
                Fault::Body(b"{\"items\":7}".to_vec()),
                65,
                "repair the object",
            ),
            (Fault::Status(500, None), 69, "answers 500"),
        ] {
            let fleet = Fleet::new();
            let name = fleet.good(1);
            fleet.api.inject(Matcher::new().path(path), fault);
            let output = fleet.approve(&[&name, "--timeout", "1s"]);
            assert_eq!(output.code, code, "{path}: {}", output.stderr);
            assert!(output.stderr.contains(said), "{path}: {}", output.stderr);
            assert!(
                output.stderr.contains("nothing was approved"),
                "{}",
                output.stderr
            );
            assert!(
                output.stderr.contains("hint: kubectl "),
                "{}",
                output.stderr
            );
            assert!(!fleet.is_approved(&name), "{path}");
        }
    }
}

#[test]
fn an_object_that_cannot_be_used_is_named() {
    let set = |fleet: &Fleet, text: &str| {
        let data = [("ClusterConfiguration", text)];
        fleet
            .api
            .set_configmap("kube-system", "kubeadm-config", &data);
    };
    for (text, said) in [
        ("{", "its ClusterConfiguration"),
        (
            "networking: {serviceSubnet: 10.96.0.0}",
            "10.96.0.0 is not a network",
        ),
        (
            "networking: {serviceSubnet: 10.96.0.0/12, podSubnet: x}",
            "x is not a network",
        ),
    ] {
        let fleet = Fleet::new();
        let name = fleet.good(1);
        set(&fleet, text);
        let output = fleet.approve(&[&name]);
        assert_eq!(output.code, 65, "{}", output.stderr);
        for part in [
            said,
            "configmap/kube-system/kubeadm-config",
            " -n kube-system edit configmap kubeadm-config",
        ] {
            assert!(output.stderr.contains(part), "{}", output.stderr);
        }
    }
    // A name that no resolver knows: what it stands for is unknown.
    let fleet = Fleet::new();
    let name = fleet.good(1);
    set(
        &fleet,
        "controlPlaneEndpoint: api.cluster.invalid:6443\nnetworking: {serviceSubnet: 10.96.0.0/12}",
    );
    let output = fleet.approve(&[&name, "--timeout", "8s"]);
    assert_eq!(output.code, 69, "{}", output.stderr);
    assert!(
        output.stderr.contains("cannot resolve api.cluster.invalid"),
        "{}",
        output.stderr
    );
    assert!(!fleet.is_approved(&name));
}

#[test]
fn what_the_endpoints_name_resolves_to_is_the_api_servers() {
    let fleet = Fleet::new();
    let data = [(
        "ClusterConfiguration",
        "controlPlaneEndpoint: localhost:6443\nnetworking: {serviceSubnet: 10.96.0.0/12}",
    )];
    fleet
        .api
        .set_configmap("kube-system", "kubeadm-config", &data);
    let name = fleet.good(1);
    assert_eq!(fleet.approve(&[&name]).code, 0);
}

#[test]
fn without_kubeadm_config_the_networks_come_from_elsewhere() {
    let without = |version: &str| {
        let fleet = Fleet::of_version(version);
        let name = fleet.good(1);
        fleet.api.remove_configmap("kube-system", "kubeadm-config");
        (fleet, name)
    };
    // ServiceCIDR objects exist since 1.33.
    let (fleet, name) = without("v1.33.0");
    let output = fleet.approve(&[&name]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let (fleet, name) = without("v1.32.4");
    let output = fleet.approve(&[&name]);
    assert_eq!(output.code, 65, "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("give the subnets with --service-cidr and --pod-cidr")
    );
    assert!(!fleet.is_approved(&name));
    // One of the two is not enough.
    let services = ["--service-cidr", "10.96.0.0/12"];
    assert_eq!(
        fleet
            .approve(&[&[name.as_str()], &services[..]].concat())
            .code,
        65
    );
    let both = [&services[..], &["--pod-cidr", "10.244.0.0/16"]].concat();
    let output = fleet.approve(&[&[name.as_str()], &both[..]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    // They count.
    let (fleet, name) = without("v1.19.16");
    let output = fleet.approve(&[
        &name,
        "--service-cidr",
        "10.96.0.0/12",
        "--pod-cidr",
        "10.0.0.0/24",
    ]);
    assert!(output.stdout.contains("NameIsNotPods"), "{}", output.stdout);
    assert_eq!(output.code, 78);
}

#[test]
fn facts_are_read_after_the_requests() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    fleet.api.clear_requests();
    assert_eq!(fleet.approve(&["--all"]).code, 0);
    assert!(fleet.is_approved(&name));
    let log = fleet.api.requests();
    let position = |part: &str| {
        log.iter()
            .position(|call| call.target.contains(part))
            .unwrap()
    };
    for (path, _) in FACTS {
        assert!(position("spec.signerName") < position(path), "{path}");
    }
}

#[test]
fn a_request_that_was_replaced_by_another_of_its_name_is_not_decided() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    let mut other = fleet.api.csr(&name).unwrap();
    other.metadata.uid = "another".into();
    let body = serde_json::to_vec(&other).unwrap();
    let own = format!("certificatesigningrequests/{name}");
    fleet
        .api
        .inject(Matcher::new().path(&own).list(), Fault::Body(body));
    let output = fleet.approve(&["--all"]);
    assert_eq!(output.code, 65, "{}", output.stderr);
    assert!(!fleet.is_approved(&name));
}

#[test]
fn the_api_servers_own_certificate_is_read() {
    let fleet = Fleet::new();
    let kubeconfig = fleet.api.admin_kubeconfig(fleet.directory.path());
    let source = Source::of_administrator(Some(&kubeconfig), None);
    let api = Admin::open(&source).unwrap();
    let names = api
        .presented_names(Instant::now() + Duration::from_secs(10))
        .unwrap();
    assert_eq!(names.dns, ["localhost", "kubernetes"]);
    assert_eq!(names.ips, ["127.0.0.1".parse::<IpAddr>().unwrap()]);
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
    assert!(
        warning.contains("metrics-server") && warning.contains("asks again"),
        "{warning}"
    );
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

/// Serves this certificate, with the node's key, to everyone who comes.
fn serve(address: IpAddr, certificate: &str, key: &str) -> u16 {
    let certificates = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let Ok(mut connection) = ServerConnection::new(Arc::clone(&config)) else {
                continue;
            };
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
        }
    });
    port
}

/// An address of this machine's own at which a kubelet may listen: loopback is nothing to approve.
fn own_address() -> Option<IpAddr> {
    let mut all = interfaces::addresses().into_iter();
    all.find(|ip| ip.is_ipv4() && !ip.is_loopback())
}

#[test]
fn renewals_are_approved_only_for_names_that_the_node_serves_now() {
    let Some(address) = own_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let text = address.to_string();
    let year = Duration::from_secs(365 * 86_400);
    let usages = ["digital signature".to_owned(), "server auth".to_owned()];
    // Who serves, for which names, and whether the renewal of worker-9 is approved then.
    for (cn, dns, ips, approved) in [
        (
            "system:node:worker-9",
            &["worker-9"][..],
            &[text.as_str()][..],
            true,
        ),
        (
            "system:node:worker-9",
            &["worker-9", "more"],
            &[&text, "10.9.9.9"],
            true,
        ),
        ("system:node:worker-9", &[], &[&text], false),
        ("system:node:worker-9", &["worker-9"], &["10.9.9.9"], false),
        ("system:node:worker-8", &["worker-9"], &[&text], false),
    ] {
        let fleet = Fleet::new();
        let (request, key) = Request::make(cn, &["system:nodes"], &sans(dns, ips));
        let request = Request::parse(request.as_bytes()).unwrap();
        let certificate = fleet.api.ca().sign(&request, &usages, year).unwrap();
        let mut node = NodeSpec::new("worker-9", &text);
        node.kubelet_port = serve(address, &certificate, &key);
        fleet.api.set_node(node);
        let name = fleet.request("worker-9", &sans(&["worker-9"], &[&text]));
        let (code, document) = fleet.document(&["--all", "--renewals"]);
        assert_eq!(
            fleet.is_approved(&name),
            approved,
            "{cn} {dns:?} {ips:?}: {document}"
        );
        if !approved {
            assert_eq!(
                (code, &document["requests"][0]["rule"]),
                (78, &json!("NamesAreServed"))
            );
        }
    }
    // Another CA's certificate, and no kubelet at all.
    let fleet = Fleet::new();
    let foreign = standins::pki::Ca::new("kubernetes");
    let own = sans(&["worker-9"], &[&text]);
    let (request, key) = Request::make("system:node:worker-9", &["system:nodes"], &own);
    let request = Request::parse(request.as_bytes()).unwrap();
    let certificate = foreign.sign(&request, &usages, year).unwrap();
    let mut node = NodeSpec::new("worker-9", &text);
    node.kubelet_port = serve(address, &certificate, &key);
    fleet.api.set_node(node);
    let name = fleet.request("worker-9", &own);
    let other = fleet.good(1);
    let output = fleet.approve(&["--all", "--renewals"]);
    assert_eq!(output.code, 78, "{}", output.stdout);
    assert!(
        output.stdout.contains("the cluster's CA did not sign it"),
        "{}",
        output.stdout
    );
    assert!(!fleet.is_approved(&name) && !fleet.is_approved(&other));
}

/// A cluster of the field: what is refused in it, each with these words, and what a given command then approves.
#[test]
fn common_mistakes_in_clusters_are_refused_with_their_remedy() {
    for (file, rule, remedy, way_out) in [
        (
            "15-approve-vagrant",
            "NameIsNoOtherNodes",
            "--node-ip",
            &[][..],
        ),
        (
            "15b-approve-nat-external-ip",
            "NameIsNoOtherNodes",
            "--node-ip",
            &[],
        ),
        (
            "15c-approve-same-ipv6",
            "NameIsNoOtherNodes",
            "--node-ip",
            &[],
        ),
        (
            "17-approve-lbip",
            "NameIsNotServices",
            "--allow",
            &["192.0.2.7", "192.0.2.2"],
        ),
        (
            "17b-approve-external-ips",
            "NameIsNotServices",
            "--allow",
            &["192.0.2.7"],
        ),
        (
            "17c-approve-dual-stack-lbip",
            "NameIsNotServices",
            "--allow",
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
            assert!(
                row["remedy"].as_str().unwrap().contains(remedy),
                "{file}: {row}"
            );
        }
        for name in &requests {
            let output = fleet.approve(&[name]);
            assert_eq!(output.code, 78, "{file}");
            assert!(output.stderr.contains(remedy), "{file}: {}", output.stderr);
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

#[test]
fn hostile_names_are_refused_and_never_printed_as_they_are() {
    let fleet = Fleet::new();
    let good = fleet.good(3);
    let names = hostile::names();
    for name in &names {
        // As a request's name, and as the requestor's.
        let mut csr = Csr::kubelet_serving("worker-1", &sans(&["worker-1"], &["10.0.0.11"]));
        csr.metadata.name.clone_from(name);
        fleet.api.add_csr(csr);
        let mut csr = Csr::kubelet_serving("worker-2", &sans(&["worker-2"], &["10.0.0.12"]));
        csr.spec.username = format!("system:node:{name}");
        fleet.api.add_csr(csr);
    }
    let mut seen = BTreeSet::new();
    for format in ["text", "json", "yaml", "name"] {
        for arguments in [
            &["--all", "--dry-run"][..],
            &["--all", "--deny", "--dry-run"],
            &["--node", "worker-1"],
            &["--all", "--deny"],
        ] {
            let output = fleet.approve(&[arguments, &["-o", format]].concat());
            let said = format!("{}{}", output.stdout, output.stderr);
            hostile::assert_harmless(&said, &names);
            if format == "name" {
                for line in output.stdout.lines() {
                    assert_eq!(line, good, "{arguments:?}");
                }
            }
            seen.insert(output.code);
        }
    }
    assert!(fleet.is_approved(&good));
    let decided = fleet
        .api
        .csrs()
        .into_iter()
        .filter(|csr| csr.state() != "Pending");
    let issued: Vec<String> = decided.map(|csr| csr.metadata.name).collect();
    assert_eq!(issued, [good], "{seen:?}");
    // Given on the command line they are wrong usage.
    for name in names
        .iter()
        .filter(|name| name.len() < 1000 && !name.starts_with('-'))
    {
        assert_eq!(fleet.approve(&["--", name]).code, 64, "{name:?}");
        assert_eq!(fleet.approve(&["--node", name]).code, 64, "{name:?}");
    }
}

#[test]
fn hostile_names_of_a_nodes_own_requests_are_passed_over() {
    let fleet = Fleet::new();
    let good = fleet.good(1);
    for name in hostile::names() {
        let mut csr = Csr::kubelet_serving("worker-1", &sans(&["worker-1"], &["10.0.0.11"]));
        csr.metadata.name = name;
        csr.metadata.creation_timestamp = Some("2099-01-01T00:00:00Z".into());
        fleet.api.add_csr(csr);
    }
    let style = standins::KubeconfigStyle::Inline;
    let directory = fleet.directory.path();
    let kubeconfig = fleet.api.kubeconfig_for_node("worker-1", directory, style);
    for format in ["text", "json", "yaml", "name"] {
        let output = Output::of(&mut with_kubeconfig(
            &kubeconfig,
            &["csr", "-v", "-o", format],
        ));
        assert_eq!(output.code, 0, "{}", output.stderr);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(&good) && !said.contains("pwned"), "{said}");
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said}");
        if matches!(format, "text" | "name") {
            assert_eq!(output.stdout, format!("{good}\n"));
        }
    }
}

#[test]
fn keys_that_cannot_be_verified_are_refused_with_a_reason() {
    let fleet = Fleet::new();
    for (number, (key, reason)) in [
        ("p521", "ECDSA P-521"),
        ("ed25519", "Ed25519"),
        ("rsa-8200", "RSA of 8200 bits"),
    ]
    .into_iter()
    .enumerate()
    {
        let pem = std::fs::read(format!("testdata/approval/{key}.pem")).unwrap();
        let mut csr = Csr::kubelet_serving("worker-1", &Sans::default());
        let base64 = serde_json::to_value(k8s_openapi::ByteString(pem)).unwrap();
        csr.spec.request = base64.as_str().unwrap().to_owned();
        csr.metadata.name = format!("csr-{number}");
        let name = fleet.api.add_csr(csr);
        let output = fleet.approve(&[&name]);
        assert_eq!(output.code, 78, "{}", output.stderr);
        assert!(
            output.stdout.contains("KeyIsStrong") && output.stdout.contains(reason),
            "{}",
            output.stdout
        );
    }
}
