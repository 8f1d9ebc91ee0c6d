//! A file replaced whole, under a lock on its directory.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Statx, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::lock::{self, Lock, Locking};
use super::place::FilePlace;
use super::write::{Directory, Scope};
use super::{FileCause, FileError, Root, attributes, id, read_capped, reading, writing};

/// What a file system needs beyond the bytes themselves: an inode and a directory entry, in bytes.
const SPARE_SPACE: u64 = 64 * 1024;

/// The mode of a file that is created: kubeadm's own are readable by all, and hold no secret.
const NEW_FILE_MODE: u32 = 0o644;

/// The right to replace files in one directory, which ends with the process, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    root: Root,
    directory: Directory,
    id: (u64, u64),
    /// None in an image, which has one lock for all of its files.
    _lock: Option<Lock>,
}

impl DirectoryLock {
    /// Locks the directory in which `path` (its target, where it is a symlink) lies, without waiting.
    ///
    /// # Errors
    /// [`FileCause::Locked`] when another run holds it, or what the operating system says.
    pub fn for_file(root: &Root, path: &Path, locking: Locking) -> Result<Self, FileError> {
        // A file that does not exist was to be read first, or is to be created.
        let place = root.place(path).map_err(reading(path))?;
        Self::lock(root, &place.directory, place.path, locking).map_err(writing(path))
    }

    /// Locks `directory` itself, without waiting.
    ///
    /// # Errors
    /// As [`Self::for_file`].
    pub fn on(directory: &Path) -> Result<Self, FileError> {
        let root = Root::host();
        root.directory(directory)
            .and_then(|opened| Self::lock(&root, &opened, directory.to_owned(), Locking::Needed))
            .map_err(writing(directory))
    }

    fn lock(
        root: &Root,
        directory: &OwnedFd,
        path: PathBuf,
        locking: Locking,
    ) -> Result<Self, FileCause> {
        let path = if path.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            path
        };
        let directory = Directory::open(directory, path)?;
        let lock = if root.is_image() {
            None
        } else {
            lock::of_directory(&directory, locking)?
        };
        Ok(Self {
            root: root.clone(),
            id: directory.id()?,
            directory,
            _lock: lock,
        })
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether `path` (its target, where it is a symlink) lies in the locked directory.
    pub fn covers(&self, path: &Path) -> bool {
        self.place(path).is_ok()
    }

    fn place(&self, path: &Path) -> Result<FilePlace, FileCause> {
        let place = self.root.place(path)?;
        let stat = rustix::fs::fstat(&place.directory)?;
        if (stat.st_dev, stat.st_ino) == self.id {
            Ok(place)
        } else {
            // The symlink was turned to another directory, on which no lock is held.
            Err(FileCause::Changed)
        }
    }

    /// Removes temporary files that a killed run left here. Under the lock no other run can own one.
    pub fn sweep(&self) {
        self.directory.sweep(Scope::Node);
    }

    /// Says whether [`Self::replace`] could replace `path`, as far as can be seen without trying.
    ///
    /// # Errors
    /// Why the file cannot be replaced.
    pub fn inspect(&self, path: &Path, size: u64) -> Result<(), FileError> {
        self.place(path)
            .and_then(|place| self.obstacle(&place, size))
            .map_err(writing(path))
    }

    fn obstacle(&self, place: &FilePlace, size: u64) -> Result<(), FileCause> {
        file_obstacle(place)?;
        let handle = self.directory.handle();
        let flags = AtFlags::EMPTY_PATH;
        let directory = rustix::fs::statx(handle, "", flags, StatxFlags::BASIC_STATS)?;
        require_changeable(&directory, self.directory.path())?;
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(handle, ".", access, AtFlags::EACCESS)?;
        let space = rustix::fs::fstatvfs(handle)?;
        let (need, free) = (
            size + SPARE_SPACE,
            space.f_bavail.saturating_mul(space.f_frsize),
        );
        // File systems that do not count their blocks say 0 of 0.
        if space.f_blocks > 0 && free < need {
            return Err(FileCause::NoSpace { need, free });
        }
        Ok(())
    }

    /// Replaces the content of `path` by `after`, if it still reads `before`: a symlink is followed and kept; owner,
    /// mode and extended attributes (SELinux label, ACLs) are kept; the directory entry changes in one step, and both
    /// file and directory are on the disk when this returns. Without `before` the file is created, with mode 0644, if it
    /// does not exist; without `after` it is removed.
    ///
    /// # Errors
    /// What stood in the way. The file is then as it was, except after [`FileCause::Unsynced`].
    pub fn replace(
        &self,
        path: &Path,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Result<(), FileError> {
        let replaced = self.place(path).and_then(|place| {
            self.obstacle(&place, after.map_or(0, |after| after.len() as u64))?;
            match (before, after) {
                (Some(before), Some(after)) => self.swap(&place, before, after),
                (None, Some(after)) => self.create(&place, after),
                (Some(before), None) => self.remove(&place, before),
                (None, None) => Ok(()),
            }
        });
        replaced.map_err(writing(path))
    }

    fn create(&self, place: &FilePlace, after: &[u8]) -> Result<(), FileCause> {
        if place.is_linked {
            // A symlink that leads nowhere was made by someone who meant another file.
            return Err(FileCause::NotRegular);
        }
        let mut staged = self.directory.stage(Scope::Node)?;
        staged.fill(after, NEW_FILE_MODE)?;
        match staged.publish_new(&place.name) {
            Ok(()) => self.directory.sync().map_err(FileCause::Unsynced),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(FileCause::Changed),
            Err(error) => Err(error.into()),
        }
    }

    fn remove(&self, place: &FilePlace, before: &[u8]) -> Result<(), FileCause> {
        let now = place.open()?;
        if read_capped(now, before.len() as u64).ok().as_deref() != Some(before) {
            return Err(FileCause::Changed);
        }
        self.directory.remove(&place.name)?;
        self.directory.sync().map_err(FileCause::Unsynced)
    }

    fn swap(&self, place: &FilePlace, before: &[u8], after: &[u8]) -> Result<(), FileCause> {
        let original = place.open()?;
        let mut staged = self.directory.stage(Scope::Node)?;
        staged.write_all(after)?;
        attributes::copy(&original, staged.file())?;
        staged.file().sync_all()?;

        let now = place.open()?;
        let same = id(&original.metadata()?) == id(&now.metadata()?);
        if !same || read_capped(now, before.len() as u64).ok().as_deref() != Some(before) {
            return Err(FileCause::Changed);
        }
        staged.publish(&place.name)?;
        // Another user who may write to the directory may have put something else in the temporary file's place.
        let there = place
            .stat()
            .and_then(|stat| Ok((stat.st_dev, stat.st_ino) == id(&staged.file().metadata()?)));
        match there {
            Ok(true) => self.directory.sync().map_err(FileCause::Unsynced),
            Ok(false) => Err(FileCause::Changed),
            Err(FileCause::Io(error)) => Err(FileCause::Unsynced(error)),
            Err(other) => Err(other),
        }
    }
}

/// What keeps a file, if it exists, from being replaced.
fn file_obstacle(place: &FilePlace) -> Result<(), FileCause> {
    let (flags, mask) = (AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS);
    let stat = match rustix::fs::statx(&place.directory, &place.name, flags, mask) {
        Err(Errno::NOENT) => return Ok(()),
        stat => stat?,
    };
    let kind = rustix::fs::FileType::from_raw_mode(stat.stx_mode.into());
    if kind != rustix::fs::FileType::RegularFile {
        return Err(FileCause::NotRegular);
    }
    if has(&stat, StatxAttributes::MOUNT_ROOT) {
        return Err(FileCause::MountPoint);
    }
    require_changeable(&stat, &place.real())?;
    if stat.stx_nlink > 1 {
        return Err(FileCause::HardLinks(stat.stx_nlink.into()));
    }
    Ok(())
}

/// Checks that no attribute of chattr keeps the file or directory `path` from being changed.
fn require_changeable(stat: &Statx, path: &Path) -> Result<(), FileCause> {
    if has(stat, StatxAttributes::IMMUTABLE) {
        return Err(FileCause::Immutable(path.to_owned()));
    }
    if has(stat, StatxAttributes::APPEND) {
        return Err(FileCause::AppendOnly(path.to_owned()));
    }
    Ok(())
}

fn has(stat: &Statx, flag: StatxAttributes) -> bool {
    stat.stx_attributes_mask.contains(flag) && stat.stx_attributes.contains(flag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    fn scene(content: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yaml");
        fs::write(&path, content).unwrap();
        (directory, path)
    }

    fn locked(path: &Path) -> Result<DirectoryLock, FileError> {
        DirectoryLock::for_file(&Root::host(), path, Locking::Needed)
    }

    fn listed(directory: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_replaced_file_keeps_its_mode_and_attributes_and_leaves_nothing_beside_it() {
        let (directory, path) = scene("old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let with_attributes =
            rustix::fs::setxattr(&path, "user.note", b"kept", rustix::fs::XattrFlags::empty())
                .is_ok();
        let lock = locked(&path).unwrap();
        lock.replace(&path, Some(b"old"), Some(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        if with_attributes {
            assert_eq!(
                attributes::value(&File::open(&path).unwrap(), b"user.note").unwrap(),
                b"kept"
            );
        }
        assert_eq!(listed(directory.path()), ["config.yaml"]);
    }

    #[test]
    fn a_file_that_has_changed_meanwhile_is_left_alone() {
        for now in ["older", "ol", "", "OLD"] {
            let (directory, path) = scene(now);
            let lock = locked(&path).unwrap();
            let error = lock.replace(&path, Some(b"old"), Some(b"new")).unwrap_err();
            assert!(matches!(error.cause, FileCause::Changed), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), now);
            assert_eq!(listed(directory.path()), ["config.yaml"]);
        }
    }

    #[test]
    fn a_file_is_created_only_if_it_does_not_exist_and_removed_only_if_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("patch.yaml");
        let lock = locked(&path).unwrap();
        lock.inspect(&path, 3).unwrap();
        lock.replace(&path, None, Some(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        let again = lock.replace(&path, None, Some(b"newer")).unwrap_err();
        assert!(matches!(again.cause, FileCause::Changed), "{again}");
        let other = lock.replace(&path, Some(b"ne"), None).unwrap_err();
        assert!(matches!(other.cause, FileCause::Changed), "{other}");
        assert_eq!(fs::read(&path).unwrap(), b"new");
        lock.replace(&path, Some(b"new"), None).unwrap();
        assert!(listed(directory.path()).is_empty());
        // A symlink that leads nowhere is neither followed nor replaced.
        symlink("elsewhere", &path).unwrap();
        assert!(lock.replace(&path, None, Some(b"new")).is_err());
        assert_eq!(listed(directory.path()), ["patch.yaml"]);
    }

    #[test]
    fn a_symlink_is_followed_and_kept() {
        let (directory, path) = scene("old");
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link.yaml");
        symlink(&path, &link).unwrap();
        let lock = locked(&link).unwrap();
        assert!(lock.covers(&path) && lock.covers(&directory.path().join("other")));
        lock.replace(&link, Some(b"old"), Some(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_file_with_hard_links_is_refused() {
        let (directory, path) = scene("old");
        fs::hard_link(&path, directory.path().join("other")).unwrap();
        let lock = locked(&path).unwrap();
        let error = lock.inspect(&path, 3).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("it has 2 hard links, and replacing the file would break them"),
            "{error}"
        );
    }

    #[test]
    fn a_second_lock_is_refused_while_the_first_is_held() {
        let (_directory, path) = scene("old");
        let held = locked(&path).unwrap();
        assert!(matches!(
            locked(&path).unwrap_err().cause,
            FileCause::Locked(_)
        ));
        drop(held);
        locked(&path).unwrap();
    }

    #[test]
    fn only_our_own_leftovers_are_swept() {
        let (directory, path) = scene("old");
        let theirs = [
            ".kubelet-tls-notes.tmp",
            ".kubelet-tls-abcdefABCDE-.tmp",
            "x.tmp",
        ];
        for name in theirs.iter().chain(&[".kubelet-tls-abcdefABCDE1.tmp"]) {
            fs::write(directory.path().join(name), "").unwrap();
        }
        fs::create_dir(directory.path().join(".kubelet-tls-abcdefABCDE2.tmp")).unwrap();
        symlink(
            &path,
            directory.path().join(".kubelet-tls-abcdefABCDE3.tmp"),
        )
        .unwrap();
        locked(&path).unwrap().sweep();
        assert_eq!(
            listed(directory.path()),
            [
                ".kubelet-tls-abcdefABCDE-.tmp",
                ".kubelet-tls-abcdefABCDE2.tmp",
                ".kubelet-tls-abcdefABCDE3.tmp",
                ".kubelet-tls-notes.tmp",
                "config.yaml",
                "x.tmp"
            ]
        );
    }
}
