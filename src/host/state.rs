//! The state directory: where a run keeps what the next one has to know, and the node's lock.
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
/// The key of a request that was made before the restart and waits for its approval.
const KEY: &str = "serving-key.pem";
/// A key of any kind is shorter, in bytes.
const KEY_CAP: u64 = 16 * 1024;

/// The state directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct StateDirectory {
    path: PathBuf,
}

/// The right to write here; ends with the process, however it ends.
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
        Self { path }
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
        Some(Self { path })
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
        acquire().map_err(files::writing(&self.path))
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

    /// Where the file `name` is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file `name`, of at most `cap` bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// [`FileCause::Untrusted`] if another user may have written it, or why it cannot be read.
    pub fn read(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>, FileError> {
        files::require_trusted(&self.path)?;
        match files::read(&self.file(name), cap) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.cause.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks whether the file `name` could be written, as far as can be seen without trying.
    ///
    /// # Errors
    /// Why it could not.
    pub fn inspect(&self, name: &str) -> Result<(), FileError> {
        files::require_trusted(&self.path)?;
        let there = self
            .path
            .ancestors()
            .find(|path| path.exists())
            .unwrap_or(Path::new("/"));
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        rustix::fs::accessat(rustix::fs::CWD, there, access, rustix::fs::AtFlags::EACCESS)
            .map_err(|error| files::writing(&self.file(name))(io::Error::from(error).into()))
    }

    /// Writes the file `name`; it is on the disk, whole, with mode 0600, when this returns.
    ///
    /// # Errors
    /// Why it cannot be written; the one before is then still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.file(name);
        self.replace(&path, bytes).map_err(files::writing(&path))
    }

    /// The key whose request waits for its approval; `None` if no request does.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn key(&self) -> Result<Option<Vec<u8>>, FileError> {
        self.read(KEY, KEY_CAP)
    }

    /// Keeps a key, as [`Self::write`] does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_key(&self, pem: &[u8]) -> Result<(), FileError> {
        self.write(KEY, pem)
    }

    /// Removes the key, if there is one.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove_key(&self) -> Result<(), FileError> {
        let path = self.file(KEY);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::writing(&path)(error.into()))
            }
            _ => Ok(()),
        }
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), FileCause> {
        self.make()?;
        let mut temporary = files::temporary()
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.path)?;
        temporary.write_all(bytes)?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|failed| failed.error)?;
        Ok(File::open(&self.path)?.sync_all()?)
    }

    /// Removes what a run that was killed while it wrote here has left behind. The lock is held, so no other run's is
    /// among them.
    pub fn sweep(&self) {
        files::sweep(&self.path);
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

    const NAME: &str = "receipt.json";
    const CAP: u64 = 100;

    fn read(state: &StateDirectory) -> Option<Vec<u8>> {
        state.read(NAME, CAP).unwrap()
    }

    #[test]
    fn a_state_directory_that_others_may_write_to_is_neither_believed_nor_used() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(Some(root.path()));
        state.write(NAME, b"one").unwrap();
        for path in ["var/lib/kubelet-tls", "var/lib"] {
            let path = root.path().join(path);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            let refused = [
                state.read(NAME, CAP).err(),
                state.key().err(),
                state.inspect(NAME).err(),
                state.lock().err(),
                state.write(NAME, b"two").err(),
                state.write_key(b"key").err(),
            ];
            for error in refused {
                let cause = error.unwrap().cause;
                assert!(matches!(cause, FileCause::Untrusted { .. }), "{cause}");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        assert_eq!(read(&state).as_deref(), Some(&b"one"[..]));
    }

    #[test]
    fn a_file_is_written_whole_and_for_root_alone() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(Some(root.path()));
        assert_eq!(read(&state), None);
        state.write(NAME, b"one").unwrap();
        state.write(NAME, b"two").unwrap();
        assert_eq!(read(&state).as_deref(), Some(&b"two"[..]));
        let directory = root.path().join("var/lib/kubelet-tls");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&state.file(NAME)), 0o600);
        assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    }

    #[test]
    fn only_leftovers_of_our_own_names_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(Some(root.path()));
        state.write(NAME, b"one").unwrap();
        let theirs = [
            "receipt.json.bak",
            "receipt.jsonAbC123",
            "serving-key.pem.old",
        ];
        for name in theirs.iter().chain(&[".kubelet-tls-abcdefABCDE1.tmp"]) {
            fs::write(state.file(name), "").unwrap();
        }
        state.sweep();
        let mut names = files::names(&root.path().join("var/lib/kubelet-tls")).unwrap();
        names.sort();
        assert_eq!(
            names,
            [
                "receipt.json",
                "receipt.json.bak",
                "receipt.jsonAbC123",
                "serving-key.pem.old"
            ]
        );
    }
}
