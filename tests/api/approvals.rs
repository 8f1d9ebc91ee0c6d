//! `approve` through the API's conventions: the approval subresource, conflicts, pages, credentials.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{ApiServer, Config, Fault, KubeconfigStyle, Matcher, Node, Options, Output, pace};

use super::scene::{BINARY, with_kubeconfig};

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
    assert!(
        output.stderr.contains("Node worker-33 does not exist"),
        "{}",
        output.stderr
    );
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

#[test]
fn a_request_that_changed_meanwhile_is_judged_again() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    let conflict = || Fault::Status(409, None);
    fleet
        .api
        .inject(Matcher::new().method("PUT").times(2), conflict());
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (0, vec!["Approved"]),
        "{}",
        output.stderr
    );
    // It is read again each time, and only so many times.
    let name = fleet.good(2);
    fleet.api.clear_requests();
    fleet
        .api
        .inject(Matcher::new().method("PUT").path(&name), conflict());
    let other = fleet.good(3);
    let output = fleet.approve(&[&name, &other]);
    assert_eq!(fleet.states(&[&other]), ["Approved"]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (75, vec!["Pending"]),
        "{}",
        output.stderr
    );
    assert_eq!(fleet.calls("PUT", &name), 5);
    assert_eq!(
        fleet.calls("GET", &format!("certificatesigningrequests/{name}")),
        5
    );
}

#[test]
fn what_changed_since_it_was_read_is_not_approved() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    let own = format!("certificatesigningrequests/{name}");
    let stale = || {
        let mut csr = fleet.api.csr(&name).unwrap();
        csr.metadata.resource_version = "1".into();
        csr.status.conditions.clear();
        Fault::Body(serde_json::to_vec(&csr).unwrap())
    };
    fleet.api.inject(Matcher::new().path(&own).list(), stale());
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (75, vec!["Pending"]),
        "{}",
        output.stderr
    );
    // Another administrator denies it between the reading and the writing.
    fleet.api.clear_faults();
    let list = fleet.api.csr(&name).unwrap();
    let page = json!({"metadata": {"resourceVersion": "1"}, "items": [serde_json::to_value(&list).unwrap()]});
    assert!(fleet.api.deny(&name));
    fleet.api.inject(
        Matcher::new().path("signerName").once(),
        Fault::Body(page.to_string().into_bytes()),
    );
    fleet
        .api
        .inject(Matcher::new().path(&own).list().once(), stale());
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (78, vec!["Denied"]),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stdout
            .contains("refused: Undecided: it is Denied already"),
        "{}",
        output.stdout
    );
}

#[test]
fn a_decision_whose_answer_was_lost_is_found_again() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    fleet.api.inject(
        Matcher::new().method("PUT").once(),
        Fault::Status(503, None),
    );
    fleet
        .api
        .inject(Matcher::new().list().times(2), Fault::Close);
    let output = fleet.approve(&[&name]);
    assert_eq!(
        (output.code, fleet.states(&[&name])),
        (0, vec!["Approved"]),
        "{}",
        output.stderr
    );
}

#[test]
fn a_missing_permission_is_77_with_the_rule_to_grant() {
    let fleet = Fleet::new();
    let name = fleet.good(1);
    fleet
        .api
        .inject(Matcher::new().method("PUT"), Fault::Status(403, None));
    let output = fleet.approve(&[&name]);
    assert_eq!(output.code, 77);
    assert!(
        output
            .stderr
            .contains("approve signers.certificates.k8s.io/kubernetes.io/kubelet-serving"),
        "{}",
        output.stderr
    );
    // Not even with root's rights on a node.
    let node =
        fleet
            .api
            .kubeconfig_for_node("worker-1", fleet.directory.path(), KubeconfigStyle::Kubelet);
    let output = approve(&node, &[&name]);
    assert_eq!((output.code, fleet.states(&[&name])), (77, vec!["Pending"]));
    assert!(
        output.stderr.contains("cannot list nodes"),
        "{}",
        output.stderr
    );
}

#[test]
fn thousands_of_requests_are_read_in_pages_and_an_expired_list_is_restarted_once() {
    let fleet = Fleet::new();
    let one = Csr::kubelet_serving("worker-1", &sans("worker-1", [10, 0, 0, 11]));
    fleet.api.add_csrs((0..1200).map(|number| {
        let mut csr = one.clone();
        // Names made at random are the same now and then.
        csr.metadata.name = format!("csr-other-{number}");
        csr.spec.username = format!("system:node:other-{number}");
        csr
    }));
    let name = fleet.good(1);
    let pages = |fleet: &Fleet| fleet.calls("GET", "signerName");
    fleet.api.clear_requests();
    let output = fleet.approve(&["--all", "--dry-run", "-o", "name"]);
    assert_eq!((output.code, output.stdout), (0, format!("{name}\n")));
    assert_eq!(pages(&fleet), 3);
    fleet.api.clear_requests();
    let expired = || Fault::Status(410, None);
    fleet
        .api
        .inject(Matcher::new().path("&continue=").nth(2), expired());
    let (code, document) = fleet.document(&["--all", "--dry-run"]);
    assert_eq!((code, pages(&fleet)), (0, 6));
    let rows = document["requests"].as_array().unwrap();
    let names: BTreeSet<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!((rows.len(), names.len()), (1201, 1201));
    // While the fault lasts, it cannot be read.
    fleet
        .api
        .inject(Matcher::new().path("&continue="), expired());
    let output = fleet.approve(&["--all"]);
    assert_eq!(output.code, 69, "{}", output.stderr);
    assert_eq!(fleet.states(&[&name]), ["Pending"]);
}

#[test]
fn pages_too_large_to_be_held_are_asked_for_in_parts() {
    let fleet = Fleet::new();
    let mut large = Csr::kubelet_serving("worker-2", &sans("worker-2", [10, 0, 0, 12]));
    large.spec.request = "A".repeat(1_200_000);
    fleet.api.add_csrs((0..20).map(|_| large.clone()));
    let name = fleet.good(1);
    let output = fleet.approve(&["--all", "--dry-run", "-o", "name"]);
    assert_eq!(
        (output.code, output.stdout),
        (0, format!("{name}\n")),
        "{}",
        output.stderr
    );
    assert!(fleet.calls("GET", "limit=7&") > 0 || fleet.calls("GET", "limit=15") > 0);
}

#[test]
fn nothing_is_approved_while_a_fact_is_missing() {
    for (path, code) in [
        ("/nodes", 69),
        ("/services", 69),
        ("/endpointslices", 69),
        ("signerName", 69),
    ] {
        let fleet = Fleet::new();
        let name = fleet.good(1);
        fleet
            .api
            .inject(Matcher::new().path(path), Fault::Status(500, None));
        let output = fleet.approve(&[&name, "--timeout", "1s"]);
        assert_eq!(
            (output.code, fleet.states(&[&name])),
            (code, vec!["Pending"]),
            "{path}: {}",
            output.stderr
        );
    }
    // What holds no list is not an empty one.
    for path in ["/nodes", "/services", "/endpointslices", "signerName"] {
        for body in ["{}", "{\"items\":{}}", "[]"] {
            let fleet = Fleet::new();
            let name = fleet.good(1);
            fleet
                .api
                .inject(Matcher::new().path(path), Fault::Body(body.into()));
            let output = fleet.approve(&[&name, "--timeout", "1s"]);
            assert!(
                matches!(output.code, 65 | 69),
                "{path} {body}: {}",
                output.stderr
            );
            assert_eq!(fleet.states(&[&name]), ["Pending"]);
        }
    }
    let fleet = Fleet::new();
    let name = fleet.good(1);
    fleet.api.set_api_endpoints(&[]);
    assert_eq!(fleet.approve(&[&name]).code, 78);
    fleet.api.set_api_endpoints(&["10.0.0.11"]);
    let output = fleet.approve(&[&name]);
    assert!(
        output.stdout.contains("NameIsNotApiServers"),
        "{}",
        output.stdout
    );
    // kubeadm's own word is no more than that.
    let fleet = Fleet::new();
    let name = fleet.good(1);
    fleet.api.remove_configmap("kube-system", "kubeadm-config");
    let output = fleet.approve(&[&name]);
    assert_eq!(output.code, 0);
    assert!(
        output
            .stderr
            .contains("warning: configmap/kube-system/kubeadm-config does not exist; the subnets are those of the ServiceCIDR objects"),
        "{}",
        output.stderr
    );
}

#[test]
fn services_are_read_from_the_cluster() {
    let fleet = Fleet::new();
    let balancer = json!({"loadBalancer": {"ingress": [{"ip": "10.0.0.11"}]}});
    fleet
        .api
        .add_service("shop", "web", json!({"clusterIP": "10.96.7.7"}), balancer);
    let name = fleet.good(1);
    let output = fleet.approve(&[&name]);
    assert!(
        output.stdout.contains("IP 10.0.0.11 is Service shop/web's"),
        "{}",
        output.stdout
    );
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
fn kubeconfigs_of_administrators_are_found_as_kubectl_finds_them() {
    let fleet = Fleet::new();
    let admin = fleet.api.admin_kubeconfig(fleet.directory.path());
    let by = |environment: String| {
        let mut command = Command::new(BINARY);
        command
            .args(["approve", "--all"])
            .env_clear()
            .env("KUBECONFIG", environment)
            .current_dir("/");
        Output::of(&mut command)
    };
    let admin = admin.display().to_string();
    let good = by(format!("/nonexistent:{admin}:/also-not"));
    assert_eq!(good.code, 0, "{}", good.stderr);
    let missing = by("/nonexistent".into());
    assert_eq!(missing.code, 69);
    assert!(
        missing
            .stderr
            .contains("cannot use kubeconfig /nonexistent"),
        "{}",
        missing.stderr
    );
    let text = std::fs::read_to_string(&admin).unwrap();
    let at = text.find("    client-certificate-data").unwrap();
    for (user, said) in [
        (
            "    exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [pwned]}\n",
            "exec plug-in",
        ),
        ("    auth-provider: {name: oidc}\n", "auth-provider"),
        (
            "    username: me\n    password: secret\n",
            "no client certificate and no token",
        ),
    ] {
        let path = fleet.directory.path().join("odd.conf");
        std::fs::write(&path, format!("{}{user}", &text[..at])).unwrap();
        let output = by(path.display().to_string());
        assert_eq!(output.code, 69, "{}", output.stderr);
        assert!(
            output.stderr.contains(said) && !output.stderr.contains("secret"),
            "{}",
            output.stderr
        );
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
