//! Generated clusters in which one worker is compromised: it may write anything into its own Node and ask for anything.
//! No name that another party owns is approved for it, and it freezes no honest node but by an address that it claims
//! itself, which the refusal says. `PROPTEST_CASES` says how many clusters.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use kubelet_tls::parts::approval::{ApprovalPolicy, Inventory, Networks, Rule, parse_ip};
use kubelet_tls::parts::csr::Request;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::cluster::{add, add_api_names, add_service, asking, network, node, set_endpoints};
use super::request::{Made, dns, ip, rdn};

const EVIL: &str = "evil";

/// Everything that some other party owns, and some that no one does.
#[derive(Debug, Clone)]
struct World {
    workers: Vec<String>,
    /// Whether nodes have a domain in their names.
    suffix: bool,
    services: Vec<(u8, bool)>,
    /// What evil writes into its Node: a type and an address.
    written: Vec<(&'static str, String)>,
    pod_cidr: Option<&'static str>,
    asked: Vec<String>,
    prefix: bool,
    pods_known: bool,
}

fn address(number: u8) -> String {
    format!("10.0.0.{number}")
}

/// Names and addresses that evil may fancy.
fn fancies(workers: &[String]) -> Vec<String> {
    let mut all: Vec<String> = [
        "10.96.0.1",
        "10.96.0.53",
        "10.97.1.2",
        "10.244.1.7",
        "10.244.2.7",
        "10.0.0.100",
        "10.0.0.101",
        "127.0.0.1",
        "169.254.1.1",
        "::1",
        "::ffff:10.0.0.11",
        "2002:a00:b::1",
        "64:ff9b::a00:b",
        "2001::a00:b",
        "198.51.100.1",
        "010.0.0.011",
        "10.0.0.2",
        "203.0.113.5",
        "224.0.0.1",
        "0.0.0.0",
        "fe80::1",
        "fd00::99",
        "kubernetes",
        "kubernetes.default.svc",
        "api.example",
        "www.api.example",
        "web.shop",
        "pod.web.shop",
        "web.shop.svc.cluster.local",
        "lb.example",
        "target.example",
        "localhost",
        "evil",
        "evil.corp.example",
        "EVIL",
        "evil.",
        "evil.svc",
        "*",
        "*.corp.example",
        "corp.example",
        "vault.corp.example",
        "10.0.0.11.",
        "x.evil",
        "cp",
        "cp.corp.example",
        "web",
    ]
    .map(str::to_owned)
    .to_vec();
    for worker in workers {
        let first = worker.split('.').next().unwrap();
        all.extend([worker.clone(), first.to_owned(), worker.to_uppercase()]);
        all.extend([
            format!("{first}.corp.example"),
            format!("{worker}.example"),
            format!("{first}.evil"),
        ]);
    }
    all.extend((9..=16).map(address));
    all
}

fn world() -> impl Strategy<Value = World> {
    let names = || subsequence(vec!["w1", "w2", "w10", "evil2", "a"], 1..5);
    (names(), any::<bool>()).prop_flat_map(|(names, suffix)| {
        let end = if suffix { ".corp.example" } else { "" };
        let workers: Vec<String> = names.iter().map(|name| format!("{name}{end}")).collect();
        let fancies = fancies(&workers);
        let kinds = [
            "InternalIP",
            "ExternalIP",
            "Hostname",
            "InternalDNS",
            "ExternalDNS",
            "Odd",
        ];
        let written =
            prop::collection::vec((select(kinds.to_vec()), select(fancies.clone())), 0..14);
        let asked = prop::collection::vec(select(fancies), 1..5);
        let cidrs = [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "10.0.0.0/28",
            "10.244.0.0/24",
            "::/0",
        ];
        let pod_cidr = prop::option::of(select(cidrs.to_vec()));
        let services = prop::collection::vec((0_u8..20, any::<bool>()), 0..4);
        let flags = (any::<bool>(), any::<bool>());
        (Just(workers), written, pod_cidr, asked, services, flags).prop_map(
            move |(workers, written, pod_cidr, asked, services, (prefix, pods_known))| World {
                workers,
                suffix,
                services,
                written,
                pod_cidr,
                asked,
                prefix,
                pods_known,
            },
        )
    })
}

impl World {
    /// worker number N has 10.0.0.(11+N) and pods in 10.244.(N+1).0/24.
    fn inventory(&self) -> Inventory {
        let mut inventory = Inventory::default();
        for (number, name) in (0_u8..).zip(&self.workers) {
            let first = name.split('.').next().unwrap();
            let own = address(11 + number);
            let mut object = node(
                name,
                json!({}),
                &[("InternalIP", &own), ("Hostname", first)],
            );
            object["spec"]["podCIDRs"] = json!([format!("10.244.{}.0/24", number + 1)]);
            add(&mut inventory, object);
        }
        let label = json!({"node-role.kubernetes.io/control-plane": ""});
        let cp: &[(&str, &str)] = &[("InternalIP", "10.0.0.2"), ("Hostname", "cp")];
        add(&mut inventory, node("cp", label, cp));
        let written: Vec<(&str, &str)> = self
            .written
            .iter()
            .map(|(kind, address)| (*kind, address.as_str()))
            .collect();
        let mut evil: Value = node(EVIL, json!({}), &written);
        if let Some(cidr) = self.pod_cidr {
            evil["spec"]["podCIDRs"] = json!([cidr]);
        }
        add(&mut inventory, evil);
        let kubernetes = json!({"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"clusterIP": "10.96.0.1"}});
        add_service(&mut inventory, kubernetes);
        for (number, external) in &self.services {
            let spec = if *external {
                json!({"type": "ExternalName", "externalName": "target.example"})
            } else {
                json!({"clusterIP": format!("10.96.0.{}", 50 + number)})
            };
            let ingress = json!({"loadBalancer": {"ingress": [{"ip": "198.51.100.1", "hostname": "lb.example"}]}});
            let name = if *number < 10 { "web" } else { "other" };
            let service = json!({"metadata": {"name": name, "namespace": "shop"}, "spec": spec, "status": ingress});
            add_service(&mut inventory, service);
        }
        set_endpoints(&mut inventory, &["10.0.0.2"]);
        let certificate = [
            "cp",
            "kubernetes",
            "kubernetes.default.svc",
            "api.example",
            "10.0.0.2",
            "10.0.0.100",
            "10.96.0.1",
        ];
        add_api_names(&mut inventory, "certificate", &certificate);
        add_api_names(&mut inventory, "resolved/api.example", &["10.0.0.101"]);
        let pods = if self.pods_known {
            vec![network("10.244.0.0/16")]
        } else {
            vec![]
        };
        let networks = Networks {
            services: vec![network("10.96.0.0/12")],
            pods,
            domains: vec!["cluster.local".into()],
        };
        inventory.replace_networks("kubeadm-config", networks);
        inventory
    }

    fn policy(&self) -> ApprovalPolicy {
        ApprovalPolicy {
            dns_suffixes: if self.suffix {
                vec!["corp.example".into()]
            } else {
                vec![]
            },
            ip_prefixes: if self.prefix {
                vec![network("10.0.0.0/24")]
            } else {
                vec![]
            },
            ..ApprovalPolicy::default()
        }
    }

    /// What no certificate of evil's may be for, in one spelling.
    fn belongs_to_another(&self, name: &str) -> bool {
        if let Some(ip) = parse_ip(name) {
            let IpAddr::V4(v4) = ip else {
                // Of IPv6 there is nothing but what is wrapped or local, and one address that is no one's.
                return ip != "fd00::99".parse::<IpAddr>().unwrap();
            };
            let workers = (11..11 + self.workers.len()).map(|n| Ipv4Addr::new(10, 0, 0, n as u8));
            let fixed =
                ["10.0.0.2", "10.0.0.100", "10.0.0.101"].map(|ip| ip.parse::<Ipv4Addr>().unwrap());
            let balancer = !self.services.is_empty() && name == "198.51.100.1";
            let pods = self.pods_known && v4.octets()[..2] == [10, 244];
            let of_node = v4.octets()[..2] == [10, 244]
                && (1..=self.workers.len()).contains(&v4.octets()[2].into());
            return workers.into_iter().chain(fixed).any(|other| other == v4)
                || balancer
                || pods
                || of_node
                || network("10.96.0.0/12").contains(&ip)
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_unspecified();
        }
        // A DNS name is evil's own alone where it begins with its name.
        let own: &[&str] = if self.suffix {
            &["evil", "evil.corp.example"]
        } else {
            &["evil"]
        };
        !own.contains(&name.to_lowercase().as_str())
    }
}

fn request(of: &str, names: &[String]) -> Request {
    let requestor = format!("system:node:{of}");
    let names: Vec<Vec<u8>> = names
        .iter()
        .map(|name| {
            name.parse::<IpAddr>()
                .map_or_else(|_| dns(name), |_| ip(name))
        })
        .collect();
    let mut made = Made::new(&names);
    made.subject[1] = rdn(3, &requestor);
    Request {
        requestor,
        ..asking(made.pem())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_compromised_worker_gets_nothing_of_others_and_freezes_none(world in world()) {
        let inventory = world.inventory();
        let policy = world.policy();
        if let Ok(approval) = policy.judge(&request(EVIL, &world.asked), &inventory).into_result() {
            prop_assert_eq!(&approval.node, EVIL);
            for name in &world.asked {
                prop_assert!(!world.belongs_to_another(name), "{} was approved", name);
            }
        }
        // As the kubelet takes addresses for a certificate's.
        let has = |kind: &str| ["InternalIP", "ExternalIP", "Hostname"].contains(&kind);
        let claims = world.written.iter().filter(|(kind, _)| has(kind));
        let claimed: BTreeSet<IpAddr> = claims.filter_map(|(_, address)| parse_ip(address)).collect();
        for (number, name) in (0_u8..).zip(&world.workers) {
            let own = address(11 + number);
            let first = name.split('.').next().unwrap().to_owned();
            // Whatever evil writes, the names stay.
            let names = [name.clone(), first];
            let verdict = policy.judge(&request(name, &names), &inventory).into_result();
            prop_assert!(verdict.is_ok(), "{}: {:?}", name, verdict);
            let verdict = policy.judge(&request(name, &[name.clone(), own.clone()]), &inventory).into_result();
            let contested = claimed.contains(&own.parse::<IpAddr>().unwrap());
            match verdict {
                Ok(_) => prop_assert!(!contested),
                Err(violation) => {
                    prop_assert!(contested, "{}: {}", name, violation);
                    prop_assert_eq!(violation.rule, Rule::NameIsNoOtherNodes);
                    prop_assert!(violation.message.contains(EVIL), "{violation}");
                }
            }
        }
    }
}
