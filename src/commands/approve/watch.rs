//! `approve --watch`: tells what the approver decides, and ends with it.

use crate::approver::{self, DecisionLine, Listen, Options, StartError};
use crate::cli;
use crate::host::kube::kubeconfig::Source;
use crate::host::signals::Interrupts;
use crate::report::{Code, Problem};

use super::super::{Ui, admin};

/// Runs until a signal asks it to end, and returns the exit code. It prints one line, or one JSON object a line, for each
/// decision, and no result document.
pub(crate) fn watch(arguments: &cli::Approve, ui: &Ui) -> u8 {
    let interrupts = Interrupts::hold();
    // From now on a signal ends it after the decision in hand.
    interrupts.commit();
    let access = &arguments.access;
    let source = Source::of_administrator(access.kubeconfig.as_deref(), access.context.as_deref());
    let options = super::options(arguments);
    let options = Options {
        policy: options.policy,
        deny: options.deny,
        renewals: options.renewals,
        dry_run: arguments.dry_run,
        networks: super::networks(arguments),
        metrics: arguments.metrics,
    };
    match approver::run(&source, &options, &interrupts, &Printer(ui)) {
        Ok(()) => 0,
        Err(error) => {
            let problem = match error {
                StartError::Api(error) => admin::not_opened(access, &error),
                StartError::Listen { .. } => {
                    Problem::of(Code::Unavailable, error).hint("ss --listening --tcp --processes")
                }
                StartError::Thread(_) => Problem::of(Code::Unavailable, error).rerun(),
            };
            ui.error(&problem);
            problem.code as u8
        }
    }
}

struct Printer<'a>(&'a Ui);

impl Listen for Printer<'_> {
    fn decided(&self, line: &DecisionLine) {
        self.0.record(&line.to_string(), line);
    }

    fn warn(&self, text: String) {
        self.0.warn_each(&text);
    }
}
