//! The files that a credential comes from, read in a way that shows later whether one has changed.

use std::path::Path;

use crate::host::files::{self, FileError, Stamp};

use super::KubeconfigError;

/// A kubeconfig with everything inline is some ten kilobytes, in bytes.
const KUBECONFIG_CAP: u64 = 1024 * 1024;

/// Reads files, and remembers how each was before it was read: a rotation at any time after that shows.
#[derive(Debug, Default)]
pub(super) struct Reader(Vec<Stamp>);

impl Reader {
    /// The bytes of a file.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, FileError> {
        self.read_by(path, |path| files::read(path, KUBECONFIG_CAP))
    }

    fn read_by<T>(&mut self, path: &Path, read: impl FnOnce(&Path) -> T) -> T {
        self.0.push(Stamp::of(path));
        read(path)
    }

    /// The bytes of the file that `field` names.
    pub(super) fn named(
        &mut self,
        field: &'static str,
        path: &Path,
    ) -> Result<Vec<u8>, KubeconfigError> {
        self.read(path)
            .map_err(|error| KubeconfigError::unreadable(Some(field), &error))
    }

    /// How each file was before it was read.
    pub(super) fn stamps(self) -> Vec<Stamp> {
        self.0
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test rotates files")]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_rotation_while_or_after_a_file_is_read_shows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, "first").unwrap();
        let mut reader = Reader::default();
        let read = reader.read_by(&path, |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, "rotated").unwrap();
            bytes
        });
        assert_eq!(read, b"first");
        assert_eq!(reader.read(&path).unwrap(), b"rotated");
        let current: Vec<bool> = reader.stamps().iter().map(Stamp::is_current).collect();
        assert_eq!(current, [false, true]);
    }

    #[test]
    fn a_file_that_appears_later_shows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let mut reader = Reader::default();
        assert!(reader.named("tokenFile", &path).is_err());
        let stamps = reader.stamps();
        assert!(stamps[0].is_current());
        fs::write(&path, "").unwrap();
        assert!(!stamps[0].is_current());
    }
}
