//! A stand-in for the API server and the controller manager: real TLS, real semantics, in-process.

use std::collections::HashMap;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::{SecureRandom, SystemRandom};

mod approval;
pub(crate) mod auth;
mod configmaps;
mod core;
mod csr;
mod discovery;
mod fault;
mod handle;
pub(crate) mod http;
mod kubeconfig;
mod objects;
pub(crate) mod patch;
mod pods;
mod protobuf;
pub(crate) mod server;
mod services;
mod signer;
pub(crate) mod status;
mod store;
mod tokens;
mod watch;

pub use auth::PolicyRule;
pub use fault::{Fault, Matcher};
pub use handle::ApiServer;
pub use kubeconfig::KubeconfigStyle;
pub use objects::{
    Condition, ConfigMap, Csr, CsrSpec, CsrStatus, ManagedFields, NodeSpec, ObjectMeta,
};
pub use signer::KUBELET_SERVING;

pub(crate) use auth::User;

use crate::pki::Ca;
use rustls::ServerConfig;
use store::Store;
use tokens::Tokens;

/// How the API server is to be.
#[derive(Clone, Debug)]
pub struct Config {
    /// `gitVersion`; what depends on the version goes by its minor.
    pub version: String,
    /// 0: a free one.
    pub port: u16,
    /// The certificate it shows.
    pub server_certificate: ServerCertificate,
    /// Whether approved requests are signed; kubeadm with an external CA never does.
    pub signs: bool,
    /// From approval to certificate.
    pub sign_delay: Duration,
    /// How often watches get bookmarks; the real one's minute is too long for a test.
    pub bookmark_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: "v1.36.2".into(),
            port: 0,
            server_certificate: ServerCertificate::Valid,
            signs: true,
            sign_delay: Duration::from_millis(20),
            bookmark_interval: Duration::from_secs(1),
        }
    }
}

/// The certificate the API server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerCertificate {
    /// The cluster CA's, for 127.0.0.1 and localhost.
    Valid,
    /// The same names, but another CA that is called the same.
    OtherCa,
    /// Ended yesterday.
    Expired,
    /// For another host.
    OtherName,
}

/// A request that was made.
#[derive(Clone, Debug)]
pub struct Logged {
    /// `GET`, …
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Who asked.
    pub user: String,
    /// Its headers, names and values.
    pub headers: Vec<(String, String)>,
    /// When it had been read.
    pub at: Instant,
}

/// What the server's threads share.
pub(crate) struct Cluster {
    pub(crate) config: Config,
    pub(crate) ca: Ca,
    pub(crate) store: Mutex<Store>,
    pub(crate) changed: Condvar,
    faults: Mutex<Vec<(Matcher, Fault)>>,
    requests: Mutex<Vec<Logged>>,
    /// What else administrators may get: JSON by path.
    objects: Mutex<std::collections::BTreeMap<String, String>>,
    auto_approve: Mutex<Option<Duration>>,
    /// What RBAC grants, by user.
    grants: Mutex<HashMap<String, Arc<[PolicyRule]>>>,
    tokens: Mutex<Tokens>,
    /// What new connections are served with.
    tls: Mutex<Arc<ServerConfig>>,
    stopping: AtomicBool,
    mute: AtomicBool,
    /// Whether watches hold back what they have to say.
    hushed: AtomicBool,
    sockets: Mutex<Vec<Weak<TcpStream>>>,
    me: Weak<Cluster>,
}

impl Cluster {
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// 36 of `v1.36.2`.
    pub(crate) fn minor(&self) -> u32 {
        self.config
            .version
            .split('.')
            .nth(1)
            .and_then(|m| m.parse().ok())
            .unwrap_or(36)
    }

    fn later(&self, delay: Duration, act: impl FnOnce(&Self) + Send + 'static) {
        let me = self.me.clone();
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            if let Some(cluster) = me.upgrade() {
                act(&cluster);
            }
        });
    }

    pub(crate) fn sign_later(&self, name: &str) {
        if self.config.signs {
            let name = name.to_owned();
            self.later(self.config.sign_delay, move |cluster| cluster.sign(&name));
        }
    }

    pub(crate) fn approve_by_itself(&self, name: &str) {
        if let Some(delay) = *self.auto_approve.lock().unwrap() {
            let name = name.to_owned();
            self.later(delay, move |cluster| {
                cluster.decide(&name, approved());
            });
        }
    }
}

fn approved() -> Condition {
    Condition::new(
        "Approved",
        "KubectlApprove",
        "This CSR was approved by kubectl certificate approve.",
    )
}

pub(crate) fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64_STANDARD.decode(text).ok()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).unwrap();
    bytes
}

/// Five characters of the alphabet Kubernetes generates names from.
pub(crate) fn random_suffix() -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    random::<5>()
        .iter()
        .map(|b| char::from(ALPHABET[usize::from(*b) % ALPHABET.len()]))
        .collect()
}

/// A random UUID.
pub(crate) fn random_uid() -> String {
    let mut b = random::<16>();
    b[6] = b[6] & 0x0f | 0x40;
    b[8] = b[8] & 0x3f | 0x80;
    let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

/// 32 hexadecimal digits, as an invocation id has.
pub(crate) fn random_id() -> String {
    random::<16>().iter().map(|b| format!("{b:02x}")).collect()
}
