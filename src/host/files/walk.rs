//! A path walked component by component, so that it stays beneath the directory where it begins and each directory on
//! the way can be looked at.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::FileCause;

/// As many as the kernel follows in one path (path_resolution(7)).
pub(super) const MAX_SYMLINKS: u32 = 40;

/// The directory `path` beneath `root`, which is shown as `shown`: absolute paths and symlinks begin at `root`, and `..`
/// leads no higher. `visit` sees `root`, each symlink and each directory on the way, by its path without symlinks, and may
/// refuse it.
pub(super) fn walk(
    root: OwnedFd,
    shown: &Path,
    path: &Path,
    mut visit: impl FnMut(&Path, &Stat) -> Result<(), FileCause>,
) -> Result<(OwnedFd, PathBuf), FileCause> {
    let mut links = 0;
    let mut ahead = names(path);
    let mut here = shown.to_owned();
    visit(&here, &rustix::fs::fstat(&root)?)?;
    let mut above = Vec::new();
    let mut directory = root;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            if let Some(parent) = above.pop() {
                directory = parent;
                here.pop();
            }
            continue;
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = rustix::fs::openat(&directory, &name, flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&next)?;
        here.push(&name);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                visit(&here, &stat)?;
                above.push(std::mem::replace(&mut directory, next));
            }
            FileType::Symlink => {
                links += 1;
                if links > MAX_SYMLINKS {
                    return Err(Errno::LOOP.into());
                }
                visit(&here, &stat)?;
                here.pop();
                let target = read_link(&next, OsStr::new(""))?;
                if target.is_absolute() && !above.is_empty() {
                    directory = above.swap_remove(0);
                    above.clear();
                    here = shown.to_owned();
                }
                for name in names(&target).into_iter().rev() {
                    ahead.push_front(name);
                }
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
    }
    Ok((directory, here))
}

/// What the symlink `name` in `directory` says, or what the symlink `directory` itself says where `name` is empty.
pub(in crate::host) fn read_link(directory: &OwnedFd, name: &OsStr) -> Result<PathBuf, Errno> {
    let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
}

fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}
