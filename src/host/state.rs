//! The state directory: where a run keeps what the next one has to know, and the node's lock.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the environment names the state directory"
)]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;

use super::files::{Directory, FileError, Lock, Locking, Root, Scope, own_directory, writing};

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
    root: Root,
    path: PathBuf,
    scope: Scope,
}

impl StateDirectory {
    /// Of the node whose files lie beneath `root`.
    pub fn of(root: &Root) -> Self {
        let named = named(VARIABLE).filter(|_| !root.is_image());
        Self {
            path: named.unwrap_or_else(|| root.path(Path::new(DIRECTORY))),
            root: root.clone(),
            scope: Scope::Node,
        }
    }

    /// Of what this user changes in clusters: an administrator of a cluster need not be root of any node. Root's is the
    /// node's; another's is `kubelet-tls` under `$XDG_STATE_HOME`, else under `~/.local/state` (XDG Base Directory
    /// Specification). None where the user has no home.
    pub fn of_clusters() -> Option<Self> {
        let path = match named(VARIABLE) {
            Some(named) => named,
            None if nix::unistd::geteuid().is_root() => DIRECTORY.into(),
            None => of_user()?,
        };
        Some(Self {
            root: Root::host(),
            path,
            scope: Scope::Cluster,
        })
    }

    /// Makes the directory, locks it without waiting, and removes what a run that was killed while it wrote here has
    /// left behind. A run that writes nothing needs no lock, and continues without one if it cannot be taken.
    ///
    /// # Errors
    /// [`super::files::FileCause::Locked`] when another run holds it, or what the operating system says.
    pub fn lock(&self, locking: Locking) -> Result<Option<Lock>, FileError> {
        let name = match self.scope {
            Scope::Node => "lock",
            Scope::Cluster => "cluster.lock",
        };
        let directory = match (own_directory(&self.root, &self.path, locking), locking) {
            (Err(_), Locking::Optional) => return Ok(None),
            (directory, _) => directory,
        };
        let lock = directory
            .and_then(|directory| Lock::take(directory, name.as_ref(), locking))
            .map_err(writing(&self.path))?;
        if locking == Locking::Needed {
            // Under the lock no other run can own one.
            lock.directory().sweep(self.scope);
        }
        Ok(Some(lock))
    }

    /// Where the file `name` is.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The file `name`, of at most `cap` bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// [`super::files::FileCause::Untrusted`] if another user may have written it, or why it cannot be read.
    pub fn read(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>, FileError> {
        self.root.require_trusted(&self.path)?;
        match self.root.read(&self.file(name), cap) {
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
        self.root.require_trusted(&self.path)?;
        let mut ancestors = self.path.ancestors();
        let there = ancestors.find_map(|path| self.root.directory(path).ok());
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        there
            .map_or(Ok(()), |there| {
                rustix::fs::accessat(there, ".", access, AtFlags::EACCESS)
            })
            .map_err(|error| writing(&self.file(name))(error.into()))
    }

    /// Writes the file `name`; it is on the disk, whole, with mode 0600, when this returns.
    ///
    /// # Errors
    /// Why it cannot be written; the one before is then still there.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        own_directory(&self.root, &self.path, Locking::Needed)
            .and_then(|directory| directory.write(OsStr::new(name), bytes, 0o600, self.scope))
            .map_err(writing(&self.file(name)))
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
        let removed = match Directory::of(&self.root, &self.path) {
            Err(cause) if cause.is_not_found() => return Ok(()),
            directory => directory.and_then(|directory| Ok(directory.remove(KEY.as_ref())?)),
        };
        removed.map_err(writing(&self.file(KEY)))
    }
}

/// Where a user who is not root keeps state; `None` if the user has no home.
pub(super) fn of_user() -> Option<PathBuf> {
    let state = named("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let directory = state.or_else(|| {
        let home = named("HOME").filter(|home| home.is_absolute());
        home.map(|home| home.join(".local/state"))
    });
    directory.map(|directory| directory.join("kubelet-tls"))
}

/// The path in an environment variable that is set to something.
pub(super) fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::FileCause;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    const NAME: &str = "receipt.json";
    const CAP: u64 = 100;

    fn read(state: &StateDirectory) -> Option<Vec<u8>> {
        state.read(NAME, CAP).unwrap()
    }

    #[test]
    fn a_state_directory_that_others_may_write_to_is_neither_read_nor_written() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(&Root::open(Some(root.path())).unwrap());
        state.write(NAME, b"one").unwrap();
        for path in ["var/lib/kubelet-tls", "var/lib"] {
            let path = root.path().join(path);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            let refused = [
                state.read(NAME, CAP).err(),
                state.key().err(),
                state.inspect(NAME).err(),
                state.lock(Locking::Needed).err(),
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
        let state = StateDirectory::of(&Root::open(Some(root.path())).unwrap());
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
    fn a_second_lock_is_refused_and_no_other_user_can_take_it() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(&Root::open(Some(root.path())).unwrap());
        assert!(state.lock(Locking::Optional).unwrap().is_none());
        assert!(fs::read_dir(root.path()).unwrap().next().is_none());
        let held = state.lock(Locking::Needed).unwrap();
        let mode = fs::metadata(state.file("lock"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        for locking in [Locking::Needed, Locking::Optional] {
            let error = state.lock(locking).unwrap_err();
            assert!(matches!(error.cause, FileCause::Locked(_)), "{error}");
        }
        drop(held);
        assert!(!state.file("lock").exists());
        state.lock(Locking::Needed).unwrap();
        // Each user who may read the directory may lock it, and that is another lock.
        let directory = fs::File::open(root.path().join("var/lib/kubelet-tls")).unwrap();
        rustix::fs::flock(&directory, rustix::fs::FlockOperation::LockExclusive).unwrap();
        state.lock(Locking::Needed).unwrap();
    }

    #[test]
    fn only_leftovers_of_our_own_names_are_swept() {
        let root = tempfile::tempdir().unwrap();
        let state = StateDirectory::of(&Root::open(Some(root.path())).unwrap());
        state.write(NAME, b"one").unwrap();
        let theirs = [
            "receipt.json.bak",
            "receipt.jsonAbC123",
            "serving-key.pem.old",
        ];
        for name in theirs.iter().chain(&[".kubelet-tls-abcdefABCDE1.tmp"]) {
            fs::write(state.file(name), "").unwrap();
        }
        drop(state.lock(Locking::Needed).unwrap());
        let mut names = Root::host()
            .names(&root.path().join("var/lib/kubelet-tls"))
            .unwrap();
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
