//! The wait for the certificate before the kubelet is switched.

use super::*;

#[test]
fn at_the_timeout_nothing_is_switched() {
    let node = node();
    let before = node.config();
    let apply = issue_first(&node, &["--timeout", "1s"]);
    assert_eq!(
        (apply.code, node.config()),
        (75, before),
        "{}",
        apply.stderr
    );
    assert!(
        apply.stderr.contains("The kubelet is unchanged"),
        "{}",
        apply.stderr
    );
    // The same command continues from there.
    node.api().approve(&names(&node)[0]);
    let apply = issue_first(&node, &[]);
    assert_eq!((apply.code, names(&node).len()), (0, 1), "{}", apply.stderr);
}

/// What was created before and is no longer good is reported and recreated.
#[test]
fn a_lost_request_is_recreated() {
    type Spoil = fn(&Node, &str);
    let cases: [(&str, Spoil); 3] = [
        ("was denied", |node, name| assert!(node.api().deny(name))),
        ("no longer exists", |node, name| node.api().delete_csr(name)),
        ("other addresses", |node, _| {
            let mut spec = NodeSpec::new("worker-1", "127.0.0.1");
            spec.addresses
                .push(("InternalDNS".into(), "worker-1.example".into()));
            node.api().set_node(spec);
        }),
    ];
    for (said, spoil) in cases {
        let node = node();
        let before = node.config();
        assert_eq!(issue_first(&node, &["--wait", "csr"]).code, 0);
        let made = names(&node).remove(0);
        spoil(&node, &made);
        let again = issue_first(&node, &["--wait", "csr", "-o", "name"]);
        assert_eq!((again.code, node.config()), (0, before), "{}", again.stderr);
        assert!(again.stderr.contains(said), "{said}: {}", again.stderr);
        assert_ne!(again.stdout.trim(), made);
        node.api().approve(again.stdout.trim());
        let apply = issue_first(&node, &[]);
        assert_eq!(apply.code, 0, "{said}: {}", apply.stderr);
    }
}

#[test]
fn a_denial_ends_the_wait() {
    let node = node();
    let before = node.config();
    let apply = thread::scope(|scope| {
        let apply = scope.spawn(|| issue_first(&node, &["-o", "json"]));
        assert!(node.wait_for(SOON, |node| !names(node).is_empty()));
        thread::sleep(Duration::from_millis(300));
        node.api().deny(&names(&node)[0]);
        apply.join().unwrap()
    });
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
    assert_eq!(json(&apply)["csr"]["state"], "Denied");
    assert!(!key(&node).exists());
}

/// A certificate that does not match the request switches nothing.
#[test]
fn a_wrong_certificate_is_refused() {
    type Forge = fn(&Node, &Request) -> String;
    let cases: [(&str, Forge); 6] = [
        ("did not sign it", |_, request| {
            let ca = Ca::new("kubernetes");
            ca.sign(
                request,
                &["server auth".to_owned()],
                Duration::from_secs(3600),
            )
            .unwrap()
        }),
        ("not valid now", |node, request| {
            let identity = node
                .api()
                .ca()
                .expired_server("system:node:worker-1", &request.sans);
            identity.cert_pem
        }),
        ("key", |node, request| {
            let (pem, _) = Request::make("system:node:worker-1", &["system:nodes"], &request.sans);
            let other = Request::parse(pem.as_bytes()).unwrap();
            let usages = ["server auth".to_owned()];
            node.api()
                .ca()
                .sign(&other, &usages, Duration::from_secs(3600))
                .unwrap()
        }),
        ("not for this address", |node, request| {
            let mut less = request.clone();
            less.sans.ips.clear();
            let usages = ["server auth".to_owned()];
            node.api()
                .ca()
                .sign(&less, &usages, Duration::from_secs(3600))
                .unwrap()
        }),
        ("subject", |node, request| {
            let mut other = request.clone();
            other.common_name = "system:node:worker-2".into();
            let usages = ["server auth".to_owned()];
            node.api()
                .ca()
                .sign(&other, &usages, Duration::from_secs(3600))
                .unwrap()
        }),
        ("certificate", |_, _| "nonsense".to_owned()),
    ];
    for (said, forge) in cases {
        let node = node();
        let before = node.config();
        assert_eq!(issue_first(&node, &["--wait", "csr"]).code, 0);
        let csr = node.api().csrs_of(node.name()).remove(0);
        let request = Request::parse(&csr.request_pem()).unwrap();
        node.api()
            .issue(&csr.metadata.name, &forge(&node, &request));
        let starts = node.kubelet_starts();
        let apply = issue_first(&node, &[]);
        assert_eq!(
            (apply.code, node.config(), node.kubelet_starts()),
            (78, before, starts),
            "{said}: {}",
            apply.stderr
        );
        assert!(apply.stderr.contains(said), "{said}: {}", apply.stderr);
        assert!(
            apply.stderr.contains("the kubelet is unchanged"),
            "{}",
            apply.stderr
        );
        assert!(fs::symlink_metadata(current(&node)).is_err());
        assert!(!key(&node).exists());
    }
}

/// Addresses come with time, as from a cloud provider, so that the same command may do later.
#[test]
fn a_node_without_an_address_can_be_tried_again_later() {
    let node = node();
    let before = node.config();
    let mut spec = NodeSpec::new("worker-1", "127.0.0.1");
    spec.addresses = vec![("Hostname".into(), "worker-1".into())];
    node.api().set_node(spec);
    let apply = issue_first(&node, &[]);
    assert_eq!(
        (apply.code, node.config(), names(&node).len()),
        (75, before, 0),
        "{}",
        apply.stderr
    );
    for words in [
        "it has no IP address in its status yet; the kubelet is unchanged",
        "hint: kubectl describe node worker-1",
    ] {
        assert!(apply.stderr.contains(words), "{words}: {}", apply.stderr);
    }
}

/// Of a node's own object its kubelet writes nearly all, and anyone who may create requests chooses their names.
#[test]
fn no_hostile_name_is_printed_as_it_is() {
    let names = hostile::names();
    let node = node();
    for name in &names {
        let mut csr = Csr::kubelet_serving("worker-1", &Sans::default());
        csr.metadata.name.clone_from(name);
        node.api().add_csr(csr);
    }
    for (number, name) in names.iter().enumerate() {
        let mut spec = NodeSpec::new("worker-1", "127.0.0.1");
        for kind in ["Hostname", "InternalDNS", "InternalIP"] {
            spec.addresses.push((kind.into(), name.clone()));
        }
        spec.kubelet_version.clone_from(name);
        node.api().set_node(spec);
        for verb in [
            &["status"][..],
            &["csr"],
            &["apply", "--issue-first", "--dry-run"],
        ] {
            let format = ["text", "json", "yaml", "name"][number % 4];
            let output = run(&node, &[verb, &["-o", format]].concat());
            hostile::assert_harmless(&format!("{}{}", output.stdout, output.stderr), &names);
        }
    }
}
