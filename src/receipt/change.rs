//! One edit of a receipt, as the bytes that changed.

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::plan::{Edit, Target};
use crate::text::sha256;

/// One edit, as the bytes that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordedChange {
    /// The file, by its path from the root in use; in a cluster's receipt `configmap/kube-system/kubelet-config`.
    pub target: PathBuf,
    /// Where the change begins, in bytes.
    pub offset: usize,
    /// What was there before.
    pub removed: String,
    /// What is there after it.
    pub inserted: String,
    /// SHA-256 of the whole file before, in hexadecimal; absent if the edit created the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256_before: Option<String>,
    /// SHA-256 of the whole file after, in hexadecimal.
    pub sha256_after: String,
}

/// What a file reads now, compared with a change of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// As before the change.
    Before,
    /// As after it; this edit would have made it so.
    After(Edit),
    /// Something else: it was edited since.
    Edited,
}

impl RecordedChange {
    /// The change that `edit` makes; `None` for an edit of which no receipt is kept.
    pub(super) fn of(edit: &Edit) -> Option<Self> {
        let target = match &edit.target {
            Target::File(path) => path.clone(),
            Target::ConfigMap { .. } => edit.target.to_string().into(),
            Target::Standard => return None,
        };
        // Only UTF-8 is ever edited. No plan removes a file: that is the undoing of a creation.
        let (before, after) = (
            std::str::from_utf8(edit.bytes_before()).ok()?,
            std::str::from_utf8(edit.after.as_deref()?).ok()?,
        );
        let prefix = common(before.chars(), after.chars());
        let (rest_before, rest_after) = (before.get(prefix..)?, after.get(prefix..)?);
        let suffix = common(rest_before.chars().rev(), rest_after.chars().rev());
        Some(Self {
            target,
            offset: prefix,
            removed: rest_before.get(..rest_before.len() - suffix)?.to_owned(),
            inserted: rest_after.get(..rest_after.len() - suffix)?.to_owned(),
            sha256_before: edit.before.as_deref().map(sha256),
            sha256_after: sha256(after.as_bytes()),
        })
    }

    /// The file that was changed.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Whether the target is a path that begins at the root and leads nowhere but down.
    pub(super) fn is_absolute(&self) -> bool {
        let mut parts = self.target.components();
        self.target.is_absolute() && parts.all(|part| part != Component::ParentDir)
    }

    /// Compares a file that reads `now`, or does not exist, with this change.
    pub fn compare(&self, now: Option<&[u8]>) -> FileState {
        let hash = now.map(sha256);
        if hash == self.sha256_before {
            return FileState::Before;
        }
        let after = now.filter(|_| hash.as_deref() == Some(&*self.sha256_after));
        match after.and_then(|now| Some((now, self.undone(now)?))) {
            Some((now, before)) => FileState::After(Edit {
                target: Target::File(self.target.clone()),
                before,
                after: Some(now.to_vec()),
            }),
            None => FileState::Edited,
        }
    }

    /// What a file that reads `now` read before the change, if that is what the receipt says.
    fn undone(&self, now: &[u8]) -> Option<Option<Vec<u8>>> {
        let end = self.offset.checked_add(self.inserted.len())?;
        if now.get(self.offset..end)? != self.inserted.as_bytes() {
            return None;
        }
        let before = [
            now.get(..self.offset)?,
            self.removed.as_bytes(),
            now.get(end..)?,
        ]
        .concat();
        match &self.sha256_before {
            Some(hash) => (sha256(&before) == *hash).then_some(Some(before)),
            None => before.is_empty().then_some(None),
        }
    }
}

/// How many bytes two texts begin with in common.
fn common(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    a.zip(b)
        .take_while(|(a, b)| a == b)
        .map(|(a, _)| a.len_utf8())
        .sum()
}
