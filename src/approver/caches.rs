//! What the watches of Nodes and Services say, kept as facts, and whether it is complete.

use std::collections::{BTreeMap, HashSet};

use crate::approval::{Inventory, NodeFacts, ServiceFacts};
use crate::host::kube::{ApiError, Followed, MalformedPodCidr, Unreachable};
use crate::node::Explanation;

use super::health::{Health, Kind};

/// The state of the caches that judgements rest on.
pub(super) struct Caches {
    health: Health,
    /// Nodes that the current list has not named yet, by name.
    unseen_nodes: HashSet<String>,
    /// Services that the current list has not named yet, by namespace and name.
    unseen_services: HashSet<(String, String)>,
    watches: [Watched; 3],
    /// Nodes that cannot be used, by name: as long as one exists, nothing is approved.
    malformed: BTreeMap<String, MalformedPodCidr>,
    /// Of those, the ones that were not told yet.
    untold: Vec<MalformedPodCidr>,
    cluster: Result<(), Explanation>,
    changed: bool,
}

/// What is known of one watch.
#[derive(Debug, Default)]
struct Watched {
    phase: Phase,
    /// The trouble that was told last.
    told: Option<String>,
}

/// How current a cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// The list is incomplete.
    #[default]
    Listing,
    /// The list is complete, and the watch from its end has not been answered.
    Listed,
    /// Changes come as they happen.
    Current,
    /// The watch is broken: there may be changes that are not known.
    Broken,
}

/// One watch, for what is the same of all.
pub(super) struct Watch<'a> {
    kind: Kind,
    watched: &'a mut Watched,
    health: &'a Health,
}

impl Watch<'_> {
    /// Takes in what the watch tells.
    pub(super) fn heard<T>(&mut self, what: &Followed<T>) {
        match what {
            // Nothing was asked of the server yet.
            Followed::Restarted => self.watched.phase = Phase::Listing,
            Followed::Degraded(error) => drop(self.degraded(error)),
            Followed::Synced => {
                self.watched.phase = Phase::Listed;
                self.health.synced(self.kind);
                self.health.answered(self.kind);
            }
            Followed::Answered => {
                self.watched.phase = Phase::Current;
                self.health.answered(self.kind);
            }
            Followed::Put(_) | Followed::Gone { .. } | Followed::Heard => {
                match self.watched.phase {
                    Phase::Current => {
                        self.watched.told = None;
                        self.health.heard(self.kind);
                    }
                    _ => self.health.answered(self.kind),
                }
            }
        }
    }

    /// What to tell of trouble; none where the same was told already.
    pub(super) fn degraded(&mut self, error: &ApiError) -> Option<String> {
        if self.watched.phase != Phase::Listing {
            self.watched.phase = Phase::Broken;
            if is_lasting(error) {
                self.health.distrust(self.kind);
            }
        }
        let text = format!("cannot watch {}: {error}", self.kind.as_str());
        let is_new = self.watched.told.as_ref() != Some(&text);
        self.watched.told = Some(text.clone());
        is_new.then_some(text)
    }
}

/// Whether the next watch is likely to fail in the same way, though the server may accept it. A connection that ends, a
/// server that is busy and an expired history are passing.
fn is_lasting(error: &ApiError) -> bool {
    match error {
        ApiError::InvalidResponse { .. } => true,
        ApiError::Unreachable { reason, .. } => matches!(reason, Unreachable::Silent(_)),
        ApiError::Status { .. } | ApiError::Kubeconfig { .. } => !error.is_transient(),
    }
}

impl Caches {
    pub(super) fn new(health: Health) -> Self {
        health.restarted();
        Self {
            health,
            unseen_nodes: HashSet::new(),
            unseen_services: HashSet::new(),
            watches: Default::default(),
            malformed: BTreeMap::new(),
            untold: Vec::new(),
            cluster: Err(Explanation::new(
                "the API server's names and the networks are not known yet",
            )),
            changed: false,
        }
    }

    pub(super) fn requests(&mut self) -> Watch<'_> {
        self.watch(Kind::Requests)
    }

    pub(super) fn nodes(&mut self) -> Watch<'_> {
        self.watch(Kind::Nodes)
    }

    pub(super) fn services(&mut self) -> Watch<'_> {
        self.watch(Kind::Services)
    }

    fn watch(&mut self, kind: Kind) -> Watch<'_> {
        let [requests, nodes, services] = &mut self.watches;
        let watched = match kind {
            Kind::Nodes => nodes,
            Kind::Services => services,
            Kind::Requests | Kind::Cluster => requests,
        };
        Watch {
            kind,
            watched,
            health: &self.health,
        }
    }

    /// Takes in what the watch of Nodes says.
    pub(super) fn take_node(
        &mut self,
        what: Followed<Result<NodeFacts, MalformedPodCidr>>,
        inventory: &mut Inventory,
    ) {
        self.nodes().heard(&what);
        match what {
            Followed::Restarted => {
                let known = inventory
                    .node_names()
                    .chain(self.malformed.keys().map(String::as_str));
                self.unseen_nodes = known.map(str::to_owned).collect();
            }
            Followed::Put(Ok(node)) => {
                self.unseen_nodes.remove(&node.name);
                self.malformed.remove(&node.name);
                if inventory.node(&node.name) != Some(&node) {
                    self.changed = true;
                    inventory.put_node(node);
                }
            }
            Followed::Put(Err(malformed)) => {
                self.unseen_nodes.remove(&malformed.node);
                let name = malformed.node.clone();
                let old = self.malformed.insert(name, malformed.clone());
                if old.as_ref() != Some(&malformed) {
                    self.untold.push(malformed);
                }
            }
            Followed::Gone { name, .. } => self.remove_node(&name, inventory),
            Followed::Synced => {
                for name in std::mem::take(&mut self.unseen_nodes) {
                    self.remove_node(&name, inventory);
                }
            }
            Followed::Answered | Followed::Heard | Followed::Degraded(_) => {}
        }
        let unusable = self.malformed.values().next();
        self.health
            .unusable(Kind::Nodes, unusable.map(|one| format!("cannot use {one}")));
    }

    fn remove_node(&mut self, name: &str, inventory: &mut Inventory) {
        self.malformed.remove(name);
        self.changed = true;
        inventory.remove_node(name);
    }

    /// Takes in what the watch of Services says.
    pub(super) fn take_service(&mut self, what: Followed<ServiceFacts>, inventory: &mut Inventory) {
        self.services().heard(&what);
        match what {
            Followed::Restarted => {
                let known = inventory.service_ids();
                let known = known.map(|(space, name)| (space.to_owned(), name.to_owned()));
                self.unseen_services = known.collect();
            }
            Followed::Put(service) => {
                let (namespace, name) = (&service.namespace, &service.name);
                let id = (namespace.clone(), name.clone());
                self.unseen_services.remove(&id);
                if inventory.service(namespace, name) != Some(&service) {
                    self.changed = true;
                    inventory.put_service(service);
                }
            }
            Followed::Gone { namespace, name } => self.remove_service(&namespace, &name, inventory),
            Followed::Synced => {
                for (namespace, name) in std::mem::take(&mut self.unseen_services) {
                    self.remove_service(&namespace, &name, inventory);
                }
            }
            Followed::Answered | Followed::Heard | Followed::Degraded(_) => {}
        }
    }

    fn remove_service(&mut self, namespace: &str, name: &str, inventory: &mut Inventory) {
        self.changed = true;
        inventory.remove_service(namespace, name);
    }

    /// Takes in what was read of the API server and the networks.
    pub(super) fn take_cluster(
        &mut self,
        read: Result<Inventory, Explanation>,
        inventory: &mut Inventory,
    ) {
        let problem = read.as_ref().err().map(Explanation::to_string);
        self.health.unusable(Kind::Cluster, problem);
        self.cluster = read.map(|facts| {
            self.health.heard(Kind::Cluster);
            self.health.synced(Kind::Cluster);
            if !inventory.has_same_cluster(&facts) {
                self.changed = true;
                inventory.replace_cluster(facts);
            }
        });
    }

    /// Why the API server's names or the networks are unknown.
    pub(super) fn cluster_problem(&self) -> Option<&Explanation> {
        self.cluster.as_ref().err()
    }

    /// Objects that turned out to be unusable since the last call.
    pub(super) fn new_malformed(&mut self) -> Vec<MalformedPodCidr> {
        std::mem::take(&mut self.untold)
    }

    /// Whether facts changed since the last call.
    pub(super) fn facts_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether everything that judgements rest on is known, and current. What is unknown refuses: otherwise nothing is
    /// judged.
    pub(super) fn is_complete(&self) -> bool {
        let mut watches = self.watches.iter();
        watches.all(|watched| watched.phase == Phase::Current)
            && self.cluster.is_ok()
            && self.malformed.is_empty()
            && self.health.is_live()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type NodeSaid = Followed<Result<NodeFacts, MalformedPodCidr>>;

    fn node(name: &str) -> NodeSaid {
        Followed::Put(Ok(NodeFacts {
            name: name.into(),
            ..NodeFacts::default()
        }))
    }

    fn odd(name: &str) -> NodeSaid {
        Followed::Put(Err(MalformedPodCidr {
            node: name.into(),
            cidr: "x".into(),
        }))
    }

    /// A list that has this one Node, and the accepted watch after it.
    fn listed(one: NodeSaid) -> [NodeSaid; 4] {
        [
            Followed::Restarted,
            one,
            Followed::Synced,
            Followed::Answered,
        ]
    }

    fn complete() -> (Caches, Inventory) {
        let (mut caches, mut inventory) = (Caches::new(Health::new()), Inventory::default());
        for what in listed(node("a")) {
            assert!(!caches.is_complete());
            caches.take_node(what, &mut inventory);
        }
        for what in [Followed::Restarted, Followed::Synced, Followed::Answered] {
            assert!(!caches.is_complete());
            caches.requests().heard(&what);
            caches.take_service(what, &mut inventory);
        }
        assert!(!caches.is_complete(), "nothing is known of the API server");
        caches.take_cluster(Ok(Inventory::default()), &mut inventory);
        assert!(caches.is_complete());
        (caches, inventory)
    }

    #[test]
    fn a_malformed_node_refuses_all_until_it_is_repaired() {
        let (mut caches, mut inventory) = complete();
        caches.take_node(odd("a"), &mut inventory);
        assert!(!caches.is_complete());
        assert_eq!(
            caches.health.unready(),
            ["nodes: cannot use node a: its podCIDR x is not a network"]
        );
        assert_eq!(caches.new_malformed().len(), 1);
        // A new list that has it still.
        for what in listed(odd("a")) {
            caches.take_node(what, &mut inventory);
            assert!(!caches.is_complete());
        }
        assert!(caches.new_malformed().is_empty(), "told already");
        caches.take_node(node("a"), &mut inventory);
        assert!(caches.is_complete() && caches.health.unready().is_empty());
        // One that no list named before, and that the next does not name.
        caches.take_node(odd("b"), &mut inventory);
        assert!(!caches.is_complete());
        for what in listed(node("a")) {
            caches.take_node(what, &mut inventory);
        }
        assert!(caches.is_complete());
        assert!(inventory.node("a").is_some() && inventory.node("b").is_none());
    }

    #[test]
    fn a_list_that_is_begun_is_not_heard() {
        let health = Health::new();
        let (mut caches, mut inventory) = (Caches::new(health.clone()), Inventory::default());
        for what in [Followed::Restarted, Followed::Degraded(error(503))] {
            caches.take_node(what, &mut inventory);
            assert_eq!(health.last_heard(), []);
        }
        caches.take_node(node("a"), &mut inventory);
        assert_eq!(health.last_heard().len(), 1);
    }

    fn error(code: u16) -> ApiError {
        ApiError::Status {
            server: "s".into(),
            code,
            message: String::new(),
            retry_after: None,
        }
    }

    /// Whether the watch of Nodes is deaf, two minutes after it failed so, where lists are answered and watches are accepted
    /// meanwhile.
    fn is_deaf_after(error: ApiError) -> bool {
        let health = Health::new();
        let (mut caches, mut inventory) = (Caches::new(health.clone()), Inventory::default());
        for what in [
            Followed::Restarted,
            Followed::Synced,
            Followed::Answered,
            Followed::Degraded(error),
        ] {
            caches.take_node(what, &mut inventory);
        }
        health.pass_two_minutes();
        // Another run of the watches, with another credential.
        let mut caches = Caches::new(health.clone());
        for what in listed(node("a")) {
            caches.take_node(what, &mut inventory);
        }
        let deaf = |health: &Health| health.deaf().iter().any(|one| one.starts_with("nodes"));
        let is_deaf = deaf(&health);
        caches.take_node(Followed::Heard, &mut inventory);
        assert!(!deaf(&health), "a bookmark");
        is_deaf
    }

    #[test]
    fn a_watch_that_is_accepted_in_vain_is_deaf() {
        let unreachable = |reason| ApiError::Unreachable {
            server: "s".into(),
            reason,
        };
        let invalid = ApiError::InvalidResponse {
            server: "s".into(),
            reason: String::new(),
        };
        let silent = unreachable(Unreachable::Silent(std::time::Duration::from_secs(75)));
        for lasting in [error(401), error(403), invalid, silent] {
            assert!(is_deaf_after(lasting.clone()), "{lasting}");
        }
        let closed = unreachable(Unreachable::Closed);
        for passing in [error(410), error(429), error(503), closed] {
            assert!(!is_deaf_after(passing.clone()), "{passing}");
        }
    }

    #[test]
    fn nothing_is_judged_while_a_watch_is_broken() {
        let (mut caches, mut inventory) = complete();
        let error = error(503);
        assert!(caches.nodes().degraded(&error).is_some());
        assert!(caches.nodes().degraded(&error).is_none(), "told already");
        assert!(!caches.is_complete());
        caches.take_node(Followed::Answered, &mut inventory);
        assert!(caches.is_complete());
    }
}
