//! The node as seen once: what systemd, the process table, the files and the API said, as values.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use crate::certificate::{Certificate, Names};
use crate::csr::requestor_of;
use crate::kubelet::{Flags, Settings};

/// A unit as `systemctl show` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unit {
    /// `loaded`, `not-found`, `masked`, …
    pub load_state: String,
    /// `active`, `activating`, `inactive`, `failed`, …
    pub active_state: String,
    /// `running`, `auto-restart`, `dead`, …
    pub sub_state: String,
    /// `success`, `exit-code`, …
    pub result: String,
    /// 0 where no process runs.
    pub main_pid: u32,
    /// Automatic restarts. A manual restart does not always reset it, so only a rise above a baseline means anything.
    pub n_restarts: u64,
    /// Changes with each start.
    pub invocation_id: String,
    /// The main process' last exit status.
    pub exit_status: i32,
    /// When the main process started, on the kernel's CLOCK_MONOTONIC.
    pub started_monotonic: Option<Duration>,
    /// The unit file changed on disk since systemd read it.
    pub need_daemon_reload: bool,
    /// The unit file and its drop-ins.
    pub files: Vec<PathBuf>,
    /// `ExecStartEx`, or `ExecStart` where that is not known yet, as systemd prints it.
    pub exec_start: String,
    /// `Environment` as systemd prints it.
    pub environment: String,
    /// `EnvironmentFiles` in order, and whether each may be missing.
    pub environment_files: Vec<(String, bool)>,
    /// `TimeoutStopUSec`.
    pub stop_timeout: Option<Duration>,
}

/// What identifies one incarnation of a unit's process. Any change means that it died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incarnation {
    /// The main process.
    pub main_pid: u32,
    /// systemd's id of this start.
    pub invocation_id: String,
    /// Automatic restarts so far.
    pub n_restarts: u64,
}

impl Unit {
    /// Whether its process runs, as far as systemd can see.
    pub fn is_running(&self) -> bool {
        self.active_state == "active" && self.sub_state == "running" && self.main_pid != 0
    }

    /// The present incarnation.
    pub fn incarnation(&self) -> Incarnation {
        Incarnation {
            main_pid: self.main_pid,
            invocation_id: self.invocation_id.clone(),
            n_restarts: self.n_restarts,
        }
    }

    /// Its state in systemd's own words, such as `activating (auto-restart), result exit-code`.
    pub fn describe(&self) -> String {
        let state = format!("{} ({})", self.active_state, self.sub_state);
        match self.result.as_str() {
            "success" | "" => state,
            "exit-code" => format!("{state}, exit status {}", self.exit_status),
            result => format!("{state}, result {result}"),
        }
    }
}

/// A Node, as far as this program looks at one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// `status.addresses`: type and address.
    pub addresses: Vec<(String, String)>,
    /// The keys of `spec.taints`.
    pub taints: Vec<String>,
    /// `status.nodeInfo.kubeletVersion`, such as `v1.36.2`.
    pub kubelet_version: String,
}

/// What a TLS server presented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// Its own certificate.
    pub certificate: Certificate,
    /// Whether it verifies against the cluster's CA for the address dialled, and why not.
    pub verified: Result<(), Unverified>,
}

/// Why a certificate that was presented does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// Another CA, or the kubelet itself, signed it.
    #[error("the cluster's CA did not sign it")]
    UnknownAuthority,
    /// It is expired, or not valid yet.
    #[error("it is not valid now")]
    Expired,
    /// The address dialled is not among its names.
    #[error("it is not for this address")]
    WrongName,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// Why no certificate was presented.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotServed {
    /// Nothing listens.
    #[error("connection refused")]
    Refused,
    /// The server has none yet: a kubelet that waits for its certificate ends every handshake so.
    #[error("remote error: tls: internal error; it has no certificate")]
    NoCertificate,
    /// No answer in time.
    #[error("no answer in time")]
    Silent,
    /// Something else.
    #[error("{0}")]
    Other(String),
}

/// This node's kubelet.
#[derive(Debug, Clone)]
pub struct Kubelet {
    /// Its unit; none where systemd was left alone or is not there.
    pub unit: Option<Unit>,
    /// The flags it runs with, or will run with: those that the caller asked for.
    pub flags: Flags,
    /// Whether its next start brings other flags that matter here than those it runs with.
    pub flags_change: bool,
    /// Where its flags are set, by their names: a variable and the file and line that set it, or the unit.
    pub sources: BTreeMap<String, String>,
    /// Its executable.
    pub program: Option<String>,
    /// When it started; none where it does not run.
    pub started: Option<SystemTime>,
    /// The file of `--config`, then the drop-ins of `--config-dir` in the order in which they are merged over it.
    pub files: Vec<ConfigFile>,
    /// What the kubelet makes of all of them.
    pub settings: Settings,
}

/// A configuration file of the kubelet's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it reads.
    pub bytes: Vec<u8>,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

/// Where a kubeadm package puts what the kubelet was not told by a flag.
const DEFAULT_KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// The kubelet's `--cert-dir` default (cmd/kubelet/app/options/options.go).
const DEFAULT_CERT_DIR: &str = "/var/lib/kubelet/pki";
/// The kubelet's defaults (pkg/kubelet/apis/config/v1beta1/defaults.go).
const DEFAULT_HEALTHZ: (&str, i64) = ("127.0.0.1", 10248);
const DEFAULT_PORT: i64 = 10250;

impl Kubelet {
    /// The file that decides `serverTLSBootstrap`, and whether it is a drop-in: the last that sets it, else the file of
    /// `--config` (cmd/kubelet/app/server.go, mergeKubeletConfigurations).
    pub fn deciding(&self) -> Option<(&ConfigFile, bool)> {
        let number = self
            .settings
            .origins
            .get("serverTLSBootstrap")
            .map_or(0, |origin| origin.file);
        self.files.get(number).map(|file| (file, number > 0))
    }

    /// Where `field` has its value from: `PATH:LINE`.
    pub fn origin(&self, field: &str) -> Option<String> {
        let origin = self.settings.origins.get(field)?;
        let file = self.files.get(origin.file)?;
        Some(format!("{}:{}", file.path.display(), origin.line))
    }

    /// A flag as it is given, and by whom: `--rotate-server-certificates=false (KUBELET_EXTRA_ARGS in
    /// /etc/default/kubelet:1)`.
    pub fn flag(&self, name: &str) -> String {
        let value = self.flags.get(name).unwrap_or_default();
        let source = self
            .sources
            .get(name)
            .map_or_else(String::new, |source| format!(" ({source})"));
        format!("--{name}={value}{source}")
    }

    /// A static serving certificate, by flag or file: what names it and its path.
    pub fn static_certificate(&self) -> Option<(String, String)> {
        let flag = self.flags.get("tls-cert-file").map(|path| {
            (
                self.flag("tls-cert-file").replace(&format!("={path}"), ""),
                path,
            )
        });
        let file = self.settings.tls_cert_file.as_deref().map(|path| {
            let place = self
                .origin("tlsCertFile")
                .map_or_else(String::new, |place| format!(" ({place})"));
            (format!("tlsCertFile{place}"), path)
        });
        flag.or(file)
            .filter(|(_, path)| !path.is_empty())
            .map(|(name, path)| (name, path.to_owned()))
    }

    /// The gate that is off, as flags and files together have it, so that the key would keep the kubelet from
    /// starting; a flag adds to the files' map and beats it.
    pub fn gate_off(&self) -> Option<&'static str> {
        let mut gates = self.settings.feature_gates.clone();
        gates.extend(self.flags.feature_gates());
        match (
            gates.get("RotateKubeletServerCertificate"),
            gates.get("AllBeta"),
        ) {
            (Some(false), _) => Some("RotateKubeletServerCertificate=false"),
            (None, Some(false)) => Some("AllBeta=false"),
            _ => None,
        }
    }

    /// Whether it runs with something else than what is written down now: other flags, or older files.
    pub fn is_behind(&self, now: SystemTime) -> bool {
        self.started.is_some() && (self.flags_change || self.is_older_than_config(now))
    }

    /// Whether it has been running since before its files were last written, so that it cannot have read it: the kubelet
    /// never watches its file. A file from the future says nothing.
    pub fn is_older_than_config(&self, now: SystemTime) -> bool {
        let written = self
            .files
            .iter()
            .filter_map(|file| file.modified)
            .filter(|modified| *modified <= now)
            .max();
        self.started
            .zip(written)
            .is_some_and(|(started, written)| written > started)
    }

    /// The kubeconfig that it speaks to the API with.
    pub fn kubeconfig(&self) -> PathBuf {
        kubeconfig(&self.flags)
    }

    /// The serving certificate that it keeps, whether or not it is there.
    pub fn serving_certificate(&self) -> PathBuf {
        absolute(self.flags.get("cert-dir").unwrap_or(DEFAULT_CERT_DIR))
            .join("kubelet-server-current.pem")
    }

    /// Where it answers /healthz, as its flags and its file say; none with port 0.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn healthz(&self) -> Result<Option<(IpAddr, u16)>, String> {
        let settings = &self.settings;
        let address = self
            .flags
            .get("healthz-bind-address")
            .or(settings.healthz_bind_address.as_deref());
        // An empty string is what Go's zero value looks like, and is defaulted.
        let address = address
            .filter(|address| !address.is_empty())
            .unwrap_or(DEFAULT_HEALTHZ.0);
        let address = address
            .parse()
            .map_err(|_| format!("healthzBindAddress {address:?} is not an IP address"))?;
        let port = self
            .flags
            .get("healthz-port")
            .map(|port| port.parse().map_err(|_| port.to_owned()))
            .transpose();
        let port = port.map_err(|port| format!("--healthz-port {port:?} is not a port"))?;
        let port: i64 = port.or(settings.healthz_port).unwrap_or(DEFAULT_HEALTHZ.1);
        let port = u16::try_from(port).map_err(|_| format!("healthzPort {port} is not a port"))?;
        Ok((port != 0).then_some((address, port)))
    }

    /// The port on which it serves its API over TLS.
    pub fn port(&self) -> u16 {
        let flag = self.flags.get("port").and_then(|port| port.parse().ok());
        u16::try_from(flag.or(self.settings.port).unwrap_or(DEFAULT_PORT)).unwrap_or(0)
    }
}

/// The kubeconfig of a kubelet with these flags.
pub fn kubeconfig(flags: &Flags) -> PathBuf {
    absolute(flags.get("kubeconfig").unwrap_or(DEFAULT_KUBECONFIG))
}

/// A kubelet's working directory is / unless its unit says otherwise, which kubeadm's does not.
fn absolute(path: &str) -> PathBuf {
    Path::new("/").join(path)
}

impl Node {
    /// The addresses of a serving certificate: IP addresses and names.
    pub fn serving_names(&self) -> (Vec<IpAddr>, Vec<String>) {
        let mut names = (Vec::new(), Vec::new());
        for (kind, address) in &self.addresses {
            match (kind.as_str(), address.parse::<IpAddr>()) {
                ("InternalIP" | "ExternalIP", Ok(ip)) => names.0.push(ip),
                ("Hostname" | "InternalDNS" | "ExternalDNS", Err(_)) => {
                    names.1.push(address.clone())
                }
                // A host may be named by its address.
                (_, Ok(ip)) => names.0.push(ip),
                (_, Err(_)) => {}
            }
        }
        names
    }

    /// What a serving certificate for this Node lacks.
    pub fn missing_in(&self, names: &Names) -> Vec<String> {
        let (ips, dns) = self.serving_names();
        let ips = ips
            .into_iter()
            .filter(|ip| !names.ips.contains(ip))
            .map(|ip| ip.to_string());
        let dns = dns.into_iter().filter(|name| !names.dns.contains(name));
        ips.chain(dns).collect()
    }

    /// Whether a kubelet of `node` that starts now would serve `certificate` and ask for no other: it is unexpired,
    /// has the right subject and covers all of the Node's addresses (pkg/kubelet/certificate/kubelet.go).
    pub fn would_serve(&self, node: &str, certificate: &Certificate, now: Timestamp) -> bool {
        certificate.is_valid_at(now)
            && certificate.common_name.as_deref() == Some(requestor_of(node).as_str())
            && !self.addresses.is_empty()
            && self.missing_in(&certificate.names).is_empty()
    }

    /// Why the kubelet may make no request, as far as its Node tells (kubelet-facts: addresses, cloud taint, 1.32.0-2).
    pub fn why_no_request(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.serving_names().0.is_empty() {
            reasons.push("the Node has no IP address yet, and the kubelet asks for no certificate before it has one".into());
        }
        if self
            .taints
            .iter()
            .any(|taint| taint == "node.cloudprovider.kubernetes.io/uninitialized")
        {
            reasons.push(
                "the Node carries the taint node.cloudprovider.kubernetes.io/uninitialized: its cloud provider has not initialized it, and a second request follows when it has"
                    .into(),
            );
        }
        if matches!(
            self.kubelet_version.as_str(),
            "v1.32.0" | "v1.32.1" | "v1.32.2"
        ) {
            reasons.push(format!(
                "kubelet {} may never make the request after a restart; 1.32.3 mends that",
                self.kubelet_version
            ));
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubelet(flags: &[&str], config: &str) -> Kubelet {
        Kubelet {
            unit: None,
            flags: Flags::parse(flags.iter().map(|flag| (*flag).to_owned())),
            started: None,
            flags_change: false,
            sources: BTreeMap::new(),
            program: None,
            files: vec![ConfigFile {
                path: "/var/lib/kubelet/config.yaml".into(),
                bytes: config.into(),
                modified: None,
            }],
            settings: Settings::read(config.as_bytes()).unwrap(),
        }
    }

    #[test]
    fn healthz_is_where_flags_and_file_say() {
        let at = |flags: &[&str], config: &str| kubelet(flags, config).healthz();
        let address = |text: &str| {
            Ok(Some((
                text.parse::<std::net::SocketAddr>().unwrap().ip(),
                text.parse::<std::net::SocketAddr>().unwrap().port(),
            )))
        };
        const HEAD: &str =
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        let file = |body: &str| format!("{HEAD}{body}");
        assert_eq!(at(&[], &file("")), address("127.0.0.1:10248"));
        assert_eq!(at(&[], &file("healthzPort: 0\n")), Ok(None));
        assert_eq!(
            at(&[], &file("healthzBindAddress: \"::1\"\nhealthzPort: 1\n")),
            address("[::1]:1")
        );
        assert_eq!(
            at(&["--healthz-port=2"], &file("healthzPort: 1\n")),
            address("127.0.0.1:2")
        );
        assert_eq!(
            at(&[], &file("healthzBindAddress: \"\"\n")),
            address("127.0.0.1:10248")
        );
        assert!(at(&[], &file("healthzPort: 70000\n")).is_err());
        assert!(at(&["--healthz-bind-address=localhost"], &file("")).is_err());
    }

    #[test]
    fn a_kubelet_is_older_than_a_config_written_after_its_start() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let now = start + Duration::from_secs(500);
        let mut kubelet = kubelet(&[], "kind: KubeletConfiguration\n");
        kubelet.started = Some(start);
        for (written, older) in [
            (-5.0, false),
            (0.0, false),
            (0.01, true),
            (0.2, true),
            (400.0, true),
            (600.0, false),
        ] {
            kubelet.files[0].modified = Some(if written < 0.0 {
                start - Duration::from_secs_f64(-written)
            } else {
                start + Duration::from_secs_f64(written)
            });
            assert_eq!(kubelet.is_older_than_config(now), older, "{written}");
        }
    }

    #[test]
    fn a_certificate_that_the_kubelet_would_keep() {
        let certificate = Certificate::from_pem(include_bytes!(
            "../testdata/captured/1.36/kubelet-server-current.crt.pem"
        ))
        .unwrap();
        let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let address = |kind: &str, address: &str| (kind.to_owned(), address.to_owned());
        let mut node = Node {
            addresses: vec![
                address("InternalIP", "10.77.0.21"),
                address("Hostname", "node36"),
            ],
            ..Node::default()
        };
        assert!(node.would_serve("node36", &certificate, now));
        assert!(!node.would_serve("node37", &certificate, now));
        assert!(!node.would_serve(
            "node36",
            &certificate,
            "2028-12-01T00:00:00Z".parse().unwrap()
        ));
        node.addresses.push(address("ExternalIP", "203.0.113.9"));
        assert!(!node.would_serve("node36", &certificate, now));
        assert!(!Node::default().would_serve("node36", &certificate, now));
    }

    #[test]
    fn why_a_request_may_never_come() {
        let node = Node {
            taints: vec!["node.cloudprovider.kubernetes.io/uninitialized".into()],
            kubelet_version: "v1.32.1".into(),
            ..Node::default()
        };
        assert_eq!(node.why_no_request().len(), 3);
    }
}
