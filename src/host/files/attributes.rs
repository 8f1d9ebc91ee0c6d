//! Owner, mode and extended attributes of a file that takes another's place.

use std::fs::{File, Permissions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The kernel's own limits for one list of names and for one value (linux/limits.h), in bytes.
const XATTR_LIST_MAX: usize = 65_536;
const XATTR_SIZE_MAX: usize = 65_536;

/// Gives `to` the owner, extended attributes (SELinux label, ACLs) and mode of `from`, exactly: an attribute that `from`
/// lacks is removed, such as what a default ACL of the directory has added. In this order, because a change of owner
/// clears mode bits and an ACL changes them.
pub(super) fn copy(from: &File, to: &File) -> io::Result<()> {
    let (wanted, present) = (from.metadata()?, to.metadata()?);
    if (wanted.uid(), wanted.gid()) != (present.uid(), present.gid()) {
        fchown(to.as_fd(), Some(wanted.uid()), Some(wanted.gid()))?;
    }
    let kept = names(from)?;
    for name in names(to)?.iter().filter(|name| !kept.contains(name)) {
        match rustix::fs::fremovexattr(to, name.as_slice()) {
            Ok(()) | Err(Errno::NODATA) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for name in kept {
        let value = value(from, &name)?;
        if self::value(to, &name).ok().as_ref() != Some(&value) {
            rustix::fs::fsetxattr(to, name.as_slice(), &value, XattrFlags::empty())?;
        }
    }
    to.set_permissions(Permissions::from_mode(wanted.mode() & 0o7777))
}

fn names(file: &File) -> io::Result<Vec<Vec<u8>>> {
    let mut buffer = vec![0; XATTR_LIST_MAX];
    let length = match rustix::fs::flistxattr(file, &mut buffer[..]) {
        Ok(length) => length,
        // A file system without extended attributes: nothing has to be kept.
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

pub(super) fn value(file: &File, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut value = vec![0; XATTR_SIZE_MAX];
    let length = rustix::fs::fgetxattr(file, name, &mut value[..])?;
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A default ACL `user::rw-,user:65534:rw-,group::r--,mask::rw-,other::---`, as acl(5) and linux/posix_acl_xattr.h
    /// lay it out.
    fn default_acl() -> Vec<u8> {
        let mut acl = 2_u32.to_le_bytes().to_vec();
        let none = u32::MAX;
        for (tag, permissions, id) in [
            (0x01_u16, 6_u16, none),
            (0x02, 6, 65_534),
            (0x04, 4, none),
            (0x10, 6, none),
            (0x20, 0, none),
        ] {
            acl.extend(tag.to_le_bytes());
            acl.extend(permissions.to_le_bytes());
            acl.extend(id.to_le_bytes());
        }
        acl
    }

    #[test]
    fn what_the_original_lacks_is_removed_and_what_it_has_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("old"), "").unwrap();
        std::fs::set_permissions(path("old"), Permissions::from_mode(0o640)).unwrap();
        let default = "system.posix_acl_default";
        let flags = XattrFlags::empty();
        if rustix::fs::setxattr(directory.path(), default, &default_acl(), flags).is_err() {
            // A file system without ACLs adds none either.
            return;
        }
        let _ = rustix::fs::setxattr(path("old"), "user.note", b"kept", flags);
        std::fs::write(path("new"), "").unwrap();
        let (old, new) = (
            File::open(path("old")).unwrap(),
            File::open(path("new")).unwrap(),
        );
        assert!(value(&new, b"system.posix_acl_access").is_ok());
        rustix::fs::fsetxattr(&new, "user.other", b"x", flags).unwrap();
        copy(&old, &new).unwrap();
        assert_eq!(names(&new).unwrap(), names(&old).unwrap());
        assert_eq!(value(&new, b"user.note").unwrap(), b"kept");
        assert_eq!(new.metadata().unwrap().mode() & 0o7777, 0o640);
    }
}
