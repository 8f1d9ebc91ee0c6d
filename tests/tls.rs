//! The TLS probe against real servers on loopback, one for each way to be wrong.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use standins::pace;

use kubelet_tls::parts::host::probe;
use kubelet_tls::parts::host::{PairError, keys_match};
use kubelet_tls::parts::node::{NotServed, Served, Unverified};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use standins::pki::{Ca, Identity, Sans, kubelet_self_signed};

fn sans(ip: &str) -> Sans {
    Sans {
        dns: vec!["worker-1".into()],
        ips: vec![ip.parse().unwrap()],
    }
}

/// Serves `identity` to one client.
fn serve(identity: &Identity) -> SocketAddr {
    let certificates = vec![CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
        while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
    });
    address
}

fn roots(ca: &Ca) -> Vec<Vec<u8>> {
    vec![
        CertificateDer::from_pem_slice(ca.pem().as_bytes())
            .unwrap()
            .to_vec(),
    ]
}

fn probed(ca: &Ca, identity: &Identity) -> Served {
    probe(serve(identity), &roots(ca)).unwrap()
}

#[test]
fn a_certificate_of_the_clusters_ca_for_this_address_verifies() {
    let ca = Ca::new("kubernetes");
    let served = probed(&ca, &ca.server("system:node:worker-1", &sans("127.0.0.1")));
    assert_eq!(served.verified, Ok(()));
    assert_eq!(
        served.certificate.common_name.as_deref(),
        Some("system:node:worker-1")
    );
    assert!(!served.certificate.is_kubelets_own());
}

#[test]
fn each_way_to_be_wrong_is_told_apart() {
    let ca = Ca::new("kubernetes");
    // Another CA of the same name, as after a new `kubeadm init`.
    let other = Ca::new("kubernetes");
    let wrong = |identity: &Identity| probed(&ca, identity).verified.unwrap_err();
    assert!(matches!(
        wrong(&other.server("system:node:worker-1", &sans("127.0.0.1"))),
        Unverified::UnknownAuthority | Unverified::Other(_)
    ));
    assert_eq!(
        wrong(&Ca::new("else").server("system:node:worker-1", &sans("127.0.0.1"))),
        Unverified::UnknownAuthority
    );
    assert_eq!(
        wrong(&ca.server("system:node:worker-1", &sans("10.0.0.7"))),
        Unverified::WrongName
    );
    assert_eq!(
        wrong(&ca.expired_server("system:node:worker-1", &sans("127.0.0.1"))),
        Unverified::Expired
    );
    let own = probed(&ca, &kubelet_self_signed("worker-1", &sans("127.0.0.1")));
    assert_eq!(own.verified, Err(Unverified::UnknownAuthority));
    assert!(
        own.certificate.is_kubelets_own(),
        "{}",
        own.certificate.issuer
    );
}

#[test]
fn a_port_without_a_certificate_is_recognised() {
    let ca = Ca::new("kubernetes");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let began = pace::now();
    assert_eq!(probe(address, &roots(&ca)), Err(NotServed::Silent));
    assert!((pace::now() - began) < Duration::from_secs(5));
    drop(listener);
    // Another program on this machine may take a port that has just become free.
    let refused = (0..5).any(|_| {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        probe(address, &roots(&ca)) == Err(NotServed::Refused)
    });
    assert!(refused);
    assert!(matches!(
        probe(address, &[b"no certificate".to_vec()]),
        Err(NotServed::Other(_))
    ));
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let ca = Ca::new("kubernetes");
    let (one, two) = (
        ca.server("a", &sans("127.0.0.1")),
        ca.server("b", &sans("127.0.0.1")),
    );
    keys_match(one.pair_pem().as_bytes()).unwrap();
    let mixed = format!("{}{}", one.cert_pem, two.key_pem);
    assert!(matches!(
        keys_match(mixed.as_bytes()),
        Err(PairError::OtherKey(_))
    ));
    assert!(matches!(
        keys_match(one.cert_pem.as_bytes()),
        Err(PairError::NoKey)
    ));
    assert!(keys_match(b"").is_err());
}
