//! One run of the watches: the loop that takes in what they say, and has due requests judged.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::host::kube::kubeconfig::Source;
use crate::host::kube::{
    Admin, ApiError, Followed, Listener, Malformed, node_facts, service_facts,
};
use crate::host::signals::Interrupts;
use crate::node::Explanation;

use super::caches::{Caches, Watch};
use super::health::Health;
use super::job::{JobOutcome, Step};
use super::line::DecisionLine;
use super::metrics::Metrics;
use super::tracker::Tracker;
use super::workers::{self, Jobs};
use super::{Known, Listen, Message, Options, Shared, StartError, read, write};

/// The longest that the loop waits before it looks for signals.
const TICK: Duration = Duration::from_millis(500);
/// How often the API server's names and the networks are read again, and how often credential files are looked at.
const REFRESH: Duration = Duration::from_secs(15);
/// So many messages of the watches wait to be taken in; a server that sends more waits too.
const MESSAGES: usize = 1024;

/// Why a run of the watches ended.
pub(super) enum Ended {
    /// A signal asks the program to end.
    Stopped,
    /// Credentials changed, or SIGHUP asks to read them again.
    Reload,
}

/// One run of the watches with one credential.
pub(super) struct Run<'a, L> {
    pub(super) admin: &'a Admin,
    pub(super) source: &'a Source,
    pub(super) options: &'a Arc<Options>,
    pub(super) interrupts: &'a Interrupts,
    pub(super) listen: &'a L,
    pub(super) metrics: &'a Metrics,
    pub(super) health: &'a Health,
}

impl<L: Listen> Run<'_, L> {
    /// Runs until a signal or a changed credential ends it.
    pub(super) fn run(&self, tracker: &mut Tracker) -> Result<Ended, StartError> {
        let shared = Shared::default();
        let (sender, messages) = sync_channel(MESSAGES);
        self.follow(&sender)?;
        let jobs = workers::start(self.admin, &shared, self.options, &sender)?;
        drop(sender);
        let ended = self.until_ended(tracker, &shared, &messages, &jobs);
        self.finish(tracker, &messages, &jobs);
        Ok(ended)
    }

    fn until_ended(
        &self,
        tracker: &mut Tracker,
        shared: &Shared,
        messages: &Receiver<Message>,
        jobs: &Jobs,
    ) -> Ended {
        let mut caches = Caches::new(self.health.clone());
        let credential = self.source.stamp(self.admin);
        let mut refreshed = Instant::now();
        loop {
            if let Some(ended) = self.interrupted() {
                return ended;
            }
            // Watches that were begun with an old credential may continue for minutes after it has ended.
            if refreshed.elapsed() >= REFRESH || caches.was_unauthorized() {
                refreshed = Instant::now();
                if self.source.stamp(self.admin) != credential {
                    return Ended::Reload;
                }
            }
            let wait = tracker.next_due().map_or(TICK, |due| {
                due.saturating_duration_since(Instant::now()).min(TICK)
            });
            match messages.recv_timeout(wait) {
                Ok(message) => {
                    let mut known = write(shared);
                    if let Some(ended) = self.take(message, &mut known, tracker, &mut caches, jobs)
                    {
                        return ended;
                    }
                    // What has arrived already is taken in before anything is judged.
                    for message in messages.try_iter().take(MESSAGES) {
                        if let Some(ended) =
                            self.take(message, &mut known, tracker, &mut caches, jobs)
                        {
                            return ended;
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ended::Reload,
            }
            if caches.facts_changed() {
                tracker.facts_changed(Instant::now());
            }
            if caches.is_complete() {
                let known = read(shared);
                let steps = tracker.judge_due(Instant::now(), &known, self.options);
                drop(known);
                steps
                    .into_iter()
                    .for_each(|step| self.take_step(step, jobs));
            }
            if tracker.has_changed() {
                self.metrics.pending(tracker.pending(), tracker.oldest());
            }
        }
    }

    /// What is being decided is decided, and told, before the watches end: a request that is approved meanwhile would be
    /// none that the next run looks at.
    fn finish(&self, tracker: &mut Tracker, messages: &Receiver<Message>, jobs: &Jobs) {
        let end = Instant::now() + workers::DEADLINE;
        while jobs.in_hand() > 0 {
            match messages.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Message::Worked(job, outcome)) => {
                    jobs.came_back();
                    self.tell(tracker.worked(&job, outcome, Instant::now()));
                }
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    /// Starts the watches, and the regular reading of what cannot be watched.
    fn follow(&self, sender: &SyncSender<Message>) -> Result<(), StartError> {
        let to = |sender: &SyncSender<Message>| sender.clone();
        let requests = to(sender);
        self.admin
            .follow_requests(move |what| heard(&requests, Ok(Message::Request(what))))?;
        let nodes = to(sender);
        self.admin.follow_nodes(move |what| {
            let usable = mapped(what, |node| match node_facts(&node) {
                Ok(facts) => Ok(Ok(facts)),
                // Its next change, or its end, tells that this one is repaired.
                Err(Malformed::PodCidr { node, cidr }) => {
                    Ok(Err((node.clone(), Malformed::PodCidr { node, cidr })))
                }
                Err(malformed) => Err(malformed),
            });
            heard(&nodes, usable.map(Message::Node))
        })?;
        let services = to(sender);
        self.admin.follow_services(move |what| {
            let usable = mapped(what, |service| service_facts(&service));
            heard(&services, usable.map(Message::Service))
        })?;
        let admin = self.admin.again()?;
        let networks = self.options.networks.clone();
        let facts = to(sender);
        std::thread::Builder::new().spawn(move || {
            loop {
                let end = Instant::now() + REFRESH;
                let read = admin.cluster_facts(&networks, &mut |_| {}, end);
                let read = read.map_err(Explanation::of);
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
        jobs: &Jobs,
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
                let was_known = caches.cluster_problem().cloned();
                caches.take_cluster(read, &mut known.inventory);
                if let Some(problem) = caches.cluster_problem()
                    && was_known.as_ref() != Some(problem)
                {
                    self.listen.warn(format!("nothing is approved: {problem}"));
                }
            }
            Message::Worked(job, outcome) => {
                jobs.came_back();
                if matches!(outcome, JobOutcome::Unauthorized(_)) {
                    caches.unauthorized();
                }
                let line = tracker.worked(&job, outcome, now);
                self.tell(line);
            }
        }
        for malformed in caches.new_malformed() {
            let text = format!("nothing is approved: cannot use {malformed}");
            self.listen.warn(text);
        }
        None
    }

    fn degraded(&self, mut watch: Watch<'_>, error: ApiError) -> Option<Ended> {
        if let Some(text) = watch.degraded(&error) {
            self.listen.warn(text);
        }
        // An expired credential is read again; one that an exec plug-in gave is asked for again.
        matches!(error, ApiError::Status { code: 401, .. })
            .then_some(Ended::Reload)
            .filter(|_| watch.may_reload())
    }

    fn take_step(&self, step: Step, jobs: &Jobs) {
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

/// Hands on what was told. An object that can be told from no other is not handed on: the list that has it is not a list.
fn heard(sender: &SyncSender<Message>, message: Result<Message, Malformed>) -> Listener {
    match message {
        Ok(message) => match sender.send(message) {
            Ok(()) => Listener::Present,
            Err(_) => Listener::Gone,
        },
        Err(malformed) => Listener::Misled(malformed.to_string()),
    }
}

fn mapped<A, B>(
    what: Followed<A>,
    map: impl Fn(A) -> Result<B, Malformed>,
) -> Result<Followed<B>, Malformed> {
    Ok(match what {
        Followed::Put(object) => Followed::Put(map(object)?),
        Followed::Restarted => Followed::Restarted,
        Followed::Gone { namespace, name } => Followed::Gone { namespace, name },
        Followed::Synced => Followed::Synced,
        Followed::Heard => Followed::Heard,
        Followed::Degraded(error) => Followed::Degraded(error),
    })
}
