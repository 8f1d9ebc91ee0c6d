//! `cluster status`: a row for each node: what its kubelet is configured to do, what it serves, and what is pending.

mod metrics;
mod table;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::cli;
use crate::commands::{Ui, admin};
use crate::host::clock;
use crate::host::kubelets::{Depth, Survey, survey};
use crate::node::conditions::ConditionStatus;
use crate::node::{NodeRemedy, NotConfigured, NotServed, ProbedNode, Security, Served, flaw};
use crate::report::{
    AddressStatus, CertificateReport, ClusterStatusResult, Ending, NodeStatus, Outcome,
    PendingReport, exposition,
};
use crate::text::hint::Command;
use crate::text::names;

use super::nodes::some;

/// How long all of it may take. What was not asked by then is Unknown.
const BUDGET: Duration = Duration::from_secs(50);

/// Runs the verb: exit 1 unless every node is secured.
pub(crate) fn run(arguments: &cli::ClusterStatus, ui: &Ui) -> Outcome<ClusterStatusResult> {
    let end = Instant::now() + BUDGET;
    let observed = admin::open(&arguments.access).and_then(|admin| {
        survey(&admin, Depth::Serving, end).map_err(|error| admin::problem("list", "nodes", &error))
    });
    let survey = match observed {
        Ok(survey) => survey,
        Err(problem) => return Outcome::failed(ClusterStatusResult::default(), problem),
    };
    warn(&survey, ui);
    let rows: Vec<NodeStatus> = survey.nodes.iter().map(|node| row(node, ui)).collect();
    let now = clock::timestamp();
    ui.table(&table::table(&rows, now));
    let gauges = metrics::gauges(&survey.nodes, survey.requests.is_ok(), now);
    ui.metrics(&exposition(&gauges));
    let unsecured = rows
        .iter()
        .filter(|row| row.status != ConditionStatus::True);
    unsecured.for_each(|row| ui.bare_name(&row.name));
    let summary = summary(&survey.nodes);
    for (who, what, command) in summary.remedies {
        ui.say(&format!("{who}: {what}: {}", ui.command(command)));
    }
    Outcome {
        ending: if summary.all_secured {
            Ending::Done
        } else {
            Ending::Negative(Some(summary.count))
        },
        result: ClusterStatusResult { nodes: Some(rows) },
    }
}

/// What could not be read of all nodes.
fn warn(survey: &Survey, ui: &Ui) {
    if let Err(error) = &survey.requests {
        let problem = admin::problem("list", "certificatesigningrequests", error);
        ui.warn(format!(
            "{}; which requests are pending is not known",
            problem.message()
        ));
    }
    let forbidden = |node: &ProbedNode| node.configured == Err(NotConfigured::Forbidden);
    if survey.nodes.iter().any(forbidden) {
        ui.warn("the credential may not get nodes/proxy; what the kubelets are configured to do is not known");
    }
}

fn row(node: &ProbedNode, ui: &Ui) -> NodeStatus {
    let Security {
        status,
        reason,
        message,
        remedy,
    } = node.security();
    let listed = node.listed.as_ref().ok();
    NodeStatus {
        name: node.name().to_owned(),
        control_plane: listed.is_some_and(|listed| listed.is_control_plane),
        status,
        reason,
        message,
        hint: remedy.map(|remedy| ui.command(command(&remedy, node.name()))),
        server_tls_bootstrap: node.configured.as_ref().ok().copied(),
        addresses: node
            .served
            .iter()
            .map(|(address, served)| address_status(node.name(), *address, served))
            .collect(),
        not_after: node
            .certificate()
            .map(|certificate| certificate.not_after.to_string()),
        pending: node.pending.as_ref().map(|pending| PendingReport {
            name: pending.name.clone(),
            created: pending.created.map(|created| created.to_string()),
        }),
    }
}

fn address_status(
    node: &str,
    address: SocketAddr,
    served: &Result<Served, NotServed>,
) -> AddressStatus {
    let certificate = served
        .as_ref()
        .ok()
        .map(|served| CertificateReport::new(&served.certificate, served.verified.is_ok()));
    let (reason, message) = match (flaw(Some(node), address, served), served) {
        (Some(flaw), _) => (flaw.kind.reason(), Some(flaw.message)),
        (None, Ok(_)) => ("Verified", None),
        (None, Err(error)) => ("Unreachable", Some(format!("{address}: {error}"))),
    };
    AddressStatus {
        address: address.to_string(),
        reason,
        certificate,
        message,
    }
}

fn command(remedy: &NodeRemedy, node: &str) -> Command {
    match remedy {
        NodeRemedy::Approve(request) => Command::new("kubelet-tls").arg("approve").arg(request),
        NodeRemedy::ApplyThere => Command::from("kubelet-tls apply"),
        NodeRemedy::LookThere => Command::from("kubelet-tls status"),
        NodeRemedy::DescribeNode if names::is_node_name(node) => {
            Command::from("kubectl describe node").arg(node)
        }
        // What no Node may be called is shown, not named in a command.
        NodeRemedy::DescribeNode => Command::from("kubectl get nodes"),
    }
}

/// What a person is told below the table.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    all_secured: bool,
    count: String,
    /// The nodes, what is to be done about them, and how.
    remedies: Vec<(String, &'static str, &'static str)>,
}

fn summary(nodes: &[ProbedNode]) -> Summary {
    const ON_EACH: &str = "on each of them, as root";
    let mut groups: [(&str, &str, Vec<&str>); 4] = [
        (
            "to approve their requests",
            "kubelet-tls approve --all",
            Vec::new(),
        ),
        (ON_EACH, "kubelet-tls apply --issue-first", Vec::new()),
        (ON_EACH, "kubelet-tls status", Vec::new()),
        ("to see why", "kubectl describe node NAME", Vec::new()),
    ];
    let mut secured = 0;
    for node in nodes {
        let security = node.security();
        secured += usize::from(security.status == ConditionStatus::True);
        let group = match security.remedy {
            None => continue,
            Some(NodeRemedy::Approve(_)) => 0,
            Some(NodeRemedy::ApplyThere) => 1,
            Some(NodeRemedy::LookThere) => 2,
            Some(NodeRemedy::DescribeNode) => 3,
        };
        if let Some((.., names)) = groups.get_mut(group) {
            names.push(node.name());
        }
    }
    let total = nodes.len();
    Summary {
        all_secured: secured == total && total > 0,
        count: format!("{secured} of {total} nodes are secured"),
        remedies: groups
            .iter()
            .filter(|(.., names)| !names.is_empty())
            .map(|(what, command, names)| (some(names), *what, *command))
            .collect(),
    }
}
