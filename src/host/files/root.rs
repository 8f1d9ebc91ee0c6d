//! Where the files of a node begin: `/`, or the directory of `--root`, which no path leads out of.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::place::FilePlace;
use super::walk::{MAX_SYMLINKS, read_link, walk};
use super::write::Directory;
use super::{FileCause, FileError, absolute, read_capped, reading, trust};

const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How often openat2 is asked again when a rename elsewhere has disturbed it (EAGAIN).
const TRIES: usize = 8;

/// Where the files of a node begin. Paths are given as people write them, with the directory of `--root` before them.
#[derive(Debug, Clone, Default)]
pub struct Root(Option<Arc<Image>>);

#[derive(Debug)]
struct Image {
    path: PathBuf,
    handle: OwnedFd,
}

impl Root {
    /// The root of this machine.
    pub fn host() -> Self {
        Self::default()
    }

    /// The root of this machine, or that of an image which lies in `directory`.
    ///
    /// # Errors
    /// If `directory` cannot be entered.
    pub fn open(directory: Option<&Path>) -> Result<Self, FileError> {
        let Some(path) = directory else {
            return Ok(Self::host());
        };
        let handle = rustix::fs::open(path, DIRECTORY, Mode::empty())
            .map_err(|error| reading(path)(error.into()))?;
        Ok(Self(Some(Arc::new(Image {
            path: path.to_owned(),
            handle,
        }))))
    }

    /// Whether `--root` named it; false for the root of this process.
    pub fn is_image(&self) -> bool {
        self.0.is_some()
    }

    /// The path of the file that the node knows as `inner`, as people write it.
    pub fn path(&self, inner: &Path) -> PathBuf {
        match &self.0 {
            Some(image) => match inner.strip_prefix("/").unwrap_or(inner) {
                inner if inner.as_os_str().is_empty() => image.path.clone(),
                inner => image.path.join(inner),
            },
            None => inner.to_owned(),
        }
    }

    /// The absolute path by which the node knows the file `path`.
    ///
    /// # Errors
    /// [`FileCause::OutsideRoot`] if `path` does not begin with the image's directory.
    pub fn inner(&self, path: &Path) -> Result<PathBuf, FileError> {
        let Some(image) = &self.0 else {
            return Ok(absolute(path));
        };
        match absolute(path).strip_prefix(absolute(&image.path)) {
            Ok(inner) => Ok(Path::new("/").join(inner)),
            Err(_) => Err(reading(path)(FileCause::OutsideRoot(image.path.clone()))),
        }
    }

    /// Reads a regular file of at most `cap` bytes, following symlinks beneath this root.
    ///
    /// # Errors
    /// As [`super::read`]; [`FileCause::OutsideRoot`] as [`Self::inner`].
    pub fn read(&self, path: &Path, cap: u64) -> Result<Vec<u8>, FileError> {
        self.place(path)
            .and_then(|place| place.open())
            .and_then(|file| read_capped(file, cap))
            .map_err(reading(path))
    }

    /// The names in `directory`, in no order.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn names(&self, directory: &Path) -> Result<Vec<OsString>, FileError> {
        Directory::of(self, directory)
            .and_then(|opened| Ok(opened.names()?))
            .map_err(reading(directory))
    }

    /// What the symlink `path` says; `None` if it is not one.
    pub fn link(&self, path: &Path) -> Option<PathBuf> {
        let inner = self.beneath(path).ok()?;
        let directory = self.enter(inner.parent()?).ok()?;
        read_link(&directory, inner.file_name()?).ok()
    }

    /// When the file was last written.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn modified(&self, path: &Path) -> Result<SystemTime, FileError> {
        let stat = self.place(path).and_then(|place| place.stat());
        let stat = stat.map_err(reading(path))?;
        let seconds = Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or_default());
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or_default();
        Ok(SystemTime::UNIX_EPOCH + seconds + Duration::new(0, nanoseconds))
    }

    /// Checks that no user but the caller and root decides what lies in `directory`, which is beneath this root, and in the
    /// image's own directory.
    ///
    /// # Errors
    /// [`FileCause::Untrusted`] with the directory that is not the caller's own, or what the operating system says.
    pub fn require_trusted(&self, directory: &Path) -> Result<(), FileError> {
        trust::require(self, directory).map_err(reading(directory))
    }

    /// The file that `path` leads to.
    pub(in crate::host) fn place(&self, path: &Path) -> Result<FilePlace, FileCause> {
        let mut path = self.beneath(path)?;
        let mut is_linked = false;
        for _ in 0..=MAX_SYMLINKS {
            // `..` and `/` name directories.
            let name = path.file_name().ok_or(FileCause::NotRegular)?;
            let parent = path.parent().unwrap_or(Path::new(""));
            let directory = self.enter(parent)?;
            match read_link(&directory, name) {
                Ok(target) => {
                    is_linked = true;
                    path = parent.join(target);
                }
                // The name is not a symlink, or does not exist.
                Err(Errno::INVAL | Errno::NOENT) => {
                    return Ok(FilePlace {
                        directory,
                        path: self.path(parent),
                        name: name.to_owned(),
                        is_linked,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::LOOP.into())
    }

    /// Opens a directory, with this the right to look for names in it and nothing else.
    pub(in crate::host) fn directory(&self, path: &Path) -> Result<OwnedFd, FileCause> {
        self.enter(&self.beneath(path)?)
    }

    /// Opens a directory, which is created with `mode` where it does not exist, and its parents.
    pub(in crate::host) fn make_directory(
        &self,
        path: &Path,
        mode: Mode,
    ) -> Result<OwnedFd, FileCause> {
        self.make(&self.beneath(path)?, mode)
    }

    fn make(&self, path: &Path, mode: Mode) -> Result<OwnedFd, FileCause> {
        match self.enter(path) {
            Err(cause) if cause.is_not_found() => {}
            entered => return entered,
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::NOENT.into());
        };
        match rustix::fs::mkdirat(self.make(parent, mode)?, name, mode) {
            Ok(()) | Err(Errno::EXIST) => self.enter(path),
            Err(error) => Err(error.into()),
        }
    }

    /// In an image the path from its root; else as it is.
    fn beneath(&self, path: &Path) -> Result<PathBuf, FileCause> {
        match &self.0 {
            Some(_) => self.inner(path).map_err(|error| error.cause),
            None => Ok(path.to_owned()),
        }
    }

    fn enter(&self, path: &Path) -> Result<OwnedFd, FileCause> {
        match &self.0 {
            Some(image) => image.enter(path),
            None if path.as_os_str().is_empty() => plain_enter(Path::new(".")),
            None => plain_enter(path),
        }
    }

    pub(super) fn image(&self) -> Option<(&Path, &OwnedFd)> {
        let image = self.0.as_ref()?;
        Some((&image.path, &image.handle))
    }
}

fn plain_enter(path: &Path) -> Result<OwnedFd, FileCause> {
    Ok(rustix::fs::open(path, DIRECTORY, Mode::empty())?)
}

impl Image {
    fn enter(&self, path: &Path) -> Result<OwnedFd, FileCause> {
        match self.openat2(path) {
            // Linux before 5.6, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => self.walk(path),
            entered => Ok(entered?),
        }
    }

    fn openat2(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        let open = || rustix::fs::openat2(&self.handle, path, DIRECTORY, Mode::empty(), resolve);
        let mut tries = (0..TRIES).map(|_| open());
        tries
            .find(|opened| !matches!(opened, Err(Errno::AGAIN)))
            .unwrap_or(Err(Errno::AGAIN))
    }

    fn walk(&self, path: &Path) -> Result<OwnedFd, FileCause> {
        let root = self.handle.try_clone()?;
        walk(root, &self.path, path, |_, _| Ok(())).map(|(directory, _)| directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// An image with symlinks of every kind, and a file outside of it that each of them is after.
    fn scene() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        fs::create_dir_all(image.join("etc/deep")).unwrap();
        fs::write(image.join("etc/inside"), "inside").unwrap();
        fs::write(directory.path().join("outside"), "outside").unwrap();
        let outside = directory.path().join("outside");
        for (name, target) in [
            ("absolute", outside.to_str().unwrap()),
            ("relative", "../outside"),
            ("deep", "etc/deep/../../../../../../outside"),
            ("hosts", "/etc"),
            ("up", ".."),
            ("loop", "loop"),
            ("magic", "/proc/self/root"),
            ("chain", "hosts/deep/../inside"),
        ] {
            symlink(target, image.join(name)).unwrap();
        }
        (directory, Root::open(Some(&image)).unwrap())
    }

    #[test]
    fn no_path_leads_out_of_an_image() {
        let (directory, root) = scene();
        let image = directory.path().join("image");
        for inside in [
            "etc/inside",
            "hosts/inside",
            "up/etc/inside",
            "../../../../etc/inside",
            "etc/deep/../inside",
            "chain",
            "up/up/hosts/deep/../inside",
        ] {
            let read = root.read(&image.join(inside), 100).unwrap();
            assert_eq!(read, b"inside", "{inside}");
        }
        for outside in [
            "absolute",
            "relative",
            "deep",
            "up/outside",
            "../outside",
            "loop",
        ] {
            assert!(root.read(&image.join(outside), 100).is_err(), "{outside}");
        }
        assert!(root.read(&image.join("magic/etc/passwd"), 1 << 20).is_err());
        for outside in [directory.path().join("outside"), "/etc/passwd".into()] {
            let error = root.read(&outside, 1 << 20).unwrap_err();
            assert!(matches!(error.cause, FileCause::OutsideRoot(_)), "{error}");
        }
    }

    #[test]
    fn without_openat2_no_path_leads_out_of_an_image() {
        let (_directory, root) = scene();
        let image = root.0.as_ref().unwrap();
        for path in [
            "",
            "/",
            "etc",
            "hosts",
            "up",
            "up/up",
            "..",
            "etc/deep/..",
            "hosts/deep/../..",
            "loop",
            "magic",
            "etc/inside",
            "none",
            "absolute",
            "/etc/deep",
            "up/hosts/deep",
        ] {
            let id = |opened: Result<OwnedFd, FileCause>| {
                opened
                    .map(|fd| {
                        rustix::fs::fstat(&fd)
                            .map(|stat| (stat.st_dev, stat.st_ino))
                            .unwrap()
                    })
                    .map_err(|cause| cause.to_string())
            };
            let new = image.openat2(Path::new(path)).map_err(FileCause::from);
            assert_eq!(id(image.walk(Path::new(path))), id(new), "{path}");
        }
    }

    #[test]
    fn directories_are_made_beneath_the_image() {
        let (directory, root) = scene();
        let image = directory.path().join("image");
        for path in ["a/b/c", "hosts/new", "../../x/y"] {
            root.make_directory(&image.join(path), Mode::RWXU).unwrap();
        }
        assert!(image.join("a/b/c").is_dir() && image.join("etc/new").is_dir());
        assert!(image.join("x/y").is_dir());
        assert!(
            root.make_directory(&image.join("relative/z"), Mode::RWXU)
                .is_err()
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
