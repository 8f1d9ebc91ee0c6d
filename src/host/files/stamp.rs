//! Whether a file is still the one that was read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What a path led to at one time, its symlinks followed. Taken before the file is read, it tells later whether the file
/// was replaced or written since; a change during the read counts too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    path: PathBuf,
    /// None where nothing could be seen there.
    file: Option<File>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct File {
    device: u64,
    inode: u64,
    size: u64,
    /// The inode's last change, in seconds since 1970 and nanoseconds. Unlike the time of modification no program sets it.
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of what `path` leads to now. A path that leads nowhere has a stamp too, which a new file there changes.
    pub fn of(path: &Path) -> Self {
        let file = fs::metadata(path).ok().map(|metadata| File {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        });
        Self {
            path: path.to_owned(),
            file,
        }
    }

    /// Whether the path still leads to the same, unchanged file.
    pub fn is_current(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_that_is_written_replaced_or_created_has_another_stamp() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let missing = Stamp::of(&path);
        assert!(missing.is_current());
        fs::write(&path, "old").unwrap();
        assert!(!missing.is_current());
        let written = Stamp::of(&path);
        assert!(written.is_current());
        fs::write(&path, "newer").unwrap();
        assert!(!written.is_current());
        // As the kubelet replaces what it projects into a Pod: through a symlink to another directory, with times that are
        // older than those of the file that it replaces.
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        let linked = Stamp::of(&link);
        let other = directory.path().join("other");
        fs::write(&other, "newer").unwrap();
        let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        fs::File::options()
            .write(true)
            .open(&other)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        fs::remove_file(&link).unwrap();
        symlink(&other, &link).unwrap();
        assert!(!linked.is_current());
        let unchanged = Stamp::of(&link);
        fs::read(&link).unwrap();
        assert!(unchanged.is_current());
    }
}
