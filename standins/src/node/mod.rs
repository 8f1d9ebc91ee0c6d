//! A whole node in a temporary directory: the files kubeadm lays down, a supervisor with the kubelet running
//! under it, and the cluster's API server. Several may run at once; nothing is left behind.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tempfile::TempDir;

mod control_plane;
mod layout;
mod options;

use crate::api::NodeSpec;
use crate::kube_apiserver::Behaviour;
use crate::{ApiServer, Config, Knobs, KubeconfigStyle, client, pace, schema, systemd};
pub use control_plane::{ControlPlane, MANIFEST, NodeFile};
pub use layout::{copy_program, free_port};
use layout::{lay_out, standin_executable};
pub use options::{Options, Release};

/// What a command printed, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the signal's number if it was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The node. Everything of it ends when it is dropped.
pub struct Node {
    name: String,
    address: Ipv4Addr,
    kubelet_port: u16,
    healthz_port: u16,
    supervisor: Child,
    /// The first process of its process table, if it has its own.
    init: Option<u32>,
    api: ApiServer,
    control_plane: Option<ControlPlane>,
    directory: TempDir,
}

impl Node {
    /// A control-plane node whose kubelet serves a certificate of the cluster's CA; everything else as `options` have it.
    #[must_use]
    pub fn secured_control_plane(options: Options) -> Self {
        const SOON: Duration = Duration::from_secs(20);
        let node = Self::new(Options {
            control_plane: true,
            config_line: Some("serverTLSBootstrap: true".into()),
            ..options
        });
        let csr = node.api().wait_for_csr(node.name(), 0, SOON);
        node.api().approve(&csr.expect("a request").metadata.name);
        assert!(node.wait_for(SOON, |node| node.handshake("127.0.0.1").is_ok()));
        node
    }

    /// Lays the node out, starts it, and waits until the kubelet is healthy.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let executable = options
            .executable
            .clone()
            .unwrap_or_else(standin_executable);
        let directory = tempfile::Builder::new().prefix("node-").tempdir().unwrap();
        let (kubelet_port, healthz_port) = (free_port(), free_port());
        // What the test says itself goes before what the release says.
        let release = |asked: &str, default: String| match asked == default {
            true => options.release.version().to_owned(),
            false => asked.to_owned(),
        };
        let version = release(&options.api.version, Config::default().version);
        let api = ApiServer::start(Config {
            version,
            ..options.api.clone()
        });
        let version = release(&options.knobs.version, Knobs::default().version);
        let role = options.control_plane.then(|| {
            let label = "node-role.kubernetes.io/control-plane";
            (label.to_owned(), String::new())
        });
        api.set_node(NodeSpec {
            kubelet_version: version.clone(),
            kubelet_port,
            labels: role.into_iter().collect(),
            ..NodeSpec::new(&options.name, &options.address.to_string())
        });
        let root = directory.path();
        lay_out(root, &options, (kubelet_port, healthz_port), &executable);
        let knobs = Knobs {
            version,
            ..options.knobs
        };
        let pki = root.join("var/lib/kubelet/pki");
        let identity = api.node_identity(&options.name);
        api.write_kubeconfig(
            &root.join("etc/kubernetes/kubelet.conf"),
            &pki,
            &identity,
            KubeconfigStyle::Kubelet,
        );
        fs::write(root.join("etc/kubernetes/pki/ca.crt"), api.ca_pem()).unwrap();
        let control_plane = options.control_plane.then(|| {
            let shown = root.display().to_string();
            move_certificates(&api, &shown);
            ControlPlane::new(&api, options.release, &options.address.to_string(), &shown)
        });
        for file in control_plane.iter().flat_map(|own| own.files(&api)) {
            lay_down(root, &file);
        }
        let mut supervisor = if options.own_processes {
            let mut unshare = Command::new("unshare");
            unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
            unshare.arg(&executable);
            unshare
        } else {
            Command::new(&executable)
        };
        supervisor
            .arg("systemd")
            .arg(root)
            .arg("--while-stdin")
            .env_remove(systemd::DIR_VARIABLE);
        let supervisor = supervisor
            .stdin(Stdio::piped())
            // As the real one, it is out of reach of Ctrl-C on an administrator's terminal.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}", executable.display()));
        let mut node = Self {
            name: options.name,
            address: options.address,
            kubelet_port,
            healthz_port,
            init: None,
            supervisor,
            api,
            control_plane,
            directory,
        };
        // The socket is there a moment before it accepts.
        let _ = node.wait_for(Duration::from_secs(10), |node| {
            UnixStream::connect(node.path("/run/systemd/private")).is_ok()
        });
        if options.own_processes {
            node.init = child_of(node.supervisor.id());
            assert!(node.init.is_some(), "no process table of its own");
        }
        node.set_knobs(|all| *all = knobs);
        if options.starts {
            let started = node.systemctl(&["start", "kubelet"]);
            assert_eq!(started.code, 0, "{}", started.stderr);
            assert!(
                node.wait_healthy(Duration::from_secs(20)),
                "the kubelet is not healthy:\n{}",
                node.journal()
            );
            if let Some(own) = &node.control_plane {
                let is_ready = |_: &Self| own.readyz() == Some(200);
                assert!(
                    node.wait_for(Duration::from_secs(20), is_ready),
                    "the API server is not ready:\n{}",
                    node.journal()
                );
            }
        }
        node
    }

    /// The directory that stands for `/`.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A path of the node's, such as `/var/lib/kubelet/config.yaml`, where it really is.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    /// The Node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, where the kubelet serves.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The cluster's API server.
    #[must_use]
    pub fn api(&self) -> &ApiServer {
        &self.api
    }

    /// The same, to stop it.
    pub fn api_mut(&mut self) -> &mut ApiServer {
        &mut self.api
    }

    /// The instance of the API server on this control-plane node.
    #[must_use]
    pub fn control_plane(&self) -> &ControlPlane {
        let own = self.control_plane.as_ref();
        own.expect("Options::control_plane is not set")
    }

    /// The manifest of that instance.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.path(MANIFEST)
    }

    /// Sets how that instance behaves from its next start on.
    pub fn behave(&self, behaviour: &Behaviour) {
        lay_down(self.root(), &ControlPlane::behaviour(behaviour));
    }

    /// The kubelet's TLS port; really 10250.
    #[must_use]
    pub fn kubelet_port(&self) -> u16 {
        self.kubelet_port
    }

    /// The port of `/healthz`; really 10248.
    #[must_use]
    pub fn healthz_port(&self) -> u16 {
        self.healthz_port
    }

    /// The kubelet's config file.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path("/var/lib/kubelet/config.yaml")
    }

    /// Its text.
    #[must_use]
    pub fn config(&self) -> String {
        fs::read_to_string(self.config_path()).unwrap()
    }

    /// Replaces the text of the kubelet's configuration, in place.
    pub fn edit_config(&self, edit: impl FnOnce(String) -> String) {
        fs::write(self.config_path(), edit(self.config())).unwrap();
    }

    /// Turns the kubelet's knobs; it reads them when it starts.
    pub fn set_knobs(&self, turn: impl FnOnce(&mut Knobs)) {
        let path = self.path("/var/lib/kubelet").join(Knobs::FILE);
        let mut knobs = fs::read_to_string(&path)
            .ok()
            .and_then(|t| serde_json::from_str(&t).ok())
            .unwrap_or_default();
        turn(&mut knobs);
        fs::write(path, serde_json::to_string_pretty(&knobs).unwrap()).unwrap();
    }

    /// A command that sees this node: its `systemctl` and `journalctl`, and nothing of the host's cluster.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut path = self.path("/bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = match self.init {
            Some(init) => {
                let mut nsenter = Command::new("nsenter");
                nsenter.args(["--target", &init.to_string(), "--pid", "--mount", "--"]);
                nsenter.arg(program);
                nsenter
            }
            None => Command::new(program),
        };
        command
            .env("PATH", path)
            .env(systemd::DIR_VARIABLE, self.root())
            .env("HOME", self.root())
            // kubelet-tls keeps its receipts there; a test must not touch this machine's.
            .env("KUBELET_TLS_STATE_DIR", self.path("/var/lib/kubelet-tls"));
        for name in [
            "KUBECONFIG",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Runs such a command to its end.
    pub fn run<S: AsRef<std::ffi::OsStr>>(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        args: &[S],
    ) -> Output {
        Output::of(self.command(program).args(args).stdin(Stdio::null()))
    }

    /// Runs `systemctl`.
    pub fn systemctl(&self, args: &[&str]) -> Output {
        self.run(self.path("/bin/systemctl"), args)
    }

    /// Properties of `kubelet.service`.
    #[must_use]
    pub fn show(&self, properties: &[&str]) -> BTreeMap<String, String> {
        let output = self.systemctl(&["show", "-p", &properties.join(","), "kubelet.service"]);
        let pairs = output.stdout.lines().filter_map(|l| l.split_once('='));
        pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    fn number(&self, property: &str) -> u32 {
        self.show(&[property])
            .get(property)
            .and_then(|v| v.parse().ok())
            .unwrap_or(0)
    }

    /// `systemctl restart kubelet`, waited for until it is healthy.
    pub fn restart_kubelet(&self) {
        assert_eq!(self.systemctl(&["restart", "kubelet"]).code, 0);
        assert!(
            self.wait_healthy(Duration::from_secs(20)),
            "the kubelet is not healthy:\n{}",
            self.journal()
        );
    }

    /// The kubelet's process; 0: none.
    #[must_use]
    pub fn main_pid(&self) -> u32 {
        self.number("MainPID")
    }

    /// `NRestarts`: automatic restarts.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.number("NRestarts")
    }

    /// How often the kubelet was started, by systemd or an administrator.
    #[must_use]
    pub fn kubelet_starts(&self) -> usize {
        let journal = fs::read_to_string(self.path("/run/systemd/journal")).unwrap_or_default();
        journal
            .matches("\"MESSAGE\":\"Started kubelet.service")
            .count()
    }

    /// All that the journal has, message by message.
    #[must_use]
    pub fn journal(&self) -> String {
        self.run(self.path("/bin/journalctl"), &["-o", "cat", "--no-pager"])
            .stdout
    }

    /// Whether `/healthz` says ok.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        use std::io::{Read as _, Write as _};
        let ask = || -> std::io::Result<String> {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.healthz_port))?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            stream.write_all(
                b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"))
    }

    /// Waits for `/healthz`.
    #[must_use]
    pub fn wait_healthy(&self, timeout: Duration) -> bool {
        self.wait_for(timeout, Self::is_healthy)
    }

    /// Waits for anything.
    #[must_use]
    pub fn wait_for(&self, timeout: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        pace::wait_for(timeout, || holds(self))
    }

    /// A TLS handshake with the kubelet's port, its certificate verified against the cluster's CA and for this
    /// name; the certificates it showed, DER, leaf first.
    pub fn handshake(&self, name: &str) -> Result<Vec<Vec<u8>>, String> {
        let config = client::client_config(self.api.ca_pem().as_bytes(), None)?;
        let name = ServerName::try_from(name.to_owned()).map_err(|e| e.to_string())?;
        let stream = client::connect(
            &format!("{}:{}", self.address, self.kubelet_port),
            name,
            &config,
        )
        .map_err(|e| e.to_string())?;
        Ok(stream
            .conn
            .peer_certificates()
            .unwrap_or_default()
            .iter()
            .map(|c| c.to_vec())
            .collect())
    }
}

/// The only child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.ok()?.trim().parse().ok()
}

/// Has the cluster's configuration name the directory where this node's certificates really are.
fn move_certificates(api: &ApiServer, root: &str) {
    const KEY: &str = "ClusterConfiguration";
    let found = api.configmap("kube-system", "kubeadm-config").unwrap();
    let moved = format!("certificatesDir: {root}/etc/kubernetes");
    let text = found.data[KEY].replace("certificatesDir: /etc/kubernetes", &moved);
    api.set_configmap("kube-system", "kubeadm-config", &[(KEY, &text)]);
}

fn lay_down(root: &Path, file: &NodeFile) {
    let path = root.join(file.path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &file.text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(file.mode)).unwrap();
}

impl Drop for Node {
    fn drop(&mut self) {
        // The supervisor ends, and the kubelet with it, when its standard input does.
        drop(self.supervisor.stdin.take());
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && matches!(self.supervisor.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

impl Output {
    /// Runs it to its end. A result document that it prints is checked against its schema.
    pub fn of(command: &mut Command) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let output = command
            .output()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let status = output.status;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        schema::check_output(&stdout);
        Self {
            code: status
                .code()
                .unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
