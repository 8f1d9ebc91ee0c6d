//! Renewals, which are judged by what the node serves.

use super::*;

/// Serves this certificate, with the node's key, to everyone who comes.
fn serve(address: IpAddr, certificate: &str, key: &str) -> u16 {
    let certificates = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let Ok(mut connection) = ServerConnection::new(Arc::clone(&config)) else {
                continue;
            };
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
        }
    });
    port
}

/// An address of this machine's own at which a kubelet may listen: loopback is nothing to approve.
fn own_address() -> Option<IpAddr> {
    let mut all = interfaces::addresses().into_iter();
    all.find(|ip| ip.is_ipv4() && !ip.is_loopback())
}

#[test]
fn renewals_are_approved_only_for_names_that_the_node_serves_now() {
    let Some(address) = own_address() else {
        eprintln!("skipped: this machine has no address but loopback");
        return;
    };
    let text = address.to_string();
    let year = Duration::from_secs(365 * 86_400);
    let usages = ["digital signature".to_owned(), "server auth".to_owned()];
    // Who serves, for which names, and whether the renewal of worker-9 is approved then.
    for (cn, dns, ips, approved) in [
        (
            "system:node:worker-9",
            &["worker-9"][..],
            &[text.as_str()][..],
            true,
        ),
        (
            "system:node:worker-9",
            &["worker-9", "more"],
            &[&text, "10.9.9.9"],
            true,
        ),
        ("system:node:worker-9", &[], &[&text], false),
        ("system:node:worker-9", &["worker-9"], &["10.9.9.9"], false),
        ("system:node:worker-8", &["worker-9"], &[&text], false),
    ] {
        let fleet = Fleet::new();
        let (request, key) = Request::make(cn, &["system:nodes"], &sans(dns, ips));
        let request = Request::parse(request.as_bytes()).unwrap();
        let certificate = fleet.api.ca().sign(&request, &usages, year).unwrap();
        let mut node = NodeSpec::new("worker-9", &text);
        node.kubelet_port = serve(address, &certificate, &key);
        fleet.api.set_node(node);
        let name = fleet.request("worker-9", &sans(&["worker-9"], &[&text]));
        let (code, document) = fleet.document(&["--all", "--renewals"]);
        assert_eq!(
            fleet.is_approved(&name),
            approved,
            "{cn} {dns:?} {ips:?}: {document}"
        );
        if !approved {
            assert_eq!(
                (code, &document["requests"][0]["rule"]),
                (78, &json!("NamesAreServed"))
            );
        }
    }
    // Another CA's certificate, and no kubelet at all.
    let fleet = Fleet::new();
    let foreign = standins::pki::Ca::new("kubernetes");
    let own = sans(&["worker-9"], &[&text]);
    let (request, key) = Request::make("system:node:worker-9", &["system:nodes"], &own);
    let request = Request::parse(request.as_bytes()).unwrap();
    let certificate = foreign.sign(&request, &usages, year).unwrap();
    let mut node = NodeSpec::new("worker-9", &text);
    node.kubelet_port = serve(address, &certificate, &key);
    fleet.api.set_node(node);
    let name = fleet.request("worker-9", &own);
    let other = fleet.good(1);
    let output = fleet.approve(&["--all", "--renewals"]);
    assert_eq!(output.code, 78, "{}", output.stdout);
    assert!(
        output.stdout.contains("the cluster's CA did not sign it"),
        "{}",
        output.stdout
    );
    assert!(!fleet.is_approved(&name) && !fleet.is_approved(&other));
}
