//! Every fault, as a raw client sees it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::io::{self, Read as _, Write as _};
use std::time::{Duration, Instant};

use kubelet_tls_standins::api::Csr;
use kubelet_tls_standins::client::{self, Client, Kubeconfig};
use kubelet_tls_standins::pki::Sans;
use kubelet_tls_standins::{ApiServer, Config, Fault, KubeconfigStyle, Matcher};

const CSRS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

fn start() -> (ApiServer, Client) {
    let api = ApiServer::start(Config {
        bookmark_interval: Duration::from_millis(50),
        ..Config::default()
    });
    let client = Client::new(&kubeconfig(&api), "test").unwrap();
    (api, client)
}

fn kubeconfig(api: &ApiServer) -> Kubeconfig {
    let dir = tempfile::tempdir().unwrap();
    let path = api.kubeconfig_for_node("w1", dir.path(), KubeconfigStyle::Inline);
    Kubeconfig::read(&path).unwrap()
}

/// Every byte that the server sends to a request until the connection ends, and how it ended.
fn raw(api: &ApiServer, target: &str) -> (Vec<u8>, io::Result<()>) {
    let kubeconfig = kubeconfig(api);
    let address = kubeconfig.server.trim_start_matches("https://");
    let host = address.rsplit_once(':').unwrap().0.to_owned();
    let (chain, key) = kubeconfig.client.as_ref().unwrap();
    let tls = client::client_config(&kubeconfig.ca_pem, Some((chain, key))).unwrap();
    let mut stream = client::connect(address, host.try_into().unwrap(), &tls).unwrap();
    let head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes);
    (bytes, end.map(drop))
}

/// What one list looks like with this fault: all bytes, and how the connection ended.
fn list(fault: Fault) -> (String, Result<(), io::ErrorKind>) {
    let (api, client) = start();
    api.inject(
        Matcher::new()
            .path("certificatesigningrequests")
            .list()
            .once(),
        fault,
    );
    let (bytes, end) = raw(&api, CSRS);
    assert_eq!(
        client.request("GET", CSRS, None).unwrap().code,
        200,
        "once is once"
    );
    (
        String::from_utf8_lossy(&bytes).into_owned(),
        end.map_err(|e| e.kind()),
    )
}

#[test]
fn connections_break_as_told() {
    let cut = Err(io::ErrorKind::UnexpectedEof);
    assert_eq!(list(Fault::Close), (String::new(), cut));
    assert_eq!(
        list(Fault::Reset),
        (String::new(), Err(io::ErrorKind::ConnectionReset))
    );
    assert_eq!(
        list(Fault::HalfHead),
        ("HTTP/1.1 200 OK\r\nContent-Type: applica".into(), cut)
    );
    let (text, end) = list(Fault::HalfBody);
    assert!(
        text.ends_with("\"meta") && text.contains("Content-Length: 166"),
        "{text}"
    );
    assert_eq!(end, cut);
    let (text, end) = list(Fault::Garbage);
    assert!(text.contains("SSH-2.0") && end.is_ok(), "{text} {end:?}");
    assert_eq!(
        list(Fault::Raw(b"as it is".to_vec())),
        ("as it is".into(), Ok(()))
    );
}

#[test]
fn wrong_answers_are_sent_as_told() {
    assert!(
        list(Fault::WrongTypes)
            .0
            .contains(r#""metadata":{"resourceVersion":17}"#)
    );
    assert!(list(Fault::WebPage).0.contains("text/html"));
    assert!(list(Fault::NestedJson).0.len() > 1 << 20);
    assert!(
        list(Fault::EndlessList)
            .0
            .contains(r#""continue":"ZW5kbGVzcw==""#)
    );
    let (text, _) = list(Fault::Redirect("https://127.0.0.1:1/elsewhere".into()));
    assert!(
        text.starts_with("HTTP/1.1 307")
            && text.contains("Location: https://127.0.0.1:1/elsewhere\r\n"),
        "{text}"
    );
    let captured = include_bytes!("../../testdata/captured/1.36/csr-list-pending.json");
    let (api, client) = start();
    api.inject(Matcher::new(), Fault::Body(captured.to_vec()));
    assert_eq!(
        client.request("GET", CSRS, None).unwrap().body.as_bytes(),
        captured
    );
}

#[test]
fn errors_are_answered_as_told() {
    for code in [401, 403, 404, 409, 410, 429, 500, 503] {
        let (text, _) = list(Fault::Status(code, Some(3)));
        assert!(text.starts_with(&format!("HTTP/1.1 {code} ")), "{text}");
        assert!(
            text.contains("Retry-After: 3\r\n") && text.contains(&format!("\"code\":{code}}}")),
            "{text}"
        );
    }
}

#[test]
fn answers_are_delayed_as_told() {
    let before = Instant::now();
    assert!(
        list(Fault::Delay(Duration::from_millis(150)))
            .0
            .starts_with("HTTP/1.1 200")
    );
    assert!(before.elapsed() >= Duration::from_millis(150));
    assert_eq!(
        list(Fault::Silent(Duration::from_millis(150))),
        (String::new(), Ok(()))
    );
    assert!(
        list(Fault::Trickle(Duration::from_millis(1)))
            .0
            .contains("\r\n1\r\n{\r\n1\r\n")
    );
}

/// The lines of one watch with this fault, and whether it ended in order.
fn watch(fault: Fault) -> (Vec<String>, Result<(), String>) {
    let (api, client) = start();
    let csr = Csr::kubelet_serving(
        "w1",
        &Sans {
            dns: vec!["w1".into()],
            ips: vec![],
        },
    );
    api.add_csrs((0..3).map(|_| csr.clone()));
    api.inject(Matcher::new().watch().once(), fault);
    let mut lines = Vec::new();
    let end = client.watch(
        &format!("{CSRS}?watch=true&timeoutSeconds=1&allowWatchBookmarks=true"),
        |line| {
            lines.push(line.to_owned());
            true
        },
    );
    (lines, end)
}

#[test]
fn watches_break_as_told() {
    let (lines, end) = watch(Fault::DropAfter(2));
    assert_eq!((lines.len(), end.is_err()), (2, true));
    let (lines, end) = watch(Fault::ResetAfter(1));
    assert_eq!(lines.len(), 1);
    assert_eq!(end.unwrap_err(), "Peer disconnected");
    let (lines, end) = watch(Fault::Bookmark);
    assert!(
        lines[0].contains(r#""type":"BOOKMARK""#) && lines[0].contains(r#""request":null"#),
        "{lines:?}"
    );
    assert!(
        end.is_ok() && lines.len() > 4,
        "bookmarks continue until the watch times out: {lines:?}"
    );
    let (lines, end) = watch(Fault::Gone);
    assert!(
        end.is_ok()
            && lines[3].starts_with(r#"{"type":"ERROR""#)
            && lines[3].contains(r#""code":410"#),
        "{lines:?}"
    );
    let (lines, end) = watch(Fault::Body(b"{\"type\":\n\"ADDED\"".to_vec()));
    assert_eq!((lines.len(), end.is_ok()), (1, true));
}

#[test]
fn a_fault_applies_to_as_many_requests_as_told() {
    let (api, client) = start();
    let code = || client.request("GET", CSRS, None).unwrap().code;
    api.inject(Matcher::new().nth(2), Fault::Status(500, None));
    api.inject(Matcher::new().method("POST"), Fault::Status(503, None));
    api.inject(
        Matcher::new().user("system:node:w2"),
        Fault::Status(503, None),
    );
    assert_eq!([code(), code(), code()], [200, 500, 200]);
    let log = api.requests();
    assert_eq!(log.len(), 3);
    assert_eq!(
        (
            log[0].method.as_str(),
            log[0].target.as_str(),
            log[0].user.as_str()
        ),
        ("GET", CSRS, "system:node:w1")
    );
}

#[test]
fn a_muted_server_sends_nothing() {
    let (api, client) = start();
    api.mute(true);
    let asking = std::thread::spawn(move || client.request("GET", "/version", None).unwrap().code);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!asking.is_finished() && api.requests().is_empty());
    api.mute(false);
    assert_eq!(asking.join().unwrap(), 200);
}

#[test]
fn a_stopped_server_refuses_connections() {
    let (mut api, client) = start();
    let watching = std::thread::spawn(move || {
        (
            client
                .watch(&format!("{CSRS}?watch=true"), |_| true)
                .is_ok(),
            client,
        )
    });
    std::thread::sleep(Duration::from_millis(100));
    let before = Instant::now();
    api.stop();
    let (_, client) = watching.join().unwrap();
    assert!(before.elapsed() < Duration::from_secs(1));
    assert!(client.request("GET", "/version", None).is_err());
}
