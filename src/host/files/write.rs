//! The one way in which a file is written: whole, beside its place, on the disk, and then renamed.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::{FileCause, Root, id};

/// Temporary files of ours are named `.kubelet-tls-XXXXXXXXXXXX.tmp`: hidden, and never `*.conf`, which a kubelet's
/// `--config-dir` would read.
const PREFIX: &str = ".kubelet-tls-";
const RANDOM: usize = 12;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many random names are tried.
const NAMES_TRIED: usize = 16;

/// Whose temporary files: those of two scopes may lie in one directory under two locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Scope {
    /// Of a node or of files.
    Node,
    /// Of a cluster, in root's state directory.
    Cluster,
}

/// An open directory in which files are written.
#[derive(Debug)]
pub(in crate::host) struct Directory {
    handle: File,
    path: PathBuf,
}

/// A new file under a name that only [`Directory::sweep`] knows; removed when dropped.
#[derive(Debug)]
pub(in crate::host) struct Staged<'a> {
    directory: &'a Directory,
    name: OsString,
    file: File,
    is_published: bool,
}

impl Directory {
    /// Opens it for writing in it; `path` is for messages.
    pub(in crate::host) fn open(directory: &OwnedFd, path: PathBuf) -> Result<Self, FileCause> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(directory, ".", flags, Mode::empty())?;
        Ok(Self {
            handle: handle.into(),
            path,
        })
    }

    /// Opens the directory `path` beneath `root`.
    pub(in crate::host) fn of(root: &Root, path: &Path) -> Result<Self, FileCause> {
        Self::open(&root.directory(path)?, path.to_owned())
    }

    /// Its path, for messages.
    pub(in crate::host) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::host) fn handle(&self) -> &File {
        &self.handle
    }

    /// Its device and inode.
    pub(in crate::host) fn id(&self) -> io::Result<(u64, u64)> {
        Ok(id(&self.handle.metadata()?))
    }

    /// Puts what happened to its entries on the disk.
    pub(in crate::host) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// A new empty file with mode 0600.
    pub(in crate::host) fn stage(&self, scope: Scope) -> Result<Staged<'_>, FileCause> {
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..NAMES_TRIED {
            let name = OsString::from(temporary_name(scope)?);
            match rustix::fs::openat(&self.handle, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => {
                    return Ok(Staged {
                        directory: self,
                        name,
                        file: file.into(),
                        is_published: false,
                    });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Writes the file `name` with `mode`, whatever is there now; it is on the disk, whole, when this returns.
    pub(in crate::host) fn write(
        &self,
        name: &OsStr,
        bytes: &[u8],
        mode: u32,
        scope: Scope,
    ) -> Result<(), FileCause> {
        let mut staged = self.stage(scope)?;
        staged.fill(bytes, mode)?;
        staged.publish(name)?;
        Ok(self.sync()?)
    }

    /// Removes the file `name`, if it exists.
    pub(in crate::host) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The names of its entries, unsorted, without `.` and `..`. `std::fs::ReadDir` panics where closing a directory fails,
    /// and directories are read between a write and a restart.
    pub(in crate::host) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut entries = rustix::fs::Dir::read_from(&self.handle)?;
        let mut names = Vec::new();
        while let Some(entry) = entries.read() {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        Ok(names)
    }

    /// Removes the temporary files that a killed run of this user left here. The caller holds the lock of the scope.
    /// Root's may already have the owner of the file that it was to replace.
    pub(in crate::host) fn sweep(&self, scope: Scope) {
        let me = nix::unistd::geteuid().as_raw();
        for name in self.names().unwrap_or_default() {
            let ours = name.to_str().is_some_and(|name| is_temporary(name, scope))
                && rustix::fs::statat(&self.handle, &name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(
                    |stat| {
                        FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
                            && (stat.st_uid == me || me == 0)
                    },
                );
            if ours {
                // One that cannot be removed harms no one: the kubelet never reads it.
                let _ = self.remove(&name);
            }
        }
    }
}

impl Staged<'_> {
    pub(in crate::host) fn file(&self) -> &File {
        &self.file
    }

    /// Writes it, with `mode`, and puts it on the disk.
    pub(in crate::host) fn fill(&mut self, bytes: &[u8], mode: u32) -> Result<(), FileCause> {
        self.file.write_all(bytes)?;
        // The umask is about files for which no mode was chosen.
        self.file.set_permissions(Permissions::from_mode(mode))?;
        Ok(self.file.sync_all()?)
    }

    /// Writes its bytes alone.
    pub(in crate::host) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Renames it to `name`, whatever is there now.
    pub(in crate::host) fn publish(&mut self, name: &OsStr) -> io::Result<()> {
        let directory = self.directory.handle.as_fd();
        rustix::fs::renameat(directory, &self.name, directory, name)?;
        self.is_published = true;
        Ok(())
    }

    /// Renames it to `name`, if that does not exist.
    pub(in crate::host) fn publish_new(&mut self, name: &OsStr) -> io::Result<()> {
        let directory = self.directory.handle.as_fd();
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(directory, &self.name, directory, name, flags) {
            Ok(()) => {
                self.is_published = true;
                Ok(())
            }
            // A file system that does not know the flag (NFS): a second name, which replaces no existing one.
            Err(Errno::INVAL | Errno::NOSYS) => {
                let flags = AtFlags::empty();
                Ok(rustix::fs::linkat(
                    directory, &self.name, directory, name, flags,
                )?)
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        if !self.is_published {
            let _ = self.directory.remove(&self.name);
        }
    }
}

fn suffix(scope: Scope) -> &'static str {
    match scope {
        Scope::Node => ".tmp",
        Scope::Cluster => ".cluster.tmp",
    }
}

fn temporary_name(scope: Scope) -> Result<String, FileCause> {
    let mut random = [0; RANDOM];
    let random_source = ring::rand::SystemRandom::new();
    ring::rand::SecureRandom::fill(&random_source, &mut random)
        .map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let letters = random.iter().filter_map(|byte| {
        let letter = ALPHABET.get(usize::from(*byte) % ALPHABET.len());
        letter.copied().map(char::from)
    });
    Ok(format!(
        "{PREFIX}{}{}",
        letters.collect::<String>(),
        suffix(scope)
    ))
}

fn is_temporary(name: &str, scope: Scope) -> bool {
    name.strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(suffix(scope)))
        .is_some_and(|random| {
            random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}
