//! `status`: the node's conditions.

mod metrics;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::apply::{HealthCheck, ReceiptStore};
use crate::cli;
use crate::edit::api_server::Manifest;
use crate::host::files::Root;
use crate::host::kube::Api;
use crate::host::state::StateDirectory;
use crate::host::{clock, files as host_files, pair, process, systemd, tls};
use crate::kubelet::{Bootstrap, Settings, Warning};
use crate::node::conditions::{
    self, Condition, ConditionStatus, LocalApiServer, NodeEvidence, Stored,
};
use crate::node::{Explanation, Kubelet, version};
use crate::receipt::{NodeReceipt, NodeSubject, ReceiptState, RecordedChange, to_the_second};
use crate::report::{Ending, Outcome, Problem, StatusResult, exposition};
use crate::x509::Certificate;
use crate::yaml::MAX_BYTES;

use super::apply::PEM_CAP;
use super::node::{self, Need, When};
use super::{Ui, files};

/// How long the API is asked; what it does not say in that time is Unknown.
const DEADLINE: Duration = Duration::from_secs(5);

/// Prints the conditions. Exit 1 when one is not True.
pub(crate) fn run(arguments: &cli::Status, ui: &Ui) -> Outcome<StatusResult> {
    match observe(arguments, ui) {
        Ok(evidence) => conclude(&evidence, arguments.textfile.as_deref(), ui),
        Err(problem) => Outcome::failed(StatusResult::default(), problem),
    }
}

/// Looks at the node.
///
/// # Errors
/// Why the kubelet's configuration cannot be read.
fn observe(arguments: &cli::Status, ui: &Ui) -> Result<NodeEvidence, Problem> {
    let located = node::locate(None, Need::File, When::Now)?;
    let (kubelet, refusal) = located.read_leniently(ui)?;
    // A user who may not read it gets no warning.
    let store = ReceiptStore::<NodeSubject>::open(StateDirectory::of(&Root::host())).ok();
    let receipt = store.as_ref().and_then(ReceiptStore::receipt);
    if let Some(warning) = receipt.and_then(interrupted) {
        ui.warn(warning);
    }
    let done = receipt.filter(|receipt| receipt.state == ReceiptState::Done);
    Ok(NodeEvidence {
        refusal: refusal.map(|(target, refusal)| files::unread(&target, &refusal)),
        patches: done.and_then(patches),
        ..look(kubelet, arguments.kubeconfig.clone())
    })
}

fn conclude(evidence: &NodeEvidence, textfile: Option<&Path>, ui: &Ui) -> Outcome<StatusResult> {
    let (conditions, ending) = show(conditions::conditions(evidence), ui);
    let metrics = exposition(&metrics::gauges(evidence, &conditions));
    ui.metrics(&metrics);
    let written = textfile.map_or(Ok(()), |path| metrics::write(path, &metrics));
    let ending = written.map_or_else(Ending::Failed, |()| ending);
    Outcome {
        result: StatusResult {
            node: evidence.name.clone().ok(),
            conditions: Some(conditions),
        },
        ending,
    }
}

/// The warning of an interrupted run, if the last one was.
fn interrupted(receipt: &NodeReceipt) -> Option<String> {
    let began = to_the_second(&receipt.started);
    let (what, commands) = match (receipt.state, receipt.subject.probation) {
        (ReceiptState::Started, None) => (
            format!("the apply of {began}"),
            "kubelet-tls apply, to complete it, or kubelet-tls rollback, to undo it",
        ),
        (ReceiptState::RollingBack, _) => (
            format!("the rollback of the apply of {began}"),
            "kubelet-tls rollback, to complete it",
        ),
        // Where the kubelet's own start has made the change again, how it lives with it is a condition.
        _ => return None,
    };
    Some(format!(
        "{what} was interrupted, or is still running: {commands}"
    ))
}

fn look(kubelet: Kubelet, kubeconfig: Option<PathBuf>) -> NodeEvidence {
    let end = Instant::now() + DEADLINE;
    let api =
        Api::open(&kubeconfig.unwrap_or_else(|| kubelet.kubeconfig())).map_err(Explanation::of);
    let asked = api.as_ref().map_err(Clone::clone);
    let node = asked
        .clone()
        .and_then(|api| api.node(end).map_err(Explanation::of));
    let known = node.as_ref().ok();
    let minor = known.and_then(|node| version::minor(&node.kubelet_version));
    let ips = known.map(|node| node.serving_names().0);
    let port = kubelet.port();
    let addresses = ips
        .into_iter()
        .flatten()
        .map(|ip| SocketAddr::new(ip, port));
    let addresses = addresses.collect();
    let roots = api.as_ref().map(Api::roots).unwrap_or_default();
    NodeEvidence {
        refusal: None,
        complaints: complaints(&kubelet),
        health: health(&kubelet),
        stored: stored(kubelet.serving_certificate()),
        name: asked.clone().map(|api| api.node_name().to_owned()),
        node,
        requests: asked
            .clone()
            .and_then(|api| api.requests(end).map_err(Explanation::of)),
        cluster: asked.and_then(|api| {
            if !kubelet.is_kubeadm {
                return Err(Explanation::new("kubeadm did not set this node up"));
            }
            let (name, text) = api.kubelet_config(minor, end).map_err(Explanation::of)?;
            let settings = Settings::read(text.as_bytes());
            settings
                .map(|settings| (name.clone(), settings))
                .map_err(|refusal| Explanation::new(format!("configmap {name}: {refusal}")))
        }),
        patches: None,
        issuing: issuing(),
        api_server: api_server(),
        served: tls::probe_all(addresses, None, roots),
        now: (clock::now(), clock::timestamp()),
        kubelet,
    }
}

/// This machine's API server; none where kubeadm has not written its manifest here.
fn api_server() -> Option<LocalApiServer> {
    let path = Path::new(cli::API_SERVER_MANIFEST);
    let manifest = match host_files::read(path, MAX_BYTES as u64) {
        Err(error) if error.cause.is_not_found() => return None,
        Err(error) => Err(Explanation::new(error.to_string())),
        Ok(bytes) => Manifest::read(&bytes).map_err(|refusal| {
            Explanation::new(format!("{}: {}", path.display(), refusal.reason()))
        }),
    };
    Some(LocalApiServer {
        manifest,
        processes: process::api_servers(),
    })
}

/// The directory of kubeadm's patches that a finished `apply` wrote to.
fn patches(receipt: &NodeReceipt) -> Option<PathBuf> {
    let paths = receipt.edits.iter().map(RecordedChange::path);
    files::enabling_directory(paths)
}

/// False also for a user who may not read the key.
fn issuing() -> bool {
    let key = StateDirectory::of(&Root::host()).key();
    key.is_ok_and(|key| key.is_some())
}

fn health(kubelet: &Kubelet) -> Result<(), Explanation> {
    let none = || Explanation::new(format!("there is no {}", systemd::KUBELET));
    let unit = kubelet.unit.as_ref().ok_or_else(none)?;
    let check = HealthCheck::of(kubelet, Duration::ZERO, None).map_err(Explanation::of)?;
    check.check(unit).map_err(Explanation::of)
}

/// What the kubelet would not start with, or takes no notice of, in the file that decides.
fn complaints(kubelet: &Kubelet) -> Vec<String> {
    let Some((file, kind)) = kubelet.deciding() else {
        return Vec::new();
    };
    let edited = match crate::edit::edit(&file.bytes, kind, Bootstrap::Enabled) {
        Ok(edited) => edited,
        Err(refusal) => return vec![refusal.reason()],
    };
    let described = |Warning {
                         position, message, ..
                     }: &Warning| match position {
        Some(at) => format!("{}:{}: {message}", file.path.display(), at.line),
        None => message.clone(),
    };
    let warnings = edited.warnings.iter().chain(&kubelet.settings.warnings);
    warnings
        // ValueTakesEffect says it, with the kubelet's version.
        .filter(|warning| !warning.is_of_static_certificate)
        .map(described)
        .collect()
}

fn stored(path: PathBuf) -> Stored {
    match host_files::is_symlink(&path) {
        None => return Stored::Missing(path),
        Some(false) => return Stored::NotSymlink(path),
        Some(true) => {}
    }
    let pem = match host_files::read(&path, PEM_CAP) {
        Ok(pem) => pem,
        Err(error) => return Stored::Broken(path, error.cause.to_string()),
    };
    match (Certificate::from_pem(&pem), pair::keys_match(&pem)) {
        (Ok(certificate), Ok(())) => Stored::Pair(path, certificate),
        (Err(error), _) => Stored::Broken(path, error.to_string()),
        (_, Err(error)) => Stored::Broken(path, Explanation::of(error).to_string()),
    }
}

/// Prints the conditions, with `-o name` those that are not True, and returns them with their hints as this program was run.
/// The run ends negatively where one is not True.
pub(crate) fn show<K: std::fmt::Display>(
    conditions: Vec<Condition<K>>,
    ui: &Ui,
) -> (Vec<Condition<K>>, Ending) {
    let conditions = ui.conditions(conditions);
    ui.table(&table(&conditions));
    let mut ending = Ending::Done;
    for condition in &conditions {
        if condition.status != ConditionStatus::True {
            ui.bare_name(&condition.kind.to_string());
            ending = Ending::Negative(None);
        }
    }
    (conditions, ending)
}

/// As kubectl prints tables; a hint stands under its row.
fn table<K: std::fmt::Display>(conditions: &[Condition<K>]) -> String {
    let width = |text: fn(&Condition<K>) -> String, head: &str| {
        conditions
            .iter()
            .map(|condition| text(condition).len())
            .chain([head.len()])
            .max()
            .unwrap_or(0)
    };
    let kind = width(|condition| condition.kind.to_string(), "CONDITION");
    let reason = width(|condition| condition.reason.to_owned(), "REASON");
    let mut text = format!(
        "{:kind$}  {:7}  {:reason$}  MESSAGE\n",
        "CONDITION", "STATUS", "REASON"
    );
    for condition in conditions {
        let color = match condition.status {
            ConditionStatus::True => "32",
            ConditionStatus::False => "31",
            ConditionStatus::Unknown => "33",
        };
        text.push_str(&format!(
            "{:kind$}  \u{1b}[{color}m{:7}\u{1b}[0m  {:reason$}  {}\n",
            condition.kind.to_string(),
            condition.status.to_string(),
            condition.reason,
            condition.message,
        ));
        if let Some(hint) = &condition.hint {
            text.push_str(&format!(
                "{:kind$}  \u{1b}[36mhint:\u{1b}[0m    {hint}\n",
                ""
            ));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::Probation;

    #[test]
    fn only_a_run_that_no_condition_tells_of_is_warned_of() {
        let of = |state, probation| {
            let subject = NodeSubject {
                probation,
                ..NodeSubject::default()
            };
            let receipt = NodeReceipt::started([], subject, "2026-11-29T08:00:00.5Z".into());
            interrupted(&receipt.at(state))
        };
        assert_eq!(
            of(ReceiptState::Started, None).as_deref(),
            Some(
                "the apply of 2026-11-29T08:00:00Z was interrupted, or is still running: kubelet-tls apply, to complete it, or kubelet-tls rollback, to undo it"
            )
        );
        assert_eq!(
            of(ReceiptState::RollingBack, None).as_deref(),
            Some(
                "the rollback of the apply of 2026-11-29T08:00:00Z was interrupted, or is still running: kubelet-tls rollback, to complete it"
            )
        );
        let trial = Some(Probation { n_restarts: 0 });
        assert_eq!(of(ReceiptState::Started, trial), None);
        for ended in [
            ReceiptState::Done,
            ReceiptState::PutBack,
            ReceiptState::RolledBack,
        ] {
            assert_eq!(of(ended, None), None);
        }
    }
}
