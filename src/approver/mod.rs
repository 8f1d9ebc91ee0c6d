//! `approve --watch`: decides about each CSR as it comes.
//!
//! Watches keep an [`Inventory`] of Nodes and Services current; [`tracker`] decides, purely, which request to judge when;
//! [`workers`] write decisions with compare-and-swap, so that several instances may run at once.

mod caches;
mod health;
mod line;
mod metrics;
mod tracker;
mod workers;

use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::approval::{ApprovalPolicy, Inventory, NodeFacts, ServiceFacts};
use crate::csr::{Newest, Request};
use crate::host::kube::kubeconfig::Source;
use crate::host::kube::{
    Admin, ApiError, Followed, GivenNetworks, Listener, node_facts, service_facts,
};
use crate::host::signals::Interrupts;
use crate::host::{clock, endpoint};
use caches::Caches;
use health::Health;
use metrics::Metrics;
use tracker::{Step, Tracker};
use workers::{Job, Outcome};

pub use line::DecisionLine;

/// The longest that the loop waits before it looks for signals.
const TICK: Duration = Duration::from_millis(500);
/// How often the API server's names and the networks are read again, and how often credential files are looked at.
const REFRESH: Duration = Duration::from_secs(15);
/// So many messages of the watches wait to be taken in; a server that sends more waits too.
const MESSAGES: usize = 1024;

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
    pub networks: GivenNetworks,
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
/// An object that cannot be used, and why.
type Malformed = (String, String);

/// What the loop hears.
enum Message {
    Request(Followed<Request>),
    Node(Followed<Result<NodeFacts, Malformed>>),
    Service(Followed<Result<ServiceFacts, Malformed>>),
    /// The API server's names and the networks, or why they are unknown.
    Cluster(Result<Inventory, String>),
    Worked(Job, Outcome),
}

/// Why a run of the watches ended.
enum Ended {
    /// A signal asks the program to end.
    Stopped,
    /// Credentials changed, or SIGHUP asks to read them again.
    Reload,
}

/// What the loop tells.
pub trait Listen {
    /// One decision.
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
        endpoint::serve(address, move |path| health.answer(path, &metrics))
            .map_err(|source| StartError::Listen { address, source })?;
    }
    let mut admin = Admin::open(source)?;
    let mut tracker = Tracker::new(options.dry_run);
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
        match run.run(&mut tracker)? {
            Ended::Stopped => return Ok(()),
            Ended::Reload => match Admin::open(source) {
                Ok(again) => admin = again,
                // A half-written file is whole a moment later; until then the old credential may still be good.
                Err(error) => listen.warn(format!("cannot read the credential again: {error}")),
            },
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
        /// Why not.
        source: std::io::Error,
    },
    /// The machine has no thread to spare.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// One run of the watches with one credential.
struct Run<'a, L> {
    admin: &'a Admin,
    source: &'a Source,
    options: &'a Arc<Options>,
    interrupts: &'a Interrupts,
    listen: &'a L,
    metrics: &'a Metrics,
    health: &'a Health,
}

impl<L: Listen> Run<'_, L> {
    fn run(&self, tracker: &mut Tracker) -> Result<Ended, StartError> {
        let shared = Shared::default();
        let (sender, messages) = sync_channel(MESSAGES);
        self.follow(&sender)?;
        let jobs = workers::start(self.admin, &shared, self.options, &sender)?;
        drop(sender);
        let mut caches = Caches::new(self.health.clone());
        let credential = self.source.stamp(self.admin);
        let mut refreshed = Instant::now();
        loop {
            if let Some(ended) = self.interrupted() {
                return Ok(ended);
            }
            if refreshed.elapsed() >= REFRESH {
                refreshed = Instant::now();
                if self.source.stamp(self.admin) != credential {
                    return Ok(Ended::Reload);
                }
            }
            let wait = tracker.next_due().map_or(TICK, |due| {
                due.saturating_duration_since(Instant::now()).min(TICK)
            });
            match messages.recv_timeout(wait) {
                Ok(message) => {
                    let mut known = write(&shared);
                    if let Some(ended) = self.take(message, &mut known, tracker, &mut caches) {
                        return Ok(ended);
                    }
                    // What has arrived already is taken in before anything is judged.
                    for message in messages.try_iter().take(MESSAGES) {
                        if let Some(ended) = self.take(message, &mut known, tracker, &mut caches) {
                            return Ok(ended);
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Reload),
            }
            if caches.facts_changed() {
                tracker.facts_changed(Instant::now());
            }
            if caches.is_complete() {
                let known = read(&shared);
                let steps = tracker.judge_due(Instant::now(), &known, self.options);
                drop(known);
                steps
                    .into_iter()
                    .for_each(|step| self.take_step(step, &jobs));
            }
            self.metrics.pending(tracker.pending(), tracker.oldest());
        }
    }

    /// Starts the watches and the refreshing of what has none.
    fn follow(&self, sender: &SyncSender<Message>) -> Result<(), StartError> {
        let to = |sender: &SyncSender<Message>| sender.clone();
        let requests = to(sender);
        self.admin
            .follow_requests(move |what| heard(&requests, Message::Request(what)))?;
        let nodes = to(sender);
        self.admin.follow_nodes(move |what| {
            heard(
                &nodes,
                Message::Node(mapped(what, |node| node_facts(&node))),
            )
        })?;
        let services = to(sender);
        self.admin.follow_services(move |what| {
            let what = mapped(what, |service| service_facts(&service));
            heard(&services, Message::Service(what))
        })?;
        let admin = self.admin.again()?;
        let networks = self.options.networks.clone();
        let facts = to(sender);
        std::thread::Builder::new().spawn(move || {
            loop {
                let end = Instant::now() + REFRESH;
                let read = admin.cluster_facts(&networks, &mut |_| {}, end);
                let read = read.map_err(|error| chain(&error));
                if facts.send(Message::Cluster(read)).is_err() {
                    return;
                }
                std::thread::sleep(end.saturating_duration_since(Instant::now()));
            }
        })?;
        Ok(())
    }

    fn interrupted(&self) -> Option<Ended> {
        match self.interrupts.take()? {
            Signal::SIGHUP => Some(Ended::Reload),
            _ => Some(Ended::Stopped),
        }
    }

    /// Takes one message in; what ends this run is returned.
    fn take(
        &self,
        message: Message,
        known: &mut Known,
        tracker: &mut Tracker,
        caches: &mut Caches,
    ) -> Option<Ended> {
        let now = Instant::now();
        match message {
            Message::Request(Followed::Degraded(error)) => {
                return self.degraded(caches.requests(), error);
            }
            Message::Node(Followed::Degraded(error)) => {
                return self.degraded(caches.nodes(), error);
            }
            Message::Service(Followed::Degraded(error)) => {
                return self.degraded(caches.services(), error);
            }
            Message::Request(what) => {
                caches.requests().heard(&what);
                tracker.take(what, &mut known.newest, now);
            }
            Message::Node(what) => caches.take_node(what, &mut known.inventory),
            Message::Service(what) => caches.take_service(what, &mut known.inventory),
            Message::Cluster(read) => {
                let was_known = caches.cluster_problem().map(str::to_owned);
                caches.take_cluster(read, &mut known.inventory);
                if let Some(problem) = caches.cluster_problem()
                    && was_known.as_deref() != Some(problem)
                {
                    self.listen.warn(format!("nothing is approved: {problem}"));
                }
            }
            Message::Worked(job, outcome) => {
                let line = tracker.worked(&job, outcome, now);
                self.tell(line);
            }
        }
        for (object, reason) in caches.new_malformed() {
            self.listen.warn(format!(
                "nothing is approved: cannot use {object}: {reason}"
            ));
        }
        None
    }

    fn degraded(&self, mut watch: caches::Watch<'_>, error: ApiError) -> Option<Ended> {
        if let Some(text) = watch.degraded(&error) {
            self.listen.warn(text);
        }
        // An expired credential is read again; one that an exec plug-in gave is asked for again.
        matches!(error, ApiError::Status { code: 401, .. })
            .then_some(Ended::Reload)
            .filter(|_| watch.may_reload())
    }

    fn take_step(&self, step: Step, jobs: &workers::Jobs) {
        match step {
            Step::Work(job) => jobs.send(*job),
            Step::Tell(line) => self.tell(Some(line)),
        }
    }

    fn tell(&self, line: Option<DecisionLine>) {
        if let Some(line) = line {
            self.metrics.decided(&line);
            self.listen.decided(&line);
        }
    }
}

fn heard(sender: &SyncSender<Message>, message: Message) -> Listener {
    match sender.send(message) {
        Ok(()) => Listener::Present,
        Err(_) => Listener::Gone,
    }
}

fn mapped<A, B>(what: Followed<A>, map: impl Fn(A) -> B) -> Followed<B> {
    match what {
        Followed::Put(object) => Followed::Put(map(object)),
        Followed::Restarted => Followed::Restarted,
        Followed::Gone { namespace, name } => Followed::Gone { namespace, name },
        Followed::Synced => Followed::Synced,
        Followed::Heard => Followed::Heard,
        Followed::Degraded(error) => Followed::Degraded(error),
    }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn read(shared: &Shared) -> std::sync::RwLockReadGuard<'_, Known> {
    shared
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn write(shared: &Shared) -> std::sync::RwLockWriteGuard<'_, Known> {
    shared
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Seconds since 1970.
fn timestamp() -> f64 {
    clock::timestamp().as_millisecond() as f64 / 1000.0
}
