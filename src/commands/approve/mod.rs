//! `approve`: what `kubectl certificate approve` does not look at, and then the same.

mod act;
mod facts;
mod gather;
mod table;

use std::time::Instant;

use crate::approval::{Broken, Decision, Judge, Rule, quoted};
use crate::cli;
use crate::report::{ApprovalReport, Code, Document, Problem};

use super::{Ui, admin};
use act::{Act, Acted};
use gather::{Candidate, Chosen};

/// The API's requests.
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";

/// What became of one request.
#[derive(Debug)]
enum Outcome {
    /// It is approved now, or would be.
    Approved,
    /// It was approved before.
    Already,
    /// It breaks a rule.
    Refused(Broken),
    /// It breaks a rule and was denied for it.
    Denied(Broken),
    /// It is gone.
    Missing,
    /// Others kept changing it.
    Busy,
}

/// Judges the requests, and approves those that keep every rule.
///
/// # Errors
/// [`Code::Refused`] when one that was named breaks a rule, [`Code::Input`] when there is none of that name; else why the
/// API cannot be asked.
pub(crate) fn run(
    arguments: &cli::Approve,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    let end = Instant::now() + arguments.timeout;
    document.dry_run = Some(arguments.dry_run);
    document.changed = Some(false);
    document.requests = Some(Vec::new());
    let api = admin::open(&arguments.kubeconfig)?;
    let cluster = facts::look(&api, ui, document, end)?;
    let judge = Judge {
        cluster: &cluster,
        max_duration: arguments.max_duration,
    };
    let gathered = gather::gather(&api, arguments, &judge, end)?;
    let mut conclusion = Conclusion::default();
    let mut rows = Vec::new();
    for candidate in gathered.candidates {
        let outcome = match candidate.planned(arguments) {
            Planned::Stays(outcome) => outcome,
            Planned::Act(act) => {
                match act::act(&api, &candidate, &act, &judge, &gathered.newest, end)? {
                    Acted::Done => act.outcome(),
                    Acted::Already => Outcome::Already,
                    Acted::Refused(broken) => Outcome::Refused(broken),
                    Acted::Missing => Outcome::Missing,
                    Acted::Busy => Outcome::Busy,
                }
            }
        };
        report(&candidate, &outcome, ui, document);
        conclusion.add(&candidate, &outcome);
        rows.push((candidate, outcome));
    }
    if arguments.dry_run {
        ui.table(&table::table(&rows));
    }
    for name in &gathered.missing {
        ui.table(&format!("{} not found\n", kind(name)));
        conclusion
            .missing
            .push(format!("no request is called {}", quoted(name)));
    }
    for node in &arguments.nodes {
        let of_node = |(candidate, _): &(Candidate, Outcome)| candidate.asked.node() == Some(node);
        if !rows.iter().any(of_node) {
            if gathered.newest.knows(node) {
                ui.say(&format!("no request of node {} is pending", quoted(node)));
            } else if cluster.has_node(node) {
                ui.warn(format!("node {} has made no request", quoted(node)));
            } else {
                conclusion
                    .missing
                    .push(format!("there is no Node {}", quoted(node)));
            }
        }
    }
    conclusion.conclude(arguments, ui)
}

/// What is to be done about a request.
enum Planned {
    /// Nothing.
    Stays(Outcome),
    /// This.
    Act(Act),
}

impl Candidate {
    fn planned(&self, arguments: &cli::Approve) -> Planned {
        let act = match &self.verdict {
            _ if self.asked.decision == Some(Decision::Approved) => {
                return Planned::Stays(Outcome::Already);
            }
            Ok(()) => Act::Approve,
            Err(broken) if arguments.deny && broken.rule.may_be_denied() => {
                Act::Deny(broken.clone())
            }
            Err(broken) => return Planned::Stays(Outcome::Refused(broken.clone())),
        };
        match (arguments.dry_run, act) {
            (false, act) => Planned::Act(act),
            // A dry run's `denied` would say that it was done.
            (true, Act::Deny(broken)) => Planned::Stays(Outcome::Refused(broken)),
            (true, Act::Approve) => Planned::Stays(Outcome::Approved),
        }
    }
}

/// A request as kubectl names it.
fn kind(name: &str) -> String {
    format!(
        "certificatesigningrequest.certificates.k8s.io/{}",
        quoted(name)
    )
}

/// Into the document, and as a line unless a table is to come.
fn report(candidate: &Candidate, outcome: &Outcome, ui: &Ui, document: &mut Document) {
    let name = &candidate.asked.name;
    let (approved, broken) = match outcome {
        Outcome::Approved | Outcome::Already => (true, None),
        Outcome::Refused(broken) | Outcome::Denied(broken) => (false, Some(broken)),
        Outcome::Missing | Outcome::Busy => (false, None),
    };
    let dry_run = document.dry_run == Some(true);
    if matches!(outcome, Outcome::Approved | Outcome::Denied(_)) {
        document.changed = Some(true);
    }
    if !dry_run {
        let word = match outcome {
            Outcome::Approved => "approved".to_owned(),
            Outcome::Already => "already approved".to_owned(),
            Outcome::Refused(broken) => format!("refused: {broken}"),
            Outcome::Denied(broken) => format!("denied: {broken}"),
            Outcome::Missing => "not found".to_owned(),
            Outcome::Busy => "not approved: it keeps changing".to_owned(),
        };
        ui.table(&format!("{} {word}\n", kind(name)));
    }
    if approved {
        ui.bare_name(&quoted(name));
    }
    let row = ApprovalReport {
        name: quoted(name),
        node: candidate.asked.node().map(quoted),
        approved,
        denied: matches!(outcome, Outcome::Denied(_)),
        rule: broken.map(|broken| broken.rule.as_str()),
        message: broken.map(|broken| broken.message.clone()),
        created: candidate.asked.created.map(|time| time.to_string()),
        names: candidate.names.clone(),
    };
    document.requests.get_or_insert_default().push(row);
}

/// How it ends.
#[derive(Default)]
struct Conclusion {
    /// Requests that were named and are refused, each with the rule.
    refused: Vec<String>,
    first: Option<String>,
    /// How many others are refused.
    others: usize,
    /// What was named and is not there.
    missing: Vec<String>,
    /// A request that kept changing.
    busy: Option<String>,
}

impl Conclusion {
    fn add(&mut self, candidate: &Candidate, outcome: &Outcome) {
        let name = quoted(&candidate.asked.name);
        match outcome {
            Outcome::Refused(broken) | Outcome::Denied(broken) => {
                // Of a node that was named the request that counts is meant, not those with lost keys.
                let named = match candidate.chosen {
                    Chosen::Name => true,
                    Chosen::Node => broken.rule != Rule::NewestOfNode,
                    Chosen::All => false,
                };
                if named {
                    self.first.get_or_insert_with(|| name.clone());
                    self.refused.push(format!("{name}: {broken}"));
                } else {
                    self.others += 1;
                }
            }
            Outcome::Missing => self.missing.push(format!("{name} is gone")),
            Outcome::Busy => self.busy = Some(name),
            Outcome::Approved | Outcome::Already => {}
        }
    }

    fn conclude(self, arguments: &cli::Approve, ui: &Ui) -> Result<(), Problem> {
        if self.others > 0 && !arguments.dry_run {
            ui.say(&format!("{} refused", self.others));
        }
        if let Some(first) = self.first.filter(|_| !arguments.dry_run) {
            let all = [self.refused, self.missing].concat().join("; ");
            return Err(Problem::new(Code::Refused, format!("cannot approve {all}"))
                .hint(format!("kubectl describe csr {first}")));
        }
        if let Some(name) = self.busy {
            let message = format!("cannot approve {name}: it keeps changing");
            let hint = format!("kubectl describe csr {name}");
            return Err(Problem::new(Code::Temporary, message).hint(hint));
        }
        if self.missing.is_empty() {
            return Ok(());
        }
        let all = self.missing.join(", ");
        Err(Problem::new(
            Code::Input,
            format!("cannot approve what is not there: {all}"),
        )
        .hint("kubectl get csr --field-selector spec.signerName=kubernetes.io/kubelet-serving"))
    }
}
