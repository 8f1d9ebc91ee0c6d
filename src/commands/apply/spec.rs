//! What a run is to bring about: the same edits, restart and health check, whether they make a change or undo one.

use std::time::Duration;

use crate::cli;
use crate::commands::selection;
use crate::kubelet::Bootstrap;
use crate::receipt::Resolution;
use crate::report::{Code, Problem};
use crate::text::hint::Command;

use super::decide::Options;

/// What a run is to bring about, and how.
#[derive(Debug, Clone)]
pub(in crate::commands) struct RunSpec {
    /// Whether a change is made or undone.
    pub(in crate::commands) direction: Direction,
    /// What `serverTLSBootstrap` becomes.
    pub(in crate::commands) wanted: Bootstrap,
    /// When the kubelet is restarted.
    pub(in crate::commands) restart: cli::RestartPolicy,
    /// What is waited for.
    pub(in crate::commands) wait: cli::Wait,
    /// How long that is waited for, after the kubelet is healthy.
    pub(in crate::commands) timeout: Duration,
    /// The command that undoes the edits alone, for the case that the run cannot.
    pub(in crate::commands) undo: Command,
}

/// Whether a change is made or undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum Direction {
    /// The change is made.
    Apply,
    /// The last change is undone.
    RollBack,
}

impl Direction {
    /// How the receipt's change ends when all went well.
    pub(super) fn succeeded(self) -> Resolution {
        match self {
            Self::Apply => Resolution::Made,
            Self::RollBack => Resolution::Undone,
        }
    }

    /// How it ends when the kubelet did not come back and the edits were undone.
    pub(super) fn failed(self) -> Resolution {
        match self {
            Self::Apply => Resolution::Undone,
            Self::RollBack => Resolution::Made,
        }
    }
}

impl RunSpec {
    /// What `apply` is to bring about.
    pub(super) fn of(arguments: &cli::Apply) -> Self {
        let mut undo = cli::Apply {
            restart: cli::RestartPolicy::Never,
            issue_first: false,
            wait: None,
            ..arguments.clone()
        };
        undo.selection.disable = !arguments.selection.disable;
        Self {
            direction: Direction::Apply,
            wanted: selection::wanted(arguments.selection.disable),
            restart: arguments.restart,
            wait: arguments.wait(),
            timeout: arguments.timeout,
            undo: undo.command(),
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

impl Options {
    /// What the command line asks for, as far as the decision depends on it.
    ///
    /// # Errors
    /// When its options contradict each other.
    pub(super) fn of(arguments: &cli::Apply) -> Result<Self, Problem> {
        let rooted = arguments.selection.root.is_some();
        let restart = match arguments.restart {
            _ if rooted => cli::RestartPolicy::Never,
            restart => restart,
        };
        if arguments.issue_first && restart == cli::RestartPolicy::Never {
            let with_restart = cli::Apply {
                restart: cli::RestartPolicy::Auto,
                ..arguments.clone()
            };
            return Err(Problem::new(
                Code::Usage,
                "cannot use --issue-first with --restart never: the certificate is for the restart",
            )
            .hint(with_restart.command()));
        }
        Ok(Self {
            wanted: selection::wanted(arguments.selection.disable),
            restart,
            wait: arguments.wait(),
            issue_first: arguments.issue_first,
        })
    }
}
