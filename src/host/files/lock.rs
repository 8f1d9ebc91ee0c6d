//! The one lock: on a file of the caller's own that no other user can open, so that no one else can hold it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::write::Directory;
use super::{FileCause, Root, id, trust};

/// How often a file is opened again that its holder has removed meanwhile.
const TRIES: usize = 100;

/// Whether the run needs the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// It is: this run writes.
    Needed,
    /// It is not: this run only looks, and creates nothing. It still learns that another run is at work, if it may open
    /// the file of that lock.
    Optional,
}

/// A lock that is held; it ends with the process, however that ends. Its file is removed when it is dropped.
#[derive(Debug)]
pub struct Lock {
    directory: Directory,
    name: OsString,
    /// `None` if no lock was needed and none could be taken.
    handle: Option<File>,
}

impl Lock {
    /// Takes the lock on the file `name` in `directory`, without waiting.
    ///
    /// # Errors
    /// [`FileCause::Locked`] when another run holds it, or what the operating system says.
    pub(in crate::host) fn take(
        directory: Directory,
        name: &OsStr,
        locking: Locking,
    ) -> Result<Self, FileCause> {
        let mut handle = None;
        for _ in 0..TRIES {
            handle = open(&directory, name, locking)?;
            let Some(file) = &handle else {
                break;
            };
            match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
                // A file system without locks. The compare-and-swap still holds; two runs at once merely both try.
                Ok(()) | Err(Errno::BADF | Errno::NOLCK | Errno::OPNOTSUPP) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(FileCause::Locked(directory.path().to_owned()));
                }
                Err(error) => return Err(error.into()),
            }
            // Its holder before removed it: the lock is on a file that no other run will find.
            if is_named(&directory, name, file)? {
                break;
            }
        }
        Ok(Self {
            directory,
            name: name.to_owned(),
            handle,
        })
    }

    /// The directory in which it is.
    pub(in crate::host) fn directory(&self) -> &Directory {
        &self.directory
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.handle.is_some() {
            let _ = self.directory.remove(&self.name);
        }
    }
}

fn open(directory: &Directory, name: &OsStr, locking: Locking) -> Result<Option<File>, FileCause> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let flags = match locking {
        Locking::Needed => flags | OFlags::CREATE,
        Locking::Optional => flags,
    };
    let opened = rustix::fs::openat(directory.handle(), name, flags, Mode::RUSR | Mode::WUSR);
    match (opened, locking) {
        (Ok(file), _) => Ok(Some(file.into())),
        (Err(_), Locking::Optional) => Ok(None),
        (Err(error), Locking::Needed) => Err(error.into()),
    }
}

fn is_named(directory: &Directory, name: &OsStr, file: &File) -> Result<bool, FileCause> {
    let ours = id(&file.metadata()?);
    match rustix::fs::statat(directory.handle(), name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == ours),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The lock of a directory in which files are edited, in the caller's runtime directory: of two runs of one user only
/// one edits there.
pub(super) fn of_directory(
    edited: &Directory,
    locking: Locking,
) -> Result<Option<Lock>, FileCause> {
    let (device, inode) = edited.id()?;
    let name = OsString::from(format!("{device:x}-{inode:x}.lock"));
    let locked = match runtime_directory(locking) {
        Ok(directory) => Lock::take(directory, &name, locking).map(Some),
        Err(_) if locking == Locking::Optional => Ok(None),
        Err(error) => Err(error),
    };
    // What is locked is the directory that is edited, whatever the file is called.
    locked.map_err(|cause| match cause {
        FileCause::Locked(_) => FileCause::Locked(edited.path().to_owned()),
        other => other,
    })
}

/// A directory of the caller's own for files that need not outlive a boot: root's in `/run`, another user's in
/// `$XDG_RUNTIME_DIR` or where systemd puts that; failing these where state is kept, and last where temporary files are.
fn runtime_directory(locking: Locking) -> Result<Directory, FileCause> {
    let mut refused = None;
    for path in candidates() {
        match own_directory(&Root::host(), &path, locking) {
            Ok(directory) => return Ok(directory),
            Err(cause) => drop(refused.get_or_insert(cause)),
        }
    }
    Err(refused.unwrap_or_else(|| Errno::NOENT.into()))
}

fn candidates() -> Vec<PathBuf> {
    const NAME: &str = "kubelet-tls";
    let me = nix::unistd::geteuid();
    let last = std::env::temp_dir().join(format!("{NAME}-{me}"));
    if me.is_root() {
        return vec![PathBuf::from("/run").join(NAME), last];
    }
    let systemd = PathBuf::from(format!("/run/user/{me}"));
    let mut candidates = Vec::from_iter(super::super::state::named("XDG_RUNTIME_DIR"));
    candidates.retain(|path| path.is_absolute());
    candidates.push(systemd);
    candidates.retain(|path| path.is_dir());
    let mut candidates: Vec<_> = candidates.iter().map(|path| path.join(NAME)).collect();
    candidates.extend(super::super::state::of_user());
    candidates.push(last);
    candidates
}

/// Opens a directory in which no other user decides what lies. If the lock is needed, the directory is created (0700, and
/// its parents) where it does not exist.
///
/// # Errors
/// [`FileCause::Untrusted`] if it is another user's too, or what the operating system says.
pub(in crate::host) fn own_directory(
    root: &Root,
    path: &Path,
    locking: Locking,
) -> Result<Directory, FileCause> {
    trust::require(root, path)?;
    let opened = match locking {
        Locking::Needed => root.make_directory(path, Mode::RWXU)?,
        Locking::Optional => root.directory(path)?,
    };
    // What was created may lie elsewhere than what was looked at.
    trust::require(root, path)?;
    Directory::open(&opened, path.to_owned())
}
