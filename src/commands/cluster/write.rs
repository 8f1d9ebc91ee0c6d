//! The compare-and-swap: what was shown is what is written, or nothing is.

use std::thread;
use std::time::{Duration, Instant};

use crate::commands::{Ui, show};
use crate::host::kube::{Admin, ApiError, WriteMode};
use crate::node::ConfigMap;
use crate::plan::Edit;
use crate::report::{Code, Problem};
use crate::text::hint::Command;

use super::decide::Decision;
use super::problem;

/// How often it is tried: of those who write at the same time one always succeeds, and few ever write this.
const ATTEMPTS: u32 = 8;
/// The first pause after a failed attempt, and the longest: pauses double from one to the other.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Writes the ConfigMap's text.
pub(in crate::commands) struct Writer<'a> {
    pub(in crate::commands) admin: &'a Admin,
    pub(in crate::commands) ui: &'a Ui,
    pub(in crate::commands) mode: WriteMode,
    pub(in crate::commands) end: Instant,
    /// The command that shows the difference, for hints.
    pub(in crate::commands) look: &'static str,
    /// What is said of the ConfigMap once it is written.
    pub(in crate::commands) made: &'static str,
}

/// It was not written, as far as is known.
pub(in crate::commands) struct Failure {
    pub(in crate::commands) problem: Problem,
    /// The edit that was to be made, where there was one.
    pub(in crate::commands) shown: Option<Box<Edit>>,
    /// Whether an attempt was left without an answer.
    pub(in crate::commands) unsure: bool,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self {
            problem,
            shown: None,
            unsure: false,
        }
    }
}

impl Failure {
    /// The edit that was made or was to be made, where there is one, and why it was not.
    pub(in crate::commands) fn parted(
        written: Result<Option<Edit>, Self>,
    ) -> (Option<Edit>, Result<(), Problem>) {
        match written {
            Ok(edit) => (edit, Ok(())),
            Err(failure) => (failure.shown.map(|edit| *edit), Err(failure.problem)),
        }
    }
}

/// What came of the attempts so far.
#[derive(Default)]
struct Attempts {
    /// The edit that was shown last.
    shown: Option<Edit>,
    /// An edit that was sent and not answered: it may have been made.
    unanswered: Option<Edit>,
}

impl Attempts {
    fn failure(&self, problem: Problem) -> Failure {
        Failure {
            problem,
            shown: self.shown.clone().map(Box::new),
            unsure: self.unanswered.is_some(),
        }
    }
}

impl Writer<'_> {
    /// Says that `edit` was made, and what that means; in a dry run that it could be made.
    pub(super) fn tell(&self, edit: &Edit) {
        let target = &edit.target;
        self.ui.say(&match self.mode {
            WriteMode::Persist => format!("{target}: {}", self.made),
            WriteMode::DryRun => {
                format!("(dry run) {target}: the API server would accept the change")
            }
        });
    }

    /// Decides on what was `seen`, shows it, records it and writes it; begins again where another client was faster. Returns
    /// the ConfigMap that was decided on, and the edit, which was made if it changes anything.
    pub(super) fn write(
        &self,
        mut seen: ConfigMap,
        decide: impl Fn(&ConfigMap) -> Result<Decision, Problem>,
        record: &mut dyn FnMut(&ConfigMap, &Edit) -> Result<(), Problem>,
    ) -> Result<(ConfigMap, Edit), Failure> {
        let mut so_far = Attempts::default();
        let mut pause = PAUSE.0;
        let mut attempt = 1;
        loop {
            if let Some(edit) = &so_far.unanswered
                && seen.text.as_deref().map(str::as_bytes) == edit.after.as_deref()
            {
                return Ok((seen, edit.clone()));
            }
            let decided = decide(&seen).and_then(|decision| {
                decision.writable()?;
                Ok(decision)
            });
            let Decision { edit, warnings, .. } =
                decided.map_err(|problem| so_far.failure(problem))?;
            warnings.iter().for_each(|text| self.ui.warn(text.as_str()));
            if !edit.changes() {
                return Ok((seen, edit));
            }
            if so_far.shown.as_ref() != Some(&edit) {
                self.show(&edit, so_far.shown.is_some());
                so_far.shown = Some(edit.clone());
                if self.mode == WriteMode::Persist {
                    record(&seen, &edit).map_err(|problem| so_far.failure(problem))?;
                }
            }
            let error = match self.send(&seen, &edit) {
                Ok(()) => return Ok((seen, edit)),
                Err(Sent::Altered(problem)) => {
                    return Err(Failure {
                        unsure: true,
                        ..so_far.failure(problem)
                    });
                }
                Err(Sent::Failed(error)) => error,
            };
            if !error.is_conflict() && !error.is_transient() {
                return Err(so_far.failure(problem("patch", &seen.name, &error)));
            }
            if error.is_transient() && self.mode == WriteMode::Persist {
                so_far.unanswered = Some(edit);
            }
            let wait = error.retry_after().unwrap_or(pause);
            if attempt == ATTEMPTS || Instant::now() + wait >= self.end {
                let unsure = so_far.unanswered.is_some();
                return Err(so_far.failure(self.exhausted(&seen.name, attempt, &error, unsure)));
            }
            thread::sleep(wait);
            pause = (pause * 2).min(PAUSE.1);
            attempt += 1;
            seen = match self.admin.configmap(&seen.name, self.end) {
                Ok(Some(now)) => now,
                Ok(None) => return Err(so_far.failure(gone(&seen.name))),
                Err(error) => return Err(so_far.failure(problem("get", &seen.name, &error))),
            };
        }
    }

    fn show(&self, edit: &Edit, was_another: bool) {
        if was_another {
            let text = format!(
                "{} was changed by another client; the change is now this one",
                edit.target
            );
            self.ui.warn(text);
        }
        show::edit(edit, self.ui);
    }

    fn send(&self, seen: &ConfigMap, edit: &Edit) -> Result<(), Sent> {
        // Only UTF-8 is ever edited.
        let text = String::from_utf8_lossy(edit.bytes_after());
        let answer = self.admin.write_text(seen, &text, self.mode, self.end);
        match answer {
            Ok(now) if now.text.as_deref() == Some(&text) => Ok(()),
            // An admission webhook may write something else than was sent.
            Ok(_) => Err(Sent::Altered(
                Problem::new(
                    Code::Unavailable,
                    format!(
                        "cannot write {}: the API server stored another text than the one sent; an admission webhook may have changed it",
                        edit.target
                    ),
                )
                .hint(Command::from(self.look).then("kubectl get mutatingwebhookconfigurations")),
            )),
            // A webhook that is not known to have no side effects keeps a dry run from being tried, and nothing else.
            Err(ApiError::Status { code: 400, message, .. }) if self.mode == WriteMode::DryRun => {
                let text = format!("the API server does not support a dry run of it: {message}");
                self.ui.warn(text);
                Ok(())
            }
            Err(error) => Err(Sent::Failed(error)),
        }
    }

    fn exhausted(&self, name: &str, attempts: u32, error: &ApiError, unsure: bool) -> Problem {
        if error.is_conflict() {
            return Problem::new(
            Code::Temporary,
            format!("cannot patch configmap/kube-system/{name}: another client changed it each of {attempts} times: {error}"),
        )
        .hint(
            Command::from("kubectl -n kube-system get configmap")
                .arg(name)
                .args(["--show-managed-fields", "-o", "yaml"]),
        );
        }
        let mut problem = problem("patch", name, error);
        if unsure {
            problem = problem.advise("whether the change was made is not known");
            return problem.hint(self.look);
        }
        problem
    }
}

enum Sent {
    /// Something was written, and not what was shown.
    Altered(Problem),
    Failed(ApiError),
}

fn gone(name: &str) -> Problem {
    Problem::new(
        Code::Unavailable,
        format!("cannot patch configmap/kube-system/{name}: it was deleted meanwhile"),
    )
    .hint("kubectl -n kube-system get configmaps")
}
