//! Executes what was decided: the manifest, the API server's return, the nodes through it; or the rollback.

use std::time::{Duration, Instant};

use crate::apply::{Awaited, CameBack, InstanceFailure};
use crate::commands::api_server::report::{self, Telling};
use crate::commands::files;
use crate::edit::api_server::{FLAG, last_value};
use crate::host::reach::{ReachedNode, reach, reach_again};
use crate::host::signals::Interrupts;
use crate::plan::{Plan, Restart};
use crate::receipt::ReceiptState;
use crate::report::{Code, InstanceReport, Problem, ReachReport};

use super::decide::{Act, Decision, refused};
use super::observe::Site;

/// How long the nodes have to answer through an API server that is healthy, or less if it may take less to come back.
const REACH: Duration = Duration::from_secs(40);
/// How many nodes an error names.
const NAMED: usize = 20;

/// What became of the manifest and the API server.
#[derive(Debug, Default)]
pub(super) struct Executed {
    /// Whether the manifest differs from before the run.
    pub(super) changed: bool,
    /// Whether it was rolled back.
    pub(super) rolled_back: bool,
    pub(super) instance: Option<InstanceReport>,
    pub(super) nodes: Option<Vec<ReachReport>>,
}

impl Site<'_> {
    /// Executes the decision about the manifest.
    ///
    /// # Errors
    /// Why it did not succeed, with what became of everything.
    pub(super) fn execute(
        &mut self,
        decision: &Decision,
        interrupts: &Interrupts,
    ) -> (Executed, Result<(), Problem>) {
        if decision.act == Act::Nothing {
            return (Executed::default(), Ok(()));
        }
        // Until here a signal ends the process, and nothing has happened.
        interrupts.commit();
        let before: Vec<_> = match decision.act {
            Act::Switch => self.check().processes(),
            // The process with the flag may run already.
            Act::Nothing | Act::Complete | Act::Await => Vec::new(),
        };
        let before: Vec<_> = before.iter().map(|process| process.id).collect();
        if decision.act == Act::Switch
            && let Err((changed, problem)) = self.write(decision)
        {
            let executed = Executed {
                changed,
                ..Executed::default()
            };
            return (executed, Err(problem));
        }
        let awaited = Awaited {
            kubelet_ca: self.options().kubelet_ca,
            before: &before,
        };
        let telling = Telling::begin(self.ui, &self.check(), interrupts);
        let came = self
            .check()
            .wait(awaited, |progress| telling.tell(progress));
        self.ui.waited();
        let mut executed = Executed {
            changed: decision.act == Act::Switch,
            instance: Some(report::instance(
                &self.check(),
                came.as_ref(),
                decision.edit.changes(),
            )),
            ..Executed::default()
        };
        let ended = match came {
            Err(failure) => Err(refused(self.wanted, report::failed(&failure))),
            Ok(came) => self.reach(&came, &mut executed.nodes),
        };
        if let Err(problem) = ended {
            let problem = problem.hint("crictl ps -a --name kube-apiserver");
            let problem = self.put_back(decision, problem, &mut executed);
            return (executed, Err(problem));
        }
        self.receipts.end(ReceiptState::Done, self.ui);
        (executed, Ok(()))
    }

    /// The receipt, then the manifest. On failure, whether the manifest still differs.
    fn write(&mut self, decision: &Decision) -> Result<(), (bool, Problem)> {
        self.receipts
            .begin(&decision.edit, self.wanted)
            .map_err(|problem| (false, problem))?;
        self.locks.edit(&plan(decision)).map_err(|failure| {
            let is_undone = failure.left.is_empty();
            if is_undone {
                self.receipts.end(ReceiptState::PutBack, self.ui);
            }
            (!is_undone, files::edit_failed(&failure))
        })
    }

    /// Every node that answered through this API server before still does.
    fn reach(
        &self,
        came: &CameBack,
        reports: &mut Option<Vec<ReachReport>>,
    ) -> Result<(), Problem> {
        self.ui.say(&report::came_back(came));
        let Some(nodes) = &self.observed.nodes else {
            return Ok(());
        };
        let is_excepted = |name: &str| {
            nodes
                .nodes
                .iter()
                .any(|node| node.name == name && node.is_excepted)
        };
        let answered = |name: &str| {
            let mut before = self.reached.iter();
            before.any(|node| node.name == name && node.answer.is_ok())
        };
        let process = self.check().healthy();
        let instance = process
            .and_then(|process| Ok(self.check().dial(&process)?))
            .map_err(|why| refused(self.wanted, why))?;
        self.ui
            .wait_for("the nodes to answer through the API server");
        let end = Instant::now() + REACH.min(self.waiting.timeout);
        let mut reached = reach(&instance, &nodes.ready(), end);
        let must = |name: &str| !is_excepted(name) && (self.reached.is_empty() || answered(name));
        reach_again(&instance, &mut reached, must, end);
        self.ui.waited();
        self.tell_reached(&reached, &must);
        *reports = Some(
            reached
                .iter()
                .map(|node| ReachReport {
                    name: node.name.clone(),
                    reached: node.answer.is_ok(),
                    reached_before: (!self.reached.is_empty()).then(|| answered(&node.name)),
                    message: node.answer.as_ref().err().map(ToString::to_string),
                })
                .collect(),
        );
        let lost: Vec<&ReachedNode> = reached
            .iter()
            .filter(|node| node.answer.is_err() && must(&node.name))
            .collect();
        lost_nodes(&lost).map_or(Ok(()), |why| Err(refused(self.wanted, why)))
    }

    fn tell_reached(&self, reached: &[ReachedNode], must: &impl Fn(&str) -> bool) {
        let answered = reached.iter().filter(|node| node.answer.is_ok()).count();
        self.ui.say(&format!(
            "{answered} of {} Ready nodes answer through this API server",
            reached.len()
        ));
        for node in reached {
            if let Err(why) = &node.answer
                && !must(&node.name)
            {
                self.ui.warn(format!(
                    "{} does not answer through this API server, as expected or as before: {why}",
                    node.name
                ));
            }
        }
    }

    /// Restores the old bytes from what this run knows, without any API, and checks the API server in the same way.
    fn put_back(
        &mut self,
        decision: &Decision,
        problem: Problem,
        executed: &mut Executed,
    ) -> Problem {
        if !decision.edit.changes() {
            return problem
                .advise("the manifest was not changed, so nothing needs to be rolled back");
        }
        self.ui.say("restoring the manifest");
        if let Err(failure) = self.locks.undo(&plan(decision)) {
            executed.changed = true;
            return problem.with_code(Code::Io).advise(format!(
                "and restoring the manifest failed: {}",
                files::edit_failed(&failure).message()
            ));
        }
        executed.changed = false;
        executed.rolled_back = true;
        let again = self.wait_for_old(decision);
        self.receipts.end(ReceiptState::PutBack, self.ui);
        match again {
            Ok(_) => problem
                .advise("the manifest was restored, and the API server is healthy again"),
            Err(again) => problem.advise(format!(
                "the manifest was restored, and the API server is not healthy with it either: {again}"
            )),
        }
    }

    fn wait_for_old(&self, decision: &Decision) -> Result<CameBack, InstanceFailure> {
        let flags = crate::edit::api_server::flags(decision.edit.bytes_before());
        let flags = flags.unwrap_or_default();
        let awaited = Awaited {
            kubelet_ca: last_value(&flags, FLAG).filter(|value| !value.is_empty()),
            before: &[],
        };
        self.ui.wait_for("the API server to answer again");
        let again = self.check().wait(awaited, |_| {});
        self.ui.waited();
        again
    }
}

fn plan(decision: &Decision) -> Plan {
    Plan {
        edits: vec![decision.edit.clone()],
        restart: Restart::No,
    }
}

/// Which nodes are lost, and why the first one is.
fn lost_nodes(lost: &[&ReachedNode]) -> Option<String> {
    let first = lost.first()?.answer.as_ref().err()?;
    let names: Vec<&str> = lost
        .iter()
        .take(NAMED)
        .map(|node| node.name.as_str())
        .collect();
    let more = match lost.len().saturating_sub(NAMED) {
        0 => String::new(),
        rest => format!(" and {rest} more"),
    };
    let answer = match lost.len() {
        1 => "answers",
        _ => "answer",
    };
    Some(format!(
        "{}{more} no longer {answer} through this API server: {first}",
        names.join(", ")
    ))
}
