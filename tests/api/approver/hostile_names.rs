//! Names and keys that a hostile node may put into its requests.

use super::*;

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
