//! `apply` as a part of the kubelet's own start, which is what `systemd/kubelet.service.d` makes of it: the change that
//! an administrator has made here with an `apply` of his own is made again where kubeadm has written the file again.
//!
//! No one watches the kubelet that starts then. So the receipt stays Started, on trial: where that kubelet ends by
//! itself, its next start undoes the edit, and every later one leaves the node alone until an administrator applies.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::apply::{Locks, NodeReceipts, states};
use crate::cli;
use crate::commands::node::{self, Located, Need, When};
use crate::commands::{Ui, selection, show};
use crate::host::files::{FileCause, Root};
use crate::host::{clock, environment, process, systemd};
use crate::kubelet::Bootstrap;
use crate::plan::{Edit, Plan};
use crate::receipt::{
    FileState, NodeReceipt, NodeSubject, Probation, ReceiptState, Resolution, to_the_second,
};
use crate::report::{ApplyResult, Code, KubeletOutcome, Outcome, Problem};

use super::{EditStopped, receipts, reports, tell_unchanged};

/// The unit that is shipped beside the drop-in.
const SERVICE: &str = "kubelet-tls.service";
/// A kubelet that lived longer than this did not die of its configuration: with a bad one it exits within about a second
/// (kubelet-facts), and systemd starts it again 10 s later.
const TRIAL: SignedDuration = SignedDuration::from_secs(600);

/// Whether this process is part of the start of kubelet.service. Its control group says so; where that cannot be read,
/// systemd's id of the start does, which it gives to every process of the unit.
pub(super) fn is_kubelets_start() -> bool {
    process::is_part_of(systemd::KUBELET).unwrap_or_else(|_| {
        let start = environment::first_of(&["INVOCATION_ID"]);
        start.is_some_and(|start| {
            systemd::show(systemd::KUBELET).is_ok_and(|unit| unit.invocation_id == start)
        })
    })
}

/// Whether this process is that of `systemd/kubelet-tls.service`, and the most recent operation left this node as it
/// is: a unit keeps what an administrator has decided, and never retries what was rolled back.
pub(super) fn is_unwanted_service(receipts: &NodeReceipts, wanted: Bootstrap, ui: &Ui) -> bool {
    let Some(receipt) = receipts
        .receipt()
        .filter(|_| process::is_part_of(SERVICE).unwrap_or(false))
    else {
        return false;
    };
    let decided = match receipt.state {
        ReceiptState::PutBack | ReceiptState::RolledBack | ReceiptState::RollingBack => true,
        ReceiptState::Done | ReceiptState::Started => receipt.subject.wanted != Some(wanted),
    };
    if decided && let StartAction::LeaveAlone(why) = judge(receipt, wanted, 0, Timestamp::MIN) {
        leave_alone(&why, ui);
    }
    decided
}

/// Runs the verb within that start.
pub(super) fn run(arguments: &cli::Apply, ui: &Ui) -> Outcome<ApplyResult> {
    let mut result = ApplyResult::of_node(arguments.dry_run);
    let mut steps = || {
        let Some(start) = Start::open(arguments, ui)? else {
            return Ok(());
        };
        let (plan, verdict) = start.plan()?;
        if let StartAction::LeaveAlone(why) = &verdict {
            leave_alone(why, ui);
            return Ok(());
        }
        result.edits = Some(reports(&plan));
        result.changed = plan.changes();
        let put_back = verdict == StartAction::PutBack;
        result.kubelet = Some(KubeletOutcome {
            rolled_back: put_back,
            ..KubeletOutcome::default()
        });
        if arguments.dry_run {
            ui.say("(dry run) nothing was changed");
            return Ok(());
        }
        start.act(&plan, &verdict).map_err(|stopped| {
            result.changed = stopped.changed;
            stopped.problem
        })
    };
    let ended = steps();
    Outcome::new(result, ended)
}

/// The start of a kubelet, under the locks of this run.
struct Start<'a> {
    ui: &'a Ui,
    wanted: Bootstrap,
    located: Located,
    locks: Locks,
    receipts: NodeReceipts,
    receipt: NodeReceipt,
}

impl<'a> Start<'a> {
    /// Locks the node; `None` if no apply was ever made on it, which is said.
    fn open(arguments: &cli::Apply, ui: &'a Ui) -> Result<Option<Self>, Problem> {
        if arguments.restart != cli::RestartPolicy::Never
            || !arguments.selection.kubeadm_config.is_empty()
        {
            return Err(Problem::new(
                Code::Refused,
                "cannot apply within the start of kubelet.service: it can only edit the kubelet's own file there, and cannot restart the kubelet",
            )
            .hint("kubelet-tls apply --restart never --wait none"));
        }
        // A kubelet that waits for `kubeadm join` has no file to lock.
        let root = Root::host();
        if receipts::open(&root, ui)?.receipt().is_none() {
            leave_alone("kubelet-tls apply was never run on this node", ui);
            return Ok(None);
        }
        let located = node::locate(None, Need::Unit, When::NextStart)?;
        let paths = located.paths()?;
        let named = paths.iter().map(PathBuf::as_path);
        let locking = selection::locking(arguments.dry_run);
        let locks = Locks::of_node(&root, named, locking).map_err(|error| {
            match error.cause {
                // Most likely an `apply` that waits for this very start.
                FileCause::Locked(_) => Problem::new(
                    Code::Temporary,
                    "cannot check the change at this start of the kubelet: another kubelet-tls run holds the lock, and checks the kubelet itself",
                ),
                _ => located.unreadable(&error),
            }
        })?;
        let receipts = receipts::open(&root, ui)?;
        let Some(receipt) = receipts.receipt().cloned() else {
            return Ok(None);
        };
        Ok(Some(Self {
            ui,
            wanted: selection::wanted(arguments.selection.disable),
            located,
            locks,
            receipts,
            receipt,
        }))
    }

    fn restarts(&self) -> u64 {
        let unit = self.located.kubelet.unit.as_ref();
        unit.map_or(0, |unit| unit.n_restarts)
    }

    /// What this start is to do, and its edits.
    fn plan(&self) -> Result<(Plan, StartAction), Problem> {
        let verdict = judge(
            &self.receipt,
            self.wanted,
            self.restarts(),
            clock::timestamp(),
        );
        let plan = match &verdict {
            StartAction::LeaveAlone(_) => Plan::of(Vec::new()),
            StartAction::PutBack => {
                self.ui.warn(
                    "the kubelet exited soon after its start had made this change again, so the change is rolled back; to try it with a health check: kubelet-tls apply",
                );
                Plan::of(self.inverse())
            }
            StartAction::Make(_) => {
                let kubelet = self.located.clone().read(self.ui)?;
                let plan = Plan::of(vec![node::edit(&kubelet, self.wanted, self.ui)?]);
                if plan.changes() {
                    self.receipts.inspect()?;
                }
                self.locks.inspect(&plan)?;
                tell_unchanged(&plan, self.wanted, self.ui);
                plan
            }
        };
        plan.edits.iter().for_each(|edit| show::text(edit, self.ui));
        Ok((plan, verdict))
    }

    /// What undoes the receipt's edits. A file that was rewritten since stays as it is.
    fn inverse(&self) -> Vec<Edit> {
        states(&Root::host(), &self.receipt)
            .into_iter()
            .filter_map(|state| match state {
                FileState::After(edit) => Some(edit.inverse()),
                FileState::Before | FileState::Edited => None,
            })
            .collect()
    }

    fn act(mut self, plan: &Plan, verdict: &StartAction) -> Result<(), EditStopped> {
        match verdict {
            StartAction::LeaveAlone(_) => {}
            StartAction::PutBack => {
                self.locks.edit(plan)?;
                receipts::resolve(&mut self.receipts, Resolution::Undone, self.ui);
            }
            StartAction::Make(earlier) if !plan.changes() => {
                if *earlier == Earlier::Lived {
                    receipts::resolve(&mut self.receipts, Resolution::Made, self.ui);
                }
            }
            StartAction::Make(_) => {
                let subject = NodeSubject {
                    wanted: Some(self.wanted),
                    probation: Some(Probation {
                        n_restarts: self.restarts(),
                    }),
                    ..NodeSubject::default()
                };
                self.receipts.begin(plan, subject)?;
                self.locks.edit(plan)?;
                self.ui.say("the kubelet reads the change at this start; if it exits by itself, its next start reverts the change");
            }
        }
        Ok(())
    }
}

/// What a start is to do.
#[derive(Debug, PartialEq, Eq)]
enum StartAction {
    /// See to it that the change is there.
    Make(Earlier),
    /// Undo what an earlier start has made: its kubelet ended by itself.
    PutBack,
    LeaveAlone(String),
}

/// How the kubelet lived with the change before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Earlier {
    Proved,
    /// It was made at a start, and the kubelet has lived with it for so long that it counts as proved.
    Lived,
    /// It was made at a start not long ago.
    OnTrial,
}

fn judge(receipt: &NodeReceipt, wanted: Bootstrap, restarts: u64, now: Timestamp) -> StartAction {
    let began = to_the_second(&receipt.started);
    let alone = |why: &str| StartAction::LeaveAlone(format!("the apply of {began} {why}"));
    match (receipt.state, receipt.subject.probation) {
        (ReceiptState::PutBack, _) => {
            alone("was rolled back because the kubelet did not stay healthy")
        }
        (ReceiptState::RolledBack, _) => alone("was rolled back"),
        (ReceiptState::RollingBack, _) => alone("is being rolled back"),
        _ if receipt.subject.wanted != Some(wanted) => alone("set the opposite value"),
        (ReceiptState::Started, None) => {
            alone("was interrupted before the kubelet was seen to be healthy with it")
        }
        (ReceiptState::Done, _) => StartAction::Make(Earlier::Proved),
        (ReceiptState::Started, Some(trial)) => {
            let started = receipt.started.parse::<Timestamp>();
            // A clock that was set back says nothing, so the kubelet gets no credit for it.
            let is_old = started.is_ok_and(|started| now.duration_since(started) >= TRIAL);
            // systemd counts from 0 again after a start that an administrator asked for.
            let by_itself = restarts > 0 && restarts != trial.n_restarts;
            match (is_old, by_itself) {
                (true, _) => StartAction::Make(Earlier::Lived),
                (false, true) => StartAction::PutBack,
                (false, false) => StartAction::Make(Earlier::OnTrial),
            }
        }
    }
}

fn leave_alone(why: &str, ui: &Ui) {
    ui.say(&format!(
        "node left unchanged: {why}; to make the change and keep it: kubelet-tls apply"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    const THEN: &str = "2026-11-23T07:16:56Z";

    fn receipt(state: ReceiptState, trial: Option<u64>) -> NodeReceipt {
        let subject = NodeSubject {
            wanted: Some(Bootstrap::Enabled),
            probation: trial.map(|n_restarts| Probation { n_restarts }),
            ..NodeSubject::default()
        };
        NodeReceipt::started([], subject, THEN.into()).at(state)
    }

    fn after(seconds: i64) -> Timestamp {
        THEN.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    fn judged(receipt: &NodeReceipt, restarts: u64, seconds: i64) -> StartAction {
        judge(receipt, Bootstrap::Enabled, restarts, after(seconds))
    }

    #[test]
    fn only_a_change_that_was_healthy_on_this_node_is_applied_again() {
        let done = receipt(ReceiptState::Done, None);
        assert_eq!(judged(&done, 7, 20), StartAction::Make(Earlier::Proved));
        let alone = |receipt: &NodeReceipt, wanted| {
            matches!(
                judge(receipt, wanted, 0, after(20)),
                StartAction::LeaveAlone(_)
            )
        };
        assert!(alone(&done, Bootstrap::Disabled));
        // Receipts of a time when that was not written down.
        let mut unknown = done;
        unknown.subject.wanted = None;
        assert!(alone(&unknown, Bootstrap::Enabled) && alone(&unknown, Bootstrap::Disabled));
        for (state, trial) in [
            (ReceiptState::Started, None),
            (ReceiptState::PutBack, None),
            (ReceiptState::PutBack, Some(0)),
            (ReceiptState::RollingBack, None),
            (ReceiptState::RollingBack, Some(0)),
            (ReceiptState::RolledBack, None),
        ] {
            assert!(
                alone(&receipt(state, trial), Bootstrap::Enabled),
                "{state:?} {trial:?}"
            );
        }
    }

    #[test]
    fn the_edit_is_reverted_for_a_kubelet_that_ended_by_itself() {
        for (then, restarts, seconds, verdict) in [
            (0, 1, 11, StartAction::PutBack),
            (5, 6, 11, StartAction::PutBack),
            // After a reboot, or a restart that was asked for, and then a failure.
            (5, 1, 11, StartAction::PutBack),
            (0, 1, 599, StartAction::PutBack),
            // A clock set back proves nothing.
            (0, 1, -3600, StartAction::PutBack),
            // An administrator asked for these.
            (0, 0, 11, StartAction::Make(Earlier::OnTrial)),
            (5, 0, 11, StartAction::Make(Earlier::OnTrial)),
            (5, 5, 11, StartAction::Make(Earlier::OnTrial)),
            (0, 0, 601, StartAction::Make(Earlier::Lived)),
            (0, 1, 601, StartAction::Make(Earlier::Lived)),
        ] {
            let receipt = receipt(ReceiptState::Started, Some(then));
            assert_eq!(
                judged(&receipt, restarts, seconds),
                verdict,
                "{then} {restarts} {seconds}"
            );
        }
    }
}
