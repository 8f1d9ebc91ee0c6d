//! Looking at this node: which kubelet runs, from which file, with which flags.

use std::path::{Path, PathBuf};

use crate::cli::Selection;
use crate::host::systemd::{self, SystemdError};
use crate::host::{files as host_files, process};
use crate::kubelet::{Bootstrap, FileKind, Flags, Settings};
use crate::observed::{ConfigFile, Kubelet, Unit};
use crate::plan::{Edit, Target};
use crate::report::{Code, Document, Problem};
use crate::yaml::MAX_BYTES;

use super::{Console, files};

/// Where kubeadm writes the kubelet's configuration; a running kubelet's `--config` is asked first.
const DEFAULT_CONFIG: &str = "/var/lib/kubelet/config.yaml";

/// What the options want of the key.
pub(crate) fn wanted(selection: &Selection) -> Bootstrap {
    if selection.disable {
        Bootstrap::Disabled
    } else {
        Bootstrap::Enabled
    }
}

/// Standard input can be read once.
///
/// # Errors
/// [`Code::Usage`] when it is named twice.
pub(crate) fn at_most_one_standard(paths: &[PathBuf]) -> Result<(), Problem> {
    let named = paths
        .iter()
        .filter(|path| path.as_os_str() == files::STANDARD)
        .count();
    if named > 1 {
        Err(Problem::new(
            Code::Usage,
            "cannot read -: it is named twice",
        ))
    } else {
        Ok(())
    }
}

/// What must be there for the verb to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// A kubelet.service that systemd knows: it will be restarted.
    Unit,
    /// The file alone.
    File,
}

/// Where the kubelet's configuration is, and what runs.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(crate) unit: Option<Unit>,
    flags: Flags,
    started: Option<std::time::SystemTime>,
    /// The file that decides.
    pub(crate) path: PathBuf,
}

/// Asks systemd and the process table.
///
/// # Errors
/// When what is needed is not there.
pub(crate) fn locate(
    selection: &Selection,
    need: Need,
    console: &Console,
    document: &mut Document,
) -> Result<Located, Problem> {
    if let Some(root) = &selection.root {
        let path = root.join(DEFAULT_CONFIG.trim_start_matches('/'));
        return Ok(Located {
            unit: None,
            flags: Flags::default(),
            started: None,
            path,
        });
    }
    let unit = match systemd::show(systemd::KUBELET) {
        Ok(unit) if unit.load_state == "loaded" => Some(unit),
        Ok(unit) if need == Need::Unit => return Err(no_unit(&unit)),
        Ok(_) => None,
        Err(error) if need == Need::Unit => {
            return Err(systemd_problem("ask systemd about", &error));
        }
        Err(error) => {
            console.warn(document, format!("systemd was not asked: {error}; {DEFAULT_CONFIG} is assumed to be the kubelet's"));
            None
        }
    };
    let pid = unit.as_ref().map_or(0, |unit| unit.main_pid);
    let words = if pid == 0 {
        None
    } else {
        process::command_line(pid)
            .ok()
            .filter(|words| !words.is_empty())
    };
    let started = if pid == 0 {
        None
    } else {
        process::started(pid, unit.as_ref().and_then(|unit| unit.started_monotonic)).ok()
    };
    let running = words.is_some();
    let flags = Flags::parse(words.unwrap_or_default().into_iter().skip(1));
    let path = match flags.get("config") {
        Some(path) => Path::new("/").join(path),
        None if running => {
            return Err(Problem::new(
                Code::Refused,
                format!("cannot edit the kubelet's configuration: kubelet (process {pid}) runs without --config, so it reads no file"),
            )
            .hint("give it one as kubeadm does: --config=/var/lib/kubelet/config.yaml"));
        }
        None => PathBuf::from(DEFAULT_CONFIG),
    };
    Ok(Located {
        unit,
        flags,
        started,
        path,
    })
}

impl Located {
    /// Reads the file that decides.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(self) -> Result<Kubelet, Problem> {
        let read = host_files::read(&self.path, MAX_BYTES as u64)
            .and_then(|bytes| Ok((bytes, host_files::modified(&self.path)?)));
        let (bytes, modified) = read.map_err(|error| unreadable(&error, self.unit.is_some()))?;
        let target = Target::File(self.path.clone());
        let settings = Settings::read(&bytes)
            .map_err(|refusal| files::refused(&target, &refusal, files::Whose::Node))?;
        Ok(Kubelet {
            unit: self.unit,
            flags: self.flags,
            started: self.started,
            config: ConfigFile {
                path: self.path,
                bytes,
                modified: Some(modified),
                settings,
            },
        })
    }
}

/// The kubelet's configuration cannot be read or locked.
pub(crate) fn unreadable(error: &host_files::FileError, has_unit: bool) -> Problem {
    let problem = files::problem_of(error);
    match (error.cause.is_not_found(), has_unit) {
        (true, false) => {
            problem.hint("this machine is no kubeadm node yet; name a file: kubelet-tls diff FILE")
        }
        (true, true) => problem.hint("kubeadm init or kubeadm join writes it"),
        (false, _) => problem,
    }
}

/// The kubeconfig of this node's kubelet, for verbs that need nothing else of it.
pub(crate) fn kubeconfig() -> PathBuf {
    let pid = systemd::show(systemd::KUBELET).map_or(0, |unit| unit.main_pid);
    let words = if pid == 0 {
        Vec::new()
    } else {
        process::command_line(pid).unwrap_or_default()
    };
    crate::observed::kubeconfig(&Flags::parse(words.into_iter().skip(1)))
}

/// The edit of the file that decides.
///
/// # Errors
/// When it is refused, or would have no effect because a flag decides.
pub(crate) fn edit(
    kubelet: &Kubelet,
    wanted: Bootstrap,
    console: &Console,
    document: &mut Document,
) -> Result<Edit, Problem> {
    flags_allow(kubelet, wanted)?;
    let config = &kubelet.config;
    files::of_bytes(
        Target::File(config.path.clone()),
        config.bytes.clone(),
        FileKind::Kubelet,
        wanted,
        files::Whose::Node,
        console,
        document,
    )
}

/// A flag beats every file, and a feature gate that is off together with the key keeps the kubelet from starting.
fn flags_allow(kubelet: &Kubelet, wanted: Bootstrap) -> Result<(), Problem> {
    const WHERE: &str = "systemctl cat kubelet; grep -n KUBELET /var/lib/kubelet/kubeadm-flags.env /etc/default/kubelet /etc/sysconfig/kubelet";
    let flag = kubelet.flags.boolean("rotate-server-certificates");
    let enable = wanted == Bootstrap::Enabled;
    let verb = if enable { "enable" } else { "disable" };
    if flag == Some(!enable) {
        return Err(Problem::new(
            Code::Refused,
            format!(
                "cannot {verb} serverTLSBootstrap: the kubelet runs with --rotate-server-certificates={}, which is the same field and beats every file",
                !enable
            ),
        )
        .hint(format!("take the flag out, then run this again; it is set in one of: {WHERE}")));
    }
    let gates = kubelet.flags.feature_gates();
    let gate = match gates.get("RotateKubeletServerCertificate") {
        Some(false) => Some("RotateKubeletServerCertificate=false"),
        // The config file cannot name a gate that a flag sets; the flag's AllBeta is all there is then.
        None if gates.get("AllBeta") == Some(&false) => Some("AllBeta=false"),
        _ => None,
    };
    match gate {
        Some(gate) if enable => Err(Problem::new(
            Code::Refused,
            format!(
                "cannot enable serverTLSBootstrap: the kubelet runs with --feature-gates={gate}, and does not start with both"
            ),
        )
        .hint(format!("take the gate out, then run this again; it is set in one of: {WHERE}"))),
        _ => Ok(()),
    }
}

fn no_unit(unit: &Unit) -> Problem {
    let problem = Problem::new(
        Code::Unavailable,
        format!(
            "cannot restart {}: systemd says it is {}",
            systemd::KUBELET,
            unit.load_state
        ),
    );
    match unit.load_state.as_str() {
        "masked" => problem.hint("systemctl unmask kubelet"),
        "not-found" => problem.hint(
            "k3s, RKE2, MicroK8s and others run the kubelet inside a unit of their own, which this tool leaves alone; for a file alone: kubelet-tls apply FILE",
        ),
        _ => problem.hint("systemctl status kubelet"),
    }
}

/// systemd's refusal or silence as a problem.
pub(crate) fn systemd_problem(doing: &str, error: &SystemdError) -> Problem {
    let words = error.to_string();
    let denied = [
        "ccess denied",
        "uthentication required",
        "not permitted",
        "ermission denied",
    ];
    let code = if denied.iter().any(|word| words.contains(word)) {
        Code::Permission
    } else {
        Code::Unavailable
    };
    let problem = Problem::new(
        code,
        format!("cannot {doing} {}: {words}", systemd::KUBELET),
    );
    if code == Code::Permission {
        problem.hint("run it as root, with sudo")
    } else {
        problem.hint("systemctl status kubelet")
    }
}
