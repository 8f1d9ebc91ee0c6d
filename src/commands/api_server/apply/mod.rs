//! `api-server apply`: has this control-plane node's API server verify kubelets, or rolls the change back.

mod configuration;
mod decide;
mod observe;
mod run;

use crate::cli;
use crate::commands::cluster::Failure;
use crate::commands::{Ui, show};
use crate::edit::api_server::{FLAG, Verification};
use crate::host::signals::Interrupts;
use crate::plan::Plan;
use crate::report::{ApiServerApplyResult, Code, EditReport, Outcome, Problem};

use self::decide::{Act, Decision};
use self::observe::ManifestSite;
use super::after_the_manifest;
use super::execute::ManifestRun;

pub(crate) fn run(arguments: &cli::ApiServerApply, ui: &Ui) -> Outcome<ApiServerApplyResult> {
    let interrupts = Interrupts::hold();
    let mut result = ApiServerApplyResult {
        dry_run: arguments.waiting.dry_run,
        ..ApiServerApplyResult::default()
    };
    let mut steps = || {
        let mut site = ManifestSite::open(arguments, ui)?;
        let decision = decide::decide(&site.observed, &site.options())?;
        show(&decision, &site)?;
        result.edits = Some(vec![EditReport::from(&decision.edit)]);
        let ended = if arguments.waiting.dry_run {
            tell_dry_run(&decision, &mut site.run);
            Ok(())
        } else {
            site.execute(&decision, &interrupts)
        };
        let outcome = std::mem::take(&mut site.run.outcome);
        result.changed = outcome.changed;
        result.api_server = outcome.instance;
        result.nodes = outcome.nodes;
        result.rolled_back = outcome.rolled_back;
        ended?;
        interrupted(&site, &interrupts)?;
        let (edit, ended) = Failure::parted(site.change_configuration());
        let edits = result.edits.get_or_insert_default();
        edits.extend(edit.as_ref().map(EditReport::from));
        ended.map_err(|problem| beside(problem, site.wanted))?;
        result.changed |= edit.is_some_and(|edit| edit.changes());
        Ok(())
    };
    let ended = steps();
    Outcome::new(result, ended)
}

/// Shows the edit of the manifest and what follows from it, and looks whether it can be made.
fn show(decision: &Decision, site: &ManifestSite<'_>) -> Result<(), Problem> {
    let (edit, ui) = (&decision.edit, site.run.ui);
    match decision.act {
        Act::Switch => {
            site.run.receipts.store().inspect()?;
            site.run.locks.inspect(&Plan::of(vec![edit.clone()]))?;
            show::edit(edit, ui);
        }
        Act::Complete => {
            ui.say("an earlier run was interrupted after it had edited the manifest; completing it")
        }
        Act::Await => ui.say(&format!(
            "{}: unchanged; the API server does not run with it yet",
            edit.target
        )),
        Act::Nothing => {
            let already = match site.wanted {
                Verification::Enabled => "is already set, and the API server runs with it",
                Verification::Disabled => "is not set, and the API server runs without it",
            };
            ui.say(&format!("{}: unchanged: {FLAG} {already}", edit.target));
        }
    }
    for warning in &decision.warnings {
        ui.warn(warning.as_str());
    }
    Ok(())
}

/// What would be done, as the outcome and in words.
fn tell_dry_run(decision: &Decision, run: &mut ManifestRun<'_>) {
    run.outcome.changed = decision.edit.changes() && decision.act == Act::Switch;
    run.outcome.instance = Some(run.report(false, None));
    run.ui.say(match decision.act {
        Act::Switch => "(dry run) nothing was changed; the kubelet would restart the API server",
        Act::Complete | Act::Await => "(dry run) nothing was changed; would watch the API server",
        Act::Nothing => "(dry run) nothing was changed; would not restart the API server",
    });
}

/// A signal came while the API server was watched: what is begun is complete, and nothing else is begun.
fn interrupted(site: &ManifestSite<'_>, interrupts: &Interrupts) -> Result<(), Problem> {
    match interrupts.received() {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            Code::Temporary,
            format!(
                "interrupted; {}, and configmap/kube-system/kubeadm-config was not looked at",
                state(site.wanted)
            ),
        )
        .rerun()),
    }
}

/// The manifest is changed, and kubeadm's configuration is not.
fn beside(problem: Problem, wanted: Verification) -> Problem {
    after_the_manifest(problem).advise(state(wanted)).advise(
        "until configmap/kube-system/kubeadm-config is changed too, the next kubeadm upgrade undoes that",
    )
}

fn state(wanted: Verification) -> &'static str {
    match wanted {
        Verification::Enabled => "the API server of this node verifies kubelets and is healthy",
        Verification::Disabled => "the API server of this node verifies no kubelets and is healthy",
    }
}
