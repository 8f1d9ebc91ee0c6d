//! How requests, facts and kubeconfigs are read.

use super::*;

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
fn kubeconfigs_of_administrators_are_found_as_kubectl_finds_them() {
    let fleet = Fleet::new();
    let admin = fleet.api.admin_kubeconfig(fleet.directory.path());
    let by = |environment: String| {
        let mut command = Command::new(binary());
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
