//! `cluster diff`, `cluster apply` and `rollback --cluster`: the same edit in the ConfigMap that kubeadm copies to nodes.

mod find;
mod nodes;
mod receipts;
mod rollback;
mod status;
mod write;

use std::time::{Duration, Instant};

use crate::cli;
use crate::edit::FileKind;
use crate::host::kube::{Admin, ApiError, Keep};
use crate::kubelet::Bootstrap;
use crate::node::KubeletConfigMap;
use crate::plan::{Edit, Target};
use crate::receipt::State;
use crate::report::{Code, Document, EditReport, Problem};

use self::receipts::Receipts;
use self::write::{Outcome, Writer};
use super::{Ui, admin, files};

pub(crate) use rollback::run as roll_back;
pub(crate) use status::run as status;

/// How long reading and writing the ConfigMap may take in all, however often it is tried.
const DEADLINE: Duration = Duration::from_secs(30);

/// `cluster diff`: shows the edit.
///
/// # Errors
/// [`Code::Negative`] when there are differences; else why the ConfigMap cannot be read or edited.
pub(crate) fn diff(
    arguments: &cli::ClusterDiff,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    document.changed = Some(false);
    let wanted = wanted(arguments.disable);
    let admin = admin::open(&arguments.access)?;
    let seen = find::find(&admin, Instant::now() + DEADLINE, ui, document)?;
    let edit = edit(&seen, wanted, ui, document)?;
    super::diff::show(&edit, ui);
    report(&edit, document);
    document.changed = Some(edit.changes());
    if edit.changes() {
        warn_before(&seen, wanted, ui, document);
        if let Err(problem) = writable(&seen) {
            ui.warn(problem.message());
        }
    }
    document.nodes = nodes::tell(&admin, wanted, ui);
    if edit.changes() {
        Err(Problem::new(Code::Negative, ""))
    } else {
        Ok(())
    }
}

/// `cluster apply`: makes the edit.
///
/// # Errors
/// What kept it from its end.
pub(crate) fn apply(
    arguments: &cli::ClusterApply,
    ui: &Ui,
    document: &mut Document,
) -> Result<(), Problem> {
    document.changed = Some(false);
    document.dry_run = Some(arguments.dry_run);
    let wanted = wanted(arguments.disable);
    let admin = admin::open(&arguments.access)?;
    let end = Instant::now() + DEADLINE;
    let seen = find::find(&admin, end, ui, document)?;
    let keep = keep(arguments.dry_run);
    let mut receipts = Receipts::open(keep, ui)?;
    let writer = Writer {
        admin: &admin,
        ui,
        keep,
        end,
    };
    let decide = |seen: &KubeletConfigMap, document: &mut Document| {
        let edit = edit(seen, wanted, ui, document)?;
        if edit.changes() {
            writable(seen)?;
            warn_before(seen, wanted, ui, document);
        }
        Ok(edit)
    };
    let mut record =
        |seen: &KubeletConfigMap, edit: &Edit| receipts.begin(edit, address(&admin), &seen.uid);
    let written = writer.write(seen, decide, &mut record, document);
    match written {
        Ok(Outcome::Written(edit)) => {
            receipts.end(State::Done, ui);
            document.changed = Some(true);
            tell_written(&edit, keep, ui);
        }
        Ok(Outcome::Unchanged(seen, edit)) => {
            report(&edit, document);
            receipts.settle(&seen, ui);
            super::diff::tell_unchanged(&edit, wanted, ui);
        }
        Err(failure) => {
            if !failure.unsure {
                receipts.abandon(State::PutBack, ui);
            }
            return Err(failure.problem);
        }
    }
    document.nodes = nodes::tell(&admin, wanted, ui);
    Ok(())
}

fn tell_written(edit: &Edit, keep: Keep, ui: &Ui) {
    let target = &edit.target;
    ui.say(&match keep {
        Keep::Yes => format!(
            "{target}: changed; nodes that join and nodes that are upgraded get it from there"
        ),
        Keep::No => format!("{target}: the API server would take the change; nothing was changed"),
    });
}

/// The edit of the ConfigMap's text.
///
/// # Errors
/// When there is no text, or the edit of it is refused.
fn edit(
    seen: &KubeletConfigMap,
    wanted: Bootstrap,
    ui: &Ui,
    document: &mut Document,
) -> Result<Edit, Problem> {
    let target = seen.target();
    let Some(text) = &seen.text else {
        return Err(Problem::new(
            Code::Input,
            format!("cannot edit {target}: it has no data key kubelet"),
        )
        .advise("kubeadm init phase upload-config kubelet writes it anew")
        .hint(get(seen)));
    };
    let edited = crate::edit::edit(text.as_bytes(), FileKind::Kubelet, wanted)
        .map_err(|refusal| files::refused(&target, &refusal, files::Whose::Node))?;
    for warning in edited.warnings {
        let place = at(&target, warning.position);
        ui.warn(format!("{place}: {}", warning.message));
    }
    Ok(Edit::new(target, text.as_bytes().to_vec(), edited.after))
}

/// What is known to keep any change from being made.
///
/// # Errors
/// When the ConfigMap is immutable.
fn writable(seen: &KubeletConfigMap) -> Result<(), Problem> {
    if !seen.immutable {
        return Ok(());
    }
    Err(Problem::new(
        Code::Io,
        format!(
            "cannot write {}: it is immutable, for kubeadm too",
            seen.target()
        ),
    )
    .advise("only one that is deleted and made anew can differ")
    .hint(get(seen)))
}

/// What follows from the change, and who may undo it.
fn warn_before(seen: &KubeletConfigMap, wanted: Bootstrap, ui: &Ui, document: &mut Document) {
    if wanted == Bootstrap::Enabled {
        let text = "a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its request is approved";
        ui.warn(text.to_owned());
    }
    for keeper in &seen.keepers {
        let text = format!(
            "{} may be written anew by {keeper}: make the change where that has it from too",
            seen.target()
        );
        ui.warn(text);
    }
}

fn at(target: &Target, position: Option<crate::yaml::Position>) -> String {
    position.map_or_else(
        || target.to_string(),
        |at| format!("{target}:{}:{}", at.line, at.column),
    )
}

/// The command that shows it.
fn get(seen: &KubeletConfigMap) -> String {
    format!("kubectl -n kube-system get configmap {} -o yaml", seen.name)
}

/// An API error about the ConfigMap `name`, with the permission that may be lacking.
fn problem(verb: &str, name: &str, error: &ApiError) -> Problem {
    let problem = admin::problem(verb, &format!("configmap/kube-system/{name}"), error);
    if problem.code == Code::Permission {
        problem.hint(format!(
            "kubectl auth can-i {verb} configmaps/{name} -n kube-system"
        ))
    } else {
        problem
    }
}

fn report(edit: &Edit, document: &mut Document) {
    document.edits = Some(vec![EditReport::from(edit)]);
}

fn wanted(disable: bool) -> Bootstrap {
    if disable {
        Bootstrap::Disabled
    } else {
        Bootstrap::Enabled
    }
}

fn keep(dry_run: bool) -> Keep {
    if dry_run { Keep::No } else { Keep::Yes }
}

/// The API server's address; not the user and password that an address may have.
fn address(admin: &Admin) -> String {
    let server = admin.server();
    let port = server
        .port_u16()
        .map_or_else(String::new, |port| format!(":{port}"));
    format!("https://{}{port}", server.host().unwrap_or_default())
}
