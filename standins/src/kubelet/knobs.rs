//! What a test may turn: `standin.json` beside the kubelet's files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How the stand-in kubelet misbehaves, or differs by version. Read at every start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Knobs {
    /// From start to `/healthz` and the TLS port: a real one takes 700 ms to 10 s.
    pub start_delay_ms: u64,
    /// Exits with `exitCode` that long after its start.
    pub die_after_ms: Option<u64>,
    /// The same, but only if serverTLSBootstrap is in effect: healthy before, dead after.
    pub die_after_ms_if_bootstrap: Option<u64>,
    /// For the two above.
    pub exit_code: i32,
    /// What `/healthz` says.
    pub healthz: Healthz,
    /// Never makes a CSR, as 1.32.0 to 1.32.2 did.
    pub never_csr: bool,
    /// From start to the CSR; a real one takes 1 to 10 s.
    pub csr_delay_ms: u64,
    /// Asks for key encipherment too, as up to 1.26. Default: by `version`.
    pub key_encipherment: Option<bool>,
    /// From a denial to the next CSR, doubled each time; really 2 s.
    pub csr_backoff_ms: u64,
    /// How long a request may stay unapproved before another takes its place; really 15 min.
    pub csr_timeout_ms: u64,
    /// How often it looks whether the node's addresses have changed, once it has a certificate.
    pub address_poll_ms: Option<u64>,
    /// How long it has a certificate before it asks for the next one; really 70 to 90 % of the lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renew_after_ms: Option<u64>,
    /// SIGTERM does nothing.
    pub ignore_sigterm: bool,
    /// From SIGTERM to the exit.
    pub stop_delay_ms: u64,
    /// What `--version` prints, and what depends on it.
    pub version: String,
    /// Never reads its kubeconfig nor talks to the API server.
    pub standalone: bool,
}

/// What `/healthz` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Healthz {
    /// `ok`
    Ok,
    /// 500
    Error,
    /// Accepts and never answers.
    Hang,
    /// `ok`, and then the process exits.
    OkThenExit,
    /// Does not listen.
    Refuse,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            start_delay_ms: 20,
            die_after_ms: None,
            die_after_ms_if_bootstrap: None,
            exit_code: 1,
            healthz: Healthz::Ok,
            never_csr: false,
            csr_delay_ms: 0,
            key_encipherment: None,
            csr_backoff_ms: 2000,
            csr_timeout_ms: 900_000,
            address_poll_ms: None,
            renew_after_ms: None,
            ignore_sigterm: false,
            stop_delay_ms: 0,
            version: "v1.36.2".into(),
            standalone: false,
        }
    }
}

impl Knobs {
    /// The file's name.
    pub const FILE: &'static str = "standin.json";

    /// Reads them: from the cert-dir's parent, else from the config's directory, else the defaults.
    pub fn read(cert_dir: &Path, config: Option<&str>) -> Result<Self, String> {
        let beside_config = config
            .and_then(|c| Path::new(c).parent())
            .map(Path::to_owned);
        let places: Vec<PathBuf> = cert_dir
            .parent()
            .map(Path::to_owned)
            .into_iter()
            .chain(beside_config)
            .collect();
        for place in places {
            let path = place.join(Self::FILE);
            let Ok(text) = std::fs::read_to_string(&path) else {
                continue;
            };
            return serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()));
        }
        Ok(Self::default())
    }

    /// 36 of `v1.36.2`.
    #[must_use]
    pub fn minor(&self) -> u32 {
        self.version
            .split('.')
            .nth(1)
            .and_then(|m| m.parse().ok())
            .unwrap_or(36)
    }
}
