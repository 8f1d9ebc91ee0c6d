//! Decisions written to the API: each request is read again, judged as it is, and written with the resourceVersion that
//! was read, so that several approvers may run at once.

use std::cell::Cell;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::approval::{Verdict, judge_renewal};
use crate::csr::{Request, State};
use crate::host::kube::{Admin, ApiError, DecisionCondition, DecisionOutcome};
use crate::host::tls;

use super::job::{Job, JobOutcome, Verb, judge};
use super::{Message, Options, Shared, StartError, read};

/// So many decisions are written, and so many nodes dialled, at once.
const WORKERS: usize = 4;
/// How long one decision may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);

/// Where jobs are handed in.
pub(super) struct Jobs {
    sender: Sender<Job>,
    in_hand: Cell<usize>,
}

impl Jobs {
    /// Hands a job to the next worker that is free.
    pub(super) fn send(&self, job: Job) {
        // Workers end only when nothing is handed in any more.
        if self.sender.send(job).is_ok() {
            self.in_hand.set(self.in_hand.get() + 1);
        }
    }

    /// The outcome of one has come back.
    pub(super) fn came_back(&self) {
        self.in_hand.set(self.in_hand.get().saturating_sub(1));
    }

    /// How many are being worked on.
    pub(super) fn in_hand(&self) -> usize {
        self.in_hand.get()
    }
}

/// Starts the workers; they end when the returned value is dropped.
pub(super) fn start(
    admin: &Admin,
    shared: &Shared,
    options: &Arc<Options>,
    results: &SyncSender<Message>,
) -> Result<Jobs, StartError> {
    let (sender, jobs) = channel();
    let jobs: Arc<Mutex<Receiver<Job>>> = Arc::new(Mutex::new(jobs));
    for _ in 0..WORKERS {
        let admin = admin.again()?;
        let (jobs, results) = (Arc::clone(&jobs), results.clone());
        let (shared, options) = (Arc::clone(shared), Arc::clone(options));
        thread::Builder::new().spawn(move || {
            loop {
                let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = next else { return };
                let outcome = work(&admin, &job, &shared, &options);
                if results.send(Message::Worked(job, outcome)).is_err() {
                    return;
                }
            }
        })?;
    }
    Ok(Jobs {
        sender,
        in_hand: Cell::new(0),
    })
}

fn work(admin: &Admin, job: &Job, shared: &Shared, options: &Options) -> JobOutcome {
    let end = Instant::now() + DEADLINE;
    if options.renewals
        && matches!(job.verb, Verb::Approve)
        && let Err(outcome) = renews(admin, job, shared, options, end)
    {
        return outcome;
    }
    let step = |now: &Request| step(job, now, shared, options);
    match admin.decide((&job.request.name, &job.request.uid), step, end) {
        Ok(DecisionOutcome::Written) => JobOutcome::Written,
        Ok(DecisionOutcome::Stopped(outcome)) => outcome,
        Ok(DecisionOutcome::Missing) => JobOutcome::Missing,
        Ok(DecisionOutcome::Busy) => JobOutcome::Failed("it keeps changing".to_owned()),
        Err(error) => failed(&error),
    }
}

fn failed(error: &ApiError) -> JobOutcome {
    match error {
        ApiError::Status { code: 401, .. } => JobOutcome::Unauthorized(error.to_string()),
        _ => JobOutcome::Failed(error.to_string()),
    }
}

/// What to write of a request as it is now, or why to write nothing.
fn step(
    job: &Job,
    now: &Request,
    shared: &Shared,
    options: &Options,
) -> Result<DecisionCondition, JobOutcome> {
    if now.state != State::Pending {
        return Err(JobOutcome::Decided);
    }
    let verdict = judge(&options.policy, now, &read(shared));
    match (verdict, &job.verb) {
        (Verdict::Approve(approval), Verb::Approve) => {
            Ok(DecisionCondition::Approved(approval.message()))
        }
        (Verdict::Refuse(violation), Verb::Deny(_)) if violation.rule.may_be_denied() => Ok(
            DecisionCondition::Denied(format!("kubelet-tls approve --deny: {violation}.")),
        ),
        (Verdict::Refuse(violation), _) => Err(JobOutcome::Refused(violation)),
        (Verdict::Approve(_), Verb::Deny(_)) => Err(JobOutcome::Failed(
            "it is another request than was judged".to_owned(),
        )),
    }
}

/// Whether the node serves every name of the request now, at every address that it asks for.
fn renews(
    admin: &Admin,
    job: &Job,
    shared: &Shared,
    options: &Options,
    end: Instant,
) -> Result<(), JobOutcome> {
    let request = match admin.signing_request(&job.request.name, end) {
        Ok(Some(request)) if request.uid == job.request.uid => request,
        Ok(_) => return Err(JobOutcome::Missing),
        Err(error) => return Err(failed(&error)),
    };
    let (approval, port) = {
        let known = read(shared);
        match judge(&options.policy, &request, &known) {
            Verdict::Refuse(violation) => return Err(JobOutcome::Refused(violation)),
            Verdict::Approve(approval) => {
                let port = known.inventory.kubelet_port(&approval.node);
                (approval, port)
            }
        }
    };
    let served = tls::served_at(&approval.names.ips, port, admin.roots());
    judge_renewal(&approval, &served).map_err(JobOutcome::Refused)
}
