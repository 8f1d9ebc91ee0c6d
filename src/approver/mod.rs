//! `approve --watch`: decides about each CSR as it comes.
//!
//! Watches keep an [`Inventory`] of Nodes and Services current; `tracker` decides, purely, which request to judge when;
//! `workers` write decisions with compare-and-swap, so that several instances may run at once.

mod answers;
mod caches;
mod due;
mod feeds;
mod health;
mod job;
mod line;
mod metrics;
mod pause;
mod reload;
mod run;
mod tracked;
mod tracker;
mod workers;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::approval::{ApprovalPolicy, Inventory, Networks, NodeFacts, ServiceFacts};
use crate::csr::{Newest, Request};
use crate::host::kube::kubeconfig::Source;
use crate::host::kube::{Admin, ApiError, FactError, Followed, MalformedPodCidr};
use crate::host::signals::Interrupts;
use crate::host::{clock, endpoint};
use answers::answer;
use health::Health;
use job::{Job, JobOutcome};
use metrics::Metrics;
use reload::Reload;
use run::{Ended, Run};
use tracker::Tracker;

pub use line::DecisionLine;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The rules' own settings.
    pub policy: ApprovalPolicy,
    /// Deny what breaks a rule that the requestor alone answers for.
    pub deny: bool,
    /// Approve only what the node serves already.
    pub renewals: bool,
    /// Decide, and write nothing.
    pub dry_run: bool,
    /// The networks that an administrator gave.
    pub networks: Networks,
    /// Where to serve metrics and health.
    pub metrics: Option<SocketAddr>,
}

/// What judgements rest on, shared with the workers that judge once more before they write.
#[derive(Debug, Default)]
struct Known {
    inventory: Inventory,
    newest: Newest,
}

type Shared = Arc<RwLock<Known>>;

/// What the loop hears.
enum Message {
    Request(Followed<Request>),
    /// The facts of a Node, or why they are unknown.
    Node(Followed<Result<NodeFacts, MalformedPodCidr>>),
    Service(Followed<ServiceFacts>),
    /// The API server's names and the networks, or why they are unknown.
    Cluster(Result<Inventory, FactError>),
    Worked(Job, JobOutcome),
}

/// What the loop tells.
pub trait Listen {
    /// Called once for each decision that is new or has changed.
    fn decided(&self, line: &DecisionLine);
    /// What a person should know and is not an error.
    fn warn(&self, text: String);
}

/// Runs until a signal asks it to end.
///
/// # Errors
/// When the credential cannot be used at the start, or the address of the metrics cannot be listened at.
pub fn run(
    source: &Source,
    options: &Options,
    interrupts: &Interrupts,
    listen: &impl Listen,
) -> Result<(), StartError> {
    let options = Arc::new(options.clone());
    let metrics = Metrics::new();
    let health = Health::new();
    if let Some(address) = options.metrics {
        let (metrics, health) = (metrics.clone(), health.clone());
        endpoint::serve(address, move |path| answer(path, &health, &metrics))
            .map_err(|source| StartError::Listen { address, source })?;
    }
    let mut admin = Admin::open(source)?;
    let mut tracker = Tracker::default();
    let mut reload = Reload::default();
    loop {
        let run = Run {
            admin: &admin,
            source,
            options: &options,
            interrupts,
            listen,
            metrics: &metrics,
            health: &health,
        };
        match run.run(&mut tracker, &mut reload)? {
            Ended::Stopped => return Ok(()),
            Ended::Reloaded(again) => admin = *again,
        }
        tracker.restart();
    }
}

/// Why watching cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The credential cannot be used.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The address is taken, or not this machine's.
    #[error("cannot serve metrics at {address}: {source}")]
    Listen {
        /// `--metrics`.
        address: SocketAddr,
        /// Why that address cannot be bound.
        source: std::io::Error,
    },
    /// The machine has no thread to spare.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

fn read(shared: &Shared) -> RwLockReadGuard<'_, Known> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shared: &Shared) -> RwLockWriteGuard<'_, Known> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

fn timestamp() -> f64 {
    clock::timestamp().as_millisecond() as f64 / 1000.0
}
