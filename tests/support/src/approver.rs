//! A cluster, and an approver that runs beside it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use serde_json::Value;
use standins::api::{Csr, NodeSpec};
use standins::kubelet::Fleet;
use standins::pki::{Identity, Request, Sans};
use standins::{ApiServer, Config, pace};

use super::binary;

/// Far beyond what any decision takes, on a machine that does other things too.
pub const LONG: Duration = Duration::from_secs(30);

pub struct Scene {
    pub api: ApiServer,
    pub directory: tempfile::TempDir,
}

pub struct Approver {
    child: Child,
    lines: Receiver<Value>,
    warnings: Receiver<String>,
    /// Where `--metrics` listens.
    pub port: u16,
}

impl Scene {
    /// worker-1 to worker-9 with 10.0.0.11 to 10.0.0.19.
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let api = ApiServer::start(config);
        for number in 1..10 {
            api.set_node(node(number));
        }
        Self {
            api,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A request of worker-N's for its own name and this address.
    pub fn request(&self, number: u8, ip: [u8; 4]) -> String {
        let name = format!("worker-{number}");
        let sans = Sans {
            dns: vec![name.clone()],
            ips: vec![ip.into()],
        };
        self.api.add_csr(Csr::kubelet_serving(&name, &sans))
    }

    /// A good request of a new Node with this address.
    pub fn request_at(&self, address: &str) -> String {
        let name = format!("n-{}", address.replace('.', "-"));
        self.api.set_node(NodeSpec::new(&name, address));
        let sans = Sans {
            dns: vec![name.clone()],
            ips: vec![address.parse().unwrap()],
        };
        self.api.add_csr(Csr::kubelet_serving(&name, &sans))
    }

    pub fn good(&self, number: u8) -> String {
        self.request(number, [10, 0, 0, 10 + number])
    }

    /// An approver with an administrator's credential.
    pub fn start(&self, options: &[&str]) -> Approver {
        let kubeconfig = self.api.admin_kubeconfig(self.directory.path());
        Approver::start(&kubeconfig, options)
    }
}

/// A Node whose kubelet serves what the cluster's CA issued, at an address of this machine: loopback is nothing to approve.
pub struct Renewer {
    _kubelet: Fleet,
    sans: Sans,
}

impl Renewer {
    pub const NAME: &str = "renewer";

    /// None where this machine has no address but loopback.
    pub fn new(scene: &Scene) -> Option<Self> {
        let mut all = getifaddrs().unwrap().filter_map(|one| {
            let address = one.address?;
            Some(IpAddr::V4(address.as_sockaddr_in()?.ip()))
        });
        let address = all.find(|ip| !ip.is_loopback())?;
        let sans = Sans {
            dns: vec![Self::NAME.into()],
            ips: vec![address],
        };
        let subject = format!("system:node:{}", Self::NAME);
        let (request, key_pem) = Request::make(&subject, &["system:nodes"], &sans);
        let request = Request::parse(request.as_bytes()).unwrap();
        let usages = ["digital signature".to_owned(), "server auth".to_owned()];
        let year = Duration::from_secs(365 * 86_400);
        let cert_pem = scene.api.ca().sign(&request, &usages, year).unwrap();
        let kubelet = Fleet::start();
        let text = address.to_string();
        kubelet.identity(&text, &Identity { cert_pem, key_pem });
        scene.api.set_node(NodeSpec {
            kubelet_port: kubelet.port(),
            ..NodeSpec::new(Self::NAME, &text)
        });
        Some(Self {
            _kubelet: kubelet,
            sans,
        })
    }

    /// Where its kubelet listens.
    pub fn address(&self) -> IpAddr {
        self.sans.ips[0]
    }

    /// Its kubelet asks for the next certificate, with one name more.
    pub fn asks_for(&self, scene: &Scene, name: &str) -> String {
        let mut sans = self.sans.clone();
        sans.dns.push(name.to_owned());
        let csr = Csr::kubelet_serving(Self::NAME, &sans);
        scene.api.add_csr(csr)
    }

    /// Its kubelet asks for the next certificate.
    pub fn asks(&self, scene: &Scene) -> String {
        let csr = Csr::kubelet_serving(Self::NAME, &self.sans);
        scene.api.add_csr(csr)
    }
}

pub fn node(number: u8) -> NodeSpec {
    NodeSpec::new(&format!("worker-{number}"), &format!("10.0.0.1{number}"))
}

impl Approver {
    pub fn start(kubeconfig: &Path, options: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.env_clear();
        let kubeconfig = kubeconfig.to_str().unwrap();
        Self::spawn(command, &[&["--kubeconfig", kubeconfig], options].concat())
    }

    /// `program` is the binary, and what it finds its credential by.
    pub fn spawn(mut program: Command, options: &[&str]) -> Self {
        let port = standins::node::free_port();
        let mut child = program
            .args(["approve", "--watch", "-o", "json"])
            .args(["--metrics", &format!("127.0.0.1:{port}")])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (said, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value =
                    serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
                let _ = said.send(value);
            }
        });
        let (warned, warnings) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = warned.send(line);
            }
        });
        Self {
            child,
            lines,
            warnings,
            port,
        }
    }

    /// The next decision.
    pub fn next(&self) -> Value {
        match self.lines.recv_timeout(LONG) {
            Ok(line) => line,
            Err(_) => panic!(
                "no decision; it said: {:?}",
                self.warnings.try_iter().collect::<Vec<_>>()
            ),
        }
    }

    /// The next decision, if one is there already.
    pub fn decision(&self) -> Option<Value> {
        self.lines.try_recv().ok()
    }

    /// The next warning, if one is there already.
    pub fn warning(&self) -> Option<String> {
        self.warnings.try_recv().ok()
    }

    /// That nothing is decided for a while.
    pub fn silent_for(&self, time: Duration) {
        if let Ok(line) = self.lines.recv_timeout(time) {
            panic!("decided: {line}");
        }
    }

    /// Waits for a warning with these words.
    pub fn warns(&self, words: &str) {
        let end = pace::now() + LONG;
        let mut seen = Vec::new();
        while let Ok(line) = self.warnings.recv_timeout(end.saturating_sub(pace::now())) {
            if line.contains(words) {
                return;
            }
            seen.push(line);
        }
        panic!("no {words:?} in {seen:?}");
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let end = pace::now() + LONG;
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", self.port)) {
                Ok(stream) => break stream,
                Err(_) if pace::now() < end => thread::sleep(Duration::from_millis(10)),
                Err(error) => panic!("{error}"),
            }
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    pub fn ready(&self) {
        let is_ready = pace::wait_for(LONG, || self.get("/readyz").0 == 200);
        assert!(is_ready, "never ready: {}", self.get("/readyz").1);
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// Its resident memory, in MiB.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1024.0
    }

    /// The exit code after SIGTERM.
    pub fn end(mut self) -> Option<i32> {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Approver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
