//! What would make the change pointless or fatal, found before anything is touched.

use std::path::PathBuf;

use crate::apply::LOOK_AT_FLAGS;
use crate::host::{files as host_files, process};
use crate::kubelet::{Bootstrap, Settings};
use crate::node::version::serves_static;
use crate::node::{ConfigFile, Kubelet, Obstacle};
use crate::plan::{Edit, Target};
use crate::report::{Code, Problem};
use crate::text::hint;

use super::Ui;

/// Looks at the kubelet with the edit in place.
///
/// # Errors
/// [`Code::Refused`], naming the culprit and the way out.
pub(crate) fn check(
    kubelet: &Kubelet,
    edit: &Edit,
    wanted: Bootstrap,
    ui: &Ui,
) -> Result<(), Problem> {
    let edited = edited(kubelet, edit);
    starts_at_all(kubelet, edited.as_ref())?;
    takes_effect(kubelet, edit, edited.as_ref(), wanted)?;
    if wanted == Bootstrap::Enabled {
        has_kubeconfig(kubelet)?;
        can_store(kubelet.serving_certificate())?;
        serves_no_other(kubelet, ui)?;
    }
    Ok(())
}

/// Finds `what` in the kubelet's files.
fn grep(what: &str, kubelet: &Kubelet) -> hint::Command {
    hint::grep(what, kubelet.files.iter().map(|file| file.path.as_path()))
}

fn refused(cause: impl std::fmt::Display) -> Problem {
    Problem::new(
        Code::Refused,
        format!("cannot change serverTLSBootstrap: {cause}"),
    )
}

/// What the kubelet makes of its files with the edit in place.
fn edited<'a>(kubelet: &'a Kubelet, edit: &'a Edit) -> Option<Settings> {
    let bytes = |file: &'a ConfigFile| match &edit.target {
        Target::File(path) if *path == file.path => edit.bytes_after(),
        _ => file.bytes.as_slice(),
    };
    let all: Vec<&[u8]> = kubelet.files.iter().map(bytes).collect();
    Settings::read_with_drop_ins(all.first()?, all.get(1..).unwrap_or_default()).ok()
}

/// A kubelet that runs on an older file than the one on the disk may never start again after any restart.
fn starts_at_all(kubelet: &Kubelet, edited: Option<&Settings>) -> Result<(), Problem> {
    // What the edit fixes is not reported; the others are, by their lines as they are now.
    let left: Vec<&str> = edited
        .iter()
        .flat_map(|settings| &settings.warnings)
        .map(|warning| warning.message.as_str())
        .collect();
    let mut complaints = kubelet.settings.warnings.iter();
    let Some(complaint) = complaints.find(|now| left.contains(&now.message.as_str())) else {
        return Ok(());
    };
    let known = complaint.position.map(|position| position.line);
    let line = known.unwrap_or_default();
    let (file, hint) = match kubelet.files.as_slice() {
        [only] => (
            format!("{}:{line}", only.path.display()),
            hint::edit(&only.path, known),
        ),
        files => (
            format!("line {line} of one of the kubelet's files"),
            hint::print_line(line, files.iter().map(|file| file.path.as_path())),
        ),
    };
    Err(refused(format!("{file}: {}", complaint.message))
        .advise("the running kubelet has not read it, and the next one would not start with it")
        .hint(hint))
}

/// All files merged again must say what is wanted: of two spellings of the key in drop-ins, the one that is edited need
/// not be the one that counts. And a flag beats every file.
fn takes_effect(
    kubelet: &Kubelet,
    edit: &Edit,
    edited: Option<&Settings>,
    wanted: Bootstrap,
) -> Result<(), Problem> {
    let enable = wanted == Bootstrap::Enabled;
    for obstacle in kubelet.obstacles(Some(enable)) {
        match obstacle {
            Obstacle::Flag(flag) => {
                let cause = format!(
                    "the kubelet is started with {flag}, which sets the same field and overrides every file"
                );
                return Err(refused(cause).advise("remove the flag").hint(LOOK_AT_FLAGS));
            }
            Obstacle::GateOff { gate, flag } if enable => {
                return Err(gate_off(kubelet, gate, flag));
            }
            // It does not matter to a kubelet that is not to bootstrap one, and is checked last otherwise.
            Obstacle::GateOff { .. } | Obstacle::StaticCertificate { .. } => {}
        }
    }
    let value = edited
        .and_then(|settings| settings.server_tls_bootstrap)
        .unwrap_or(false);
    if value == enable || kubelet.flags.boolean("rotate-server-certificates") == Some(enable) {
        return Ok(());
    }
    Err(refused(format!(
        "with {} edited, the kubelet would still read {value}: the key is set in more than one way",
        edit.target
    ))
    .hint(grep("serverTLSBootstrap", kubelet)))
}

/// The gate is off by a flag, or in a file.
fn gate_off(kubelet: &Kubelet, gate: &str, flag: Option<String>) -> Problem {
    let name = gate.split('=').next().unwrap_or(gate);
    let hint = match flag {
        Some(_) => LOOK_AT_FLAGS.into(),
        None => grep(name, kubelet),
    };
    let from = flag
        .or_else(|| kubelet.origin("featureGates"))
        .unwrap_or_else(|| "featureGates".to_owned());
    let cause = format!(
        "the feature gate {gate} ({from}) and the key together keep the kubelet from starting"
    );
    refused(cause).advise("remove the feature gate").hint(hint)
}

/// Without one the kubelet runs alone, and has no one to ask for a certificate.
fn has_kubeconfig(kubelet: &Kubelet) -> Result<(), Problem> {
    let flags = &kubelet.flags;
    let given = flags.get("kubeconfig").filter(|path| !path.is_empty());
    if flags.get("config").is_none() || given.is_some() {
        return Ok(());
    }
    Err(refused("the kubelet is started without --kubeconfig, so it has no API server to ask for a certificate")
        .advise("kubeadm gives it --kubeconfig=/etc/kubernetes/kubelet.conf")
        .hint("systemctl cat kubelet"))
}

/// A regular file where the kubelet's store keeps its symlink breaks every renewal.
fn can_store(path: PathBuf) -> Result<(), Problem> {
    if host_files::is_symlink(&path) != Some(false) {
        return Ok(());
    }
    Err(refused(format!(
        "{} is not a symlink, so the kubelet could never replace it",
        path.display()
    ))
    .hint(hint::move_away(&path)))
}

/// Up to about 1.34 a static certificate continues being served to clients that dial an address (kubelet-facts, 1).
fn serves_no_other(kubelet: &Kubelet, ui: &Ui) -> Result<(), Problem> {
    let Some((name, path)) = kubelet.static_certificate() else {
        return Ok(());
    };
    let version = kubelet.program.as_deref().and_then(process::version);
    match serves_static(version.as_deref()) {
        Some((_, false)) => Ok(()),
        Some((minor, true)) => Err(refused(format!(
            "{name} is {path}, and kubelet 1.{minor} continues to serve that to clients that dial an address, as metrics-server does"
        ))
        .advise("remove it and its key")
        .hint(hint::Command::from("systemctl cat kubelet").then(grep("tlsCertFile", kubelet)))),
        None => {
            ui.warn(format!("{name} is {path}: up to Kubernetes 1.34 it is still served to clients that dial an address"));
            Ok(())
        }
    }
}
