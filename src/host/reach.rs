//! The kubelets of a cluster, asked through one API server whether they are healthy.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::kube::{Admin, ApiError, NODES, listed_node};
use super::parallel::in_parallel;
use crate::node::ListedNode;

/// Kubelets that are asked at once.
const AT_ONCE: usize = 32;
/// The pause before those that did not answer are asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// A node that was asked through an API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReachedNode {
    /// The name of its Node object.
    pub name: String,
    /// Whether its kubelet answered, and why not.
    pub answer: Result<(), ApiError>,
}

/// The names of the Ready nodes, sorted.
///
/// # Errors
/// When the Nodes cannot be listed.
pub fn ready_nodes(admin: &Admin, end: Instant) -> Result<Vec<String>, ApiError> {
    node_names(admin, |node| node.is_ready, end)
}

/// The names of the Nodes that `is_wanted`, sorted. A Node that is malformed is passed over.
///
/// # Errors
/// When the Nodes cannot be listed.
pub fn node_names(
    admin: &Admin,
    is_wanted: impl Fn(&ListedNode) -> bool,
    end: Instant,
) -> Result<Vec<String>, ApiError> {
    let take = |names: &mut Vec<String>, item: Value| {
        let listed = listed_node(item).ok().filter(&is_wanted);
        names.extend(listed.map(|node| node.name));
    };
    let mut names = admin.list(NODES, take, end)?;
    names.sort();
    Ok(names)
}

/// Asks the kubelet of each of `nodes` once.
pub fn reach(instance: &Admin, nodes: &[&str], end: Instant) -> Vec<ReachedNode> {
    in_parallel(nodes, AT_ONCE, &|name: &&str| ReachedNode {
        name: (*name).to_owned(),
        answer: instance.reach_kubelet(name, end),
    })
}

/// Asks again those that did not answer and that `must` answer, until all of them do or `end` has come: an API server that
/// has just started may not have everything it needs.
pub fn reach_again(
    instance: &Admin,
    reached: &mut [ReachedNode],
    must: impl Fn(&str) -> bool,
    end: Instant,
) {
    loop {
        let silent: Vec<&mut ReachedNode> = reached
            .iter_mut()
            .filter(|node| node.answer.is_err() && must(&node.name))
            .collect();
        if silent.is_empty() || Instant::now() + PAUSE >= end {
            return;
        }
        thread::sleep(PAUSE);
        let names: Vec<String> = silent.iter().map(|node| node.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for (node, again) in silent.into_iter().zip(reach(instance, &names, end)) {
            node.answer = again.answer;
        }
    }
}
