//! All edits of a plan, or none.

use std::path::Path;

use crate::host::files::{DirectoryLock, FileCause, FileError, Lock, Locking, Root};
use crate::host::state::StateDirectory;
use crate::plan::{Edit, Plan, Target};

/// How often an undoing is tried.
const TRIES_TO_UNDO: usize = 3;

/// The locks of all directories in which a plan edits.
#[derive(Debug)]
pub struct Locks {
    root: Root,
    directories: Vec<DirectoryLock>,
    /// The node's; none for files by themselves.
    _node: Option<Lock>,
}

impl Locks {
    /// Locks the directories of the files `paths`, without waiting, and sweeps away what a killed run left there.
    ///
    /// # Errors
    /// When another run holds one of them.
    pub fn of<'a>(
        paths: impl IntoIterator<Item = &'a Path>,
        locking: Locking,
    ) -> Result<Self, FileError> {
        Self::beneath(Root::host(), None, paths, locking)
    }

    /// Locks the node whose files lie beneath `root`, and the directories of its files `paths`.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn of_node<'a>(
        root: &Root,
        paths: impl IntoIterator<Item = &'a Path>,
        locking: Locking,
    ) -> Result<Self, FileError> {
        let node = StateDirectory::of(root).lock(locking)?;
        Self::beneath(root.clone(), node, paths, locking)
    }

    fn beneath<'a>(
        root: Root,
        node: Option<Lock>,
        paths: impl IntoIterator<Item = &'a Path>,
        locking: Locking,
    ) -> Result<Self, FileError> {
        let mut locks = Self {
            root,
            directories: Vec::new(),
            _node: node,
        };
        for path in paths {
            if locks.covering(path).is_none() {
                let lock = DirectoryLock::for_file(&locks.root, path, locking)?;
                locks.directories.push(lock);
            }
        }
        if locking == Locking::Needed {
            locks.directories.iter().for_each(DirectoryLock::sweep);
        }
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
                lock.inspect(path, edit.bytes_after().len() as u64)?;
            }
        }
        Ok(())
    }

    fn covering(&self, path: &Path) -> Option<&DirectoryLock> {
        self.directories.iter().find(|lock| lock.covers(path))
    }

    /// Makes all edits of `plan`, or none: where one fails, those before it are undone.
    ///
    /// # Errors
    /// What failed, and what of the undoing failed too.
    pub fn edit(&self, plan: &Plan) -> Result<(), EditFailure> {
        let changes: Vec<&Edit> = plan.edits.iter().filter(|edit| edit.changes()).collect();
        for (done, edit) in changes.iter().enumerate() {
            if let Err(cause) = self.replace(edit) {
                // Better the old bytes, and that said, than a change of which no one knows whether it lasts.
                let made = done + usize::from(matches!(cause.cause, FileCause::Unsynced(_)));
                let left = self.put_back(changes.get(..made).unwrap_or_default());
                return Err(EditFailure { cause, left });
            }
        }
        Ok(())
    }

    /// Undoes all edits of `plan`, which were made, as far as can be: one that cannot be undone keeps none of the others
    /// from it.
    ///
    /// # Errors
    /// What could not be undone.
    pub fn undo(&self, plan: &Plan) -> Result<(), EditFailure> {
        let changes: Vec<&Edit> = plan.edits.iter().filter(|edit| edit.changes()).collect();
        let mut left = self.put_back(&changes).into_iter();
        left.next().map_or(Ok(()), |cause| {
            Err(EditFailure {
                cause,
                left: left.collect(),
            })
        })
    }

    fn put_back(&self, edits: &[&Edit]) -> Vec<FileError> {
        let undone = edits.iter().rev().map(|edit| self.undo_one(edit));
        undone.filter_map(Result::err).collect()
    }

    /// More than once if need be: nothing comes after it that could make up for a moment's trouble.
    fn undo_one(&self, edit: &Edit) -> Result<(), FileError> {
        let inverse = edit.inverse();
        let mut outcome = Ok(());
        for _ in 0..TRIES_TO_UNDO {
            outcome = match self.replace(&inverse) {
                // It reads the old bytes.
                Err(error) if matches!(error.cause, FileCause::Unsynced(_)) => Ok(()),
                outcome => outcome,
            };
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    fn replace(&self, edit: &Edit) -> Result<(), FileError> {
        match &edit.target {
            Target::File(path) => {
                let (before, after) = (edit.before.as_deref(), edit.after.as_deref());
                match self.covering(path) {
                    Some(lock) => lock.replace(path, before, after),
                    // The symlink was turned elsewhere since the lock was taken; a fresh lock finds that out.
                    None => DirectoryLock::for_file(&self.root, path, Locking::Needed)?
                        .replace(path, before, after),
                }
            }
            // Their results are printed, or sent, by the commands.
            Target::Standard | Target::ConfigMap { .. } => Ok(()),
        }
    }
}

/// An edit that failed, or could not be undone.
#[derive(Debug)]
pub struct EditFailure {
    /// The failure of that edit, with its path.
    pub cause: FileError,
    /// Earlier edits that could not be undone.
    pub left: Vec<FileError>,
}
