//! A cluster to judge in.

use std::time::Duration;

use kubelet_tls::approval::{Asked, Broken, Cluster, Judge};
use kubelet_tls::csr::KUBELET_SERVING;
use serde_json::{Value, json};

use super::request::{Made, dns, ip};

pub(crate) const YEAR: Duration = Duration::from_secs(365 * 86_400);

const KUBEADM: &str = "\
apiServer:
  certSANs: [api.public.example, 198.51.100.6]
controlPlaneEndpoint: api.example:6443
networking:
  dnsDomain: cluster.test
  serviceSubnet: 10.96.0.0/12,fd00:96::/108
";

pub(crate) fn node(name: &str, labels: Value, addresses: &[(&str, &str)]) -> Value {
    let addresses: Vec<Value> = addresses
        .iter()
        .map(|(kind, address)| json!({"type": kind, "address": address}))
        .collect();
    json!({"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}})
}

pub(crate) fn add(cluster: &mut Cluster, node: Value) {
    cluster.add_node(serde_json::from_value(node).unwrap());
}

/// Two workers, two control plane nodes, Services, and an API server behind a load balancer. worker-1 claims whatever
/// it may want.
pub(crate) fn cluster() -> Cluster {
    let mut cluster = Cluster::default();
    let control_plane = json!({"node-role.kubernetes.io/control-plane": ""});
    let mine: Vec<(&str, &str)> = CLAIMED
        .iter()
        .map(|address| match address.parse::<std::net::IpAddr>() {
            Ok(_) => ("InternalIP", *address),
            Err(_) => ("InternalDNS", *address),
        })
        .chain([
            ("Hostname", "worker-1"),
            ("ExternalDNS", "Worker-1.Example"),
            ("InternalIP", "10.0.0.7"),
            ("InternalIP", "fd00::7"),
            ("ExternalIP", "203.0.113.7"),
            // Neither a name nor an address of a certificate's.
            ("InternalIP", "no-ip.example"),
            ("InternalDNS", "10.0.0.77"),
            ("SomethingNew", "10.0.0.78"),
        ])
        .collect();
    for one in [
        node(
            "worker-1",
            json!({"kubernetes.io/hostname": "worker-1"}),
            &mine,
        ),
        node(
            "worker-2",
            json!({"kubernetes.io/hostname": "host-2"}),
            &[
                ("InternalIP", "10.0.0.8"),
                ("Hostname", "worker-2"),
                ("InternalDNS", "w2.internal."),
            ],
        ),
        node(
            "cp-1",
            control_plane.clone(),
            &[("InternalIP", "10.0.0.2"), ("Hostname", "cp-1")],
        ),
        node(
            "cp-2",
            control_plane,
            &[("InternalIP", "10.0.0.3"), ("Hostname", "cp-2")],
        ),
    ] {
        add(&mut cluster, one);
    }
    for service in [
        json!({"metadata": {"name": "kubernetes", "namespace": "default"}, "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1", "fd00:96::1"]}}),
        json!({"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "172.30.0.9", "externalIPs": ["198.51.100.1"], "loadBalancerIP": "198.51.100.2"},
            "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.3"}, {"hostname": "lb.example"}]}}}),
        json!({"metadata": {"name": "headless", "namespace": "shop"}, "spec": {"clusterIP": "None"}}),
    ] {
        cluster.add_service(serde_json::from_value(service).unwrap());
    }
    for endpoint in ["10.0.0.2", "10.0.0.3"] {
        cluster.add_api_endpoint(endpoint);
    }
    cluster.add_api_address("10.0.0.100:6443");
    cluster.add_kubeadm(KUBEADM).unwrap();
    cluster
}

/// What worker-1's kubelet, turned evil, writes into its own Node.
pub(crate) const CLAIMED: &[&str] = &[
    "10.0.0.8",
    "::ffff:10.0.0.8",
    "worker-2",
    "WORKER-2",
    "host-2",
    "w2.internal",
    "worker-2.example",
    "w2",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.100",
    "198.51.100.6",
    "api.example",
    "api.public.example",
    "cp-1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
    "fd00:96::1",
    "10.111.0.5",
    "fd00:96::abcd",
    "172.30.0.9",
    "198.51.100.1",
    "198.51.100.2",
    "198.51.100.3",
    "lb.example",
    "web",
    "web.shop",
    "pod-0.headless.shop",
    "web.shop.svc",
    "a.b.svc",
    "svc",
    "web.shop.svc.cluster.test",
    "cluster.local",
    "x.cluster.test",
    "1-2-3-4.shop.pod.cluster.local",
    "127.0.0.1",
    "127.1.2.3",
    "::1",
    "localhost",
    "a.localhost",
    "localhost.localdomain",
    "169.254.169.254",
    "fe80::7",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "::10.0.0.8",
    "64:ff9b::a00:8",
    "*",
    "*.example",
    "127.1",
    "0x7f000001",
    "worker-1.",
    "a_b.example",
    "-a.example",
];

pub(crate) fn judge(cluster: &Cluster, asked: &Asked) -> Result<(), Broken> {
    Judge {
        cluster,
        max_duration: YEAR,
    }
    .judge(asked)
}

/// A request of worker-1's with this PEM.
pub(crate) fn asking(request: Vec<u8>) -> Asked {
    let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    Asked {
        name: "csr-1".into(),
        version: "501".into(),
        signer: KUBELET_SERVING.into(),
        requestor: "system:node:worker-1".into(),
        groups: own(&["system:nodes", "system:authenticated"]),
        usages: own(&["digital signature", "server auth"]),
        request,
        ..Asked::default()
    }
}

/// A request of worker-1's that keeps every rule.
pub(crate) fn good() -> Asked {
    asking(Made::new(&[dns("worker-1"), ip("10.0.0.7")]).pem())
}
