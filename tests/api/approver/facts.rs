//! What judgements rest on, and what an unknown fact costs.

use super::*;

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
