//! The state directory: where receipts live.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the state directory is touched"
)]

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::files::{self, FileCause, FileError};

/// Neither the kubelet nor kubeadm reads anything here.
const DIRECTORY: &str = "/var/lib/kubelet-tls";
/// Says otherwise; for tests and the demo, which have no right to /var/lib.
const VARIABLE: &str = "KUBELET_TLS_STATE_DIR";
const RECEIPT: &str = "receipt.json";
/// The key of a request that was made before the restart and waits for its approval.
const KEY: &str = "serving-key.pem";
/// A key of any kind is shorter, in bytes.
const KEY_CAP: u64 = 16 * 1024;
/// Of `cluster apply`, which is not of the node that it may be run on.
const CLUSTER_RECEIPT: &str = "cluster-receipt.json";
/// A receipt is some hundred bytes an edit.
const RECEIPT_CAP: u64 = 1024 * 1024;

/// The state directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
    /// The receipt's name in it.
    receipt: &'static str,
}

/// The right to write the receipt; ends with the process, however it ends.
#[derive(Debug)]
pub struct StateLock {
    _handle: File,
}

impl StateDirectory {
    /// Of the node whose files lie under `root`.
    pub fn of(root: Option<&Path>) -> Self {
        let path = match (root, named(VARIABLE)) {
            (Some(root), _) => root.join(DIRECTORY.trim_start_matches('/')),
            (None, Some(named)) => named,
            (None, None) => DIRECTORY.into(),
        };
        Self {
            path,
            receipt: RECEIPT,
        }
    }

    /// Of what this user changes in clusters: an administrator of a cluster need not be root of any node. Root's is the
    /// node's; another's is `kubelet-tls` under `$XDG_STATE_HOME`, else under `~/.local/state` (XDG Base Directory
    /// Specification). None where the user has no home.
    pub fn of_clusters() -> Option<Self> {
        let path = match named(VARIABLE) {
            Some(named) => named,
            None if nix::unistd::geteuid().is_root() => DIRECTORY.into(),
            None => named("XDG_STATE_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| {
                    let home = named("HOME").filter(|home| home.is_absolute());
                    home.map(|home| home.join(".local/state"))
                })?
                .join("kubelet-tls"),
        };
        Some(Self {
            path,
            receipt: CLUSTER_RECEIPT,
        })
    }

    /// Makes the directory and locks it, without waiting.
    ///
    /// # Errors
    /// [`FileCause::Locked`] when another run holds it, or what the operating system says.
    pub fn lock(&self) -> Result<StateLock, FileError> {
        let acquire = || -> Result<StateLock, FileCause> {
            self.make()?;
            let handle = File::open(&self.path)?;
            match rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) => Err(FileCause::Locked(self.path.clone())),
                // NFS cannot lock a directory; the API server lets only one of two writers through all the same.
                Ok(()) | Err(Errno::BADF | Errno::NOLCK | Errno::OPNOTSUPP) => {
                    Ok(StateLock { _handle: handle })
                }
                Err(error) => Err(io::Error::from(error).into()),
            }
        };
        acquire().map_err(|cause| FileError {
            action: "write",
            path: self.receipt_path(),
            cause,
        })
    }

    fn make(&self) -> Result<(), FileCause> {
        self.require_trusted()?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)?;
        self.require_trusted()
    }

    /// What lies here decides what is undone and which key is installed.
    fn require_trusted(&self) -> Result<(), FileCause> {
        files::require_trusted(&self.path).map_err(|error| error.cause)
    }

    /// Where the receipt is.
    pub fn receipt_path(&self) -> PathBuf {
        self.path.join(self.receipt)
    }

    /// The last run's receipt; none where there was no run.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn receipt(&self) -> Result<Option<Vec<u8>>, FileError> {
        files::require_trusted(&self.path)?;
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
        files::require_trusted(&self.path)?;
        let there = self
            .path
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
            cause: error,
        })
    }

    /// The key whose request waits for its approval; none where there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn key(&self) -> Result<Option<Vec<u8>>, FileError> {
        files::require_trusted(&self.path)?;
        match files::read(&self.path.join(KEY), KEY_CAP) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.cause.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps a key; it is on the disk, whole, with mode 0600, when this returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_key(&self, pem: &[u8]) -> Result<(), FileError> {
        let path = self.path.join(KEY);
        self.write(&path, pem).map_err(|error| FileError {
            action: "write",
            path,
            cause: error,
        })
    }

    /// Removes the key, if there is one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove_key(&self) -> Result<(), FileError> {
        let path = self.path.join(KEY);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::writing(&path)(error.into()))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), FileCause> {
        self.make()?;
        let mut temporary = tempfile::Builder::new()
            .prefix(path.file_name().unwrap_or_default())
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.path)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|failed| failed.error)?;
        File::open(&self.path)?.sync_all()?;
        self.sweep();
        Ok(())
    }

    /// Removes what a run that was killed while it wrote here has left behind, where the node's lock is held.
    pub fn sweep(&self) {
        for name in files::names(&self.path).unwrap_or_default() {
            let leftover = name.to_str().is_some_and(|name| {
                [self.receipt, KEY]
                    .iter()
                    .any(|whole| name.starts_with(whole) && name != *whole)
            });
            if leftover {
                let _ = fs::remove_file(self.path.join(name));
            }
        }
    }
}

/// The path in an environment variable that is set to something.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_that_others_may_write_to_is_neither_believed_nor_used() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(Some(root.path()));
        state.write_receipt(b"one").unwrap();
        for path in ["var/lib/kubelet-tls", "var/lib"] {
            let path = root.path().join(path);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            let refused = [
                state.receipt().err(),
                state.key().err(),
                state.inspect().err(),
                state.lock().err(),
                state.write_receipt(b"two").err(),
                state.write_key(b"key").err(),
            ];
            for error in refused {
                let cause = error.unwrap().cause;
                assert!(matches!(cause, FileCause::Untrusted { .. }), "{cause}");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert_eq!(state.receipt().unwrap().as_deref(), Some(&b"one"[..]));
    }

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
