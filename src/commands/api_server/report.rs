//! What is said of an API server that restarts.

use crate::apply::{CameBack, InstanceCheck, InstanceFailure, InstanceProgress};
use crate::commands::Ui;
use crate::host::signals::Interrupts;
use crate::report::{InstanceReport, Problem, ReachReport};

/// What became of the manifest and the API server.
#[derive(Debug, Default)]
pub(super) struct ManifestOutcome {
    /// Whether the manifest differs from before the run.
    pub(super) changed: bool,
    /// Whether it was rolled back.
    pub(super) rolled_back: bool,
    pub(super) instance: Option<InstanceReport>,
    pub(super) nodes: Option<Vec<ReachReport>>,
}

/// Says what happens to the API server while it is watched.
pub(super) struct Telling<'a> {
    ui: &'a Ui,
    settle: f64,
    interrupts: &'a Interrupts,
}

impl<'a> Telling<'a> {
    pub(super) fn begin(ui: &'a Ui, check: &InstanceCheck<'_>, interrupts: &'a Interrupts) -> Self {
        ui.wait_for("the kubelet to restart the API server");
        Self {
            ui,
            settle: check.settle.as_secs_f64(),
            interrupts,
        }
    }

    pub(super) fn tell(&self, progress: InstanceProgress) {
        match progress {
            InstanceProgress::Down => self.ui.wait_for("the API server to answer"),
            InstanceProgress::Answers(after) => {
                self.ui.say(&format!(
                    "the API server answers after {:.1} s",
                    after.as_secs_f64()
                ));
                self.ui.wait_for(format!(
                    "the API server to stay healthy for {} s",
                    self.settle
                ));
            }
        }
        if self.interrupts.received().is_some() {
            self.ui
                .say("interrupted; completing the check of the API server first");
        }
    }
}

/// That it is healthy, with the measured outage.
pub(super) fn came_back(came: &CameBack) -> String {
    format!(
        "the API server is healthy; it was unavailable for {:.1} s",
        came.outage.as_secs_f64()
    )
}

/// That the nodes were not asked through an API server that has come back and verifies no kubelet.
pub(super) fn not_asked(problem: &Problem) -> String {
    format!("the nodes were not asked through this API server: {problem}")
}

/// What went wrong with it.
pub(super) fn failed(failure: &InstanceFailure) -> String {
    format!("the API server did not come back healthy: {failure}")
}

/// The API server as reported.
pub(super) fn instance(
    check: &InstanceCheck<'_>,
    came: Result<&CameBack, &InstanceFailure>,
    restarted: bool,
) -> InstanceReport {
    let hundredths =
        |duration: std::time::Duration| (duration.as_secs_f64() * 100.0).round() / 100.0;
    InstanceReport {
        address: check.address().to_string(),
        restarted,
        healthy: Some(came.is_ok()),
        seconds: came.ok().map(|came| hundredths(came.after)),
        outage_seconds: came.ok().map(|came| hundredths(came.outage)),
    }
}

/// The API server as reported before it restarts.
pub(super) fn planned(check: &InstanceCheck<'_>) -> InstanceReport {
    InstanceReport {
        address: check.address().to_string(),
        restarted: false,
        healthy: None,
        seconds: None,
        outage_seconds: None,
    }
}
