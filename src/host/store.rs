//! The kubelet's store of its serving certificate, written as the kubelet writes it
//! (client-go/util/certificate/certificate_store.go): a dated file with the certificates and then the key, and a
//! symlink that is turned to it in one step.

use std::ffi::OsStr;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::files::{Directory, FileCause, FileError, Root, Scope, read_link, writing};
use crate::kubelet::Installed;

/// The symlink is made under this name and renamed: nothing else has it.
const NEXT_LINK: &str = ".kubelet-tls-current.tmp";
/// Two pairs of one second are told apart by a later second; more than this many were not made by any program.
const NAMES_TRIED: i64 = 10;
/// The mode that the kubelet gives its directory.
const DIRECTORY_MODE: Mode = Mode::from_raw_mode(0o755);

/// Where a pair made at `now` goes when `link` is the store's symlink, and what it replaces; nothing is written.
///
/// # Errors
/// When what is there is not a symlink: the kubelet could never renew it.
pub fn place(root: &Root, link: &Path, now: Timestamp) -> Result<Installed, FileError> {
    let parent = link.parent().unwrap_or(Path::new("/"));
    let shown = root.path(link);
    let directory = match root.directory(&root.path(parent)) {
        Err(cause) if cause.is_not_found() => None,
        entered => Some(entered.map_err(writing(&shown))?),
    };
    let opened = directory.as_ref();
    let replaced = match opened.map(|directory| read_link(directory, name(link))) {
        Some(Ok(target)) => Some(target),
        None | Some(Err(Errno::NOENT)) => None,
        Some(Err(Errno::INVAL)) => return Err(writing(&shown)(FileCause::NotSymlink)),
        Some(Err(error)) => return Err(writing(&shown)(error.into())),
    };
    let dated = |seconds: i64| {
        let at = Timestamp::from_second(now.as_second() + seconds).unwrap_or(now);
        parent.join(format!(
            "kubelet-server-{}.pem",
            at.strftime("%Y-%m-%d-%H-%M-%S")
        ))
    };
    let is_free = |pair: &std::path::PathBuf| {
        directory.as_ref().is_none_or(|directory| {
            rustix::fs::statat(directory, name(pair), AtFlags::SYMLINK_NOFOLLOW).is_err()
        })
    };
    let pair = (0..NAMES_TRIED)
        .map(dated)
        .find(is_free)
        .unwrap_or_else(|| dated(NAMES_TRIED));
    Ok(Installed {
        link: link.to_owned(),
        pair,
        replaced,
    })
}

/// Writes the pair and turns the symlink to it; both are on the disk when this returns. The node's lock is held.
///
/// # Errors
/// What the operating system says; [`remove`] undoes what was done.
pub fn install(root: &Root, place: &Installed, pem: &[u8]) -> Result<(), FileError> {
    write(root, place, pem).map_err(writing(&root.path(&place.pair)))
}

fn write(root: &Root, place: &Installed, pem: &[u8]) -> Result<(), FileCause> {
    let path = root.path(place.directory());
    let opened = root.make_directory(&path, DIRECTORY_MODE)?;
    let directory = Directory::open(&opened, path)?;
    directory.sweep(Scope::Node);
    let mut staged = directory.stage(Scope::Node)?;
    staged.fill(pem, 0o600)?;
    staged.publish_new(name(&place.pair))?;
    turn(&directory, name(&place.link), &place.pair)
}

/// Takes the pair away again: the symlink is what it was before, unless the kubelet has turned it since.
///
/// # Errors
/// What the operating system says.
pub fn remove(root: &Root, place: &Installed) -> Result<(), FileError> {
    take_away(root, place).map_err(writing(&root.path(&place.link)))
}

fn take_away(root: &Root, place: &Installed) -> Result<(), FileCause> {
    let path = root.path(place.directory());
    let opened = match root.directory(&path) {
        Err(cause) if cause.is_not_found() => return Ok(()),
        opened => opened?,
    };
    let directory = Directory::open(&opened, path)?;
    sweep(&directory);
    if read_link(&opened, name(&place.link)).is_ok_and(|target| target == place.pair) {
        match &place.replaced {
            Some(before) => turn(&directory, name(&place.link), before)?,
            None => directory.remove(name(&place.link))?,
        }
    }
    directory.remove(name(&place.pair))?;
    Ok(directory.sync()?)
}

fn turn(directory: &Directory, link: &OsStr, target: &Path) -> Result<(), FileCause> {
    sweep(directory);
    let handle = directory.handle();
    rustix::fs::symlinkat(target, handle, NEXT_LINK)
        .and_then(|()| rustix::fs::renameat(handle, NEXT_LINK, handle, link))?;
    Ok(directory.sync()?)
}

/// Removes the link that a run left which was killed before it had turned it.
fn sweep(directory: &Directory) {
    if rustix::fs::readlinkat(directory.handle(), NEXT_LINK, Vec::new()).is_ok() {
        let _ = directory.remove(NEXT_LINK.as_ref());
    }
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test looks at files")]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;

    const NOW: &str = "2026-11-23T07:16:56Z";

    fn scene() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("pki/kubelet-server-current.pem");
        (directory, link)
    }

    #[test]
    fn a_pair_is_installed_as_the_kubelet_would_and_can_be_removed() {
        let (_directory, link) = scene();
        let installed = place(&Root::host(), &link, NOW.parse().unwrap()).unwrap();
        assert_eq!(
            installed.pair,
            link.with_file_name("kubelet-server-2026-11-23-07-16-56.pem")
        );
        install(&Root::host(), &installed, b"pair").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), installed.pair);
        assert_eq!(fs::read(&link).unwrap(), b"pair");
        let mode = fs::metadata(&link).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);

        // Another one in the same second.
        let second = place(&Root::host(), &link, NOW.parse().unwrap()).unwrap();
        assert_eq!(second.replaced.as_ref(), Some(&installed.pair));
        install(&Root::host(), &second, b"other").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"other");
        remove(&Root::host(), &second).unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"pair");

        remove(&Root::host(), &installed).unwrap();
        remove(&Root::host(), &installed).unwrap();
        assert_eq!(fs::read_dir(link.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn a_pair_that_the_kubelet_has_renewed_is_not_removed() {
        let (_directory, link) = scene();
        let installed = place(&Root::host(), &link, NOW.parse().unwrap()).unwrap();
        install(&Root::host(), &installed, b"pair").unwrap();
        let renewed = link.with_file_name("kubelet-server-2027-08-01-00-00-00.pem");
        fs::write(&renewed, "renewed").unwrap();
        let directory = Directory::of(&Root::host(), link.parent().unwrap()).unwrap();
        turn(&directory, name(&link), &renewed).unwrap();
        remove(&Root::host(), &installed).unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"renewed");
        assert!(!installed.pair.exists());
    }

    #[test]
    fn a_pair_of_an_image_is_found_and_removed_beneath_it() {
        let (directory, _) = scene();
        let image = directory.path().join("image");
        fs::create_dir_all(image.join("real")).unwrap();
        std::os::unix::fs::symlink("/real", image.join("pki")).unwrap();
        let root = Root::open(Some(&image)).unwrap();
        let link = Path::new("/pki/kubelet-server-current.pem");
        let installed = place(&root, link, NOW.parse().unwrap()).unwrap();
        install(&root, &installed, b"pair").unwrap();
        assert_eq!(
            fs::read(image.join("real/kubelet-server-2026-11-23-07-16-56.pem")).unwrap(),
            b"pair"
        );
        remove(&root, &installed).unwrap();
        assert_eq!(fs::read_dir(image.join("real")).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_symlink_is_refused() {
        let (_directory, link) = scene();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        fs::write(&link, "x").unwrap();
        let error = place(&Root::host(), &link, NOW.parse().unwrap()).unwrap_err();
        assert!(matches!(error.cause, FileCause::NotSymlink));
    }
}
