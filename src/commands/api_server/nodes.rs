//! The Ready nodes, asked through this node's API server before and after a change.

use std::time::{Duration, Instant};

use crate::commands::{Ui, admin};
use crate::host::kube::Admin;
use crate::host::reach::{ReachedNode, reach, reach_again, ready_nodes};
use crate::report::{Problem, ReachReport};
use crate::text::{COMMAS, some};

/// How long the nodes have to answer through an API server that is healthy, or less if it may take less to come back.
const AFTER: Duration = Duration::from_secs(40);
/// The same where a node that does not answer is only named.
const AFTER_UNVERIFIED: Duration = Duration::from_secs(15);
/// How long they may take before the change.
const BEFORE: Duration = Duration::from_secs(30);
/// How many nodes an error names.
const NAMED: usize = 20;

/// The Ready nodes, and which of them answered before the change.
#[derive(Debug, Default)]
pub(super) struct AskedNodes {
    /// Those that an administrator knows to be off.
    excepted: Vec<String>,
    /// Their names; absent if the API was not asked.
    ready: Option<Vec<String>>,
    /// What each answered before the change; empty where that is not known.
    before: Vec<ReachedNode>,
}

/// What the nodes answered after the change.
pub(super) struct Answers {
    pub(super) reports: Vec<ReachReport>,
    /// Which nodes are lost, and why the first one is; `None` if no node is.
    pub(super) lost: Option<String>,
}

impl AskedNodes {
    /// No node was asked yet. Those that are `excepted` need not answer.
    pub(super) fn new(excepted: Vec<String>) -> Self {
        Self {
            excepted,
            ..Self::default()
        }
    }

    /// Asks each of the `ready` nodes through `instance`, if that can be dialled, before the change.
    pub(super) fn ask(&mut self, instance: Option<&Admin>, ready: Vec<String>) {
        let end = Instant::now() + BEFORE;
        self.before =
            instance.map_or_else(Vec::new, |instance| reach(instance, &names(&ready), end));
        self.ready = Some(ready);
    }

    /// The names of the Ready nodes.
    ///
    /// # Errors
    /// When the API does not list them.
    pub(super) fn list(admin: &Admin) -> Result<Vec<String>, Problem> {
        ready_nodes(admin, Instant::now() + BEFORE)
            .map_err(|error| admin::problem("list", "nodes", &error))
    }

    fn answered(&self, name: &str) -> bool {
        let mut before = self.before.iter();
        before.any(|node| node.name == name && node.answer.is_ok())
    }

    /// Whether it is expected to answer: unless it is excepted, or did not answer before either.
    fn must_answer(&self, name: &str) -> bool {
        let is_excepted = self.excepted.iter().any(|other| other == name);
        !is_excepted && (self.before.is_empty() || self.answered(name))
    }

    /// Asks them through `instance`, which has come back, and says what they answer. Only an API server that `verifies`
    /// kubelets can lose a node by the change: through another one, a node that does not answer is a warning.
    ///
    /// # Errors
    /// When the Nodes had to be listed first and were not.
    pub(super) fn after(
        &self,
        instance: &Admin,
        verifies: bool,
        timeout: Duration,
        ui: &Ui,
    ) -> Result<Answers, Problem> {
        let ready = self
            .ready
            .clone()
            .map_or_else(|| Self::list(instance), Ok)?;
        ui.wait_for("the nodes to answer through the API server");
        let patience = if verifies { AFTER } else { AFTER_UNVERIFIED };
        let end = Instant::now() + patience.min(timeout);
        let mut reached = reach(instance, &names(&ready), end);
        reach_again(instance, &mut reached, |name| self.must_answer(name), end);
        ui.waited();
        self.tell(&reached, verifies, ui);
        let lost: Vec<&ReachedNode> = reached
            .iter()
            .filter(|node| verifies && node.answer.is_err() && self.must_answer(&node.name))
            .collect();
        Ok(Answers {
            reports: reached.iter().map(|node| self.report(node)).collect(),
            lost: lost_nodes(&lost),
        })
    }

    fn report(&self, node: &ReachedNode) -> ReachReport {
        ReachReport {
            name: node.name.clone(),
            reached: node.answer.is_ok(),
            reached_before: (!self.before.is_empty()).then(|| self.answered(&node.name)),
            message: node.answer.as_ref().err().map(ToString::to_string),
        }
    }

    fn tell(&self, reached: &[ReachedNode], verifies: bool, ui: &Ui) {
        let answered = reached.iter().filter(|node| node.answer.is_ok()).count();
        ui.say(&format!(
            "{answered} of {} Ready nodes answer through this API server",
            reached.len()
        ));
        for node in reached {
            let Err(why) = &node.answer else { continue };
            let name = &node.name;
            if !self.must_answer(name) {
                ui.warn(format!(
                    "{name} does not answer through this API server, as expected or as before: {why}"
                ));
            } else if !verifies {
                ui.warn(format!(
                    "{name} does not answer through this API server, which does not verify kubelets: {why}"
                ));
            }
        }
    }
}

fn names(nodes: &[String]) -> Vec<&str> {
    nodes.iter().map(String::as_str).collect()
}

/// Which nodes are lost, and why the first one is.
fn lost_nodes(lost: &[&ReachedNode]) -> Option<String> {
    let first = lost.first()?.answer.as_ref().err()?;
    let names: Vec<&str> = lost.iter().map(|node| node.name.as_str()).collect();
    let names = some(&names, NAMED, COMMAS);
    let answer = match lost.len() {
        1 => "answers",
        _ => "answer",
    };
    Some(format!(
        "{names} no longer {answer} through this API server: {first}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::kube::ApiError;

    fn node(name: &str, answers: bool) -> ReachedNode {
        ReachedNode {
            name: name.to_owned(),
            answer: match answers {
                true => Ok(()),
                false => Err(ApiError::InvalidResponse {
                    server: "https://10.0.0.1:6443".to_owned(),
                    reason: "nothing".to_owned(),
                }),
            },
        }
    }

    #[test]
    fn a_node_must_answer_if_it_did_before_and_is_not_known_to_be_off() {
        let asked = |before: Vec<ReachedNode>| AskedNodes {
            excepted: vec!["off".to_owned()],
            ready: None,
            before,
        };
        let of =
            |asked: &AskedNodes| ["on", "off", "silent", "new"].map(|name| asked.must_answer(name));
        let before = vec![node("on", true), node("off", true), node("silent", false)];
        assert_eq!(of(&asked(before)), [true, false, false, false]);
        // Where it is not known what answered before, only what is known to be off need not.
        assert_eq!(of(&asked(Vec::new())), [true, false, true, true]);
    }

    #[test]
    fn the_lost_nodes_are_named_with_the_cause_of_the_first() {
        let names: Vec<ReachedNode> = (0..22).map(|n| node(&format!("n{n}"), false)).collect();
        let lost: Vec<&ReachedNode> = names.iter().collect();
        assert_eq!(lost_nodes(&[]), None);
        let one = lost_nodes(&lost[..1]).unwrap();
        assert!(
            one.starts_with("n0 no longer answers through this API server: "),
            "{one}"
        );
        let many = lost_nodes(&lost).unwrap();
        assert!(
            many.contains("n19 and 2 more no longer answer through"),
            "{many}"
        );
    }
}
