//! One run of the watches: the loop that takes in what they say, and has due requests judged.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::host::kube::kubeconfig::Source;
use crate::host::kube::{Admin, ApiError, FactError, Followed};
use crate::host::signals::Interrupts;
use crate::node::Explanation;

use super::caches::{Caches, Watch};
use super::health::Health;
use super::job::{JobOutcome, Step};
use super::line::DecisionLine;
use super::metrics::Metrics;
use super::reload::Reload;
use super::tracker::Tracker;
use super::workers::{self, Jobs};
use super::{Known, Listen, Message, Options, Shared, StartError, feeds, read, write};

/// The longest that the loop waits before it looks for signals.
const TICK: Duration = Duration::from_millis(500);
/// So many messages of the watches wait to be taken in; a server that sends more waits too.
const MESSAGES: usize = 1024;

/// Why a run of the watches ended.
pub(super) enum Ended {
    /// A signal asks the program to end.
    Stopped,
    /// The credential was read again; this one has it.
    Reloaded(Box<Admin>),
}

/// What the loop keeps.
struct State<'a> {
    tracker: &'a mut Tracker,
    reload: &'a mut Reload,
    caches: Caches,
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
    pub(super) fn run(
        &self,
        tracker: &mut Tracker,
        reload: &mut Reload,
    ) -> Result<Ended, StartError> {
        let shared = Shared::default();
        let (sender, messages) = sync_channel(MESSAGES);
        feeds::start(self.admin, &self.options.networks, &sender)?;
        let jobs = workers::start(self.admin, &shared, self.options, &sender)?;
        drop(sender);
        let mut state = State {
            tracker,
            reload,
            caches: Caches::new(self.health.clone()),
        };
        let ended = self.until_ended(&mut state, &shared, &messages, &jobs);
        self.finish(state.tracker, &messages, &jobs);
        Ok(ended)
    }

    fn until_ended(
        &self,
        state: &mut State<'_>,
        shared: &Shared,
        messages: &Receiver<Message>,
        jobs: &Jobs,
    ) -> Ended {
        loop {
            match self.interrupts.take() {
                None => {}
                Some(Signal::SIGHUP) => state.reload.asked(),
                Some(_) => return Ended::Stopped,
            }
            if let Some(admin) = self.reloaded(state.reload) {
                return Ended::Reloaded(Box::new(admin));
            }
            let wait = state.tracker.next_due().map_or(TICK, |due| {
                due.saturating_duration_since(Instant::now()).min(TICK)
            });
            match messages.recv_timeout(wait) {
                Ok(message) => {
                    let mut known = write(shared);
                    self.take(message, &mut known, state, jobs);
                    // What has arrived already is taken in before anything is judged.
                    for message in messages.try_iter().take(MESSAGES) {
                        self.take(message, &mut known, state, jobs);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                // No thread is left that could tell anything.
                Err(RecvTimeoutError::Disconnected) => {
                    state.reload.unauthorized();
                    thread::sleep(TICK);
                }
            }
            self.judge(state, shared, jobs);
        }
    }

    /// Has due requests judged, where all is known that judgements rest on.
    fn judge(&self, state: &mut State<'_>, shared: &Shared, jobs: &Jobs) {
        let State {
            tracker, caches, ..
        } = state;
        if caches.facts_changed() {
            tracker.facts_changed(Instant::now());
        }
        if caches.is_complete() {
            let known = read(shared);
            let steps = tracker.judge_due(Instant::now(), &known, self.options);
            drop(known);
            for step in steps {
                match step {
                    Step::Work(job) => jobs.send(*job),
                    Step::Tell(line) => self.tell(Some(line)),
                }
            }
        }
        if tracker.has_changed() {
            self.metrics.pending(tracker.pending(), tracker.oldest());
        }
    }

    /// The credential as it is now, where it is to be read again and can be. Until then the old one may still be good.
    fn reloaded(&self, reload: &mut Reload) -> Option<Admin> {
        if !reload.is_due(Instant::now(), || self.admin.has_changed_files()) {
            return None;
        }
        match Admin::open(self.source) {
            Ok(admin) => {
                reload.succeeded();
                Some(admin)
            }
            Err(error) => {
                if let Some(text) = reload.failed(&error.to_string()) {
                    self.listen.warn(text);
                }
                None
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

    /// Takes one message in.
    fn take(&self, message: Message, known: &mut Known, state: &mut State<'_>, jobs: &Jobs) {
        let State {
            tracker,
            reload,
            caches,
        } = state;
        let now = Instant::now();
        match message {
            Message::Request(Followed::Degraded(error)) => {
                self.degraded(caches.requests(), &error, reload);
            }
            Message::Node(Followed::Degraded(error)) => {
                self.degraded(caches.nodes(), &error, reload);
            }
            Message::Service(Followed::Degraded(error)) => {
                self.degraded(caches.services(), &error, reload);
            }
            Message::Request(what) => {
                caches.requests().heard(&what);
                tracker.take(what, &mut known.newest, now);
            }
            Message::Node(what) => caches.take_node(what, &mut known.inventory),
            Message::Service(what) => caches.take_service(what, &mut known.inventory),
            Message::Cluster(read) => {
                if let Err(FactError::Api(_, error)) = &read {
                    suspect(reload, error);
                }
                let was_known = caches.cluster_problem().cloned();
                caches.take_cluster(read.map_err(Explanation::of), &mut known.inventory);
                if let Some(problem) = caches.cluster_problem()
                    && was_known.as_ref() != Some(problem)
                {
                    self.listen.warn(format!("nothing is approved: {problem}"));
                }
            }
            Message::Worked(job, outcome) => {
                jobs.came_back();
                if matches!(outcome, JobOutcome::Unauthorized(_)) {
                    reload.unauthorized();
                }
                let line = tracker.worked(&job, outcome, now);
                self.tell(line);
            }
        }
        for malformed in caches.new_malformed() {
            let text = format!("nothing is approved: cannot use {malformed}");
            self.listen.warn(text);
        }
    }

    fn degraded(&self, mut watch: Watch<'_>, error: &ApiError, reload: &mut Reload) {
        if let Some(text) = watch.degraded(error) {
            self.listen.warn(text);
        }
        suspect(reload, error);
    }

    fn tell(&self, line: Option<DecisionLine>) {
        if let Some(line) = line {
            self.metrics.decided(&line);
            self.listen.decided(&line);
        }
    }
}

/// Has the credential read again where this error says that the API server does not accept it, and its files looked at
/// where they may explain the error.
fn suspect(reload: &mut Reload, error: &ApiError) {
    match error {
        ApiError::Status { code: 401, .. } => reload.unauthorized(),
        _ => reload.suspected(),
    }
}
