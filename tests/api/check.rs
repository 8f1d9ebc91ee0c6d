//! `csr --check`: the node's own opinion of its request.

use kubelet_tls::parts::host::interfaces;
use serde_json::Value;
use standins::api::Csr;
use standins::pki::Sans;
use standins::{Node, Options, Output};

use support::binary;

/// A node whose kubelet runs with these flags, and a request of its for these names.
fn check(flags: &[&str], dns: &[&str], ips: &[std::net::IpAddr]) -> (String, Output, Value) {
    let node = Node::new(Options {
        extra_args: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..Options::default()
    });
    let sans = Sans {
        dns: dns.iter().map(|name| (*name).to_owned()).collect(),
        ips: ips.to_vec(),
    };
    let name = node.api().add_csr(Csr::kubelet_serving("worker-1", &sans));
    let document = node.run(binary(), &["csr", "--check", "-o", "json"]);
    let output = node.run(binary(), &["csr", "--check"]);
    assert_eq!(output.code, document.code);
    (
        name,
        output,
        serde_json::from_str(&document.stdout).unwrap(),
    )
}

fn findings(document: &Value) -> Vec<(&str, &str)> {
    let checks = document["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            (
                check["what"].as_str().unwrap(),
                check["finding"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn a_request_for_the_machines_own_names_agrees() {
    let host = interfaces::host_name().unwrap();
    let (name, output, document) = check(&[], &["worker-1", &host], &[]);
    assert_eq!(
        (output.code, output.stdout),
        (0, format!("{name}\n")),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stderr
            .contains("agrees: DNS worker-1: the node's name"),
        "{}",
        output.stderr
    );
    let mut findings = findings(&document);
    findings.dedup();
    assert!(
        findings.iter().all(|(_, finding)| *finding == "Agrees"),
        "{findings:?}"
    );
    assert_eq!(findings[0], ("subject", "Agrees"));
}

#[test]
fn a_csr_for_names_of_another_party_is_not_printed() {
    let foreign = "192.0.2.99".parse().unwrap();
    let (_, output, document) = check(&["--hostname-override=worker-1"], &["worker-1"], &[foreign]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (1, ""),
        "{}",
        output.stderr
    );
    assert!(
        output
            .stderr
            .contains("differs: IP 192.0.2.99: on no interface of this machine"),
        "{}",
        output.stderr
    );
    assert_eq!(
        findings(&document),
        [
            ("subject", "Agrees"),
            ("DNS worker-1", "Agrees"),
            ("IP 192.0.2.99", "Differs")
        ]
    );
    // The kubelet's flags have their say.
    let (_, output, _) = check(
        &["--hostname-override=other", "--node-ip=192.0.2.1"],
        &["worker-1"],
        &[foreign],
    );
    for said in [
        "differs: IP 192.0.2.99: --node-ip=192.0.2.1",
        "--hostname-override is other, but the CSR does not ask for it",
        "--node-ip is 192.0.2.1, but the CSR does not ask for it",
    ] {
        assert!(output.stderr.contains(said), "{}", output.stderr);
    }
}

#[test]
fn a_name_of_the_api_servers_certificate_is_not_this_nodes() {
    let (_, output, document) = check(
        &["--cloud-provider=external"],
        &["worker-1", "kubernetes"],
        &[],
    );
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (1, ""),
        "{}",
        output.stderr
    );
    let said = "differs: DNS kubernetes: it is a name of the API server";
    assert!(output.stderr.contains(said), "{}", output.stderr);
    assert!(findings(&document).contains(&("DNS kubernetes", "Differs")));
}

#[test]
fn an_address_that_a_cloud_gives_is_a_warning() {
    let public = "192.0.2.99".parse().unwrap();
    let (name, output, document) = check(&["--cloud-provider=external"], &["worker-1"], &[public]);
    assert_eq!(
        (output.code, output.stdout),
        (0, format!("{name}\n")),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains(
        "warning: IP 192.0.2.99: on no interface of this machine; with a cloud provider"
    ));
    assert!(
        document["warnings"][0]
            .as_str()
            .unwrap()
            .starts_with("IP 192.0.2.99")
    );
}
