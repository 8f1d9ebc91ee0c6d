//! What holds of any request.

use std::collections::BTreeSet;
use std::net::IpAddr;

use kubelet_tls::parts::approval::Inventory;
use kubelet_tls::parts::csr::Request;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::cluster::{add, add_service, asking, judge, node, set_endpoints};
use super::request::{Made, dns, ip, pem, rdn};

/// A few of everything, so that names meet often.
const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "A",
    "a.x",
    "b.x",
    "c.x",
    "B.X",
    "svc",
    "s.n",
    "s.n.svc",
    "localhost",
    "kubernetes",
    "*.x",
    "a.",
    "1.2",
];
const IPS: &[&str] = &[
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "::ffff:10.0.0.2",
    "fd00::1",
    "fd00::2",
    "127.0.0.1",
    "10.96.0.1",
    "10.0.0.9",
    "224.0.0.1",
    "fe80::1",
];

#[derive(Debug, Clone)]
struct World {
    /// What nodes a, b and c claim.
    claims: [Vec<&'static str>; 3],
    asked: Vec<&'static str>,
}

fn world() -> impl Strategy<Value = World> {
    let all: Vec<&'static str> = NAMES.iter().chain(IPS).copied().collect();
    let claims = || subsequence(all.clone(), 0..8);
    let asked = prop::collection::vec(select(all.clone()), 1..4);
    ([claims(), claims(), claims()], asked).prop_map(|(claims, asked)| World { claims, asked })
}

impl World {
    fn cluster(&self) -> Inventory {
        let mut cluster = Inventory::default();
        for (name, claims) in ["a", "b", "c"].iter().zip(&self.claims) {
            let addresses: Vec<(&str, &str)> = claims
                .iter()
                .map(|claim| match claim.parse::<IpAddr>() {
                    Ok(_) => ("InternalIP", *claim),
                    Err(_) => ("InternalDNS", *claim),
                })
                .collect();
            add(&mut cluster, node(name, json!({}), &addresses));
        }
        set_endpoints(&mut cluster, &["10.0.0.9"]);
        add_service(
            &mut cluster,
            json!({"metadata": {"name": "s", "namespace": "n"}, "spec": {"clusterIP": "10.96.0.1"}}),
        );
        cluster
    }

    fn request(&self) -> Request {
        let names: Vec<Vec<u8>> = self
            .asked
            .iter()
            .map(|name| {
                name.parse::<IpAddr>()
                    .map_or_else(|_| dns(name), |_| ip(name))
            })
            .collect();
        let mut made = Made::new(&names);
        made.subject[1] = rdn(3, "system:node:a");
        Request {
            requestor: "system:node:a".into(),
            ..asking(made.pem())
        }
    }
}

/// The same name in all its spellings.
fn same(text: &str) -> String {
    text.parse::<IpAddr>().map_or_else(
        |_| text.trim_end_matches('.').to_lowercase(),
        |ip| ip.to_canonical().to_string(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any name that is not the node's, or is another's, is refused.
    #[test]
    fn approved_names_are_the_nodes_alone(world in world()) {
        if judge(&world.cluster(), &world.request()).is_ok() {
            let claimed = |node: usize| -> BTreeSet<String> { world.claims[node].iter().map(|name| same(name)).collect() };
            let others: BTreeSet<String> = claimed(1).into_iter().chain(claimed(2)).collect();
            for name in &world.asked {
                let name = same(name);
                // A DNS name rests on the Node's name and on nothing that any kubelet writes.
                if name.parse::<IpAddr>().is_err() {
                    prop_assert_eq!(name, "a");
                    continue;
                }
                prop_assert!(claimed(0).contains(&name), "{name}");
                prop_assert!(!others.contains(&name), "{name}");
                let reserved = ["127.0.0.1", "10.96.0.1", "10.0.0.9", "224.0.0.1", "fe80::1"];
                prop_assert!(!reserved.contains(&name.as_str()), "{name}");
            }
        }
    }

    /// Whatever one byte is changed to, no name but the node's own comes through, and nothing panics.
    #[test]
    fn a_changed_byte_gets_nothing_more(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut cluster = Inventory::default();
        add(&mut cluster, node("worker-1", json!({}), &[("Hostname", "worker-1"), ("InternalIP", "10.0.0.7")]));
        let mut der = Made::new(&[dns("worker-1"), ip("10.0.0.7")]).der();
        let at = at.index(der.len());
        let changed = der[at] != byte;
        der[at] = byte;
        prop_assert_eq!(judge(&cluster, &asking(pem(&der))).is_err(), changed);
    }

    #[test]
    fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let cluster = Inventory::default();
        prop_assert!(judge(&cluster, &asking(pem(&bytes))).is_err());
        prop_assert!(judge(&cluster, &asking(bytes)).is_err());
    }
}
