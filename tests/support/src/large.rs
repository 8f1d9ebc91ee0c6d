//! A cluster with thousands of Nodes, Services and refused requests, and an approver that is watched from outside. The
//! benchmark uses it too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use standins::api::{Csr, NodeSpec};
use standins::pki::Sans;
use standins::{ApiServer, Config, pace};

/// Far beyond what it takes to start, or to decide, on a machine that does other things too.
const LONG: Duration = Duration::from_secs(120);

pub struct Large {
    pub api: ApiServer,
    directory: tempfile::TempDir,
}

/// How many of each there are.
#[derive(Clone, Copy)]
pub struct Size {
    pub nodes: u16,
    pub services: u16,
    /// Requests that are refused.
    pub refused: u16,
    /// So many of those ask for an address that is not their Node's, and are judged again when a fact changes; the others
    /// have a usage too many.
    pub of_facts: u16,
}

fn address(second: u8, number: u16) -> Ipv4Addr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, second, high, low)
}

fn request(node: &str, ip: Ipv4Addr) -> Csr {
    let sans = Sans {
        dns: vec![node.to_owned()],
        ips: vec![ip.into()],
    };
    Csr::kubelet_serving(node, &sans)
}

impl Large {
    pub fn new(size: Size) -> Self {
        let api = ApiServer::start(Config::default());
        for number in 0..size.nodes {
            let name = format!("worker-{number}");
            api.set_node(NodeSpec::new(&name, &address(1, number).to_string()));
        }
        for number in 0..size.services {
            let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 97, 0, 0)) + u32::from(number));
            let spec = json!({
                "clusterIP": ip, "clusterIPs": [ip], "type": "ClusterIP", "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
            });
            let status = json!({"loadBalancer": {}});
            api.add_service(
                &format!("shop-{}", number % 100),
                &format!("web-{number}"),
                spec,
                status,
            );
        }
        let odd = request("worker-0", address(1, 0));
        api.add_csrs((0..size.refused).map(|number| {
            let node = format!("worker-{number}");
            let mut csr = if number < size.of_facts {
                request(&node, address(2, number))
            } else {
                odd.clone()
            };
            if number >= size.of_facts {
                csr.spec.username = format!("system:node:{node}");
                csr.spec.usages.push("client auth".into());
            }
            csr.metadata.name = format!("csr-refused-{number}");
            csr
        }));
        Self {
            api,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// A Node registers.
    pub fn register(&self, number: u16) {
        let name = format!("joiner-{number}");
        self.api
            .set_node(NodeSpec::new(&name, &address(3, number).to_string()));
    }

    /// Its kubelet asks; returns when the approver wrote its decision, from the request's creation on. The request goes then.
    pub fn approved(&self, number: u16) -> Duration {
        let csr = request(&format!("joiner-{number}"), address(3, number));
        self.api.clear_requests();
        let name = self.api.add_csr(csr);
        let is_approved = || self.api.csr(&name).unwrap().is("Approved");
        let end = Instant::now() + LONG;
        while !is_approved() {
            assert!(Instant::now() < end, "{name} was not approved");
            thread::sleep(Duration::from_millis(1));
        }
        let path = format!("/{name}/approval");
        let calls = self.api.requests();
        let mut writes = calls.iter().filter(|call| call.target.contains(&path));
        let written = writes.next().unwrap().at;
        let took = written - self.api.created_at(&name).unwrap();
        self.api.delete_csr(&name);
        took
    }

    /// Starts `tool`, and returns when it has judged every request.
    pub fn watched_by(&self, tool: &Path, refused: u16) -> Watched {
        let kubeconfig = self.api.admin_kubeconfig(self.directory.path());
        let mut child = Command::new(tool)
            .args([
                "approve",
                "--watch",
                "--ip-prefix",
                "10.0.0.0/8",
                "-o",
                "json",
            ])
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let lines = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lines);
        thread::spawn(move || {
            for _ in stdout.lines().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        let watched = Watched { child, lines };
        let are_judged = || watched.lines.load(Ordering::Relaxed) >= usize::from(refused);
        let judged = pace::wait_for(LONG, are_judged);
        assert!(
            judged,
            "{} of {refused}",
            watched.lines.load(Ordering::Relaxed)
        );
        watched
    }
}

/// The approver's process.
pub struct Watched {
    child: Child,
    lines: Arc<AtomicUsize>,
}

impl Watched {
    /// How many decisions it has told.
    pub fn told(&self) -> usize {
        self.lines.load(Ordering::Relaxed)
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// The most memory that it had resident, in MiB.
    pub fn peak(&self) -> f64 {
        let status = self.proc("status");
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        kib / 1024.0
    }

    /// The CPU time that it has used, in user and kernel mode.
    pub fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        // The program's name is in parentheses and may hold anything.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        // The kernel tells it in hundredths of a second on every machine (USER_HZ).
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
