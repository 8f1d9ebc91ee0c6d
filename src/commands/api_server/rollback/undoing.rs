//! What a rollback of the manifest has to write, by the receipt of the last `api-server apply`.

use crate::apply::NothingToUndo;
use crate::commands::Ui;
use crate::commands::api_server::LOOK;
use crate::commands::cluster::undoing as undoing_change;
use crate::edit::api_server::Verification;
use crate::host::files as host_files;
use crate::plan::{Edit, Target};
use crate::receipt::{ApiServerReceipt, to_the_second};
use crate::report::{Code, Problem};
use crate::text::hint::Command;
use crate::yaml::MAX_BYTES;

/// The edit that undoes the receipt's; one that changes nothing where that was never made, or is undone.
///
/// # Errors
/// When the manifest cannot be read, or was edited since.
pub(super) fn undoing(receipt: &ApiServerReceipt) -> Result<Edit, Problem> {
    let Some(change) = receipt.edits.first() else {
        return Err(Problem::new(
            Code::Input,
            "cannot roll back: the receipt has no edit",
        ));
    };
    let now = host_files::read(change.path(), MAX_BYTES as u64)?;
    let target = Target::File(change.path().to_owned());
    undoing_change(change, target, now).ok_or_else(|| {
        let disable = receipt.subject.wanted == Verification::Enabled;
        let instead = Command::new("kubelet-tls").args(["api-server", "apply"]);
        let instead = instead.args(disable.then_some("--disable"));
        Problem::new(
            Code::Refused,
            format!(
                "cannot roll back {}: it was edited since the api-server apply of {}",
                change.path().display(),
                to_the_second(&receipt.started)
            ),
        )
        .advise(format!("to change only the flag: {instead}"))
        .hint(Command::from(LOOK).args(disable.then_some("--disable")))
    })
}

/// Says that nothing is to be rolled back in the manifest, and why.
pub(super) fn tell_nothing(why: &NothingToUndo, ui: &Ui) {
    let why = why.reason(
        "api-server apply",
        "no api-server apply has changed this node",
        "was rolled back automatically",
    );
    ui.say(&format!("nothing to roll back in the manifest: {why}"));
}
