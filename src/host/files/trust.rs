//! Whether a directory is the caller's own, as sshd's StrictModes asks of a user's home: what lies in one that another
//! user may write to was possibly put there by them, and decides nothing.
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::walk::walk;
use super::{FileCause, Root, absolute};

const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Whether a file of this owner and mode is the caller's own and readable by no other user, as a key must be.
pub(crate) fn is_private(uid: u32, mode: u32) -> bool {
    uid == nix::unistd::geteuid().as_raw() && mode & 0o077 == 0
}

/// Checks that no user but the caller and root decides what lies in `directory`, which is beneath `root`: it and each of
/// its parents, also those of an image, belongs to one of the two and is writable by no group and by no others. A parent
/// with the sticky bit, such as `/tmp`, may be writable: there, no one replaces what is not theirs. Symlinks are followed,
/// and each must belong to the caller or root too. A directory that does not exist yet is judged by the parents that exist.
///
/// # Errors
/// [`FileCause::Untrusted`] with the directory that is not the caller's own, or what the operating system says.
pub(super) fn require(root: &Root, directory: &Path) -> Result<(), FileCause> {
    let Some((image, handle)) = root.image() else {
        let slash = Root::host().directory(Path::new("/"))?;
        return check(slash, Path::new("/"), &absolute(directory));
    };
    require(&Root::host(), image)?;
    let inner = root.inner(directory).map_err(|error| error.cause)?;
    check(handle.try_clone()?, image, &inner)
}

fn check(root: OwnedFd, shown: &Path, path: &Path) -> Result<(), FileCause> {
    match walk(root, shown, path, require_parent) {
        Ok((directory, here)) => require_mode(&here, &rustix::fs::fstat(&directory)?),
        // It is created by the caller, in a parent that was looked at.
        Err(cause) if cause.is_not_found() => Ok(()),
        Err(cause) => Err(cause),
    }
}

fn require_parent(path: &Path, stat: &Stat) -> Result<(), FileCause> {
    let uid = stat.st_uid;
    if uid != 0 && uid != nix::unistd::geteuid().as_raw() {
        return Err(FileCause::Untrusted {
            path: path.to_owned(),
            why: format!("it belongs to another user (uid {uid})"),
        });
    }
    let is_link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
    if is_link || stat.st_mode & STICKY != 0 {
        Ok(())
    } else {
        require_mode(path, stat)
    }
}

fn require_mode(path: &Path, stat: &Stat) -> Result<(), FileCause> {
    if stat.st_mode & GROUP_OR_OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(FileCause::Untrusted {
        path: path.to_owned(),
        why: format!(
            "other users may write to it (mode {:04o})",
            stat.st_mode & 0o7777
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::FileError;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::PathBuf;

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
        match Root::host().require_trusted(path) {
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
            Root::host().require_trusted(&link).unwrap_err().cause,
            FileCause::Io(_)
        ));
    }

    #[test]
    fn a_directory_of_an_image_is_judged_with_its_parents_and_those_of_the_image() {
        let (parent, inner) = scene();
        let image = inner.parent().unwrap();
        let root = Root::open(Some(image)).unwrap();
        symlink("/b", image.join("link")).unwrap();
        let judged = |path: &str| {
            let judged = root.require_trusted(&image.join(path));
            judged.map_err(|error| match error.cause {
                FileCause::Untrusted { path, .. } => path,
                other => panic!("{other}"),
            })
        };
        assert_eq!(judged("b/new"), Ok(()));
        assert_eq!(judged("link"), Ok(()));
        set_mode(&inner, 0o777);
        assert_eq!(judged("link/new"), Err(inner.clone()));
        set_mode(&inner, 0o755);
        set_mode(parent.path(), 0o777);
        assert_eq!(judged("b"), Err(parent.path().to_owned()));
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
        let error = Root::host()
            .require_trusted(&inner)
            .unwrap_err()
            .to_string();
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
