//! `approve`: checks what `kubectl certificate approve` does not look at, and then does the same.

mod act;
mod candidates;
mod decide;
mod inventory;
mod outcome;
mod result;
mod served;
mod table;
mod watch;

use std::time::Instant;

use crate::approval::{ApprovalPolicy, Networks, Vouched};
use crate::cli;
use crate::host::kube::Admin;
use crate::report::{Outcome, Problem};

use super::{Ui, admin};
use act::act;
use decide::{Observed, Options, PlannedDecision, decide};
use outcome::{Row, What, conclude, kind};
pub(crate) use result::ApproveResult;
pub(crate) use watch::watch;

/// Judges requests, and approves those that every rule holds of.
pub(crate) fn run(arguments: &cli::Approve, ui: &Ui) -> Outcome<ApproveResult> {
    let end = Instant::now() + arguments.timeout;
    let options = options(arguments);
    let observed = admin::open(&arguments.access).and_then(|api| {
        let observed = observe(&api, arguments, &options, ui, end)?;
        Ok((api, observed))
    });
    let (api, observed) = match observed {
        Ok(observed) => observed,
        Err(problem) => {
            let nothing = ApproveResult::new(arguments.dry_run, &[]);
            return Outcome::failed(nothing, problem);
        }
    };
    let plan = decide(&observed, &options);
    let rows = if arguments.dry_run {
        plan.into_iter().map(Row::preview).collect()
    } else {
        execute(&api, plan, &observed, &options, ui, end)
    };
    if arguments.dry_run {
        rows.iter().for_each(|row| bare_name(row, ui));
        ui.table(&table::table(&rows));
    }
    for row in &rows {
        if let Some(warning) = row.warning() {
            ui.warn(format!("{} {warning}", row.name()));
        }
    }
    let result = ApproveResult::new(arguments.dry_run, &rows);
    Outcome::new(result, conclude(&rows, &observed, arguments, ui))
}

fn options(arguments: &cli::Approve) -> Options {
    Options {
        policy: ApprovalPolicy {
            max_duration: arguments.max_duration,
            max_names: arguments.max_names,
            ip_prefixes: arguments.ip_prefixes.clone(),
            dns_suffixes: arguments.dns_suffixes.clone(),
            vouched: Vouched::new(&arguments.allow),
        },
        deny: arguments.deny,
        renewals: arguments.renewals,
    }
}

/// The networks that the administrator gave.
fn networks(arguments: &cli::Approve) -> Networks {
    Networks {
        services: arguments.service_cidrs.clone(),
        pods: arguments.pod_cidrs.clone(),
        domains: Vec::new(),
    }
}

/// Reads the requests, and after them everything that they are judged by.
///
/// # Errors
/// Why a fact is not known: then nothing can be vouched for.
fn observe(
    api: &Admin,
    arguments: &cli::Approve,
    options: &Options,
    ui: &Ui,
    end: Instant,
) -> Result<Observed, Problem> {
    let mut observed = candidates::find(api, arguments, end)?;
    let facts = api.inventory(&networks(arguments), &mut |warning| ui.warn(warning), end);
    observed.inventory = facts.map_err(inventory::problem)?;
    if options.renewals {
        observed.served = served::look(api, &observed, options);
    }
    Ok(observed)
}

/// Carries the plan out. An error costs its own request: the others are still decided, and what may succeed a moment later is tried
/// again when all others have had their turn.
fn execute(
    api: &Admin,
    plan: Vec<PlannedDecision>,
    observed: &Observed,
    options: &Options,
    ui: &Ui,
    end: Instant,
) -> Vec<Row> {
    let mut rows = Vec::with_capacity(plan.len());
    for planned in plan {
        let limit = end.min(Instant::now() + act::FIRST_TRY);
        let what = act(api, &planned, observed, options, limit);
        let row = Row { planned, what };
        if !row.may_pass() {
            tell(&row, ui);
        }
        rows.push(row);
    }
    for row in rows.iter_mut().filter(|row| row.may_pass()) {
        if Instant::now() < end {
            row.what = act(api, &row.planned, observed, options, end);
        }
        tell(row, ui);
    }
    rows
}

/// One line for people; with `-o name` the name of what is approved.
fn tell(row: &Row, ui: &Ui) {
    let name = kind(&row.planned.request.name);
    ui.table(&format!("{name} {}\n", row.described()));
    bare_name(row, ui);
}

fn bare_name(row: &Row, ui: &Ui) {
    if matches!(row.what, What::Approved(_) | What::Already) {
        ui.bare_name(&row.name());
    }
}
