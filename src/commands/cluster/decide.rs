//! What to do about the ConfigMap as it was read: pure.

use crate::commands::files;
use crate::edit::FileKind;
use crate::kubelet::Bootstrap;
use crate::node::ConfigMap;
use crate::plan::{Edit, Target};
use crate::receipt::{FileState, RecordedChange};
use crate::report::{Code, Problem};
use crate::text::hint::Command;

/// The edit of one state of a ConfigMap or of a file.
#[derive(Debug)]
pub(in crate::commands) struct Decision {
    pub(in crate::commands) edit: Edit,
    /// What a person should know before it is made.
    pub(in crate::commands) warnings: Vec<String>,
    /// Whether the API server lets no one make it.
    pub(in crate::commands) immutable: bool,
}

impl Decision {
    /// The edit `edit` of the ConfigMap `seen`, without warnings.
    pub(in crate::commands) fn of(edit: Edit, seen: &ConfigMap) -> Self {
        Self {
            edit,
            warnings: Vec::new(),
            immutable: seen.immutable,
        }
    }

    /// The edit that undoes `change`; one that changes nothing where that was never made, or is undone. `None` where the
    /// text was edited since.
    pub(in crate::commands) fn undoing(change: &RecordedChange, seen: &ConfigMap) -> Option<Self> {
        let text = seen.text.clone().unwrap_or_default().into_bytes();
        Some(Self::of(undoing(change, seen.target(), text)?, seen))
    }

    /// That the edit can be made, as far as is known.
    ///
    /// # Errors
    /// When it changes something and the ConfigMap is immutable.
    pub(super) fn writable(&self) -> Result<(), Problem> {
        if !self.immutable || !self.edit.changes() {
            return Ok(());
        }
        let target = &self.edit.target;
        let problem = Problem::new(
            Code::Io,
            format!("cannot write {target}: it is immutable, for kubeadm too"),
        )
        .advise("delete and recreate it to change it");
        Err(match target {
            Target::ConfigMap { name, .. } => problem.hint(get(name)),
            Target::File(_) | Target::Standard => problem,
        })
    }
}

/// The edit that undoes `change` of `target`, which reads `now`; one that changes nothing where that was never made, or is
/// undone. `None` where the target was edited since.
pub(in crate::commands) fn undoing(
    change: &RecordedChange,
    target: Target,
    now: Vec<u8>,
) -> Option<Edit> {
    match change.compare(Some(&now)) {
        FileState::Before => Some(Edit::new(target, now.clone(), now)),
        FileState::After(edit) => Some(Edit {
            target,
            ..edit.inverse()
        }),
        FileState::Edited => None,
    }
}

/// The edit that makes the text read as `wanted`.
///
/// # Errors
/// When the ConfigMap has no text, or the edit of it is refused.
pub(super) fn decide(seen: &ConfigMap, wanted: Bootstrap) -> Result<Decision, Problem> {
    let target = seen.target();
    let Some(text) = &seen.text else {
        return Err(Problem::new(
            Code::Input,
            format!("cannot edit {target}: it has no data key kubelet"),
        )
        .advise("kubeadm init phase upload-config kubelet recreates it")
        .hint(get(&seen.name)));
    };
    let edited = crate::edit::edit(text.as_bytes(), FileKind::Kubelet, wanted)
        .map_err(|refusal| files::refused(&target, &refusal, files::Whose::Node))?;
    let mut warnings: Vec<String> = edited
        .warnings
        .into_iter()
        .map(|warning| format!("{}: {}", at(&target, warning.position), warning.message))
        .collect();
    let edit = Edit::new(target, text.as_bytes().to_vec(), edited.after);
    if edit.changes() {
        warnings.extend(consequences(seen, wanted));
    }
    Ok(Decision {
        warnings,
        ..Decision::of(edit, seen)
    })
}

/// What follows from the change, and who may undo it.
fn consequences(seen: &ConfigMap, wanted: Bootstrap) -> Vec<String> {
    let outage = "a node that joins, or whose kubelet starts after an upgrade, refuses TLS on port 10250 until its CSR is approved";
    let outage = (wanted == Bootstrap::Enabled).then(|| outage.to_owned());
    let keepers = seen.keepers.iter().map(|keeper| {
        format!(
            "{} may be rewritten by {keeper}: make the same change at its source",
            seen.target()
        )
    });
    outage.into_iter().chain(keepers).collect()
}

fn at(target: &Target, position: Option<crate::yaml::Position>) -> String {
    position.map_or_else(
        || target.to_string(),
        |at| format!("{target}:{}:{}", at.line, at.column),
    )
}

/// The command that shows the ConfigMap `name`.
fn get(name: &str) -> Command {
    Command::new("kubectl").args([
        "-n",
        ConfigMap::NAMESPACE,
        "get",
        "configmap",
        name,
        "-o",
        "yaml",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

    fn map(text: Option<&str>, immutable: bool, keepers: &[&str]) -> ConfigMap {
        ConfigMap {
            name: "kubelet-config".into(),
            uid: "u".into(),
            resource_version: "1".into(),
            text: text.map(|text| format!("{HEAD}{text}")),
            immutable,
            keepers: keepers.iter().map(|keeper| (*keeper).to_owned()).collect(),
        }
    }

    /// Whether it changes something, how many warnings there are, and whether it can be written; or the exit code.
    fn decided(map: &ConfigMap, wanted: Bootstrap) -> Result<(bool, usize, bool), u8> {
        let decision = decide(map, wanted).map_err(|problem| problem.code as u8)?;
        let writable = decision.writable().is_ok();
        Ok((decision.edit.changes(), decision.warnings.len(), writable))
    }

    #[test]
    fn each_state_of_the_configmap_has_its_edit() {
        use Bootstrap::{Disabled, Enabled};
        let on = Some("serverTLSBootstrap: true\n");
        for (text, immutable, keepers, wanted, expected) in [
            (Some(""), false, &[][..], Enabled, Ok((true, 1, true))),
            (Some(""), false, &["Flux"], Enabled, Ok((true, 2, true))),
            (Some(""), true, &[], Enabled, Ok((true, 1, false))),
            // What needs no change is not written, so it may be immutable.
            (on, true, &["Flux"], Enabled, Ok((false, 0, true))),
            (on, false, &[], Disabled, Ok((true, 0, true))),
            (on, false, &["Flux"], Disabled, Ok((true, 1, true))),
            (None, false, &[], Enabled, Err(65)),
            (Some("a: 1\na: 2\n"), false, &[], Enabled, Err(65)),
        ] {
            let map = map(text, immutable, keepers);
            assert_eq!(decided(&map, wanted), expected, "{map:?} {wanted:?}");
        }
    }
}
