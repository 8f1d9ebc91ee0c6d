//! What became of each request, and how the run ends.

use std::borrow::Cow;

use crate::approval::{Approval, Rule, Violation};
use crate::cli;
use crate::host::kube::ApiError;
use crate::report::{Code, Problem};
use crate::text::hint::Command;
use crate::text::names::shown;

use super::super::{Ui, admin};
use super::decide::ChosenBy;
use super::decide::{Decision, Observed, PlannedDecision};

/// Lists the requests of the signer.
const LIST: &str = "kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving";

/// What became of one request.
#[derive(Debug)]
pub(super) enum What {
    /// It is approved now, or would be.
    Approved(Approval),
    /// It was approved before.
    Already,
    /// It breaks a rule.
    Refused(Violation),
    /// It breaks a rule and was denied for it.
    Denied(Violation),
    /// It does not exist any more.
    Missing,
    /// Others kept changing it.
    Busy,
    /// The API did not take the decision.
    Failed(ApiError),
}

/// A request and what became of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) planned: PlannedDecision,
    pub(super) what: What,
}

impl Row {
    /// What a dry run would do with a request. `denied` would mean that it was done.
    pub(super) fn preview(planned: PlannedDecision) -> Self {
        let what = match planned.decision.clone() {
            Decision::Approve(approval) => What::Approved(approval),
            Decision::Deny(violation) | Decision::Refuse(violation) => What::Refused(violation),
            Decision::Already => What::Already,
        };
        Self { planned, what }
    }

    /// The request's name, fit for a terminal.
    pub(super) fn name(&self) -> Cow<'_, str> {
        shown(&self.planned.request.name)
    }

    pub(super) fn described(&self) -> String {
        match &self.what {
            What::Approved(_) => "approved".to_owned(),
            What::Already => "already approved".to_owned(),
            What::Refused(violation) => format!("refused: {violation}; {}", violation.remedy),
            What::Denied(violation) => format!("denied: {violation}"),
            What::Missing => "not found".to_owned(),
            What::Busy => "not approved: it keeps changing".to_owned(),
            What::Failed(error) => format!("not decided: {error}"),
        }
    }

    /// What a person should know although it is approved.
    pub(super) fn warning(&self) -> Option<&'static str> {
        match &self.what {
            What::Approved(approval) => approval.warning,
            _ => None,
        }
    }

    /// Whether the same decision may succeed a moment later.
    pub(super) fn may_pass(&self) -> bool {
        matches!(&self.what, What::Failed(error) if error.is_transient())
    }

    /// Whether it is refused in a way that counts. A superseded request does not, unless it was given by its name: its
    /// node has made a newer one, and it goes away by itself.
    fn counts_as_refused(&self) -> Option<&Violation> {
        match &self.what {
            What::Refused(violation) | What::Denied(violation) => {
                let superseded =
                    violation.rule == Rule::NewestOfNode && self.planned.chosen != ChosenBy::Name;
                (!superseded).then_some(violation)
            }
            _ => None,
        }
    }
}

/// How the run ends. What the API did not do comes before what was refused: of the former it is unknown whether a later
/// run succeeds.
///
/// # Errors
/// [`Code::Unavailable`] or [`Code::Permission`] when a request could not be read or decided; [`Code::Refused`] when one
/// is refused; [`Code::Temporary`] when one kept changing; [`Code::Input`] when a request or a Node does not exist.
pub(super) fn conclude(
    rows: &[Row],
    observed: &Observed,
    arguments: &cli::Approve,
    ui: &Ui,
) -> Result<(), Problem> {
    if arguments.all && rows.is_empty() {
        ui.say("no kubelet-serving request is pending");
    }
    let missing = missing(rows, observed, arguments, ui);
    failed(rows, observed)?;
    if !arguments.dry_run {
        refused(rows, &missing)?;
    }
    if let Some(row) = rows.iter().find(|row| matches!(row.what, What::Busy)) {
        let name = row.name();
        let message = format!("cannot approve {name}: it keeps changing");
        return Err(Problem::new(Code::Temporary, message).rerun());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("cannot approve: {}", missing.join("; "));
    let problem = Problem::new(Code::Input, message);
    // An administrator who names a Node where a CSR is expected means the CSR of that Node.
    let is_node = |name: &&String| observed.inventory.node(name).is_some();
    Err(match observed.missing.iter().find(is_node) {
        Some(node) => problem
            .advise(format!("a Node is called {}", shown(node)))
            .hint(Command::new("kubelet-tls").args(["approve", "--node", node])),
        None if lacks_request(rows, observed) => problem.hint(LIST),
        None => problem.hint("kubectl get nodes"),
    })
}

/// Whether a request, and not only a Node, was given by a name that does not exist.
fn lacks_request(rows: &[Row], observed: &Observed) -> bool {
    let mut whats = rows.iter().map(|row| &row.what);
    !observed.missing.is_empty() || whats.any(|what| matches!(what, What::Missing))
}

/// What was given by its name and does not exist, in words.
fn missing(rows: &[Row], observed: &Observed, arguments: &cli::Approve, ui: &Ui) -> Vec<String> {
    let mut missing = Vec::new();
    for name in &observed.missing {
        ui.table(&format!("{} not found\n", kind(name)));
        missing.push(format!("CSR {} not found", shown(name)));
    }
    for row in rows.iter().filter(|row| matches!(row.what, What::Missing)) {
        missing.push(format!("CSR {} does not exist any more", row.name()));
    }
    for node in &arguments.nodes {
        let of_node = |row: &Row| row.planned.request.node() == Some(node);
        if rows.iter().any(of_node) {
            continue;
        }
        let name = shown(node);
        if observed.newest.knows(node) {
            ui.say(&format!("no request of node {name} is pending"));
        } else if observed.inventory.node(node).is_some() {
            ui.warn(format!("node {name} has made no request"));
        } else {
            missing.push(format!("Node {name} does not exist"));
        }
    }
    missing
}

fn failed(rows: &[Row], observed: &Observed) -> Result<(), Problem> {
    let unread = observed.unread.iter();
    let unread = unread.map(|(name, error)| ("get", shown(name), error));
    let undecided = rows.iter().filter_map(|row| match &row.what {
        What::Failed(error) => Some(("decide", row.name(), error)),
        _ => None,
    });
    let all: Vec<_> = unread.chain(undecided).collect();
    let Some((verb, name, error)) = all.first() else {
        return Ok(());
    };
    let object = match all.len() {
        1 => format!("certificatesigningrequest {name}"),
        count => format!("{count} certificatesigningrequests, the first of them {name}"),
    };
    let problem = admin::problem(verb, &object, error);
    Err(if error.is_forbidden() && *verb == "decide" {
        problem.hint(
            "kubectl auth can-i update certificatesigningrequests --subresource=approval && kubectl auth can-i approve signers.certificates.k8s.io/kubernetes.io/kubelet-serving",
        )
    } else {
        problem
    })
}

fn refused(rows: &[Row], missing: &[String]) -> Result<(), Problem> {
    /// So many are named; all have had a line.
    const ENOUGH: usize = 3;
    let all: Vec<(&Row, &Violation)> = rows
        .iter()
        .filter_map(|row| Some((row, row.counts_as_refused()?)))
        .collect();
    let Some((first, violation)) = all.first() else {
        return Ok(());
    };
    let named = all.iter().take(ENOUGH);
    let mut words: Vec<String> = named
        .map(|(row, violation)| format!("{}: {violation}", row.name()))
        .collect();
    if all.len() > ENOUGH {
        words.push(format!("{} more", all.len() - ENOUGH));
    }
    words.extend(missing.iter().cloned());
    let problem = Problem::new(
        Code::Refused,
        format!("cannot approve {}", words.join("; ")),
    );
    Err(problem
        .advise(violation.remedy)
        .hint(violation.hint(&first.planned.request.name)))
}

/// A request as kubectl names it.
pub(super) fn kind(name: &str) -> String {
    format!(
        "certificatesigningrequest.certificates.k8s.io/{}",
        shown(name)
    )
}
