//! `cluster diff`, `cluster apply`, `cluster rollback`: the same edit in the ConfigMap that kubeadm copies to nodes.

mod decide;
mod find;
mod nodes;
mod receipts;
mod rollback;
mod status;
mod write;

use std::time::{Duration, Instant};

use crate::cli;
use crate::commands::selection;
use crate::host::kube::{Admin, ApiError, WriteMode};
use crate::kubelet::Bootstrap;
use crate::plan::Edit;
use crate::receipt::ClusterSubject;
use crate::report::{ClusterResult, Code, EditReport, Ending, Outcome, Problem};
use crate::text::hint::Command;

use self::decide::decide;
pub(super) use self::decide::{Decision, undoing};
pub(super) use self::receipts::ClusterReceipts;
pub(super) use self::write::{Failure, Writer};
use super::{Ui, admin};

pub(crate) use rollback::run as roll_back;
pub(crate) use status::run as status;

/// How long reading and writing the ConfigMap may take in all, however often it is tried.
const DEADLINE: Duration = Duration::from_secs(30);

/// The command that shows the difference.
const LOOK: &str = "kubelet-tls cluster diff";

/// `cluster diff`: shows the edit. Exit 1 when there are differences.
pub(crate) fn diff(arguments: &cli::ClusterDiff, ui: &Ui) -> Outcome<ClusterResult> {
    let wanted = selection::wanted(arguments.disable);
    let decided = admin::open(&arguments.access).and_then(|admin| {
        let seen = find::find(&admin, Instant::now() + DEADLINE, ui)?;
        Ok((decide(&seen, wanted)?, admin))
    });
    let (decision, admin) = match decided {
        Ok(decided) => decided,
        Err(problem) => return Outcome::failed(ClusterResult::default(), problem),
    };
    let edit = &decision.edit;
    let report = super::show::edit(edit, ui);
    for warning in &decision.warnings {
        ui.warn(warning.as_str());
    }
    if let Err(problem) = decision.writable() {
        ui.warn(problem.message());
    }
    Outcome {
        result: ClusterResult {
            changed: edit.changes(),
            dry_run: None,
            edits: Some(vec![report]),
            nodes: nodes::tell(&admin, wanted, ui),
        },
        ending: if edit.changes() {
            Ending::Negative(None)
        } else {
            Ending::Done
        },
    }
}

/// `cluster apply`: makes the edit.
pub(crate) fn apply(arguments: &cli::ClusterApply, ui: &Ui) -> Outcome<ClusterResult> {
    let wanted = selection::wanted(arguments.disable);
    let mut result = ClusterResult {
        dry_run: Some(arguments.dry_run),
        ..ClusterResult::default()
    };
    let mut steps = || {
        let admin = admin::open(&arguments.access)?;
        let changed = change(&admin, wanted, selection::write_mode(arguments.dry_run), ui);
        let (edit, ended) = Failure::parted(changed.map(Some));
        result.edits = edit.as_ref().map(|edit| vec![EditReport::from(edit)]);
        ended?;
        result.changed = edit.is_some_and(|edit| edit.changes());
        result.nodes = nodes::tell(&admin, wanted, ui);
        Ok(())
    };
    let ended = steps();
    Outcome::new(result, ended)
}

/// Changes the ConfigMap, or says that there is nothing to change. The edit.
fn change(admin: &Admin, wanted: Bootstrap, mode: WriteMode, ui: &Ui) -> Result<Edit, Failure> {
    let end = Instant::now() + DEADLINE;
    let seen = find::find(admin, end, ui)?;
    let mut receipts = ClusterReceipts::<ClusterSubject>::open(mode, ui)?;
    let writer = Writer {
        admin,
        ui,
        mode,
        end,
        look: LOOK,
        made: "updated; applies to new nodes and at the next kubeadm upgrade",
    };
    let edit = receipts.change(&writer, seen, |seen| decide(seen, wanted))?;
    if !edit.changes() {
        super::show::unchanged(&edit, wanted, ui);
    }
    Ok(edit)
}

/// An API error about the ConfigMap `name`, with the permission that may be lacking.
fn problem(verb: &str, name: &str, error: &ApiError) -> Problem {
    let problem = admin::problem(verb, &format!("configmap/kube-system/{name}"), error);
    if problem.code == Code::Permission {
        let object = format!("configmaps/{name}");
        problem.hint(Command::from("kubectl auth can-i").args([verb, &object, "-n", "kube-system"]))
    } else {
        problem
    }
}

/// The API server's address; not the user and password that an address may have.
pub(super) fn address(admin: &Admin) -> String {
    let server = admin.server();
    let port = server
        .port_u16()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("https://{}{port}", server.host().unwrap_or_default())
}
