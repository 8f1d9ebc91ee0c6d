//! Proxy variables in the environment: client-go's rules hold, and a dead proxy is named in the error.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use standins::api::Csr;
use standins::pki::Sans;
use standins::{ApiServer, Config, KubeconfigStyle, Output, pace};

use super::scene::with_kubeconfig;

/// Nothing listens there.
const DEAD: &str = "http://127.0.0.1:1";
/// A name that is nowhere but behind a proxy.
const ELSEWHERE: &str = "api.cluster.invalid:6443";

struct Cluster {
    api: ApiServer,
    request: String,
    directory: tempfile::TempDir,
}

impl Cluster {
    fn new() -> Self {
        let api = ApiServer::start(Config::default());
        let request = api.add_csr(Csr::kubelet_serving("worker-1", &Sans::default()));
        let directory = tempfile::tempdir().unwrap();
        Self {
            api,
            request,
            directory,
        }
    }

    /// A kubeconfig whose server is the API server's own address, or called so and known to the proxy alone.
    fn kubeconfig(&self, server: Option<&str>, more: &str) -> PathBuf {
        let path = self.api.kubeconfig_for_node(
            "worker-1",
            self.directory.path(),
            KubeconfigStyle::Inline,
        );
        let text = std::fs::read_to_string(&path).unwrap();
        let own = format!("    server: {}\n", self.api.url());
        let server = server.map_or(own.clone(), |server| {
            format!("    server: https://{server}\n    tls-server-name: kubernetes\n")
        });
        std::fs::write(&path, text.replace(&own, &format!("{server}{more}"))).unwrap();
        path
    }

    fn csr(&self, kubeconfig: &std::path::Path, environment: &[(&str, &str)]) -> Output {
        let mut command = with_kubeconfig(kubeconfig, &["csr"]);
        Output::of(command.envs(environment.iter().copied()))
    }

    fn check_found(&self, output: &Output, what: &[(&str, &str)]) {
        let expected = (0, format!("{}\n", self.request));
        let said = (output.code, output.stdout.clone());
        assert_eq!(said, expected, "{what:?}: {}", output.stderr);
    }
}

/// A proxy that leads every CONNECT to the API server, and remembers whom it was asked for and with which login.
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(api: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        // It ends with the test's process.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                thread::spawn(move || tunnel(client, api, &log));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn tunnel(client: TcpStream, api: SocketAddr, log: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    log.lock().unwrap().push(line.trim().to_owned());
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some((name, login)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("Proxy-Authorization")
        {
            log.lock().unwrap().push(login.trim().to_owned());
        }
    }
    let mut server = TcpStream::connect(api).ok()?;
    let mut back = (server.try_clone().ok()?, client.try_clone().ok()?);
    (&client).write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    thread::spawn(move || std::io::copy(&mut back.0, &mut back.1));
    std::io::copy(&mut reader, &mut server).ok()?;
    server.shutdown(std::net::Shutdown::Write).ok()
}

#[test]
fn a_server_on_loopback_is_never_proxied() {
    let cluster = Cluster::new();
    let kubeconfig = cluster.kubeconfig(None, "");
    for environment in [
        &[("HTTPS_PROXY", DEAD)][..],
        &[("https_proxy", DEAD)],
        &[("HTTPS_PROXY", DEAD), ("NO_PROXY", "127.0.0.1")],
        &[("HTTPS_PROXY", DEAD), ("NO_PROXY", "10.0.0.0/8,.svc,")],
        &[("HTTPS_PROXY", "not an address")],
        &[("HTTP_PROXY", DEAD), ("ALL_PROXY", DEAD)],
    ] {
        cluster.check_found(&cluster.csr(&kubeconfig, environment), environment);
    }
}

#[test]
fn a_proxy_is_used_as_kubectl_would_use_it() {
    let cluster = Cluster::new();
    let proxy = Proxy::to(cluster.api.address());
    let url = proxy.url.as_str();
    let without_scheme = url.strip_prefix("http://").unwrap();
    let elsewhere = cluster.kubeconfig(Some(ELSEWHERE), "");
    let through = [format!("CONNECT {ELSEWHERE} HTTP/1.1")];

    for environment in [
        &[("HTTPS_PROXY", url)][..],
        &[("https_proxy", url)],
        &[("HTTPS_PROXY", without_scheme)],
        // An exception for the proxy's own address excepts nothing, and a stray comma does not matter.
        &[("HTTPS_PROXY", url), ("NO_PROXY", "127.0.0.1,localhost,")],
        &[("HTTPS_PROXY", url), ("NO_PROXY", "cluster.invalid:443")],
    ] {
        cluster.check_found(&cluster.csr(&elsewhere, environment), environment);
        assert_eq!(proxy.asked(), through, "{environment:?}");
    }
    let environment = [("HTTPS_PROXY", url), ("NO_PROXY", ".cluster.invalid")];
    let output = cluster.csr(&elsewhere, &environment);
    assert_eq!(output.code, 69, "{}", output.stderr);
    assert!(proxy.asked().is_empty());

    let own = cluster.kubeconfig(Some(ELSEWHERE), &format!("    proxy-url: {url}\n"));
    let environment = [("HTTPS_PROXY", DEAD), ("NO_PROXY", "*")];
    cluster.check_found(&cluster.csr(&own, &environment), &environment);
    assert_eq!(proxy.asked(), through);
}

#[test]
fn a_proxy_is_told_the_login_in_its_address() {
    let cluster = Cluster::new();
    let proxy = Proxy::to(cluster.api.address());
    let url = proxy.url.replace("://", "://me:p%40ss@");
    let elsewhere = cluster.kubeconfig(Some(ELSEWHERE), "");
    let environment = [("HTTPS_PROXY", url.as_str())];
    cluster.check_found(&cluster.csr(&elsewhere, &environment), &environment);
    // `me:p@ss`
    let through = [
        &format!("CONNECT {ELSEWHERE} HTTP/1.1"),
        "Basic bWU6cEBzcw==",
    ];
    assert_eq!(proxy.asked(), through);
}

#[test]
fn a_dead_proxy_is_named_and_its_password_is_not() {
    let cluster = Cluster::new();
    let elsewhere = cluster.kubeconfig(Some(ELSEWHERE), "");
    for proxy in [
        "http://me:hunter2@127.0.0.1:1",
        "socks5://me:hunter2@127.0.0.1:1",
    ] {
        let began = pace::now();
        let output = cluster.csr(&elsewhere, &[("HTTPS_PROXY", proxy)]);
        assert_eq!((output.code, output.stdout.as_str()), (69, ""));
        let named = ["through the proxy http://127.0.0.1:1: ", "is socks5"];
        let said = &output.stderr;
        assert!(named.iter().any(|name| said.contains(name)), "{said}");
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
        assert!((pace::now() - began) < Duration::from_secs(10));
    }
}

#[test]
fn a_host_without_an_address_is_named_and_where_it_is_written() {
    let cluster = Cluster::new();
    let paths: Vec<_> = [
        (Some(ELSEWHERE), "", None),
        (None, "    proxy-url: http://proxy.invalid:3128\n", None),
        (
            Some(ELSEWHERE),
            "",
            Some("http://me:hunter2@proxy.invalid:3128"),
        ),
    ]
    .into_iter()
    .enumerate()
    .map(|(number, (server, more, proxy))| {
        let path = cluster.kubeconfig(server, more);
        let own = path.with_extension(number.to_string());
        std::fs::rename(&path, &own).unwrap();
        (own, proxy)
    })
    .collect();
    let outputs: Vec<_> = thread::scope(|scope| {
        let started: Vec<_> = paths
            .iter()
            .map(|(path, proxy)| {
                let environment: Vec<_> =
                    proxy.iter().map(|proxy| ("HTTPS_PROXY", *proxy)).collect();
                let cluster = &cluster;
                scope.spawn(move || cluster.csr(path, &environment))
            })
            .collect();
        started.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let shown: Vec<_> = paths
        .iter()
        .map(|(path, _)| path.display().to_string())
        .collect();
    for (output, (host, named, hint)) in outputs.iter().zip([
        (
            "api.cluster.invalid",
            format!("the server in kubeconfig {}", shown[0]),
            format!("grep -ni server: {}", shown[0]),
        ),
        (
            "proxy.invalid",
            format!("the proxy-url in kubeconfig {}", shown[1]),
            format!("grep -ni proxy-url: {}", shown[1]),
        ),
        (
            "proxy.invalid",
            "the proxy of HTTPS_PROXY".to_owned(),
            "env | grep -ni https_proxy".to_owned(),
        ),
    ]) {
        let said = &output.stderr;
        assert_eq!((output.code, output.stdout.as_str()), (69, ""), "{said}");
        let start = format!(": this machine finds no IP address for host {host} (");
        assert!(said.contains(&start), "{said}");
        let end = format!(
            "), {named}; correct the name there, or fix this machine's DNS\nhint: {hint}\n"
        );
        assert!(said.ends_with(&end), "{said}");
        assert!(
            !said.contains("hunter2") && !said.contains("lookup"),
            "{said}"
        );
    }
}
