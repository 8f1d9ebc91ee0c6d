//! A cluster to judge in.

use kubelet_tls::parts::approval::{
    Approval, ApprovalPolicy, Inventory, Violation, parse_ip, parse_network,
};
use kubelet_tls::parts::csr::{KUBELET_SERVING, Request};
use kubelet_tls::parts::host::{kubeadm_facts, node_facts, service_facts};
use kubelet_tls::parts::x509::Names;
use serde_json::{Value, json};

use super::request::{Made, dns, ip};

const KUBEADM: &str = "\
apiServer:
  certSANs: [api.public.example, 198.51.100.6]
controlPlaneEndpoint: api.example:6443
networking:
  dnsDomain: cluster.test
  serviceSubnet: 10.96.0.0/12,fd00:96::/108
  podSubnet: 10.244.0.0/16
";

pub(crate) fn node(name: &str, labels: Value, addresses: &[(&str, &str)]) -> Value {
    let addresses: Vec<Value> = addresses
        .iter()
        .map(|(kind, address)| json!({"type": kind, "address": address}))
        .collect();
    json!({"metadata": {"name": name, "labels": labels}, "status": {"addresses": addresses}})
}

pub(crate) fn add(inventory: &mut Inventory, node: Value) {
    let node = serde_json::from_value(node).unwrap();
    inventory.put_node(node_facts(&node).unwrap());
}

pub(crate) fn add_service(inventory: &mut Inventory, service: Value) {
    let service = serde_json::from_value(service).unwrap();
    inventory.put_service(service_facts(&service).unwrap());
}

/// What the ConfigMap kubeadm-config says, but for what its endpoint resolves to.
pub(crate) fn add_kubeadm(inventory: &mut Inventory, yaml: &str) {
    let map = json!({"data": {"ClusterConfiguration": yaml}});
    let facts = kubeadm_facts(&serde_json::from_value(map).unwrap()).unwrap();
    inventory.replace_networks("kubeadm-config", facts.networks);
    inventory.replace_api_server("kubeadm-config", facts.api_server);
}

/// Names or addresses that clients know the API server by, as one source says.
pub(crate) fn add_api_names(inventory: &mut Inventory, source: &str, names: &[&str]) {
    let mut all = Names::default();
    for name in names {
        match parse_ip(name) {
            Some(ip) => all.ips.push(ip),
            None => all.dns.push((*name).to_owned()),
        }
    }
    inventory.replace_api_server(source, all);
}

/// Where the API server's instances listen.
pub(crate) fn set_endpoints(inventory: &mut Inventory, addresses: &[&str]) {
    let ips = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    inventory.replace_endpoints("kubernetes", ips);
}

/// Two workers, two control plane nodes, Services, and an API server behind a load balancer. worker-1 claims whatever
/// it may want.
pub(crate) fn cluster() -> Inventory {
    let mut cluster = Inventory::default();
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
    let mut worker_2 = node(
        "worker-2",
        json!({"kubernetes.io/hostname": "host-2"}),
        &[
            ("InternalIP", "10.0.0.8"),
            ("Hostname", "worker-2"),
            ("InternalDNS", "w2.internal."),
        ],
    );
    worker_2["spec"] = json!({"podCIDR": "10.245.1.0/24", "podCIDRs": ["10.245.1.0/24"]});
    for one in [
        node(
            "worker-1",
            json!({"kubernetes.io/hostname": "worker-1"}),
            &mine,
        ),
        worker_2,
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
        json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": {"type": "ExternalName", "externalName": "db.example"}}),
        // Kubernetes takes leading zeros, and reads them as decimals.
        json!({"metadata": {"name": "zeros", "namespace": "shop"}, "spec": {"externalIPs": ["198.051.100.010"]}}),
    ] {
        add_service(&mut cluster, service);
    }
    set_endpoints(&mut cluster, &["10.0.0.2", "10.0.0.3"]);
    add_api_names(&mut cluster, "kubeconfig", &["10.0.0.100"]);
    let certificate = [
        "cp-1",
        "kubernetes",
        "presented.example",
        "*.wild.example",
        "198.51.100.7",
    ];
    add_api_names(&mut cluster, "certificate", &certificate);
    add_api_names(&mut cluster, "resolved/api.example", &["198.51.100.8"]);
    add_kubeadm(&mut cluster, KUBEADM);
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
    "presented.example",
    "worker-1.wild.example",
    "198.51.100.7",
    "198.51.100.8",
    "198.51.100.10",
    "db.example",
    "db.shop",
    "x.pod.example",
    "localhost4",
    "localhost6.localdomain6",
    "10.244.3.4",
    "10.245.1.9",
    "2002:a00:8::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "64:ff9b:1::1",
];

/// What worker-1 may have beside its own name.
pub(crate) fn policy() -> ApprovalPolicy {
    ApprovalPolicy {
        dns_suffixes: vec!["example".into()],
        ..ApprovalPolicy::default()
    }
}

pub(crate) fn judge(cluster: &Inventory, request: &Request) -> Result<Approval, Violation> {
    policy().judge(request, cluster).into_result()
}

/// A request of worker-1's with this PEM.
pub(crate) fn asking(pem: Vec<u8>) -> Request {
    let own = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    Request {
        name: "csr-1".into(),
        resource_version: "501".into(),
        signer: KUBELET_SERVING.into(),
        requestor: "system:node:worker-1".into(),
        groups: own(&["system:nodes", "system:authenticated"]),
        usages: own(&["digital signature", "server auth"]),
        pem,
        ..Request::default()
    }
}

/// A request of worker-1's that keeps every rule.
pub(crate) fn good() -> Request {
    asking(Made::new(&[dns("worker-1"), ip("10.0.0.7")]).pem())
}

/// A network, as the options take it.
pub(crate) fn network(text: &str) -> ipnet::IpNet {
    parse_network(text).unwrap()
}
