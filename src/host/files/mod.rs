//! Files: read with a cap, replaced whole or not at all.
#![expect(clippy::disallowed_methods, reason = "this is where files are touched")]

mod attributes;
mod directory;
mod lock;
mod place;
mod replace;
mod root;
mod stamp;
mod trust;
mod walk;
mod write;

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

pub use directory::OutputDirectory;
pub(super) use lock::own_directory;
pub use lock::{Lock, Locking};
pub use replace::DirectoryLock;
pub use root::Root;
pub use stamp::Stamp;
pub(super) use walk::read_link;
pub(super) use write::{Directory, Scope};

/// Why a file could not be read or replaced.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {cause}", path.display())]
pub struct FileError {
    /// `read` or `write`.
    pub action: &'static str,
    /// The file, as its user named it.
    pub path: PathBuf,
    /// What stood in the way.
    pub cause: FileCause,
}

/// Why a file cannot be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum FileCause {
    /// The operating system said so.
    #[error("{}", plain(.0))]
    Io(#[from] io::Error),
    /// A directory where a file was named.
    #[error("it is a directory, not a regular file")]
    Directory,
    /// A device, a socket; or a directory where only a file is replaced.
    #[error("not a regular file")]
    NotRegular,
    /// More than the cap given to [`read`], in bytes.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// `chattr +i`, on the file or its directory.
    #[error("{} is immutable", .0.display())]
    Immutable(PathBuf),
    /// `chattr +a`, on the file or its directory.
    #[error("{} is append-only", .0.display())]
    AppendOnly(PathBuf),
    /// Something is mounted on it, so that nothing can be renamed over it.
    #[error("it is a mount point (a bind mount), which cannot be replaced")]
    MountPoint,
    /// Other names share the inode; replacing one would part them.
    #[error("it has {0} hard links, and replacing the file would break them")]
    HardLinks(u64),
    /// Too little space, in bytes.
    #[error("no space: {need} bytes needed, {free} free")]
    NoSpace {
        /// Bytes that the new file takes.
        need: u64,
        /// Bytes free to this user.
        free: u64,
    },
    /// It reads the new bytes, and a power failure may undo that: its directory could not be written to the disk.
    #[error("{}", plain(.0))]
    Unsynced(io::Error),
    /// It no longer reads what the plan was made for.
    #[error("it changed while this run was at work")]
    Changed,
    /// A directory tree without end.
    #[error("too many files or directories")]
    Endless,
    /// A file where the kubelet keeps a symlink.
    #[error("it is not a symlink, so the kubelet could never renew the certificate")]
    NotSymlink,
    /// Another user may decide what lies there.
    #[error("{} is not trusted: {why}", path.display())]
    Untrusted {
        /// The directory or symlink.
        path: PathBuf,
        /// Who else may write to it.
        why: String,
    },
    /// With `--root` a file that does not lie beneath that directory.
    #[error("it is outside {}, the directory of --root", .0.display())]
    OutsideRoot(PathBuf),
    /// Another run holds the lock on its directory.
    #[error("another kubelet-tls holds the lock in {}", .0.display())]
    Locked(PathBuf),
}

impl FileCause {
    /// Whether the operating system refused permission.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::PermissionDenied)
    }

    /// Whether the file does not exist, or a file lies where its directory should be.
    pub fn is_missing(&self) -> bool {
        let kinds = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        matches!(self, Self::Io(error) if kinds.contains(&error.kind()))
    }

    /// Whether the file does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the system gave up following symbolic links. `io::ErrorKind` has no stable name for it.
    pub fn is_circle(&self) -> bool {
        let circle = Errno::LOOP.raw_os_error();
        matches!(self, Self::Io(error) if error.raw_os_error() == Some(circle))
    }
}

impl From<Errno> for FileCause {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}

/// Rust adds `(os error 13)`, which tells a user nothing.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

fn reading(path: &Path) -> impl Fn(FileCause) -> FileError + '_ {
    move |cause| FileError {
        action: "read",
        path: path.to_owned(),
        cause,
    }
}

pub(super) fn writing(path: &Path) -> impl Fn(FileCause) -> FileError + '_ {
    move |cause| FileError {
        action: "write",
        path: path.to_owned(),
        cause,
    }
}

/// Reads a regular file of at most `cap` bytes, following symlinks.
///
/// # Errors
/// [`FileCause::Directory`], [`FileCause::NotRegular`], [`FileCause::TooLarge`], or what the operating system says.
pub fn read(path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
    read_uncapped_type(path, cap).map_err(reading(path))
}

fn read_uncapped_type(path: &Path, cap: u64) -> Result<Vec<u8>, FileCause> {
    // Opening a device may do something.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(FileCause::Directory);
    }
    if !metadata.is_file() {
        return Err(FileCause::NotRegular);
    }
    // Without O_NONBLOCK, opening a FIFO would wait for a writer.
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(FileCause::NotRegular);
    }
    read_capped(file, cap)
}

/// Reads everything from `input`, at most `cap` bytes.
///
/// # Errors
/// [`FileCause::TooLarge`], or what the operating system says.
pub fn read_capped(input: impl io::Read, cap: u64) -> Result<Vec<u8>, FileCause> {
    // Most files fit in at once, where growing would take eight reads.
    let mut bytes = Vec::with_capacity(8192);
    input.take(cap + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > cap {
        Err(FileCause::TooLarge(cap))
    } else {
        Ok(bytes)
    }
}

/// `path` as it is found from every working directory, its symlinks kept.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Whether two paths lead to the same file.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().as_ref().map(id);
    identity(one).is_some_and(|one| Some(one) == identity(other))
}

/// Device and inode, which tell a file from every other.
fn id(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Whether `path` is a symlink; `None` if nothing exists there.
pub fn is_symlink(path: &Path) -> Option<bool> {
    fs::symlink_metadata(path)
        .ok()
        .map(|metadata| metadata.is_symlink())
}

/// The kubelet's own extension of drop-ins (cmd/kubelet/app/server.go, kubeletConfigDropInExt).
const DROP_IN: &str = "conf";
/// More than anybody has; a loop of bind mounts has no end.
const MAX_DROP_INS: usize = 1000;
const MAX_DROP_IN_DEPTH: usize = 32;

/// The drop-ins under `directory` as Go's filepath.WalkDir meets them: names in lexical order, directories entered where
/// they stand, symlinks to directories not followed.
///
/// # Errors
/// When a directory cannot be read, or has too many files.
pub fn drop_ins(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    walk(directory, 0, &mut found).map_err(reading(directory))?;
    Ok(found)
}

fn walk(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), FileCause> {
    let mut entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if depth == MAX_DROP_IN_DEPTH {
                return Err(FileCause::Endless);
            }
            walk(&path, depth + 1, found)?;
        } else if entry.file_name().to_str().is_some_and(is_drop_in) {
            if found.len() == MAX_DROP_INS {
                return Err(FileCause::Endless);
            }
            found.push(path);
        }
    }
    Ok(())
}

/// Go's filepath.Ext: what follows the last dot, also in a name that begins with it.
fn is_drop_in(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| extension == DROP_IN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(content: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yaml");
        fs::write(&path, content).unwrap();
        (directory, path)
    }

    #[test]
    fn drop_ins_are_listed_in_the_kubelets_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "20-b.conf",
            "10-a.conf",
            "15/x.conf",
            "15/y.yaml",
            "30.conf.bak",
            ".conf",
            "z.CONF",
            "9.conf",
        ] {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found: Vec<_> = drop_ins(directory.path())
            .unwrap()
            .into_iter()
            .map(|path| {
                path.strip_prefix(directory.path())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(
            found,
            [".conf", "10-a.conf", "15/x.conf", "20-b.conf", "9.conf"]
        );
        assert!(
            drop_ins(&directory.path().join("none"))
                .unwrap_err()
                .cause
                .is_not_found()
        );
    }

    #[test]
    fn only_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(
            read(directory.path(), 10).unwrap_err().cause,
            FileCause::Directory
        ));
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(
            read(&fifo, 10).unwrap_err().cause,
            FileCause::NotRegular
        ));
        assert_eq!(
            read(&directory.path().join("none"), 10)
                .unwrap_err()
                .to_string(),
            format!(
                "cannot read {}/none: no such file or directory",
                directory.path().display()
            )
        );
        let (_directory, path) = scene("12345");
        assert!(matches!(
            read(&path, 4).unwrap_err().cause,
            FileCause::TooLarge(4)
        ));
        assert_eq!(read(&path, 5).unwrap(), b"12345");
    }
}
