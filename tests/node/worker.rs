//! A worker node as `kubeadm join` leaves it: kubeadm's unit and files, a stand-in kubelet, and a cluster to talk to.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use standins::api::NodeSpec;
use standins::kubelet::Knobs;
use standins::node::free_port;
use standins::{ApiServer, Config, KubeconfigStyle, client, pace};

use super::command::Invocation;
use super::machine::Machine;
use support::snapshot::Snapshot;

pub const CONFIG: &str = "/var/lib/kubelet/config.yaml";
pub const ENABLED: &str = "serverTLSBootstrap: true";
const NODE: &str = "worker-1";
/// Its InternalIP: the machine shares the host's network, so it must be loopback, but not what everything else uses.
const ADDRESS: &str = "127.0.0.2";

/// kubelet.service as the packages of pkgs.k8s.io have it.
const UNIT: &str = "\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
";

/// 10-kubeadm.conf as kubeadm's package has it.
const DROP_IN: &str = r#"# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generates at runtime, populating the KUBELET_KUBEADM_ARGS variable dynamically
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort. Preferably, the user should use
# the .NodeRegistration.KubeletExtraArgs object in the configuration files instead. KUBELET_EXTRA_ARGS should be sourced from this file.
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"#;

/// What `kubeadm join` of 1.36 wrote, less the ports: several machines share one network.
const CONFIG_TEXT: &str = "\
apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
    cacheUnauthorizedTTL: 0s
cgroupDriver: systemd
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cpuManagerReconcilePeriod: 0s
crashLoopBackOff: {}
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
kind: KubeletConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: \"0\"
    text:
      infoBufferSize: \"0\"
  verbosity: 0
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
";

/// `kubeadm-flags.env` as kubeadm writes it for a node without flags of its own.
const KUBEADM_FLAGS: &str = "KUBELET_KUBEADM_ARGS=\"\"\n";

/// The stand-in kubelet's knobs for starts without the change, and for those with it.
const KNOBS: [&str; 2] = [
    "/var/lib/kubelet-standin/unchanged.json",
    "/var/lib/kubelet-standin/changed.json",
];

/// This very program in the machine, under the kubelet's name.
pub fn kubelet() -> ExitCode {
    let changed =
        fs::read_to_string(CONFIG).is_ok_and(|text| text.lines().any(|line| line == ENABLED));
    let [without, with] = KNOBS;
    // where the stand-in looks for them
    let _ = fs::copy(
        if changed { with } else { without },
        "/var/lib/kubelet/standin.json",
    );
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ExitCode::from(u8::try_from(standins::kubelet::kubelet_main(&arguments)).unwrap_or(1))
}

/// A kubelet in good health: it takes a while to start, though less than the 0.7 s of a real one.
pub fn well() -> Knobs {
    Knobs {
        start_delay_ms: 300,
        ..Knobs::default()
    }
}

/// The unit as systemd sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub active: String,
    pub sub: String,
    pub main_pid: String,
    pub restarts: String,
    pub invocation: String,
}

impl Unit {
    pub fn is_running(&self) -> bool {
        (self.active.as_str(), self.sub.as_str()) == ("active", "running")
    }
}

pub struct Worker {
    pub machine: Machine,
    pub api: Arc<ApiServer>,
    name: String,
    address: String,
    healthz_port: u16,
    port: u16,
}

impl Worker {
    /// A node whose kubelet runs and is healthy.
    pub fn start(label: &str) -> Self {
        let worker = Self::boot(label);
        worker.start_kubelet();
        worker
    }

    /// A node whose kubelet has yet to be started.
    pub fn boot(label: &str) -> Self {
        let api = Arc::new(ApiServer::start(Config::default()));
        Self::join(label, api, NODE, ADDRESS)
    }

    /// A node of this cluster whose kubelet has yet to be started.
    pub fn join(label: &str, api: Arc<ApiServer>, name: &str, address: &str) -> Self {
        let worker = Self {
            machine: Machine::boot(label),
            api,
            name: name.to_owned(),
            address: address.to_owned(),
            healthz_port: free_port(),
            port: free_port(),
        };
        worker.api.set_node(NodeSpec {
            kubelet_port: worker.port,
            ..NodeSpec::new(name, address)
        });
        worker.install();
        worker
    }

    fn install(&self) {
        let Self { machine, api, .. } = self;
        machine.copy_in(
            env!("CARGO_BIN_EXE_kubelet-tls"),
            "/usr/local/bin/kubelet-tls",
            0o755,
        );
        machine.copy_in(
            std::env::current_exe().expect("this program"),
            "/usr/bin/kubelet",
            0o755,
        );
        machine.write("/usr/lib/systemd/system/kubelet.service", UNIT, 0o644);
        machine.write(
            "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
            DROP_IN,
            0o644,
        );
        machine.write("/var/lib/kubelet/kubeadm-flags.env", KUBEADM_FLAGS, 0o644);
        machine.write("/etc/kubernetes/pki/ca.crt", api.ca_pem(), 0o644);
        let config = CONFIG_TEXT.replace(
            "healthzPort: 10248",
            &format!("healthzPort: {}", self.healthz_port),
        );
        let config = config.replace(
            "rotateCertificates:",
            &format!("port: {}\nrotateCertificates:", self.port),
        );
        machine.write(CONFIG, config, 0o644);

        self.behave(well(), well());

        let pki = machine.path("/var/lib/kubelet/pki");
        let kubeconfig = machine.path("/etc/kubernetes/kubelet.conf");
        api.write_kubeconfig(
            &kubeconfig,
            &pki,
            &api.node_identity(&self.name),
            KubeconfigStyle::Kubelet,
        );
        // written from outside, so with paths as they are there
        let text = fs::read_to_string(&kubeconfig).expect("the kubeconfig");
        let root = machine.root();
        machine.write(
            "/etc/kubernetes/kubelet.conf",
            text.replace(&*root.to_string_lossy(), ""),
            0o600,
        );
        let current = pki.join("kubelet-client-current.pem");
        let dated = fs::read_link(&current).expect("a symlink");
        fs::remove_file(&current).expect("unlink");
        symlink(
            dated
                .strip_prefix(&root)
                .map(|path| Path::new("/").join(path))
                .expect("inside"),
            &current,
        )
        .expect("symlink");
    }

    /// Its kubelet's TLS port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the kubelet, and waits until it is healthy.
    pub fn start_kubelet(&self) {
        self.machine.must(&["systemctl", "daemon-reload"]);
        self.machine
            .must(&["systemctl", "enable", "--quiet", "kubelet"]);
        self.machine.must(&["systemctl", "start", "kubelet"]);
        self.await_healthy();
    }

    /// How the kubelet behaves from its next start on: without the change, and with it.
    pub fn behave(&self, unchanged: Knobs, changed: Knobs) {
        for (path, knobs) in KNOBS.into_iter().zip([unchanged, changed]) {
            self.machine
                .write(path, serde_json::to_vec(&knobs).expect("JSON"), 0o644);
        }
    }

    /// How it behaves with the change only.
    pub fn behave_when_changed(&self, changed: Knobs) {
        self.behave(well(), changed);
    }

    /// The name of its Node.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn tool(&self, arguments: &[&str]) -> Invocation {
        let mut argv = vec!["kubelet-tls"];
        argv.extend(arguments);
        self.machine.command(&argv)
    }

    pub fn config(&self) -> Snapshot {
        Snapshot::of(&self.machine.path(CONFIG))
    }

    pub fn unit(&self) -> Unit {
        let shown = self.machine.must(&[
            "systemctl",
            "show",
            "--property=ActiveState,SubState,MainPID,NRestarts,InvocationID",
            "kubelet",
        ]);
        let property = |name: &str| {
            let line = shown
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        Unit {
            active: property("ActiveState"),
            sub: property("SubState"),
            main_pid: property("MainPID"),
            restarts: property("NRestarts"),
            invocation: property("InvocationID"),
        }
    }

    /// How often the kubelet was started, by the journal: nothing resets that.
    pub fn starts(&self) -> usize {
        self.machine.must(&["journalctl", "--sync"]);
        let journal = self
            .machine
            .run(&["journalctl", "--quiet", "-o", "cat", "-u", "kubelet"])
            .stdout;
        journal
            .lines()
            .filter(|line| line.starts_with("Started kubelet.service"))
            .count()
    }

    /// Whether the running kubelet was started after the config was last written.
    pub fn runs_what_its_config_says(&self) -> bool {
        let started = self.machine.must(&[
            "sh",
            "-c",
            "date -d \"$(systemctl show -P ExecMainStartTimestamp --timestamp=us+utc kubelet)\" +%s%N",
        ]);
        let started: u128 = started.parse().expect("nanoseconds");
        let written = fs::metadata(self.machine.path(CONFIG))
            .and_then(|file| file.modified())
            .expect("mtime");
        started
            >= written
                .duration_since(UNIX_EPOCH)
                .expect("after 1970")
                .as_nanos()
    }

    fn is_healthy(&self) -> bool {
        http_status(self.healthz_port) == Some(200)
    }

    pub fn assert_healthy(&self) {
        assert!(
            self.is_healthy() && self.unit().is_running(),
            "{:?}",
            self.unit()
        );
    }

    pub fn await_healthy(&self) {
        let is_healthy = pace::wait_for(Duration::from_secs(20), || self.is_healthy());
        assert!(
            is_healthy,
            "the kubelet is not healthy: {:?}\n{}",
            self.unit(),
            self.journal()
        );
    }

    /// The last log lines of the kubelet and systemd.
    pub fn journal(&self) -> String {
        self.machine
            .run(&["journalctl", "-o", "cat", "-u", "kubelet", "-n", "30"])
            .stdout
    }

    /// Nothing of ours lies beside the config.
    pub fn assert_no_leftovers(&self) {
        let beside = self.machine.must(&["ls", "-A", "/var/lib/kubelet"]);
        assert!(!beside.contains("kubelet-tls"), "{beside}");
    }

    /// The names of this node's requests, oldest first.
    pub fn requests(&self) -> Vec<String> {
        self.api
            .csrs_of(&self.name)
            .into_iter()
            .map(|csr| csr.metadata.name)
            .collect()
    }

    pub fn approve(&self, request: &str) {
        assert!(self.api.approve(request), "{request}");
    }

    /// What the API server does for `kubectl logs`: dials the node's address and verifies the certificate.
    pub fn handshake(&self) -> Result<(), String> {
        let tls = client::client_config(self.api.ca_pem().as_bytes(), None)?;
        let address = &self.address;
        let name = address
            .to_owned()
            .try_into()
            .map_err(|_| "not a server name".to_owned())?;
        client::connect(&format!("{address}:{}", self.port), name, &tls)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    pub fn await_handshake(&self, timeout: Duration) {
        let deadline = pace::now() + timeout;
        while let Err(error) = self.handshake() {
            assert!(pace::now() < deadline, "{error}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn http_status(port: u16) -> Option<u16> {
    let timeout = Duration::from_secs(1);
    let mut stream =
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), timeout).ok()?;
    stream.set_read_timeout(Some(timeout)).ok()?;
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    // a connection that is reset after the answer has still answered
    let _ = stream.read_to_string(&mut answer);
    answer.split(' ').nth(1)?.parse().ok()
}

/// The lines that a unified diff adds.
pub fn added_lines(diff: &str) -> Vec<&str> {
    changed_lines(diff, '+')
}

/// The lines that a unified diff takes away.
pub fn removed_lines(diff: &str) -> Vec<&str> {
    changed_lines(diff, '-')
}

fn changed_lines(diff: &str, sign: char) -> Vec<&str> {
    let header: String = [sign; 3].iter().collect();
    diff.lines()
        .filter(|line| !line.starts_with(&header))
        .filter_map(|line| line.strip_prefix(sign))
        .collect()
}
