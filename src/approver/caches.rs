//! What the watches of Nodes and Services say, kept as facts, and whether it is complete.

use std::collections::{BTreeMap, HashSet};

use crate::approval::{Inventory, NodeFacts, ServiceFacts};
use crate::host::kube::{ApiError, Followed};
use crate::node::Explanation;

use super::Malformed;
use super::health::{Health, Kind};

/// The state of the caches that judgements rest on.
pub(super) struct Caches {
    health: Health,
    /// Keys that the current list has not named yet, of Nodes and of Services.
    unseen: [Option<HashSet<String>>; 2],
    synced: [bool; 3],
    degraded: [Option<String>; 3],
    /// Objects that cannot be used: as long as one exists, nothing is approved.
    malformed: BTreeMap<String, Malformed>,
    /// Of those, the ones that were not told yet.
    untold: Vec<Malformed>,
    cluster: Result<(), Explanation>,
    changed: bool,
    unauthorized: bool,
}

/// One watch, for what is the same of all.
pub(super) struct Watch<'a> {
    kind: Kind,
    synced: &'a mut bool,
    degraded: &'a mut Option<String>,
    health: &'a Health,
}

impl Watch<'_> {
    /// The server was heard.
    pub(super) fn heard<T>(&mut self, what: &Followed<T>) {
        self.health.heard(self.kind);
        *self.degraded = None;
        match what {
            Followed::Synced => {
                *self.synced = true;
                self.health.synced(self.kind);
            }
            // Until the new list is complete, what the old one said is still the best that is known.
            Followed::Restarted
            | Followed::Put(_)
            | Followed::Gone { .. }
            | Followed::Heard
            | Followed::Degraded(_) => {}
        }
    }

    /// What to tell of trouble; none where the same was told already.
    pub(super) fn degraded(&mut self, error: &ApiError) -> Option<String> {
        let text = format!("cannot watch {}: {error}", self.kind.as_str());
        let is_new = self.degraded.as_ref() != Some(&text);
        *self.degraded = Some(text.clone());
        is_new.then_some(text)
    }

    /// Whether the credential may be read again because of this trouble: only once it has worked before.
    pub(super) fn may_reload(&self) -> bool {
        *self.synced
    }
}

impl Caches {
    pub(super) fn new(health: Health) -> Self {
        health.restarted();
        Self {
            health,
            unseen: [None, None],
            synced: [false; 3],
            degraded: [None, None, None],
            malformed: BTreeMap::new(),
            untold: Vec::new(),
            cluster: Err(Explanation::new(
                "the API server's names and the networks are not known yet",
            )),
            changed: false,
            unauthorized: false,
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
        let [requests, nodes, services] = &mut self.synced;
        let [of_requests, of_nodes, of_services] = &mut self.degraded;
        let (synced, degraded) = match kind {
            Kind::Nodes => (nodes, of_nodes),
            Kind::Services => (services, of_services),
            Kind::Requests | Kind::Cluster => (requests, of_requests),
        };
        Watch {
            kind,
            synced,
            degraded,
            health: &self.health,
        }
    }

    /// Takes in what the watch of Nodes says.
    pub(super) fn take_node(
        &mut self,
        what: Followed<Result<NodeFacts, Malformed>>,
        inventory: &mut Inventory,
    ) {
        self.nodes().heard(&what);
        match what {
            Followed::Restarted => {
                self.unseen[0] = Some(inventory.node_names().map(str::to_owned).collect());
                self.malformed.retain(|key, _| !key.starts_with("node "));
            }
            Followed::Put(Ok(node)) => {
                self.named(0, &node.name);
                self.malformed.remove(&format!("node {}", node.name));
                if inventory.node(&node.name) != Some(&node) {
                    self.changed = true;
                    inventory.put_node(node);
                }
            }
            Followed::Put(Err(malformed)) => self.refuse(malformed),
            Followed::Gone { name, .. } => self.remove_node(&name, inventory),
            Followed::Synced => {
                for name in self.unseen[0].take().into_iter().flatten() {
                    self.remove_node(&name, inventory);
                }
            }
            Followed::Heard | Followed::Degraded(_) => {}
        }
    }

    fn remove_node(&mut self, name: &str, inventory: &mut Inventory) {
        self.malformed.remove(&format!("node {name}"));
        self.changed = true;
        inventory.remove_node(name);
    }

    /// Takes in what the watch of Services says.
    pub(super) fn take_service(
        &mut self,
        what: Followed<Result<ServiceFacts, Malformed>>,
        inventory: &mut Inventory,
    ) {
        self.services().heard(&what);
        match what {
            Followed::Restarted => {
                let ids = inventory.service_ids();
                self.unseen[1] = Some(ids.map(|(space, name)| format!("{space}/{name}")).collect());
                self.malformed.retain(|key, _| !key.starts_with("service "));
            }
            Followed::Put(Ok(service)) => {
                let (namespace, name) = (&service.namespace, &service.name);
                self.named(1, &format!("{namespace}/{name}"));
                self.malformed
                    .remove(&format!("service {namespace}/{name}"));
                if inventory.service(namespace, name) != Some(&service) {
                    self.changed = true;
                    inventory.put_service(service);
                }
            }
            Followed::Put(Err(malformed)) => self.refuse(malformed),
            Followed::Gone { namespace, name } => self.remove_service(&namespace, &name, inventory),
            Followed::Synced => {
                for key in self.unseen[1].take().into_iter().flatten() {
                    let (namespace, name) = key.split_once('/').unwrap_or_default();
                    self.remove_service(namespace, name, inventory);
                }
            }
            Followed::Heard | Followed::Degraded(_) => {}
        }
    }

    fn remove_service(&mut self, namespace: &str, name: &str, inventory: &mut Inventory) {
        self.malformed
            .remove(&format!("service {namespace}/{name}"));
        self.changed = true;
        inventory.remove_service(namespace, name);
    }

    fn named(&mut self, which: usize, key: &str) {
        if let Some(Some(unseen)) = self.unseen.get_mut(which) {
            unseen.remove(key);
        }
    }

    fn refuse(&mut self, malformed: Malformed) {
        let old = self
            .malformed
            .insert(malformed.0.clone(), malformed.clone());
        if old.as_ref() != Some(&malformed) {
            self.untold.push(malformed);
        }
    }

    /// Takes in what was read of the API server and the networks.
    pub(super) fn take_cluster(
        &mut self,
        read: Result<Inventory, Explanation>,
        inventory: &mut Inventory,
    ) {
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
    pub(super) fn new_malformed(&mut self) -> Vec<Malformed> {
        std::mem::take(&mut self.untold)
    }

    /// The API did not know the credential when a decision was written.
    pub(super) fn unauthorized(&mut self) {
        self.unauthorized = true;
    }

    /// Whether that happened since the last call.
    pub(super) fn was_unauthorized(&mut self) -> bool {
        std::mem::take(&mut self.unauthorized)
    }

    /// Whether facts changed since the last call.
    pub(super) fn facts_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Whether everything that judgements rest on is known, and was heard of lately. What is unknown refuses: otherwise
    /// nothing is judged.
    pub(super) fn is_complete(&self) -> bool {
        self.synced.iter().all(|synced| *synced)
            && self.cluster.is_ok()
            && self.malformed.is_empty()
            && self.health.is_live()
    }
}
