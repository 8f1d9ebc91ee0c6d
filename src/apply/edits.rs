//! All edits of a plan, or none.

use std::path::Path;

use crate::host::files::{DirectoryLock, FileError};
use crate::plan::{Edit, Plan, Target};

/// The locks of all directories in which a plan edits.
#[derive(Debug, Default)]
pub struct Locks(Vec<DirectoryLock>);

impl Locks {
    /// Locks the directories of `paths`, without waiting, and sweeps away what a killed run left there.
    ///
    /// # Errors
    /// When another run holds one of them.
    pub fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<Self, FileError> {
        let mut locks = Self::default();
        for path in paths {
            if locks.covering(path).is_none() {
                locks.0.push(DirectoryLock::for_file(path)?);
            }
        }
        locks.0.iter().for_each(DirectoryLock::sweep);
        Ok(locks)
    }

    /// Looks whether the files of `plan` can be replaced, so that a refusal is precise and a dry run predicts it.
    ///
    /// # Errors
    /// The first obstacle.
    pub fn inspect(&self, plan: &Plan) -> Result<(), FileError> {
        for edit in plan.edits.iter().filter(|edit| edit.changes()) {
            if let Target::File(path) = &edit.target
                && let Some(lock) = self.covering(path)
            {
                lock.inspect(path, edit.after.len() as u64)?;
            }
        }
        Ok(())
    }

    fn covering(&self, path: &Path) -> Option<&DirectoryLock> {
        self.0.iter().find(|lock| lock.covers(path))
    }

    /// Makes all edits of `plan`, or none: where one fails, those before it are undone.
    ///
    /// # Errors
    /// What failed, and what of the undoing failed too.
    pub fn edit(&self, plan: &Plan) -> Result<(), EditFailure> {
        let changes: Vec<&Edit> = plan.edits.iter().filter(|edit| edit.changes()).collect();
        for (done, edit) in changes.iter().enumerate() {
            if let Err(cause) = self.replace(edit) {
                let undo = changes.get(..done).unwrap_or_default().iter().rev();
                let left = undo
                    .filter_map(|edit| self.replace(&edit.inverse()).err())
                    .collect();
                return Err(EditFailure { cause, left });
            }
        }
        Ok(())
    }

    fn replace(&self, edit: &Edit) -> Result<(), FileError> {
        match &edit.target {
            Target::File(path) => match self.covering(path) {
                Some(lock) => lock.replace(path, &edit.before, &edit.after),
                // The symlink was turned elsewhere since the lock was taken; a fresh lock finds that out.
                None => DirectoryLock::for_file(path)?.replace(path, &edit.before, &edit.after),
            },
            // Their results are printed, or sent, by the commands.
            Target::Standard | Target::ConfigMap { .. } => Ok(()),
        }
    }
}

/// An edit failed.
#[derive(Debug)]
pub struct EditFailure {
    /// Why.
    pub cause: FileError,
    /// Earlier edits that could not be undone.
    pub left: Vec<FileError>,
}
