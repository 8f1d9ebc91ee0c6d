//! A bad day before anything is touched: nothing is touched. What a hostile server may answer is in tests/hostile.

use std::net::TcpListener;
use std::time::Duration;

use kubelet_tls::parts::csr::Listing;
use kubelet_tls::parts::host::Api;
use standins::api::ServerCertificate;
use standins::{ApiServer, Config, Fault, KubeconfigStyle, Options, Output, pace};

use support::binary;

use super::scene::{Scene, lists, play, with_kubeconfig};

const TIMEOUT: Duration = Duration::from_secs(1);

fn refused(scene: &Scene, code: i32) {
    let (config, starts) = (scene.node.config(), scene.node.kubelet_starts());
    let run = scene.apply(&["--settle", "0s", "--timeout", "1s"]);
    scene.check_never_wrong(&run, TIMEOUT);
    assert_eq!((run.output.code, run.names.len()), (code, 0), "{run}");
    assert_eq!(scene.node.config(), config, "{run}");
    assert_eq!(scene.node.kubelet_starts(), starts, "{run}");
    assert!(run.output.stdout.is_empty(), "{run}");
    assert!(run.output.stderr.contains("error: cannot "), "{run}");
}

#[test]
fn a_server_whose_certificate_does_not_verify_is_not_used() {
    let certificates = [
        (
            "another CA",
            (
                ServerCertificate::OtherCa,
                "its certificate is not signed by the CA in the kubeconfig",
            ),
        ),
        (
            "expired",
            (
                ServerCertificate::Expired,
                "its certificate has expired or is not valid yet (is this machine's clock right?)",
            ),
        ),
        (
            "another name",
            (
                ServerCertificate::OtherName,
                "its certificate is not valid for this address",
            ),
        ),
    ];
    play(&certificates, |(certificate, why)| {
        let api = Config {
            server_certificate: *certificate,
            ..Config::default()
        };
        let scene = Scene::with(Options {
            api,
            ..Options::default()
        });
        refused(&scene, 69);
        let log = scene.node.api().requests();
        assert!(log.is_empty(), "asked nevertheless: {log:?}");
        let csr = scene.node.run(binary(), &["csr"]);
        assert!(csr.stderr.contains(why), "{}", csr.stderr);
    });
}

#[test]
fn a_server_that_is_not_an_api_server_is_given_up_before_the_deadline() {
    let elsewhere = [
        ("a web page", Fault::WebPage),
        ("garbage", Fault::Garbage),
        ("another protocol", Fault::Close),
    ];
    play(&elsewhere, |fault| {
        let api = ApiServer::start(Config::default());
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig =
            api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Kubelet);
        api.inject(lists(), fault.clone());
        let began = pace::now();
        let output = Output::of(&mut with_kubeconfig(&kubeconfig, &["csr"]));
        assert_eq!((output.code, output.stdout.as_str()), (69, ""));
        assert!((pace::now() - began) < Duration::from_secs(12));
    });
}

#[test]
fn a_port_that_accepts_and_stays_silent_delays_no_run_beyond_the_deadline() {
    kubelet_tls::parts::host::install_provider();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = ApiServer::start(Config::default());
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Inline);
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let address = format!("https://{}", silent.local_addr().unwrap());
    std::fs::write(&kubeconfig, text.replace(&api.url(), &address)).unwrap();
    let api = Api::open(&kubeconfig).unwrap();
    let began = pace::now();
    let end = std::time::Instant::now() + Duration::from_secs(1);
    assert!(api.requests(end).is_err());
    assert!(api.node(end).is_err());
    let events = api.watch(&Listing::default(), end);
    assert_eq!(events.iter().count(), 0);
    assert!((pace::now() - began) < Duration::from_secs(2));
}

#[test]
fn a_server_that_recovers_is_asked_again() {
    let passing = [
        ("closed", Fault::Close),
        ("garbage", Fault::Garbage),
        ("half a body", Fault::HalfBody),
        ("429", Fault::Status(429, Some(1))),
        ("503", Fault::Status(503, None)),
        ("slow", Fault::Delay(Duration::from_millis(700))),
        ("trickling", Fault::Trickle(Duration::from_micros(50))),
    ];
    play(&passing, |fault| {
        let scene = Scene::new();
        scene.node.api().inject(lists().times(2), fault.clone());
        let run = scene.apply(&["--settle", "0s", "--timeout", "9s"]);
        scene.check_named(&run, Duration::from_secs(9));
    });
}

/// One list and one watch need no streams side by side, and HTTP/1.1 leaves less to attack.
#[test]
fn http_2_is_not_offered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = ApiServer::start(Config::default());
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Inline);
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    std::fs::write(&kubeconfig, text.replace(&api.url(), &address)).unwrap();
    let mut child = with_kubeconfig(&kubeconfig, &["csr"]).spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut acceptor = rustls::server::Acceptor::default();
    let accepted = loop {
        acceptor.read_tls(&mut stream).unwrap();
        if let Some(accepted) = acceptor
            .accept()
            .unwrap_or_else(|(error, _)| panic!("{error}"))
        {
            break accepted;
        }
    };
    let offered: Vec<&[u8]> = accepted
        .client_hello()
        .alpn()
        .into_iter()
        .flatten()
        .collect();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!offered.contains(&&b"h2"[..]), "{offered:?}");
}
