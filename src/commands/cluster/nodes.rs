//! Which nodes still run without the change.

use std::time::{Duration, Instant};

use crate::commands::{Ui, admin};
use crate::host::kube::Admin;
use crate::kubelet::Bootstrap;
use crate::report::{Document, NodeReport};

/// How long all of it may take: it is asked beside the point, and of thousands.
const BUDGET: Duration = Duration::from_secs(20);
/// How long one kubelet is waited for.
const EACH: Duration = Duration::from_secs(3);
/// How many names are said; a document has them all.
const NAMED: usize = 20;

/// Asks every node's kubelet what it runs with, as far as that is permitted and there is time, and says where the change
/// is still to be made. Nothing that goes wrong here is an error.
pub(super) fn tell(admin: &Admin, wanted: Bootstrap, ui: &Ui, document: &mut Document) {
    let end = Instant::now() + BUDGET;
    let names = match admin.node_names(end) {
        Ok(names) => names,
        Err(error) => {
            let problem = admin::problem("list", "nodes", &error);
            ui.warn(unasked(problem.message()));
            return;
        }
    };
    let mut reports = Vec::with_capacity(names.len());
    let mut asking = true;
    let mut silent = Vec::new();
    for name in names {
        let now = Instant::now();
        asking &= now < end;
        let answer = asking.then(|| admin.running_bootstrap(&name, end.min(now + EACH)));
        let value = match answer {
            Some(Ok(value)) => Some(value),
            Some(Err(error)) if error.is_forbidden() => {
                let problem = admin::problem("get", "nodes/proxy", &error);
                ui.warn(unasked(problem.message()));
                asking = false;
                None
            }
            Some(Err(error)) => {
                ui.detail(&format!("{name}: {error}"));
                silent.push(name.clone());
                None
            }
            None => None,
        };
        reports.push(NodeReport {
            name,
            server_tls_bootstrap: value,
        });
    }
    summarize(&reports, &silent, wanted, ui);
    document.nodes = Some(reports);
}

fn unasked(message: String) -> String {
    format!("{message}; which nodes run without the change is not known")
}

fn summarize(reports: &[NodeReport], silent: &[String], wanted: Bootstrap, ui: &Ui) {
    let (value, again) = match wanted {
        Bootstrap::Enabled => (true, "kubelet-tls apply"),
        Bootstrap::Disabled => (false, "kubelet-tls apply --disable"),
    };
    let answered = reports
        .iter()
        .filter(|report| report.server_tls_bootstrap.is_some())
        .count();
    let lacking: Vec<&str> = reports
        .iter()
        .filter(|report| report.server_tls_bootstrap == Some(!value))
        .map(|report| report.name.as_str())
        .collect();
    let total = reports.len();
    if !lacking.is_empty() {
        ui.say(&format!(
            "{} of {total} nodes run without the change: {}",
            lacking.len(),
            some(&lacking)
        ));
        ui.say(&format!("on each of them, as root: {again}"));
    } else if answered == total && total > 0 {
        ui.say(&format!(
            "all {total} nodes run with serverTLSBootstrap: {value}"
        ));
    }
    if !silent.is_empty() {
        let names: Vec<&str> = silent.iter().map(String::as_str).collect();
        ui.say(&format!(
            "{} of {total} nodes did not answer, as one that waits for its certificate does not: {}",
            silent.len(),
            some(&names)
        ));
        ui.say("on each of them, as root: kubelet-tls status");
    }
    let unasked = total - answered - silent.len();
    if unasked > 0 {
        ui.say(&format!("{unasked} of {total} nodes were not asked"));
    }
}

/// The first names.
fn some(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).copied().collect();
    let rest = names.len() - shown.len();
    if rest == 0 {
        shown.join(", ")
    } else {
        format!("{} and {rest} more, which -o json has", shown.join(", "))
    }
}
