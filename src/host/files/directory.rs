//! A directory of generated files, written all or, as far as can be, not at all.
#![expect(clippy::disallowed_methods, reason = "this is where files are written")]

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::trust::{self, is_private};
use super::write::Scope;
use super::{DirectoryLock, FileCause, FileError, Root, reading, writing};

/// A file of the directory as it is. Its `Debug` says nothing of what is in it: it may be a key.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    /// The whole file, at most the limit of small files.
    pub bytes: Vec<u8>,
    /// The permission bits, such as 0600.
    pub mode: u32,
    /// The user id of its owner.
    pub uid: u32,
}

impl FileContent {
    /// Whether it is the caller's own and readable by no other user, as a key must be to be used.
    pub fn is_private(&self) -> bool {
        is_private(self.uid, self.mode)
    }
}

impl std::fmt::Debug for FileContent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content")
            .field("mode", &self.mode)
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

/// A directory of generated files, locked against another run until it is dropped.
#[derive(Debug)]
pub struct OutputDirectory {
    path: PathBuf,
    lock: DirectoryLock,
}

impl OutputDirectory {
    /// Creates the directory if it does not exist (0755, and its parents), locks it without waiting, and removes what a
    /// killed run left half written.
    ///
    /// # Errors
    /// [`FileCause::Untrusted`] when another user may decide what lies in it: keys and certificates found there are used
    /// again. [`FileCause::Locked`] when another run holds it, or what the operating system says.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let trusted = || trust::require(&Root::host(), path).map_err(writing(path));
        trusted()?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(|error| writing(path)(error.into()))?;
        // What was created may lie elsewhere than what was looked at.
        trusted()?;
        let lock = DirectoryLock::on(path)?;
        lock.sweep();
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// Where the file `name` is, as the user named the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory's path without symlinks, by which it is told from others.
    pub fn real_path(&self) -> PathBuf {
        fs::canonicalize(&self.path).unwrap_or_else(|_| super::absolute(&self.path))
    }

    /// The file `name`; `None` if it does not exist.
    ///
    /// # Errors
    /// [`FileCause::NotRegular`] where it is a directory or a symlink, which would lead elsewhere; or what
    /// [`super::read`] says.
    pub fn read(&self, name: &str, cap: u64) -> Result<Option<FileContent>, FileError> {
        let path = self.file(name);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(reading(&path)(error.into())),
        };
        if !metadata.is_file() {
            return Err(reading(&path)(FileCause::NotRegular));
        }
        Ok(Some(FileContent {
            bytes: super::read(&path, cap)?,
            mode: metadata.permissions().mode() & 0o7777,
            uid: metadata.uid(),
        }))
    }

    /// Writes `files` (name, bytes, mode) in their order and removes `gone`. What `last` names is taken away before the
    /// first file changes and is the last to be written, so that no tool takes a directory of which one half is new.
    ///
    /// # Errors
    /// What stood in the way: nothing is different where a file could not be written, for want of space say; else the
    /// directory is without its `last` file until the next run.
    pub fn write(
        &self,
        files: &[(&str, &[u8], u32)],
        gone: &[&str],
        last: &[&str],
    ) -> Result<(), FileError> {
        let mut staged = Vec::new();
        for (name, bytes, mode) in files {
            let temporary = self
                .lock
                .directory()
                .stage(Scope::Node)
                .and_then(|mut file| file.fill(bytes, *mode).map(|()| file));
            staged.push((*name, temporary.map_err(writing(&self.file(name)))?));
        }
        if staged.len() + gone.len() > 1 {
            for name in last {
                self.remove(name)?;
            }
            self.sync()?;
        }
        for (name, mut temporary) in staged {
            temporary
                .publish(name.as_ref())
                .map_err(|error| writing(&self.file(name))(error.into()))?;
        }
        for name in gone {
            self.remove(name)?;
        }
        self.sync()
    }

    fn sync(&self) -> Result<(), FileError> {
        self.lock
            .directory()
            .sync()
            .map_err(|error| writing(&self.path)(error.into()))
    }

    fn remove(&self, name: &str) -> Result<(), FileError> {
        let removed = self.lock.directory().remove(name.as_ref());
        removed.map_err(|error| writing(&self.file(name))(error.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn files_get_their_modes_and_leave_nothing_beside_them() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let directory = OutputDirectory::open(&path).unwrap();
        fs::write(path.join("old"), "").unwrap();
        directory
            .write(
                &[("key", b"secret", 0o600), ("index", b"all", 0o644)],
                &["old", "never"],
                &["index"],
            )
            .unwrap();
        assert_eq!(names(&path), ["index", "key"]);
        let key = directory.read("key", 10).unwrap().unwrap();
        assert!(key.bytes == b"secret" && key.mode == 0o600);
        assert_eq!(directory.read("index", 10).unwrap().unwrap().mode, 0o644);
        assert!(directory.read("none", 10).unwrap().is_none());
        assert!(matches!(
            OutputDirectory::open(&path).unwrap_err().cause,
            FileCause::Locked(_)
        ));
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        drop(OutputDirectory::open(&path).unwrap());
        fs::write(path.join("key"), "").unwrap();
        fs::set_permissions(parent.path().join("a"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            OutputDirectory::open(&path).unwrap_err().cause,
            FileCause::Untrusted { .. }
        ));
    }

    #[test]
    fn a_file_says_whether_it_is_the_callers_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = OutputDirectory::open(parent.path()).unwrap();
        let path = parent.path().join("key");
        fs::write(&path, "").unwrap();
        for (mode, private) in [(0o600, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let key = directory.read("key", 10).unwrap().unwrap();
            assert_eq!(key.is_private(), private, "{mode:o}");
        }
    }

    #[test]
    fn the_last_file_does_not_exist_while_the_others_change() {
        let parent = tempfile::tempdir().unwrap();
        let directory = OutputDirectory::open(parent.path()).unwrap();
        fs::write(parent.path().join("index"), "old").unwrap();
        // A directory in a file's place stops the run between two files.
        fs::create_dir(parent.path().join("key")).unwrap();
        let error = directory
            .write(
                &[
                    ("crt", b"new", 0o644),
                    ("key", b"new", 0o600),
                    ("index", b"new", 0o644),
                ],
                &[],
                &["index"],
            )
            .unwrap_err();
        assert!(
            error.to_string().ends_with("key: is a directory"),
            "{error}"
        );
        assert_eq!(names(parent.path()), ["crt", "key"]);
    }

    #[test]
    fn only_regular_files_are_read_and_no_symlink_is_followed() {
        let parent = tempfile::tempdir().unwrap();
        let directory = OutputDirectory::open(parent.path()).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", parent.path().join("key")).unwrap();
        assert!(matches!(
            directory.read("key", 10).unwrap_err().cause,
            FileCause::NotRegular
        ));
    }
}
