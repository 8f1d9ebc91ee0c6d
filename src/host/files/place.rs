//! Where a file really is: the end of the symlinks that its path leads through.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};

use super::FileCause;

/// A file's name in the directory where it really is, its symlinks followed; it need not exist.
#[derive(Debug)]
pub(in crate::host) struct FilePlace {
    pub(super) directory: OwnedFd,
    /// The directory, for messages.
    pub(super) path: PathBuf,
    pub(super) name: OsString,
    /// Whether a symlink led here.
    pub(super) is_linked: bool,
}

impl FilePlace {
    /// The file itself, for messages.
    pub(super) fn real(&self) -> PathBuf {
        self.path.join(&self.name)
    }

    pub(super) fn stat(&self) -> Result<Stat, FileCause> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        Ok(rustix::fs::statat(&self.directory, &self.name, flags)?)
    }

    /// Opens the regular file. What is not one is not opened, because opening a device may do something and opening a
    /// FIFO may wait.
    pub(super) fn open(&self) -> Result<File, FileCause> {
        require_regular(&self.stat()?)?;
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, &self.name, flags, Mode::empty())?;
        // Another program may have replaced it meanwhile.
        require_regular(&rustix::fs::fstat(&file)?)?;
        Ok(file.into())
    }
}

fn require_regular(stat: &Stat) -> Result<(), FileCause> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(FileCause::NotRegular),
    }
}
