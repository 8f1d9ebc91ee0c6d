//! What must never be approved, in each way in which `approve` decides: `--all`, by name, `--watch`, and the renewals of
//! `--all` and `--watch`. Each rule's breaker alone, every pair of them, the published holes of other approvers, and the
//! requests of the captured control planes.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use kubelet_tls::parts::approval::Rule;
use serde_json::{Value, json};
use standins::api::{Condition, Csr, NodeSpec};
use standins::{Output, pace};

use super::request::{Made, dns, extension, extensions, ip, rdn, san, tlv};
use super::scene::{Approver, LONG, Renewer, Scene};

const NETWORK: [&str; 2] = ["--ip-prefix", "10.0.0.0/8"];

/// One worker with one request.
struct Case {
    node: String,
    ip: String,
    names: Vec<Vec<u8>>,
    made: Made,
    pem: Option<Vec<u8>>,
    csr: Csr,
    spec: NodeSpec,
    exists: bool,
    asks_for_nothing: bool,
    is_ca: bool,
    /// The rule that it must be refused by, where one is broken alone.
    rule: Option<Rule>,
}

impl Case {
    fn good(number: usize) -> Self {
        let node = format!("w-{number}");
        let ip_text = format!("10.1.{}.{}", number / 200, number % 200 + 1);
        let mut made = Made::new(&[]);
        made.subject[1] = rdn(3, &format!("system:node:{node}"));
        let mut csr = Csr::default();
        csr.metadata.name = format!("csr-{number}");
        csr.metadata.creation_timestamp = Some("2026-11-23T07:16:49Z".into());
        csr.spec.signer_name = "kubernetes.io/kubelet-serving".into();
        csr.spec.username = format!("system:node:{node}");
        csr.spec.groups = vec!["system:nodes".into(), "system:authenticated".into()];
        csr.spec.usages = vec!["digital signature".into(), "server auth".into()];
        Self {
            names: vec![dns(&node), ip(&ip_text)],
            spec: NodeSpec::new(&node, &ip_text),
            node,
            ip: ip_text,
            made,
            pem: None,
            csr,
            exists: true,
            asks_for_nothing: false,
            is_ca: false,
            rule: None,
        }
    }

    /// Changes it, or what surrounds it, so that this rule does not hold.
    fn breaks(&mut self, rule: Rule, scene: &Scene) {
        let spec = &mut self.csr.spec;
        match rule {
            Rule::Undecided => self.csr.status.conditions.push(Condition {
                kind: "Denied".into(),
                status: "True".into(),
                ..Condition::default()
            }),
            Rule::RequestNameIsValid => self.csr.metadata.name.push_str(";touch pwned"),
            Rule::SignerIsKubeletServing => {
                spec.signer_name = "kubernetes.io/kube-apiserver-client-kubelet".into();
            }
            Rule::RequestorIsNode => spec.username = format!("admin-{}", self.node),
            Rule::RequestorInSystemNodes => spec.groups = vec!["system:authenticated".into()],
            Rule::UsagesAreServing => spec.usages.push("client auth".into()),
            Rule::DurationWithinMaximum => spec.expiration_seconds = Some(366 * 86_400),
            Rule::RequestIsWellFormed => self.made.trailing = vec![0],
            Rule::SubjectIsPlain => self.made.subject.push(rdn(11, "unit")),
            Rule::CommonNameIsRequestor => self.made.subject[1] = rdn(3, "system:node:w-0"),
            Rule::OrganizationIsSystemNodes => self.made.subject[0] = rdn(10, "system:masters"),
            Rule::KeyIsStrong => {
                self.pem = Some(std::fs::read("testdata/approval/rsa-1024.pem").unwrap());
            }
            Rule::SignatureVerifies => self.made.spoilt = Some(0),
            Rule::OnlyAlternativeNames => self.is_ca = true,
            Rule::NamesAreDnsOrIp => self.names.push(tlv(0x86, &[b"spiffe://x"])),
            Rule::HasNames => self.asks_for_nothing = true,
            Rule::NamesWithinMaximum => self.names.extend(vec![dns(&self.node); 31]),
            Rule::NodeExists => self.exists = false,
            Rule::NameIsValid => self.names.push(dns("*.example")),
            Rule::NameIsUnicast => self.names.push(ip("127.0.0.1")),
            Rule::NameIsNotApiServers => self.names.push(ip("10.0.0.2")),
            Rule::NameIsNotServices => {
                let spec = json!({"clusterIP": "None", "externalIPs": [self.ip]});
                scene.api.add_service("shop", &self.node, spec, json!({}));
            }
            Rule::NameIsNotPods => self.names.push(ip("10.244.3.4")),
            Rule::NameIsNodes => self.names.push(ip("10.9.9.9")),
            Rule::AddressWithinPrefixes => {
                let other = self.ip.replacen("10.1", "172.31", 1);
                self.names.push(ip(&other));
                self.spec.addresses.push(("InternalIP".into(), other));
            }
            Rule::NameIsNoOtherNodes => {
                let liar = format!("liar-of-{}", self.node);
                scene.api.set_node(NodeSpec::new(&liar, &self.ip));
            }
            Rule::NewestOfNode => {
                let mut newer = Self::good(0);
                newer.csr.metadata.name = format!("newer-of-{}", self.node);
                newer.csr.metadata.creation_timestamp = Some("2026-11-23T07:16:50Z".into());
                newer.csr.spec.username.clone_from(&self.csr.spec.username);
                newer.csr.spec.usages.push("client auth".into());
                newer.put(scene);
            }
            Rule::NamesAreServed => unreachable!("of renewals alone"),
        }
    }

    /// Puts the request into the API, and its Node unless it is w-0, which others do as if they were.
    fn put(mut self, scene: &Scene) {
        let extra = [0x55, 0x1d, 19];
        let mut all = vec![san(&self.names)];
        if self.is_ca {
            all.push(extension(&extra, &[0x30, 3, 1, 1, 0xff]));
        }
        self.made.attributes = match self.asks_for_nothing {
            true => vec![],
            false => vec![extensions(&all)],
        };
        let pem = self.pem.unwrap_or_else(|| self.made.pem());
        self.csr.spec.request = base64(&pem);
        if self.exists && self.node != "w-0" {
            scene.api.set_node(self.spec);
        }
        scene.api.add_csr(self.csr);
    }
}

fn base64(bytes: &[u8]) -> String {
    let value = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec()));
    value.unwrap().as_str().unwrap().to_owned()
}

/// Each rule's breaker, by the name of the request; the pairs of them; the holes.
fn put_cases(scene: &Scene) -> BTreeMap<String, Option<Rule>> {
    let rules: Vec<Rule> = Rule::ALL
        .iter()
        .copied()
        .filter(|rule| *rule != Rule::NamesAreServed)
        .collect();
    let mut broken: Vec<Vec<Rule>> = rules.iter().map(|rule| vec![*rule]).collect();
    for (number, first) in rules.iter().enumerate() {
        broken.extend(rules[number + 1..].iter().map(|other| vec![*first, *other]));
    }
    broken.push(rules);
    let mut cases = Vec::new();
    for rules in broken {
        let mut case = Case::good(cases.len() + 1);
        for rule in &rules {
            case.breaks(*rule, scene);
        }
        case.rule = (rules.len() == 1).then(|| rules[0]);
        cases.push(case);
    }
    holes(&mut cases);
    let mut all = BTreeMap::new();
    for case in cases {
        all.insert(case.csr.metadata.name.clone(), case.rule);
        case.put(scene);
    }
    all
}

/// What was published of other approvers.
fn holes(cases: &mut Vec<Case>) {
    let mut add = |change: &dyn Fn(&mut Case), rule| {
        let mut case = Case::good(cases.len() + 1);
        change(&mut case);
        case.rule = Some(rule);
        cases.push(case);
    };
    // Identity taken from the first DNS name.
    let first = |case: &mut Case| case.names.insert(0, dns("worker-1"));
    add(&first, Rule::NameIsNoOtherNodes);
    // Addresses alone, which made one panic.
    let addresses = |case: &mut Case| case.names = vec![ip("10.0.0.11")];
    add(&addresses, Rule::NameIsNodes);
    // DNS names that were not looked at.
    for name in ["vault.corp.example", "worker-99"] {
        let dns_name = |case: &mut Case| case.names.push(dns(name));
        add(&dns_name, Rule::NameIsNodes);
    }
    // A Node's own object, believed.
    for (name, rule) in [
        ("10.0.0.12", Rule::NameIsNoOtherNodes),
        ("10.96.0.1", Rule::NameIsNotServices),
        ("10.244.7.7", Rule::NameIsNotPods),
        ("10.0.0.2", Rule::NameIsNotApiServers),
        ("198.51.100.1", Rule::AddressWithinPrefixes),
    ] {
        let claimed = |case: &mut Case| {
            case.names.push(ip(name));
            case.spec.addresses.push(("InternalIP".into(), name.into()));
        };
        add(&claimed, rule);
    }
    // Thousands of names.
    let thousands = |case: &mut Case| {
        for number in 0..3_825 {
            let address = format!("10.5.{}.{}", number / 250, number % 250 + 1);
            case.names.push(ip(&address));
            case.spec.addresses.push(("InternalIP".into(), address));
        }
    };
    add(&thousands, Rule::NamesWithinMaximum);
}

/// The rules by which requests were refused, by their names. `approved` alone may be approved.
type Refused = BTreeMap<String, String>;

fn run(scene: &Scene, arguments: &[&str]) -> Refused {
    let kubeconfig = scene.api.admin_kubeconfig(scene.directory.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"));
    command.args(["approve", "-o", "json", "--kubeconfig"]);
    command.arg(kubeconfig).args(arguments).env_clear();
    let output = Output::of(&mut command);
    assert_eq!(output.code, 78, "{}", output.stderr);
    let document: Value = serde_json::from_str(&output.stdout).unwrap();
    let rows = document["requests"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("approved").to_owned();
    rows.map(|row| (text(&row["name"]), text(&row["rule"])))
        .collect()
}

/// The same of `--watch`, until all of `expected` were decided.
fn watch(scene: &Scene, options: &[&str], expected: &BTreeSet<String>) -> Refused {
    let approver = scene.start(options);
    let mut refused = Refused::new();
    let ended = pace::wait_for(LONG, || {
        while let Some(line) = approver.decision() {
            let name = line["request"].as_str().unwrap().to_owned();
            let rule = line["rule"].as_str().unwrap_or("approved").to_owned();
            refused.insert(name, rule);
        }
        expected.iter().all(|name| refused.contains_key(name))
    });
    let missing = expected.iter().filter(|name| !refused.contains_key(*name));
    assert!(ended, "not judged: {:?}", missing.collect::<Vec<_>>());
    assert_eq!(approver.end(), Some(0));
    refused
}

/// That each request that breaks one rule alone was refused by that rule, and none but `good` is approved.
fn check(scene: &Scene, mode: &str, cases: &BTreeMap<String, Option<Rule>>, seen: &Refused) {
    for (name, rule) in cases {
        if let (Some(rule), Some(seen)) = (rule, seen.get(name)) {
            assert_eq!(seen, rule.as_str(), "{mode}: {name}");
        }
    }
    for csr in scene.api.csrs() {
        let name = &csr.metadata.name;
        assert!(
            !csr.is("Approved") || name.starts_with("good-"),
            "{mode}: {name}"
        );
    }
    let singles = cases
        .iter()
        .filter(|(name, rule)| rule.is_some() && seen.contains_key(*name));
    // What another signer's is, or is decided, `--all` and `--watch` do not look at.
    assert!(singles.count() >= Rule::ALL.len() - 4, "{mode}: {seen:?}");
}

fn good(scene: &Scene, number: usize) -> String {
    let mut case = Case::good(900 + number);
    case.csr.metadata.name = format!("good-{number}");
    let name = case.csr.metadata.name.clone();
    case.put(scene);
    name
}

fn is_looked_for(csr: &Csr) -> bool {
    csr.spec.signer_name == "kubernetes.io/kubelet-serving" && csr.status.conditions.is_empty()
}

#[test]
fn no_mode_approves_what_breaks_a_rule() {
    let scene = Scene::new();
    let cases = put_cases(&scene);
    let by_all = good(&scene, 1);
    let seen = run(&scene, &[&["--all"], &NETWORK[..]].concat());
    check(&scene, "--all", &cases, &seen);
    assert!(scene.api.csr(&by_all).unwrap().is("Approved"));

    let by_name = good(&scene, 2);
    let mut names: Vec<&str> = cases.keys().map(String::as_str).collect();
    // A name that no CSR can have is wrong on the command line already.
    names.retain(|name| !name.contains(';'));
    let arguments = [&names[..], &[&by_name], &NETWORK].concat();
    let seen = run(&scene, &arguments);
    check(&scene, "by name", &cases, &seen);
    assert_eq!(seen.len(), names.len() + 1);
    assert!(scene.api.csr(&by_name).unwrap().is("Approved"));

    let by_watch = good(&scene, 3);
    let csrs = scene.api.csrs();
    let looked_for = csrs.iter().filter(|csr| is_looked_for(csr));
    let mut expected: BTreeSet<String> = looked_for
        .map(|csr| csr.metadata.name.clone())
        .filter(|name| !name.contains(';'))
        .collect();
    let seen = watch(&scene, &NETWORK, &expected);
    check(&scene, "--watch", &cases, &seen);
    assert_eq!(seen[&by_watch], "approved");

    // Renewals: nothing that a kubelet does not serve, which of these nodes is everything.
    let Some(renewer) = Renewer::new(&scene) else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let own = format!("{}/32", renewer.address());
    let options = [
        "--renewals",
        "--ip-prefix",
        "10.0.0.0/8",
        "--ip-prefix",
        &own,
        "--dns-suffix",
        "corp",
    ];
    let wanting = renewer.asks_for(&scene, "renewer.corp");
    let seen = run(&scene, &[&["--all"], &options[..]].concat());
    check(&scene, "--all --renewals", &cases, &seen);
    assert_eq!(seen[&wanting], "NamesAreServed");
    expected.remove(&by_watch);
    expected.insert(wanting.clone());
    let seen = watch(&scene, &options, &expected);
    check(&scene, "--watch --renewals", &cases, &seen);
    assert_eq!(seen[&wanting], "NamesAreServed");
}

/// The requests that the captured control planes took from hostile clients.
#[test]
fn no_mode_approves_the_captured_hostile_requests() {
    let mut hostile = 0;
    for (version, node, address) in [
        ("1.19", "node1", "10.77.0.11"),
        ("1.36", "node36", "10.77.0.21"),
    ] {
        let scene = Scene::new();
        scene.api.set_node(NodeSpec::new(node, address));
        let network = ["--ip-prefix", "10.77.0.0/24"];
        let mut all: Vec<(Csr, bool)> = Vec::new();
        for file in ["csrs-pending.json", "csrs-after-blind-approval.json"] {
            let path = format!("testdata/captured/{version}/{file}");
            let list: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            let csrs: Vec<Csr> = serde_json::from_value(list["items"].clone()).unwrap();
            for csr in csrs {
                let is_pending = csr.status.conditions.is_empty();
                let is_good = csr.metadata.name.starts_with("good-");
                all.push((csr.clone(), is_pending && is_good));
                if csr.metadata.name == "other-signer-client" {
                    let mut pending = csr;
                    pending.status = standins::api::CsrStatus::default();
                    all.push((pending, false));
                }
            }
        }
        hostile += all.iter().filter(|(_, good)| !good).count();
        // One at a time: of one node's requests the newest alone is judged.
        let state = |name: &str| scene.api.csr(name).unwrap().status;
        for (csr, is_good) in &all {
            let name = &csr.metadata.name;
            let before = csr.status.conditions.len();
            for arguments in [&["--all"][..], &[name]] {
                scene.api.add_csr(csr.clone());
                let kubeconfig = scene.api.admin_kubeconfig(scene.directory.path());
                let mut command = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"));
                command.args(["approve", "--kubeconfig"]).arg(kubeconfig);
                command.args(arguments).args(network).env_clear();
                let output = Output::of(&mut command);
                assert!(matches!(output.code, 0 | 78), "{output:?}");
                let after = state(name).conditions.len();
                assert_eq!(
                    after - before,
                    usize::from(*is_good),
                    "{version} {name} {arguments:?}"
                );
                scene.api.delete_csr(name);
            }
        }
        let approver = scene.start(&network);
        approver.ready();
        for (second, (csr, is_good)) in all.iter().enumerate() {
            let name = &csr.metadata.name;
            let before = csr.status.conditions.len();
            let mut newest = csr.clone();
            // A newer request stays newer when it is gone: the kubelet has no longer the keys of older ones.
            newest.metadata.creation_timestamp = Some(format!("2026-11-25T00:00:{second:02}Z"));
            scene.api.add_csr(newest);
            if is_looked_for(csr) {
                let line: Value = approver.next();
                assert_eq!(line["request"], json!(name));
                assert_eq!(
                    line["verdict"] == "approved",
                    *is_good,
                    "{version} {name}: {line}"
                );
            }
            let after = state(name).conditions.len();
            assert_eq!(after - before, usize::from(*is_good), "{version} {name}");
            scene.api.delete_csr(name);
        }
        // It has looked at the last of them when it has approved what came after.
        let name = scene.request_at("10.77.0.99");
        assert_eq!(approver.next()["request"], json!(name));
        assert_eq!(Approver::end(approver), Some(0));
    }
    assert!(hostile >= 23, "{hostile}");
}
