//! This node's kubelet: its unit, its flags, its files.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::unit::Unit;
use crate::edit::FileKind;
use crate::kubelet::config::gate_off;
use crate::kubelet::{DEFAULT_PORT, Flags, Settings};

/// The kubelet of this node: its unit, its flags and the files that it reads.
#[derive(Debug, Clone, Default)]
pub struct Kubelet {
    /// Its unit; `None` if systemd was not asked or is not installed.
    pub unit: Option<Unit>,
    /// The flags it runs with, or will run with: those that the caller asked for.
    pub flags: Flags,
    /// Whether its next start brings other flags that matter here than those it runs with.
    pub flags_change: bool,
    /// Where its flags are set, by their names: a variable and the file and line that set it, or the unit.
    pub sources: BTreeMap<String, String>,
    /// The path of its executable; `None` if no unit and no process tells it.
    pub program: Option<String>,
    /// When it started; none where it does not run.
    pub started: Option<SystemTime>,
    /// The file of `--config`, then the drop-ins of `--config-dir` in the order in which they are merged over it.
    pub files: Vec<ConfigFile>,
    /// What the kubelet makes of all of them.
    pub settings: Settings,
    /// Whether kubeadm set this node up, so that its upgrades rewrite the configuration. True also where that cannot be told.
    pub is_kubeadm: bool,
}

/// A configuration file of the kubelet's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// The path that `--config` names, or kubeadm's default.
    pub path: PathBuf,
    /// The file's content, unparsed.
    pub bytes: Vec<u8>,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

/// Why it cannot be told where a kubelet answers /healthz.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHealthz {
    /// The address, which is a flag's or the file's, is not an IP address.
    #[error("healthzBindAddress {0:?} is not an IP address")]
    Address(String),
    /// The flag's port is not a number.
    #[error("--healthz-port {0:?} is not a port")]
    Flag(String),
    /// The number is not a port's.
    #[error("healthzPort {0} is not a port")]
    Port(i64),
}

/// Where a kubeadm package puts what the kubelet was not told by a flag.
pub const DEFAULT_KUBECONFIG: &str = "/etc/kubernetes/kubelet.conf";
/// The kubelet's `--cert-dir` default (cmd/kubelet/app/options/options.go).
const DEFAULT_CERT_DIR: &str = "/var/lib/kubelet/pki";
/// The kubelet's defaults (pkg/kubelet/apis/config/v1beta1/defaults.go).
const DEFAULT_HEALTHZ: (&str, i64) = ("127.0.0.1", 10248);

impl Kubelet {
    /// The file that decides `serverTLSBootstrap`, and what it is: the last drop-in that sets it, else the file of
    /// `--config` (cmd/kubelet/app/server.go, mergeKubeletConfigurations).
    pub fn deciding(&self) -> Option<(&ConfigFile, FileKind)> {
        let number = self
            .settings
            .origins
            .get("serverTLSBootstrap")
            .map_or(0, |origin| origin.file);
        let kind = if number > 0 {
            FileKind::DropIn
        } else {
            FileKind::Kubelet
        };
        self.files.get(number).map(|file| (file, kind))
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

    /// Whether a flag already enables `serverTLSBootstrap`, so that no edit of a file is needed: the flag is the same field and
    /// beats every file.
    pub fn is_enabled_by_flag(&self) -> bool {
        self.flags.boolean("rotate-server-certificates") == Some(true)
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
        gate_off(&gates)
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
    pub fn healthz(&self) -> Result<Option<(IpAddr, u16)>, InvalidHealthz> {
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
            .map_err(|_| InvalidHealthz::Address(address.to_owned()))?;
        let port = self
            .flags
            .get("healthz-port")
            .map(|port| {
                port.parse()
                    .map_err(|_| InvalidHealthz::Flag(port.to_owned()))
            })
            .transpose()?;
        let port: i64 = port.or(settings.healthz_port).unwrap_or(DEFAULT_HEALTHZ.1);
        let port = u16::try_from(port).map_err(|_| InvalidHealthz::Port(port))?;
        Ok((port != 0).then_some((address, port)))
    }

    /// The port on which it serves its API over TLS.
    pub fn port(&self) -> u16 {
        let flag = self.flags.get("port").and_then(|port| port.parse().ok());
        flag.or(self.settings.port)
            .map_or(DEFAULT_PORT, |port| u16::try_from(port).unwrap_or(0))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
            is_kubeadm: true,
        }
    }

    #[test]
    fn healthz_is_asked_where_flags_and_file_say() {
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
}
