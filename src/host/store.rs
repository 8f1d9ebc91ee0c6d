//! The kubelet's store of its serving certificate, written as the kubelet writes it
//! (client-go/util/certificate/certificate_store.go): a dated file with the certificates and then the key, and a
//! symlink that is turned to it in one step.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where that store is written"
)]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use jiff::Timestamp;

use super::files::{self, DirectoryLock, FileCause, FileError};
use crate::receipt::Installed;

/// The symlink is made under this name and renamed: nothing else has it.
const NEXT_LINK: &str = ".kubelet-tls-current.tmp";
/// Two pairs of one second are told apart by a later second; more than this many were not made by anybody.
const NAMES_TRIED: i64 = 10;

/// Where a pair made at `now` goes when `link` is the store's symlink, and what it replaces; nothing is written.
///
/// # Errors
/// When what is there is no symlink: the kubelet could never renew it.
pub fn place(link: &Path, now: Timestamp) -> Result<Installed, FileError> {
    let replaced = match fs::symlink_metadata(link) {
        Ok(there) if !there.is_symlink() => {
            return Err(files::writing(link)(FileCause::NotSymlink));
        }
        Ok(_) => Some(fs::read_link(link).map_err(|error| files::writing(link)(error.into()))?),
        Err(_) => None,
    };
    let directory = link.parent().unwrap_or(Path::new("/"));
    let dated = |seconds: i64| {
        let at = Timestamp::from_second(now.as_second() + seconds).unwrap_or(now);
        directory.join(format!(
            "kubelet-server-{}.pem",
            at.strftime("%Y-%m-%d-%H-%M-%S")
        ))
    };
    let pair = (0..NAMES_TRIED)
        .map(dated)
        .find(|path| fs::symlink_metadata(path).is_err())
        .unwrap_or_else(|| dated(NAMES_TRIED));
    Ok(Installed {
        link: link.to_owned(),
        pair,
        replaced,
    })
}

/// Writes the pair and turns the symlink to it; both are on the disk when this returns.
///
/// # Errors
/// What the operating system says; [`remove`] takes back what was done.
pub fn install(place: &Installed, pem: &[u8]) -> Result<(), FileError> {
    write(place, pem).map_err(|error| files::writing(&place.pair)(error.into()))
}

fn write(place: &Installed, pem: &[u8]) -> io::Result<()> {
    let directory = place.pair.parent().unwrap_or(Path::new("/"));
    // The mode that the kubelet gives it.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(directory)?;
    if let Ok(lock) = DirectoryLock::on(directory) {
        lock.sweep();
    }
    let mut temporary = files::temporary()
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    temporary.write_all(pem)?;
    temporary.as_file().sync_all()?;
    temporary
        .persist_noclobber(&place.pair)
        .map_err(|failed| failed.error)?;
    turn(&place.link, &place.pair)
}

/// Takes the pair away again: the symlink is what it was before, unless the kubelet has turned it since.
///
/// # Errors
/// What the operating system says.
pub fn remove(place: &Installed) -> Result<(), FileError> {
    take_away(place).map_err(|error| files::writing(&place.link)(error.into()))
}

fn take_away(place: &Installed) -> io::Result<()> {
    sweep(&place.link);
    if fs::read_link(&place.link).is_ok_and(|target| target == place.pair) {
        match &place.replaced {
            Some(before) => turn(&place.link, before)?,
            None => fs::remove_file(&place.link)?,
        }
    }
    match fs::remove_file(&place.pair) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let directory = place.link.parent().unwrap_or(Path::new("/"));
    match File::open(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        opened => opened?.sync_all(),
    }
}

fn turn(link: &Path, target: &Path) -> io::Result<()> {
    sweep(link);
    let next = link.with_file_name(NEXT_LINK);
    symlink(target, &next)?;
    fs::rename(&next, link)?;
    File::open(link.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Removes the link that a run left which was killed before it had turned it.
fn sweep(link: &Path) {
    let next = link.with_file_name(NEXT_LINK);
    if fs::symlink_metadata(&next).is_ok_and(|there| there.is_symlink()) {
        let _ = fs::remove_file(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const NOW: &str = "2026-11-23T07:16:56Z";

    fn scene() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("pki/kubelet-server-current.pem");
        (directory, link)
    }

    #[test]
    fn a_pair_is_there_as_the_kubelet_leaves_it_and_gone_again() {
        let (_directory, link) = scene();
        let installed = place(&link, NOW.parse().unwrap()).unwrap();
        assert_eq!(
            installed.pair,
            link.with_file_name("kubelet-server-2026-11-23-07-16-56.pem")
        );
        install(&installed, b"pair").unwrap();
        assert_eq!(fs::read_link(&link).unwrap(), installed.pair);
        assert_eq!(fs::read(&link).unwrap(), b"pair");
        let mode = fs::metadata(&link).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);

        // Another one in the same second.
        let second = place(&link, NOW.parse().unwrap()).unwrap();
        assert_eq!(second.replaced.as_ref(), Some(&installed.pair));
        install(&second, b"other").unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"other");
        remove(&second).unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"pair");

        remove(&installed).unwrap();
        remove(&installed).unwrap();
        assert_eq!(fs::read_dir(link.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn what_the_kubelet_renewed_since_stays() {
        let (_directory, link) = scene();
        let installed = place(&link, NOW.parse().unwrap()).unwrap();
        install(&installed, b"pair").unwrap();
        let renewed = link.with_file_name("kubelet-server-2027-08-01-00-00-00.pem");
        fs::write(&renewed, "renewed").unwrap();
        turn(&link, &renewed).unwrap();
        remove(&installed).unwrap();
        assert_eq!(fs::read(&link).unwrap(), b"renewed");
        assert!(!installed.pair.exists());
    }

    #[test]
    fn a_file_in_the_place_of_the_symlink_is_refused() {
        let (_directory, link) = scene();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        fs::write(&link, "x").unwrap();
        let error = place(&link, NOW.parse().unwrap()).unwrap_err();
        assert!(matches!(error.cause, FileCause::NotSymlink));
    }
}
