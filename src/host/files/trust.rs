//! Whether a directory is the caller's own, as sshd's StrictModes asks of a user's home: what lies in one that another
//! user may write to was possibly put there by them, and decides nothing.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where owners and modes are looked at"
)]

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use super::{FileCause, FileError, absolute, reading};

/// As many as the kernel follows in one path (path_resolution(7)).
const MAX_SYMLINKS: u32 = 40;
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Checks that no user but the caller and root decides what lies in `directory`: it and each of its parents belongs to
/// one of the two and is writable by no group and by no others. A parent with the sticky bit, such as `/tmp`, may be
/// writable: there, no one replaces what is not theirs. Symlinks are followed, and each must belong to the caller or
/// root too. A directory that does not exist yet is judged by the parents that exist.
///
/// # Errors
/// [`FileCause::Untrusted`] with the directory that is not the caller's own, or what the operating system says.
pub fn require_trusted(directory: &Path) -> Result<(), FileError> {
    walk(&absolute(directory)).map_err(reading(directory))
}

/// Whether a file of this owner and mode is the caller's own and readable by no other user, as a key must be.
pub(crate) fn is_private(uid: u32, mode: u32) -> bool {
    uid == nix::unistd::geteuid().as_raw() && mode & 0o077 == 0
}

fn walk(path: &Path) -> Result<(), FileCause> {
    let mut here = PathBuf::from("/");
    let mut ahead = names(path);
    let mut links = 0;
    check(&here, &fs::symlink_metadata(&here)?, ahead.is_empty())?;
    while let Some(name) = ahead.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        here.push(&name);
        let metadata = match fs::symlink_metadata(&here) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata?,
        };
        if metadata.is_symlink() {
            links += 1;
            if links > MAX_SYMLINKS {
                return Err(io::Error::from(Errno::LOOP).into());
            }
            require_owner(&here, &metadata)?;
            let target = fs::read_link(&here)?;
            here.pop();
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            for name in names(&target).into_iter().rev() {
                ahead.push_front(name);
            }
        } else if metadata.is_dir() {
            check(&here, &metadata, ahead.is_empty())?;
        } else {
            return Err(io::Error::from(Errno::NOTDIR).into());
        }
    }
    // A path that ends in `..` or a symlink ends in a directory that was entered as a parent.
    check(&here, &fs::symlink_metadata(&here)?, true)
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

fn check(path: &Path, metadata: &Metadata, is_last: bool) -> Result<(), FileCause> {
    require_owner(path, metadata)?;
    let mode = metadata.mode();
    if mode & GROUP_OR_OTHERS_WRITE != 0 && (is_last || mode & STICKY == 0) {
        return Err(FileCause::Untrusted {
            path: path.to_owned(),
            why: format!("other users may write to it (mode {:04o})", mode & 0o7777),
        });
    }
    Ok(())
}

fn require_owner(path: &Path, metadata: &Metadata) -> Result<(), FileCause> {
    let uid = metadata.uid();
    if uid == 0 || uid == nix::unistd::geteuid().as_raw() {
        Ok(())
    } else {
        Err(FileCause::Untrusted {
            path: path.to_owned(),
            why: format!("it belongs to another user (uid {uid})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn scene() -> (tempfile::TempDir, PathBuf) {
        let parent = tempfile::tempdir().unwrap();
        let inner = parent.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        for path in [&inner, inner.parent().unwrap()] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        (parent, inner)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn untrusted(path: &Path) -> Option<PathBuf> {
        match require_trusted(path) {
            Ok(()) => None,
            Err(FileError {
                cause: FileCause::Untrusted { path, .. },
                ..
            }) => Some(path),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_directory_of_the_callers_is_trusted_below_a_sticky_one() {
        let (_parent, inner) = scene();
        assert_eq!(untrusted(&inner), None);
        assert_eq!(untrusted(&inner.join("new/newer")), None);
        assert_eq!(untrusted(Path::new("/")), None);
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_not_trusted_nor_what_lies_below_it() {
        for mode in [0o775, 0o757, 0o777] {
            let (_parent, inner) = scene();
            let outer = inner.parent().unwrap();
            set_mode(outer, mode);
            assert_eq!(untrusted(&inner), Some(outer.to_owned()), "{mode:o}");
            assert_eq!(untrusted(outer), Some(outer.to_owned()), "{mode:o}");
            set_mode(outer, mode | 0o1000);
            assert_eq!(untrusted(&inner), None, "{mode:o}");
            assert_eq!(untrusted(outer), Some(outer.to_owned()), "{mode:o}");
            assert_eq!(untrusted(&inner.join("..")), Some(outer.to_owned()));
        }
    }

    #[test]
    fn a_symlink_is_judged_by_the_directory_that_it_leads_to() {
        let (parent, inner) = scene();
        set_mode(&inner, 0o777);
        let link = parent.path().join("link");
        for target in [
            inner.clone(),
            PathBuf::from("a/b"),
            PathBuf::from("a/../a/b"),
        ] {
            symlink(&target, &link).unwrap();
            assert_eq!(
                untrusted(&link),
                Some(inner.clone()),
                "{}",
                target.display()
            );
            fs::remove_file(&link).unwrap();
        }
        symlink("link", &link).unwrap();
        assert!(matches!(
            require_trusted(&link).unwrap_err().cause,
            FileCause::Io(_)
        ));
    }

    #[test]
    fn a_directory_or_symlink_of_another_user_is_not_trusted() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let (parent, inner) = scene();
        let link = parent.path().join("link");
        symlink(&inner, &link).unwrap();
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert_eq!(untrusted(&link), Some(link.clone()));
        let outer = inner.parent().unwrap();
        std::os::unix::fs::chown(outer, Some(65534), None).unwrap();
        assert_eq!(untrusted(&inner), Some(outer.to_owned()));
        let error = require_trusted(&inner).unwrap_err().to_string();
        assert!(
            error.ends_with("/a is not trusted: it belongs to another user (uid 65534)"),
            "{error}"
        );
    }

    #[test]
    fn a_private_file_is_the_callers_and_closed_to_others() {
        let me = nix::unistd::geteuid().as_raw();
        assert!(is_private(me, 0o600) && is_private(me, 0o100_400));
        assert!(!is_private(me, 0o640) && !is_private(me, 0o604) && !is_private(me + 1, 0o600));
    }
}
