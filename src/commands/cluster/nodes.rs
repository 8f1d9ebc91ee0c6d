//! Which nodes still run without the change.

use std::time::{Duration, Instant};

use crate::commands::{Ui, admin};
use crate::host::kube::Admin;
use crate::host::kubelets::{Depth, survey};
use crate::kubelet::Bootstrap;
use crate::node::{NotConfigured, ProbedNode};
use crate::report::NodeReport;
use crate::text::{self, COMMAS};

/// How long all of it may take: the change is made already, and this is only about what is left to do.
const BUDGET: Duration = Duration::from_secs(20);
/// How many names are printed; a document has them all.
const NAMED: usize = 20;

/// Asks every node's kubelet what it runs with, as far as that is permitted and there is time, and says where the change
/// is still to be made. Nothing that goes wrong here is an error; none where the Nodes cannot be listed.
pub(super) fn tell(admin: &Admin, wanted: Bootstrap, ui: &Ui) -> Option<Vec<NodeReport>> {
    let survey = match survey(admin, Depth::Configuration, Instant::now() + BUDGET) {
        Ok(survey) => survey,
        Err(error) => {
            let problem = admin::problem("list", "nodes", &error);
            ui.warn(unasked(problem.message()));
            return None;
        }
    };
    let nodes = survey.nodes;
    if nodes
        .iter()
        .any(|node| node.configured == Err(NotConfigured::Forbidden))
    {
        ui.warn(unasked(format!(
            "cannot get nodes/proxy: {}",
            NotConfigured::Forbidden
        )));
    }
    for node in &nodes {
        if let Err(NotConfigured::NoAnswer(why)) = &node.configured {
            ui.detail(&format!("{}: {why}", node.name()));
        }
    }
    if wanted == Bootstrap::Enabled {
        warn_of_windows(&nodes, ui);
    }
    summarize(&nodes, wanted, ui);
    Some(nodes.iter().map(NodeReport::from).collect())
}

impl From<&ProbedNode> for NodeReport {
    fn from(node: &ProbedNode) -> Self {
        Self {
            name: node.name().to_owned(),
            server_tls_bootstrap: node.configured.as_ref().ok().copied(),
        }
    }
}

fn unasked(message: String) -> String {
    format!("{message}; which nodes run without the change is not known")
}

/// kubeadm gives nodes of every operating system the same ConfigMap.
fn warn_of_windows(nodes: &[ProbedNode], ui: &Ui) {
    let windows = nodes.iter().filter(|node| node.is_windows());
    let windows: Vec<&str> = windows.map(ProbedNode::name).collect();
    if !windows.is_empty() {
        ui.warn(format!(
            "{} of {} nodes run Windows: {}. A Windows node that joins gets serverTLSBootstrap: true too, and refuses TLS on port 10250 until its CSR is approved; kubelet-tls runs on Linux only, so it cannot change or check that node: {}",
            windows.len(),
            nodes.len(),
            some(&windows),
            ui.command("kubelet-tls approve --node NODE")
        ));
    }
}

fn summarize(nodes: &[ProbedNode], wanted: Bootstrap, ui: &Ui) {
    // The commands below run on Linux only.
    let linux = nodes.iter().filter(|node| !node.is_windows());
    let linux: Vec<&ProbedNode> = linux.collect();
    let kind = if linux.len() == nodes.len() {
        "nodes"
    } else {
        "Linux nodes"
    };
    let nodes = linux;
    let (value, again) = match wanted {
        Bootstrap::Enabled => (true, "kubelet-tls apply"),
        Bootstrap::Disabled => (false, "kubelet-tls apply --disable"),
    };
    let named = |which: &dyn Fn(&Result<bool, NotConfigured>) -> bool| -> Vec<&str> {
        let nodes = nodes.iter().filter(|node| which(&node.configured));
        nodes.map(|node| node.name()).collect()
    };
    let lacking = named(&|configured| *configured == Ok(!value));
    let silent = named(&|configured| matches!(configured, Err(NotConfigured::NoAnswer(_))));
    let answered = named(&|configured| configured.is_ok()).len();
    let total = nodes.len();
    if !lacking.is_empty() {
        ui.say(&format!(
            "{} of {total} {kind} run without the change: {}",
            lacking.len(),
            some(&lacking)
        ));
        ui.say(&format!("on each of them, as root: {again}"));
    } else if answered == total && total > 0 {
        ui.say(&format!(
            "all {total} {kind} run with serverTLSBootstrap: {value}"
        ));
    }
    if !silent.is_empty() {
        ui.say(&format!(
            "{} of {total} {kind} did not answer, as one that waits for its certificate does not: {}",
            silent.len(),
            some(&silent)
        ));
        ui.say("on each of them, as root: kubelet-tls status");
    }
    let unasked = total - answered - silent.len();
    if unasked > 0 {
        ui.say(&format!("{unasked} of {total} {kind} were not asked"));
    }
}

pub(super) fn some(names: &[&str]) -> String {
    let shown = text::some(names, NAMED, COMMAS);
    if names.len() <= NAMED {
        return shown;
    }
    format!("{shown}, which -o json has")
}
