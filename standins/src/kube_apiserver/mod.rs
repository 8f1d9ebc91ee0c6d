//! A stand-in for the program kube-apiserver, as kubeadm's static Pod runs it: one instance of the cluster's API server.
//!
//! It takes the flags of kubeadm's manifest. The stand-in of etcd is an [`crate::ApiServer`] at `--etcd-servers`, which
//! holds the cluster's objects and outlives every instance: an instance authenticates its clients, answers `/readyz` and
//! what goes to kubelets (`nodes/NODE/proxy`) itself, and passes everything else on with the name of the client.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

mod behaviour;
mod etcd;
mod flags;
mod kubelets;

pub use behaviour::{Behaviour, CaFile, Readyz};

use crate::api::User;
use crate::api::http::{Conn, Request, Response, Socket};
use crate::api::server::tls_config;
use crate::api::status::Status;
use crate::kubelet::config::go_error;
use crate::kubelet::klog;
use crate::pki::Identity;
use etcd::Etcd;
use flags::Flags;
use kubelets::Kubelets;

/// The flag by which an API server verifies kubelets.
pub const FLAG: &str = "kubelet-certificate-authority";

/// The program. `args` are what follows its name; returns the exit code when it ends.
#[must_use]
pub fn kube_apiserver_main(args: &[String]) -> i32 {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGINT);
    let _ = signals.thread_block();
    // It is a child of the stand-in kubelet, and no test's process outlives the test.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    let flags = Flags::parse(args);
    std::thread::spawn(move || {
        if let Err(why) = Instance::start(&flags) {
            klog::error("run.go:72", &format!("\"command failed\" err={why:?}"));
            std::process::exit(1);
        }
    });
    let _ = signals.wait();
    0
}

/// A running instance.
struct Instance {
    started: Instant,
    behaviour: Behaviour,
    etcd: Etcd,
    kubelets: Kubelets,
    /// The minor version of Kubernetes.
    minor: u32,
}

impl Instance {
    /// Starts and serves until the process ends; an error ends it.
    fn start(flags: &Flags) -> Result<(), String> {
        let started = Instant::now();
        let clients = flags.path("client-ca-file")?;
        let verifies = flags.get(FLAG).is_some_and(|file| !file.is_empty());
        let behaviour = Behaviour::read(&clients, verifies)?;
        std::thread::sleep(behaviour.phase());
        let etcd = Etcd::connect(flags)?;
        let minor = etcd.minor()?;
        let kubelets = Kubelets::new(flags, behaviour.ca_file, minor)
            .map_err(|why| format!("problem initializing API group \"\": {why}"))?;
        let identity = Identity {
            cert_pem: read(&flags.path("tls-cert-file")?)?,
            key_pem: read(&flags.path("tls-private-key-file")?)?,
        };
        let tls = tls_config(&read(&clients)?, &identity);
        if let Some(after) = behaviour.die_after_ms {
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(after));
                klog::error("run.go:72", "\"command failed\" err=\"told to die\"");
                std::process::exit(1);
            });
        }
        if behaviour.readyz == Readyz::Refuse {
            loop {
                std::thread::park();
            }
        }
        let port = flags.get("secure-port").unwrap_or("6443");
        let address = format!("0.0.0.0:{port}");
        let listener = TcpListener::bind(&address).map_err(|error| {
            let why = go_error(&error);
            format!(
                "failed to create listener: failed to listen on {address}: listen tcp {address}: {why}"
            )
        })?;
        klog::info(
            "secure_serving.go:213",
            &format!("Serving securely on [::]:{port}"),
        );
        let instance = Arc::new(Self {
            started,
            behaviour,
            etcd,
            kubelets,
            minor,
        });
        for stream in listener.incoming().flatten() {
            let (instance, tls) = (Arc::clone(&instance), Arc::clone(&tls));
            std::thread::spawn(move || {
                // A client that goes away is its own affair.
                let _ = instance.serve(stream, tls);
            });
        }
        Ok(())
    }

    fn serve(&self, stream: TcpStream, tls: Arc<ServerConfig>) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        if self.behaviour.readyz == Readyz::Hang {
            loop {
                std::thread::park();
            }
        }
        let connection = ServerConnection::new(tls).map_err(std::io::Error::other)?;
        let mut tls = StreamOwned::new(connection, Socket(Arc::new(stream)));
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock)?;
        }
        let certificate = tls.conn.peer_certificates().and_then(|all| all.first());
        let user = certificate
            .and_then(User::of_certificate)
            .unwrap_or_else(User::anonymous);
        let mut conn = Conn::new(tls);
        while let Some(request) = conn.read()? {
            match self.answer(&request, &user) {
                Some(answer) => {
                    let response = answer.unwrap_or_else(Response::from);
                    conn.send(&response.bytes())?;
                    if !request.keeps_alive() {
                        break;
                    }
                }
                None => {
                    self.etcd.relay(&mut conn, &request, &user)?;
                    break;
                }
            }
        }
        conn.close();
        Ok(())
    }

    /// What it answers itself; None: what the cluster's objects say.
    fn answer(&self, request: &Request, user: &User) -> Option<Result<Response, Status>> {
        let segments: Vec<&str> = request.path.split('/').filter(|s| !s.is_empty()).collect();
        match segments.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => Some(self.health(request, user)),
            ["api", "v1", "nodes", node, "proxy", rest @ ..] => {
                let path = format!("/{}", rest.join("/"));
                let answered = self
                    .kubelets
                    .proxy(&self.etcd, user, node, &path, self.minor);
                match answered {
                    // The stand-in kubelets have no configz; the stand-in of etcd knows what they would say.
                    Ok(_) if path == "/configz" => None,
                    answered => Some(answered),
                }
            }
            _ => None,
        }
    }

    /// 403 until RBAC's rules are known, then 500 until the last hook has run.
    fn health(&self, request: &Request, user: &User) -> Result<Response, Status> {
        let (age, phase) = (self.started.elapsed(), self.behaviour.phase());
        if age < phase * 2 && !user.is_admin() {
            return Err(Status::forbidden_path(&user.name, "get", &request.path));
        }
        if age < phase * 3 || self.behaviour.readyz == Readyz::Error {
            return Ok(Response::text(
                500,
                "[+]ping ok\n[+]log ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nreadyz check failed\n",
            ));
        }
        Ok(Response::text(200, "ok"))
    }
}

/// A file's text, or Go's words for the error.
fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| open_error(path, &error))
}

fn open_error(path: &Path, error: &std::io::Error) -> String {
    format!("open {}: {}", path.display(), go_error(error))
}

impl Flags {
    /// The file that a flag names.
    fn path(&self, name: &str) -> Result<PathBuf, String> {
        self.get(name)
            .map(PathBuf::from)
            .ok_or(format!("--{name} must be specified"))
    }
}
