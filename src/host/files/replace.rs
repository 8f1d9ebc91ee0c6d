//! A file replaced whole, under a lock on its directory.
#![expect(clippy::disallowed_methods, reason = "this is where files are written")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, StatxAttributes, StatxFlags, XattrFlags};
use rustix::io::Errno;

use super::{FileCause, FileError, names, read_capped, reading, writing};

/// Temporary files of ours are named `.kubelet-tls-XXXXXXXXXXXX.tmp`: hidden, and never `*.conf`, which a kubelet's
/// `--config-dir` would read.
const TEMPORARY_PREFIX: &str = ".kubelet-tls-";
const TEMPORARY_SUFFIX: &str = ".tmp";
const TEMPORARY_RANDOM: usize = 12;

/// What a file system needs beyond the bytes themselves: an inode and a directory entry, in bytes.
const SPARE_SPACE: u64 = 64 * 1024;

/// The right to replace files in one directory: an advisory lock on the directory itself, which leaves nothing behind
/// and ends with the process, however it ends.
#[derive(Debug)]
pub struct DirectoryLock {
    directory: PathBuf,
    handle: File,
}

impl DirectoryLock {
    /// Locks the directory in which `path` (its target, where it is a symlink) lies, without waiting.
    ///
    /// # Errors
    /// [`FileCause::Locked`] when another run holds it, or what the operating system says.
    pub fn for_file(path: &Path) -> Result<Self, FileError> {
        // A file that does not exist was to be read first, or is to be created.
        let real = resolve(path).map_err(|error| reading(path)(error.into()))?;
        Self::acquire(&real).map_err(writing(path))
    }

    /// Locks `directory` itself, without waiting.
    ///
    /// # Errors
    /// As [`Self::for_file`].
    pub fn on(directory: &Path) -> Result<Self, FileError> {
        fs::canonicalize(directory)
            .map_err(FileCause::from)
            .and_then(Self::lock)
            .map_err(writing(directory))
    }

    fn acquire(real: &Path) -> Result<Self, FileCause> {
        Self::lock(real.parent().ok_or(FileCause::NotRegular)?.to_owned())
    }

    fn lock(directory: PathBuf) -> Result<Self, FileCause> {
        let handle = File::open(&directory)?;
        match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { directory, handle }),
            Err(Errno::WOULDBLOCK) => Err(FileCause::Locked(directory)),
            // NFS cannot lock a directory. The compare-and-swap still holds there; two runs at once merely both try.
            Err(Errno::BADF | Errno::NOLCK | Errno::OPNOTSUPP) => Ok(Self { directory, handle }),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// A new file of `bytes` with `mode`, on the disk, and under a name that only [`Self::sweep`] knows.
    pub(super) fn stage(
        &self,
        bytes: &[u8],
        mode: u32,
    ) -> Result<tempfile::NamedTempFile, FileCause> {
        let mut temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .suffix(TEMPORARY_SUFFIX)
            .rand_bytes(TEMPORARY_RANDOM)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.directory)?;
        temporary.write_all(bytes)?;
        // The umask is about files that nobody chose a mode for.
        temporary
            .as_file()
            .set_permissions(fs::Permissions::from_mode(mode))?;
        temporary.as_file().sync_all()?;
        Ok(temporary)
    }

    /// Puts what happened to the directory's entries on the disk.
    pub(super) fn sync(&self) -> Result<(), FileCause> {
        Ok(self.handle.sync_all()?)
    }

    /// The directory that is locked.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether `path` (its target, where it is a symlink) lies in the locked directory.
    pub fn covers(&self, path: &Path) -> bool {
        resolve(path).is_ok_and(|real| real.parent() == Some(self.directory.as_path()))
    }

    /// Removes temporary files that a killed run left here. Under the lock no other run can own one.
    pub fn sweep(&self) {
        sweep(&self.directory);
    }

    /// Says whether [`Self::replace`] could replace `path`, as far as can be seen without trying.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn inspect(&self, path: &Path, size: u64) -> Result<(), FileError> {
        self.obstacle(path, size).map_err(writing(path))
    }

    fn obstacle(&self, path: &Path, size: u64) -> Result<(), FileCause> {
        let real = resolve(path)?;
        match fs::metadata(&real) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            metadata => file_obstacle(&real, &metadata?)?,
        }
        let directory = rustix::fs::statx(
            &self.handle,
            "",
            AtFlags::EMPTY_PATH,
            StatxFlags::BASIC_STATS,
        )
        .map_err(io::Error::from)?;
        if directory
            .stx_attributes
            .contains(StatxAttributes::IMMUTABLE)
        {
            return Err(FileCause::Immutable(self.directory.clone()));
        }
        if directory.stx_attributes.contains(StatxAttributes::APPEND) {
            return Err(FileCause::AppendOnly(self.directory.clone()));
        }
        rustix::fs::accessat(
            rustix::fs::CWD,
            &self.directory,
            rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
            AtFlags::EACCESS,
        )
        .map_err(io::Error::from)?;
        let space = rustix::fs::fstatvfs(&self.handle).map_err(io::Error::from)?;
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
        let replaced = match (before, after) {
            (Some(before), Some(after)) => self.swap(path, before, after),
            (None, Some(after)) => self.create(path, after),
            (Some(before), None) => self.remove(path, before),
            (None, None) => Ok(()),
        };
        replaced.map_err(writing(path))
    }

    fn locked(&self, path: &Path) -> Result<PathBuf, FileCause> {
        let real = resolve(path)?;
        if real.parent() == Some(self.directory.as_path()) {
            Ok(real)
        } else {
            // The symlink was turned to another directory, on which no lock is held.
            Err(FileCause::Changed)
        }
    }

    fn create(&self, path: &Path, after: &[u8]) -> Result<(), FileCause> {
        let real = self.locked(path)?;
        self.obstacle(path, after.len() as u64)?;
        let temporary = self.stage(after, NEW_FILE_MODE)?;
        match temporary.persist_noclobber(&real) {
            Ok(_) => self.handle.sync_all().map_err(FileCause::Unsynced),
            Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(FileCause::Changed)
            }
            Err(failed) => Err(failed.error.into()),
        }
    }

    fn remove(&self, path: &Path, before: &[u8]) -> Result<(), FileCause> {
        let real = self.locked(path)?;
        self.obstacle(path, 0)?;
        let now = open_same(&real)?;
        if read_capped(now, before.len() as u64).ok().as_deref() != Some(before) {
            return Err(FileCause::Changed);
        }
        fs::remove_file(&real)?;
        self.handle.sync_all().map_err(FileCause::Unsynced)
    }

    fn swap(&self, path: &Path, before: &[u8], after: &[u8]) -> Result<(), FileCause> {
        let real = self.locked(path)?;
        self.obstacle(path, after.len() as u64)?;
        let original = open_same(&real)?;
        let mut temporary = temporary()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.directory)?;
        temporary.write_all(after)?;
        copy_metadata(&original, temporary.as_file())?;
        temporary.as_file().sync_all()?;

        let now = open_same(&real)?;
        let same = is_same(&original.metadata()?, &now.metadata()?);
        if !same || read_capped(now, before.len() as u64).ok().as_deref() != Some(before) {
            return Err(FileCause::Changed);
        }
        let written = temporary.persist(&real).map_err(|failed| failed.error)?;
        // Whoever may write to the directory may have put something else in the temporary file's place.
        let there =
            fs::symlink_metadata(&real).and_then(|is| Ok(is_same(&written.metadata()?, &is)));
        if !there.map_err(FileCause::Unsynced)? {
            return Err(FileCause::Changed);
        }
        self.handle.sync_all().map_err(FileCause::Unsynced)
    }
}

/// The mode of a file that is created: kubeadm's own are readable by all, and hold no secret.
const NEW_FILE_MODE: u32 = 0o644;

/// The file that `path` leads to, its symlinks followed; the last name need not exist.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            let name = path.file_name().ok_or(error)?;
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            Ok(fs::canonicalize(parent.unwrap_or(Path::new(".")))?.join(name))
        }
        real => real,
    }
}

/// What keeps an existing file from being replaced.
fn file_obstacle(real: &Path, metadata: &fs::Metadata) -> Result<(), FileCause> {
    let stat = rustix::fs::statx(
        rustix::fs::CWD,
        real,
        AtFlags::empty(),
        StatxFlags::BASIC_STATS,
    )
    .map_err(io::Error::from)?;
    let has = |flag| stat.stx_attributes_mask.contains(flag) && stat.stx_attributes.contains(flag);
    if !metadata.is_file() {
        return Err(FileCause::NotRegular);
    }
    if has(StatxAttributes::MOUNT_ROOT) {
        return Err(FileCause::MountPoint);
    }
    if has(StatxAttributes::IMMUTABLE) {
        return Err(FileCause::Immutable(real.to_owned()));
    }
    if has(StatxAttributes::APPEND) {
        return Err(FileCause::AppendOnly(real.to_owned()));
    }
    if stat.stx_nlink > 1 {
        return Err(FileCause::HardLinks(stat.stx_nlink.into()));
    }
    Ok(())
}

/// Removes the temporary files in `directory` that a killed run of this user left there. The caller holds the lock.
pub(in crate::host) fn sweep(directory: &Path) {
    let me = nix::unistd::geteuid().as_raw();
    for name in names(directory).unwrap_or_default() {
        let path = directory.join(&name);
        let ours = name.to_str().is_some_and(is_temporary)
            && fs::symlink_metadata(&path)
                .is_ok_and(|metadata| metadata.is_file() && metadata.uid() == me);
        if ours {
            // One that cannot be removed harms no one: the kubelet never reads it.
            let _ = fs::remove_file(path);
        }
    }
}

/// A temporary file of ours, which a later run sweeps away should this one be killed.
pub(in crate::host) fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(TEMPORARY_PREFIX)
        .suffix(TEMPORARY_SUFFIX)
        .rand_bytes(TEMPORARY_RANDOM);
    builder
}

fn is_same(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

fn is_temporary(name: &str) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX)
        .and_then(|rest| rest.strip_suffix(TEMPORARY_SUFFIX))
        .is_some_and(|random| {
            random.len() == TEMPORARY_RANDOM && random.bytes().all(|b| b.is_ascii_alphanumeric())
        })
}

/// Opens a path that was already resolved; a symlink put in its place meanwhile is an error.
fn open_same(real: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK)
        .open(real)
}

/// Owner, then extended attributes, then mode: a change of owner clears mode bits, and an ACL changes them.
fn copy_metadata(from: &File, to: &File) -> io::Result<()> {
    let (wanted, present) = (from.metadata()?, to.metadata()?);
    if (wanted.uid(), wanted.gid()) != (present.uid(), present.gid()) {
        fchown(to.as_fd(), Some(wanted.uid()), Some(wanted.gid()))?;
    }
    for name in attribute_names(from)? {
        let value = attribute(from, &name)?;
        if attribute(to, &name).ok().as_ref() != Some(&value) {
            rustix::fs::fsetxattr(to, name.as_slice(), &value, XattrFlags::empty())?;
        }
    }
    to.set_permissions(fs::Permissions::from_mode(wanted.mode() & 0o7777))
}

fn attribute_names(file: &File) -> io::Result<Vec<Vec<u8>>> {
    let mut buffer = vec![0; XATTR_LIST_MAX];
    let length = match rustix::fs::flistxattr(file, &mut buffer[..]) {
        Ok(length) => length,
        // A file system without extended attributes has none to keep.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        Err(error) => return Err(error.into()),
    };
    buffer.truncate(length);
    Ok(buffer
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect())
}

fn attribute(file: &File, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut value = vec![0; XATTR_SIZE_MAX];
    let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

/// The kernel's own limits for one list of names and for one value (linux/limits.h), in bytes.
const XATTR_LIST_MAX: usize = 65_536;
const XATTR_SIZE_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn scene(content: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yaml");
        fs::write(&path, content).unwrap();
        (directory, path)
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
            rustix::fs::setxattr(&path, "user.note", b"kept", XattrFlags::empty()).is_ok();
        let lock = DirectoryLock::for_file(&path).unwrap();
        lock.replace(&path, Some(b"old"), Some(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o640);
        if with_attributes {
            assert_eq!(
                attribute(&File::open(&path).unwrap(), b"user.note").unwrap(),
                b"kept"
            );
        }
        assert_eq!(listed(directory.path()), ["config.yaml"]);
    }

    #[test]
    fn a_file_that_reads_otherwise_is_left_alone() {
        for now in ["older", "ol", "", "OLD"] {
            let (directory, path) = scene(now);
            let lock = DirectoryLock::for_file(&path).unwrap();
            let error = lock.replace(&path, Some(b"old"), Some(b"new")).unwrap_err();
            assert!(matches!(error.cause, FileCause::Changed), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), now);
            assert_eq!(listed(directory.path()), ["config.yaml"]);
        }
    }

    #[test]
    fn a_file_is_created_only_where_none_is_and_removed_only_as_it_was_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("patch.yaml");
        let lock = DirectoryLock::for_file(&path).unwrap();
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
        let lock = DirectoryLock::for_file(&link).unwrap();
        assert_eq!(lock.directory(), directory.path().canonicalize().unwrap());
        lock.replace(&link, Some(b"old"), Some(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn hard_links_are_not_parted() {
        let (directory, path) = scene("old");
        fs::hard_link(&path, directory.path().join("other")).unwrap();
        let lock = DirectoryLock::for_file(&path).unwrap();
        let error = lock.inspect(&path, 3).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("it has 2 hard links, and replacing it would part them"),
            "{error}"
        );
    }

    #[test]
    fn one_lock_at_a_time() {
        let (_directory, path) = scene("old");
        let held = DirectoryLock::for_file(&path).unwrap();
        assert!(matches!(
            DirectoryLock::for_file(&path).unwrap_err().cause,
            FileCause::Locked(_)
        ));
        drop(held);
        DirectoryLock::for_file(&path).unwrap();
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
        DirectoryLock::for_file(&path).unwrap().sweep();
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
