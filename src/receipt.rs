//! The receipt: what a run was about to change, enough to undo it, durable before the first edit.
//!
//! It holds no whole file, because kubeadm's files hold join tokens: only the bytes that change, where, and the
//! SHA-256 of what was and what will be, so that an undoing is byte for byte or not at all.

mod api_server;
mod change;
mod subject;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use api_server::{ApiServerSubject, KubeadmConfigSubject};
pub use change::{FileState, RecordedChange};
pub use subject::{ClusterSubject, NodeSubject, ObservedRequest, Probation};

pub use crate::kubelet::Installed;

use crate::plan::Edit;
use crate::text::harmless;

/// The format's version. A later one must still read this one.
pub const VERSION: u32 = 1;

/// What the last `apply` of a node was about to change.
pub type NodeReceipt = Receipt<NodeSubject>;
/// What the last `cluster apply` was about to change.
pub type ClusterReceipt = Receipt<ClusterSubject>;
/// What the last `api-server apply` was about to change in the manifest of this node's API server.
pub type ApiServerReceipt = Receipt<ApiServerSubject>;
/// What the last `api-server apply` was about to change in kubeadm's configuration of the cluster.
pub type KubeadmConfigReceipt = Receipt<KubeadmConfigSubject>;

/// What a run was about to change: its edits, and with `S` what else has to be known of a node or a cluster to undo them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt<S> {
    /// [`VERSION`].
    pub version: u32,
    /// How far the run came.
    pub state: ReceiptState,
    /// When it began, RFC 3339.
    pub started: String,
    /// Its edits, those that change something.
    pub edits: Vec<RecordedChange>,
    /// What else was changed, and where.
    #[serde(flatten)]
    pub subject: S,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReceiptState {
    /// It is running, or was interrupted: once its process is gone, it is an interrupted run.
    Started,
    /// The change is made and, if the kubelet was restarted for it, the kubelet is healthy.
    Done,
    /// The kubelet did not come back healthy, and the change was rolled back.
    PutBack,
    /// A `rollback` has begun to undo it, and is running or was interrupted.
    RollingBack,
    /// A `rollback` has undone it.
    RolledBack,
}

/// How the change that a receipt tells of ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// The change is in place and was found healthy.
    Made,
    /// It is undone, automatically or by `rollback`.
    Undone,
}

/// What a receipt is about: a node, or a cluster.
pub trait Subject: Clone + Serialize + DeserializeOwned {
    /// The receipt's name in the state directory.
    const FILE: &'static str;

    /// Checks what belongs together.
    ///
    /// # Errors
    /// Why these edits cannot be those of this subject.
    fn check(&self, edits: &[RecordedChange]) -> Result<(), ReceiptError>;
}

/// Why bytes are not a receipt that this program can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Of a later or earlier format.
    #[error("it is of version {0}, and this program knows version {VERSION}")]
    Version(u32),
    /// Not JSON, or not of a receipt's shape. The text may quote what is there, as much as fits a line.
    #[error("{0}")]
    Shape(String),
    /// Of something else than kubeadm's ConfigMap.
    #[error("it is not of one change of kubeadm's ConfigMap")]
    NotConfigMap,
    /// Of something else than the manifest of an API server.
    #[error("it is not of one change of an API server's manifest")]
    NotManifest,
    /// Of a file whose path does not begin at the root, or contains `..`.
    #[error("it names a file by a path that is not absolute")]
    NotAbsolute,
    /// Of a pair of certificate and key that is not the kubelet's.
    #[error("its certificate is not in the kubelet's store under the kubelet's own file names")]
    NotKubeletPair,
}

impl ReceiptState {
    /// The state after a run that began in this one ended so; `None` if the receipt stays as it is.
    #[must_use]
    pub fn resolved(self, resolution: Resolution) -> Option<Self> {
        match (self, resolution) {
            (Self::Started | Self::RollingBack, Resolution::Made) => Some(Self::Done),
            (Self::Started, Resolution::Undone) => Some(Self::PutBack),
            (Self::RollingBack, Resolution::Undone) => Some(Self::RolledBack),
            (Self::Done | Self::PutBack | Self::RolledBack, _) => None,
        }
    }

    /// Whether a run is at work or was interrupted.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Started | Self::RollingBack)
    }
}

impl<S: Subject> Receipt<S> {
    /// The receipt of edits that are about to be made.
    pub fn started<'a>(edits: impl IntoIterator<Item = &'a Edit>, subject: S, now: String) -> Self {
        let edits = edits.into_iter().filter(|edit| edit.changes());
        Self {
            version: VERSION,
            state: ReceiptState::Started,
            started: now,
            edits: edits.filter_map(RecordedChange::of).collect(),
            subject,
        }
    }

    /// The same with another state.
    #[must_use]
    pub fn at(&self, state: ReceiptState) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    /// The state of one whose change was found not to be there.
    pub fn undone(&self) -> ReceiptState {
        match self.state {
            ReceiptState::Started | ReceiptState::PutBack => ReceiptState::PutBack,
            ReceiptState::Done | ReceiptState::RollingBack | ReceiptState::RolledBack => {
                ReceiptState::RolledBack
            }
        }
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// If it is not one, or of a version that this program does not know.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        // Asked before anything else, so that what a later version adds is not taken for a mistake.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        match serde_json::from_slice(bytes) {
            Ok(Versioned { version }) if version != VERSION => {
                return Err(ReceiptError::Version(version));
            }
            _ => {}
        }
        let receipt = Self::read(bytes).map_err(|error| shape(&error))?;
        receipt.subject.check(&receipt.edits)?;
        Ok(receipt)
    }

    /// serde can flatten, or deny unknown fields, not both: the fields that all receipts have are read first, and the
    /// subject denies what is left and not its own.
    fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        #[derive(Deserialize)]
        struct Common {
            version: u32,
            state: ReceiptState,
            started: String,
            edits: Vec<RecordedChange>,
            #[serde(flatten)]
            rest: serde_json::Value,
        }
        let common: Common = serde_json::from_slice(bytes)?;
        Ok(Self {
            version: common.version,
            state: common.state,
            started: common.started,
            edits: common.edits,
            subject: S::deserialize(common.rest)?,
        })
    }

    /// The receipt as JSON, as it is written to its file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A structure of strings and numbers always serializes.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

/// A time of a receipt for people: without its fraction of a second.
pub(crate) fn to_the_second(time: &str) -> String {
    let parsed = time.parse::<jiff::Timestamp>();
    let whole = parsed.and_then(|time| jiff::Timestamp::from_second(time.as_second()));
    whole.map_or_else(|_| time.to_owned(), |time| time.to_string())
}

fn shape(error: &serde_json::Error) -> ReceiptError {
    const ENOUGH: usize = 200;
    let words = error.to_string();
    ReceiptError::Shape(match words.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}…", harmless(words.get(..end).unwrap_or_default())),
        None => harmless(&words),
    })
}

#[cfg(test)]
mod tests;
