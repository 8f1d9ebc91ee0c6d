//! API servers behind a proxy that is spoken to in TLS.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use standins::KubeconfigStyle;
use standins::pki::{Ca, Sans};
use standins::proxy::Proxy;

use support::binary;

use super::scene::{Approver, Scene};

const NETWORK: &[&str] = &["--ip-prefix", "10.0.0.0/24"];
/// A name that only the proxy can find.
const ELSEWHERE: &str = "api.cluster.invalid:6443";

/// A proxy to the scene's API server, with a certificate of this CA.
fn proxy(scene: &Scene, ca: &Ca) -> Proxy {
    let sans = Sans {
        dns: vec![],
        ips: vec!["127.0.0.1".parse().unwrap()],
    };
    let identity = ca.server("proxy", &sans);
    Proxy::start(scene.api.address(), scene.api.ca_pem(), &identity)
}

/// An administrator's kubeconfig for the API server by its name behind the proxy, with `more` about the cluster.
fn kubeconfig(scene: &Scene, more: &str) -> PathBuf {
    let directory = scene.directory.path();
    let identity = scene.api.client_identity("an-admin", &["system:masters"]);
    let path = directory.join("admin.conf");
    let path = scene
        .api
        .write_kubeconfig(&path, directory, &identity, KubeconfigStyle::Inline);
    let own = format!("    server: {}\n", scene.api.url());
    let there = format!("    server: https://{ELSEWHERE}\n    tls-server-name: kubernetes\n{more}");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(&own));
    fs::write(&path, text.replace(&own, &there)).unwrap();
    path
}

#[test]
fn requests_are_approved_through_an_https_proxy() {
    let scene = Scene::new();
    let proxy = proxy(&scene, scene.api.ca());
    let url = proxy.url().replace("://", "://me:p%40ss@");
    let own = kubeconfig(&scene, &format!("    proxy-url: {url}\n"));
    let approver = Approver::start(&own, NETWORK);
    approver.ready();
    scene.good(1);
    assert_eq!(approver.next()["verdict"], "approved");
    assert_eq!(approver.end(), Some(0));

    // The same from the environment.
    let of_environment = kubeconfig(&scene, "");
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("KUBECONFIG", of_environment)
        .env("HTTPS_PROXY", &url);
    let approver = Approver::spawn(command, NETWORK);
    approver.ready();
    scene.good(2);
    assert_eq!(approver.next()["verdict"], "approved");
    assert_eq!(approver.end(), Some(0));

    let asked = proxy.asked();
    let login = "Basic bWU6cEBzcw==";
    let wanted = [format!("CONNECT {ELSEWHERE} HTTP/1.1"), login.to_owned()];
    assert!(
        asked.len() >= 4 && asked.chunks(2).all(|one| one == wanted),
        "{asked:?}"
    );
}

#[test]
fn a_proxy_with_a_certificate_of_another_ca_is_not_used() {
    let scene = Scene::new();
    let proxy = proxy(&scene, &Ca::new("another"));
    let url = proxy.url().replace("://", "://me:hunter2@");
    let own = kubeconfig(&scene, &format!("    proxy-url: {url}\n"));
    let approver = Approver::start(&own, NETWORK);
    scene.good(1);
    approver.warns(&format!(
        "through the proxy {}: its certificate is not signed by the CA in the kubeconfig",
        proxy.url()
    ));
    approver.silent_for(Duration::from_secs(1));
    assert_eq!(approver.get("/readyz").0, 503);
    assert_eq!(proxy.asked(), [""; 0]);
    while let Some(warning) = approver.warning() {
        assert!(!warning.contains("hunter2"), "{warning}");
    }
}

#[test]
fn a_proxy_of_another_kind_is_refused_at_the_start() {
    let scene = Scene::new();
    let own = kubeconfig(&scene, "    proxy-url: socks5://me:hunter2@127.0.0.1:1\n");
    let output = Command::new(binary())
        .args(["approve", "--watch", "--kubeconfig"])
        .arg(&own)
        .args(NETWORK)
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(
        said.contains("its proxy-url is socks5, and only http and https ones can be used"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}
