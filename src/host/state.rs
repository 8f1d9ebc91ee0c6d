//! The state directory: where receipts live.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the state directory is touched"
)]

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::files::{self, FileError};

/// Neither the kubelet nor kubeadm reads anything here.
const DIRECTORY: &str = "/var/lib/kubelet-tls";
/// Says otherwise; for tests and the demo, which have no right to /var/lib.
const VARIABLE: &str = "KUBELET_TLS_STATE_DIR";
const RECEIPT: &str = "receipt.json";
/// A receipt is some hundred bytes an edit.
const RECEIPT_CAP: u64 = 1024 * 1024;

/// The state directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct StateDirectory(PathBuf);

impl StateDirectory {
    /// Of the node whose files lie under `root`.
    pub fn of(root: Option<&Path>) -> Self {
        let named = std::env::var_os(VARIABLE)
            .filter(|name| !name.is_empty())
            .map(PathBuf::from);
        Self(match (root, named) {
            (Some(root), _) => root.join(DIRECTORY.trim_start_matches('/')),
            (None, Some(named)) => named,
            (None, None) => DIRECTORY.into(),
        })
    }

    /// Where the receipt is.
    pub fn receipt_path(&self) -> PathBuf {
        self.0.join(RECEIPT)
    }

    /// The last run's receipt; none where there was no run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn receipt(&self) -> Result<Option<Vec<u8>>, FileError> {
        match files::read(&self.receipt_path(), RECEIPT_CAP) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.cause.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks whether a receipt could be written, as far as can be seen without trying.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn inspect(&self) -> Result<(), FileError> {
        let there = self
            .0
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(rustix::fs::CWD, there, access, rustix::fs::AtFlags::EACCESS).map_err(
            |error| FileError {
                action: "write",
                path: self.receipt_path(),
                cause: io::Error::from(error).into(),
            },
        )
    }

    /// Writes the receipt; it is on the disk, whole, with mode 0600, when this returns.
    ///
    /// # Errors
    /// When it cannot be written; then the last one is still there.
    pub fn write_receipt(&self, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.receipt_path();
        self.write(&path, bytes).map_err(|error| FileError {
            action: "write",
            path,
            cause: error.into(),
        })
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(RECEIPT)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.0)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|failed| failed.error)?;
        File::open(&self.0)?.sync_all()?;
        self.sweep();
        Ok(())
    }

    /// Removes what a run killed while it wrote a receipt left behind; the node's lock is held.
    fn sweep(&self) {
        for name in files::names(&self.0).unwrap_or_default() {
            let leftover = name
                .to_str()
                .is_some_and(|name| name.starts_with(RECEIPT) && name != RECEIPT);
            if leftover {
                let _ = fs::remove_file(self.0.join(name));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_written_whole_and_for_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(Some(root.path()));
        assert_eq!(state.receipt().unwrap(), None);
        state.write_receipt(b"one").unwrap();
        fs::write(
            root.path().join("var/lib/kubelet-tls/receipt.jsonAbC123"),
            "torn",
        )
        .unwrap();
        state.write_receipt(b"two").unwrap();
        assert_eq!(state.receipt().unwrap().as_deref(), Some(&b"two"[..]));
        let directory = root.path().join("var/lib/kubelet-tls");
        assert_eq!(
            fs::metadata(&directory).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(
            fs::metadata(state.receipt_path())
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    }
}
