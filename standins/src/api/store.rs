//! What etcd holds: objects with versions, and the history that watches are served from.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use serde_json::Value;

use super::objects::{ConfigMap, Csr, NodeSpec, ObjectMeta};
use super::services::Services;

/// What precedes an object's own fields where it stands alone; in a list it is left out.
const CSR_TYPE: &str =
    r#""kind":"CertificateSigningRequest","apiVersion":"certificates.k8s.io/v1","#;

/// Everything the API server remembers.
pub(crate) struct Store {
    /// The version of the last change.
    pub(crate) version: u64,
    /// History before this is compacted away.
    pub(crate) oldest: u64,
    pub(crate) csrs: BTreeMap<String, Stored>,
    pub(crate) events: Vec<Event>,
    pub(crate) configmaps: BTreeMap<(String, String), ConfigMap>,
    pub(crate) nodes: BTreeMap<String, (ObjectMeta, NodeSpec)>,
    /// By namespace and name, as JSON.
    pub(crate) pods: BTreeMap<(String, String), Value>,
    pub(crate) services: Services,
    pub(crate) created: HashMap<String, Instant>,
}

/// A request and its JSON, made once: lists of thousands are asked for often.
pub(crate) struct Stored {
    pub(crate) csr: Csr,
    /// `{"metadata":…}`
    json: Arc<str>,
}

/// A kind of object that can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Watched {
    Csrs,
    Nodes,
    Services,
}

impl Watched {
    /// What precedes an object's own fields where it stands alone.
    pub(crate) fn type_fields(self) -> &'static str {
        match self {
            Self::Csrs => CSR_TYPE,
            Self::Nodes => r#""kind":"Node","apiVersion":"v1","#,
            Self::Services => r#""kind":"Service","apiVersion":"v1","#,
        }
    }
}

/// One change of an object.
#[derive(Clone)]
pub(crate) struct Event {
    pub(crate) version: u64,
    pub(crate) of: Watched,
    /// `ADDED`, `MODIFIED` or `DELETED`.
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) signer: String,
    json: Arc<str>,
}

impl Event {
    /// The line a watch sends.
    pub(crate) fn line(&self) -> String {
        format!(
            "{{\"type\":\"{}\",\"object\":{{{}{}}}\n",
            self.kind,
            self.of.type_fields(),
            &self.json[1..]
        )
    }
}

impl Stored {
    fn new(csr: Csr) -> Self {
        let json = serde_json::to_string(&csr).unwrap().into();
        Self { csr, json }
    }

    /// As an item of a list.
    pub(crate) fn item(&self) -> &str {
        &self.json
    }

    /// On its own.
    pub(crate) fn object(&self) -> String {
        format!("{{{CSR_TYPE}{}", &self.json[1..])
    }

    /// As a watch without a version first shows it.
    pub(crate) fn added(&self) -> Event {
        Event {
            version: self.csr.metadata.resource_version.parse().unwrap_or(0),
            of: Watched::Csrs,
            kind: "ADDED",
            name: self.csr.metadata.name.clone(),
            signer: self.csr.spec.signer_name.clone(),
            json: Arc::clone(&self.json),
        }
    }
}

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            // A cluster that has just been made is at about this version.
            version: 500,
            oldest: 1,
            csrs: BTreeMap::new(),
            events: Vec::new(),
            configmaps: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pods: BTreeMap::new(),
            services: Services::default(),
            created: HashMap::new(),
        }
    }

    pub(crate) fn next_version(&mut self) -> String {
        self.version += 1;
        self.version.to_string()
    }

    /// Writes a request, new or changed, and tells the watches.
    pub(crate) fn put(&mut self, mut csr: Csr) -> &Stored {
        csr.metadata.resource_version = self.next_version();
        let name = csr.metadata.name.clone();
        let is_new = !self.csrs.contains_key(&name);
        if is_new {
            self.created.insert(name.clone(), Instant::now());
        }
        let stored = Stored::new(csr);
        let kind = if is_new { "ADDED" } else { "MODIFIED" };
        self.events.push(Event {
            kind,
            ..stored.added()
        });
        self.csrs.insert(name.clone(), stored);
        &self.csrs[&name]
    }

    /// Tells the watches of a change of something else than a request; `json` has the new version.
    pub(crate) fn tell(&mut self, of: Watched, kind: &'static str, name: &str, json: String) {
        self.events.push(Event {
            version: self.version,
            of,
            kind,
            name: name.to_owned(),
            signer: String::new(),
            json: json.into(),
        });
    }

    /// Removes a request and tells the watches.
    pub(crate) fn remove(&mut self, name: &str) -> Option<Csr> {
        let mut csr = self.csrs.remove(name)?.csr;
        csr.metadata.resource_version = self.next_version();
        self.events.push(Event {
            kind: "DELETED",
            ..Stored::new(csr.clone()).added()
        });
        Some(csr)
    }

    /// The first event after `version` at or behind `from` in the history, which is in order.
    pub(crate) fn events_after(&self, version: u64) -> &[Event] {
        let start = self.events.partition_point(|e| e.version <= version);
        &self.events[start..]
    }

    /// Forgets the history up to now, as etcd's compaction does.
    pub(crate) fn compact(&mut self) {
        self.next_version();
        self.oldest = self.version;
        self.events.clear();
    }
}
