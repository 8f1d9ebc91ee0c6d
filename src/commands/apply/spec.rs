//! What a run is to bring about: the same edits, restart and proof, whether they make a change or undo one.

use std::time::Duration;

use crate::cli;
use crate::commands::node;
use crate::kubelet::Bootstrap;
use crate::receipt::Resolution;

/// What a run is to bring about, and how.
#[derive(Debug, Clone)]
pub(in crate::commands) struct RunSpec {
    pub(in crate::commands) direction: Direction,
    /// What `serverTLSBootstrap` becomes.
    pub(in crate::commands) wanted: Bootstrap,
    pub(in crate::commands) restart: cli::Restart,
    pub(in crate::commands) wait: cli::Wait,
    pub(in crate::commands) timeout: Duration,
    pub(in crate::commands) settle: Duration,
    /// The command that undoes its edits alone, where it cannot do so itself.
    pub(in crate::commands) undo: String,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Direction {
    /// The change is made.
    Apply,
    /// The last change is undone.
    RollBack,
}

impl Direction {
    /// How the receipt's change stands when all went well.
    pub(super) fn succeeded(self) -> Resolution {
        match self {
            Self::Apply => Resolution::Made,
            Self::RollBack => Resolution::Undone,
        }
    }

    /// How it stands when the kubelet did not come back and the edits were taken back.
    pub(super) fn failed(self) -> Resolution {
        match self {
            Self::Apply => Resolution::Undone,
            Self::RollBack => Resolution::Made,
        }
    }
}

impl RunSpec {
    /// The task of `apply`.
    pub(super) fn of(arguments: &cli::Apply) -> Self {
        Self {
            direction: Direction::Apply,
            wanted: node::wanted(&arguments.selection),
            restart: arguments.restart,
            wait: arguments.wait(),
            timeout: arguments.timeout,
            settle: arguments.settle,
            undo: arguments.again(!arguments.selection.disable, "--restart never"),
        }
    }

    /// What cannot be done, in an error.
    pub(super) fn describe(&self) -> &'static str {
        match (self.direction, self.wanted) {
            (Direction::Apply, Bootstrap::Enabled) => "enable serverTLSBootstrap",
            (Direction::Apply, Bootstrap::Disabled) => "disable serverTLSBootstrap",
            (Direction::RollBack, _) => "roll back the last apply",
        }
    }
}
