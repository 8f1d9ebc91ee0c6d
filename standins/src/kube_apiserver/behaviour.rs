//! What a test may turn at an instance of kube-apiserver: a file beside the CA of its clients, read at every start.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How an instance of kube-apiserver behaves.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// From start to `/readyz` answering 200, in milliseconds; a real one takes 14 s and more. For a third of it nothing
    /// listens, then `/readyz` answers 403, then 500.
    pub start_ms: u64,
    /// What `/readyz` answers from then on.
    pub readyz: Readyz,
    /// Exits with 1 so many milliseconds after it began to serve.
    pub die_after_ms: Option<u64>,
    /// What it finds in the file of `--kubelet-certificate-authority`.
    pub ca_file: CaFile,
    /// Whether it behaves so only with `--kubelet-certificate-authority`, and well without.
    pub only_verifying: bool,
}

/// What `/readyz` answers once the instance has started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Readyz {
    /// 200
    #[default]
    Ok,
    /// 500
    Error,
    /// Nothing: connections are accepted, and no word is said on them.
    Hang,
    /// Nothing: no one listens.
    Refuse,
}

/// What an instance finds at the path of its flag. A container may see another file there than the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CaFile {
    /// The host's file.
    #[default]
    Hosts,
    /// No file.
    Missing,
    /// A file without PEM.
    Garbage,
    /// An empty file.
    Empty,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            start_ms: 300,
            readyz: Readyz::Ok,
            die_after_ms: None,
            ca_file: CaFile::Hosts,
            only_verifying: false,
        }
    }
}

impl Behaviour {
    /// The name of the file.
    pub const FILE: &'static str = "standin-apiserver.json";

    /// Reads the file beside the CA of the clients; as usual without it.
    pub(super) fn read(client_ca: &Path, verifies: bool) -> Result<Self, String> {
        let path = client_ca.with_file_name(Self::FILE);
        let Ok(text) = std::fs::read_to_string(&path) else {
            return Ok(Self::default());
        };
        let read: Self =
            serde_json::from_str(&text).map_err(|why| format!("{}: {why}", path.display()))?;
        Ok(if read.only_verifying && !verifies {
            Self::default()
        } else {
            read
        })
    }

    /// A third of the time until it is ready.
    pub(super) fn phase(&self) -> Duration {
        Duration::from_millis(self.start_ms) / 3
    }
}
