//! The certificate, verified by OpenSSL and by rustls, as the API server verifies it: and the ways in which it must fail.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use kubelet_tls::parts::host::{examine, probe_as};
use kubelet_tls::parts::node::Unverified;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use standins::pki::{Ca, Sans};
use support::harness::is_required;

use super::Scene;

const HOST: &str = "metrics-server.kube-system.svc";

/// Serves the pair to every client.
pub(crate) fn serve(chain: &[u8], key: &[u8]) -> SocketAddr {
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key).unwrap())
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, config) = (stream.unwrap(), config.clone());
            std::thread::spawn(move || {
                let mut connection = ServerConnection::new(config).unwrap();
                while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
            });
        }
    });
    address
}

/// The pair in the directory, served, verifies with the `caBundle` in the directory.
pub(crate) fn verifies(scene: &Scene, host: &str) {
    let files = scene.files();
    let address = serve(&files["tls.crt"], &files["tls.key"]);
    let served = probe_as(address, host, &scene.ca_bundle()).unwrap();
    assert_eq!(served.verified, Ok(()), "{host}");
    // What has been served until now verifies too, until the new pod has taken over.
    assert!(
        files["ca.crt"]
            .windows(27)
            .any(|w| w == b"-----BEGIN CERTIFICATE-----")
    );
}

#[test]
fn the_pair_serves_and_the_bundle_verifies_it_for_its_names_alone() {
    let scene = Scene::new();
    scene.write(&[
        "--namespace",
        "monitoring",
        "--service",
        "ms",
        "--cluster-domain",
        "k8s.example",
    ]);
    verifies(&scene, "ms.monitoring.svc");
    verifies(&scene, "ms.monitoring.svc.k8s.example");
    let files = scene.files();
    let address = serve(&files["tls.crt"], &files["tls.key"]);
    for other in [
        HOST,
        "monitoring.svc",
        "ms.monitoring.svc.cluster.local",
        "127.0.0.1",
    ] {
        let served = probe_as(address, other, &scene.ca_bundle()).unwrap();
        assert_eq!(served.verified, Err(Unverified::WrongName), "{other}");
    }
    let other = Scene::new();
    other.write(&[]);
    let served = probe_as(address, "ms.monitoring.svc", &other.ca_bundle()).unwrap();
    assert_eq!(served.verified, Err(Unverified::UnknownAuthority));
}

#[test]
fn a_renewed_bundle_verifies_what_the_old_pod_still_serves() {
    let scene = Scene::new();
    scene.write(&[]);
    let old = scene.files();
    scene.write(&["--duration", "90d"]);
    let address = serve(&old["tls.crt"], &old["tls.key"]);
    assert_eq!(
        probe_as(address, HOST, &scene.ca_bundle())
            .unwrap()
            .verified,
        Ok(())
    );
    verifies(&scene, HOST);
}

#[test]
fn a_certificate_with_anything_wrong_does_not_verify() {
    let ca = Ca::new("metrics-server");
    let roots = [CertificateDer::from_pem_slice(ca.pem().as_bytes())
        .unwrap()
        .to_vec()];
    let names = |names: &[&str]| Sans {
        dns: names.iter().map(|name| (*name).to_owned()).collect(),
        ips: Vec::new(),
    };
    let verdict = |pair: standins::pki::Identity| {
        let address = serve(pair.cert_pem.as_bytes(), pair.key_pem.as_bytes());
        let on_the_wire = probe_as(address, HOST, &roots).unwrap().verified;
        let der = CertificateDer::from_pem_slice(pair.cert_pem.as_bytes()).unwrap();
        assert_eq!(
            examine(&[der.to_vec()], HOST, &roots).unwrap().verified,
            on_the_wire
        );
        on_the_wire
    };
    assert_eq!(verdict(ca.server(HOST, &names(&[HOST]))), Ok(()));
    // The common name alone is not looked at, by Go as little as by rustls.
    assert_eq!(
        verdict(ca.server(HOST, &names(&[]))),
        Err(Unverified::WrongName)
    );
    assert_eq!(
        verdict(ca.expired_server(HOST, &names(&[HOST]))),
        Err(Unverified::Expired)
    );
    let other = Ca::new("metrics-server");
    assert_eq!(
        verdict(other.server(HOST, &names(&[HOST]))),
        Err(Unverified::UnknownAuthority)
    );
    assert!(examine(&[], HOST, &roots).is_err() && examine(&[vec![0]], HOST, &roots).is_err());
}

fn openssl(directory: &Path, more: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .current_dir(directory)
        .args(["verify", "-purpose", "sslserver", "-x509_strict"])
        .args(more)
        .arg("tls.crt")
        .output()
        .unwrap();
    (output.status.success(), format!("{output:?}"))
}

#[test]
fn openssl_verifies_the_pair_too() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(!is_required(), "openssl is missing");
        eprintln!("skipped: openssl is missing");
        return;
    }
    let scene = Scene::new();
    scene.write(&["--keep-ca-key"]);
    let out = scene.out();
    for host in [HOST, "metrics-server.kube-system.svc.cluster.local"] {
        let (good, words) = openssl(&out, &["-verify_hostname", host, "-CAfile", "ca.crt"]);
        assert!(good, "{words}");
    }
    for (bad, expected) in [
        (
            &["-verify_hostname", "metrics-server", "-CAfile", "ca.crt"][..],
            "hostname mismatch",
        ),
        (
            &[
                "-verify_hostname",
                HOST,
                "-CAfile",
                "../ca.crt",
                "-no-CApath",
            ],
            "unable to get local issuer",
        ),
        (
            &[
                "-verify_hostname",
                HOST,
                "-CAfile",
                "ca.crt",
                "-attime",
                "4102444800",
            ],
            "has expired",
        ),
        (
            &[
                "-verify_hostname",
                HOST,
                "-CAfile",
                "ca.crt",
                "-attime",
                "1000000000",
            ],
            "not yet valid",
        ),
    ] {
        let (good, words) = openssl(&out, bad);
        assert!(!good && words.contains(expected), "{words}");
    }
    let show = |file: &str| {
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-text", "-in"])
            .arg(out.join(file))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let leaf = show("tls.crt");
    for words in [
        "Subject: CN = metrics-server.kube-system.svc\n",
        "NIST CURVE: P-256",
        "CA:FALSE",
        "TLS Web Server Authentication",
        "Digital Signature\n",
    ] {
        let leaf = leaf.replace("CN=", "CN = ");
        assert!(leaf.contains(words), "{words}: {leaf}");
    }
    let ca = show("ca.crt");
    for words in [
        "CA:TRUE, pathlen:0",
        "Certificate Sign, CRL Sign\n",
        "NIST CURVE: P-256",
    ] {
        assert!(ca.contains(words), "{words}: {ca}");
    }
    // The key that was kept is the CA's.
    let key = fs::read(out.join("ca.key")).unwrap();
    let chain = fs::read(out.join("ca.crt")).unwrap();
    kubelet_tls::parts::host::keys_match(&[chain, key].concat()).unwrap();
}
