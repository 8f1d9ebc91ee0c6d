//! A stand-in for systemd where none runs: `systemctl`, `journalctl`, and a supervisor that both speak to.
//!
//! Everything lies in one directory, `$STANDIN_SYSTEMD_DIR`: units in `etc/systemd/system` and
//! `usr/lib/systemd/system` below it (or in it, if that directory does not exist), the rest in `run/systemd`.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

mod journal;
mod process;
mod service;
mod show;
mod supervisor;
mod systemctl;
mod timespan;
mod unit;

/// The variable that names the directory.
pub const DIR_VARIABLE: &str = "STANDIN_SYSTEMD_DIR";

/// Where things lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The variable names the root, or, for what a service starts, `run/systemd` below it.
    fn find() -> Option<Self> {
        let dir = PathBuf::from(std::env::var_os(DIR_VARIABLE)?);
        let root = if dir.ends_with("run/systemd") {
            dir.parent()?.parent()?.to_owned()
        } else {
            dir
        };
        Some(Self { root })
    }

    fn unit_directories(&self) -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = [
            "etc/systemd/system",
            "run/systemd/system",
            "usr/lib/systemd/system",
            "lib/systemd/system",
        ]
        .iter()
        .map(|d| self.root.join(d))
        .filter(|d| d.is_dir())
        .collect();
        if all.is_empty() {
            all.push(self.root.clone());
        }
        all
    }

    fn run_directory(&self) -> PathBuf {
        self.root.join("run/systemd")
    }

    fn socket(&self) -> PathBuf {
        self.run_directory().join("private")
    }

    fn journal(&self) -> PathBuf {
        self.run_directory().join("journal")
    }
}

/// The supervisor, for the units of this directory. With `stays_while_stdin` it ends, and its services with it,
/// when standard input does: so that the process at the other end cannot leave it behind.
#[must_use]
pub fn systemd_main(dir: &Path, stays_while_stdin: bool) -> i32 {
    supervisor::run(
        Layout {
            root: dir.to_owned(),
        },
        stays_while_stdin,
        systemctl::serve,
    )
}

/// `systemctl`
#[must_use]
pub fn systemctl_main(args: &[String]) -> i32 {
    if args.first().is_some_and(|a| a == "--version") {
        println!("systemd 252 (252.39-1~deb12u2)\n+PAM +AUDIT +SELINUX default-hierarchy=unified");
        return 0;
    }
    match ask(args) {
        Some(reply) => {
            let _ = std::io::stdout().write_all(reply.stdout.as_bytes());
            let _ = std::io::stderr().write_all(reply.stderr.as_bytes());
            reply.code
        }
        None => {
            eprintln!(
                "System has not been booted with systemd as init system (PID 1). Can't operate."
            );
            eprintln!("Failed to connect to bus: Host is down");
            1
        }
    }
}

fn ask(args: &[String]) -> Option<supervisor::Reply> {
    let mut stream = UnixStream::connect(Layout::find()?.socket()).ok()?;
    stream
        .write_all(format!("{}\n", serde_json::to_string(args).ok()?).as_bytes())
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// `journalctl`
#[must_use]
pub fn journalctl_main(args: &[String]) -> i32 {
    match Layout::find() {
        Some(layout) => journal::journalctl(&layout.journal(), args),
        None => {
            eprintln!("No journal files were found.");
            0
        }
    }
}
