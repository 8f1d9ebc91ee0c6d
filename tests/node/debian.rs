//! The file system that the machines start from: a small Debian, made once and kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Its systemd is the newest that still boots on hosts with version 1 control groups.
const SUITE: &str = "bookworm";
/// The suite's own C library.
const LIBC: (u32, u32) = (2, 36);
const PACKAGES: &str = "systemd,systemd-sysv,dbus";

/// Changes whenever an older root would no longer do, so that it is built again.
const RECIPE: &str = "3: minbase, systemd, systemd-sysv, dbus; no host name; a C library no older than the host's; what slows the boot masked";

/// What a machine needs of the host.
const TOOLS: [&str; 5] = [
    "debootstrap",
    "systemd-nspawn",
    "nsenter",
    "unshare",
    "chattr",
];

/// Units that a node in a test has no use for.
const MASKED: [&str; 9] = [
    "systemd-logind.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "systemd-timesyncd.service",
    "console-getty.service",
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "fstrim.timer",
];

/// The root's path, made if need be; or the reason why this host cannot have one.
pub fn root() -> Result<PathBuf, String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("they boot a systemd, which needs root".into());
    }
    let missing: Vec<&str> = TOOLS
        .into_iter()
        .filter(|tool| !is_installed(tool))
        .collect();
    if !missing.is_empty() {
        return Err(format!("not installed: {}", missing.join(", ")));
    }
    let namespace = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    if !namespace.is_ok_and(|status| status.success()) {
        return Err("this machine allows no mount namespaces".into());
    }

    let root = match std::env::var_os("KUBELET_TLS_NODE_ROOT") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-root"),
    };
    let root = std::path::absolute(root).map_err(|error| error.to_string())?;
    made(&root).map_err(|error| format!("cannot make {}: {error}", root.display()))?;
    Ok(root)
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(tool).is_file())
}

fn made(root: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    fs::create_dir_all(root.parent().unwrap_or(root)).map_err(io)?;
    let lock = File::create(root.with_extension("lock")).map_err(io)?;
    lock.lock().map_err(io)?;

    // the stamp is written last: without it the root is half made, whatever it looks like
    let stamp = root.join(".recipe");
    if fs::read_to_string(&stamp).is_ok_and(|recipe| recipe == RECIPE) {
        return Ok(());
    }
    if root.exists() {
        fs::remove_dir_all(root).map_err(io)?;
    }
    eprintln!("making {} once, with debootstrap", root.display());
    let output = Command::new("debootstrap")
        .args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE])
        .arg(root)
        .args(mirror())
        .stdin(Stdio::null())
        .output()
        .map_err(io)?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "debootstrap: {}",
            log.lines().last().unwrap_or("no output")
        ));
    }
    // debootstrap copies the host's name, which would win over the machine's own
    let _ = fs::remove_file(root.join("etc/hostname"));
    keep_up_with_the_host(root).map_err(io)?;
    for unit in MASKED {
        let link = root.join("etc/systemd/system").join(unit);
        if fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink("/dev/null", link).map_err(io)?;
        }
    }
    fs::write(stamp, RECIPE).map_err(io)
}

/// Gives the root the host's C library where that is the newer one: what was linked on the host runs with no older
/// one, while the root's own programs run with any newer one.
fn keep_up_with_the_host(root: &Path) -> std::io::Result<()> {
    let host = Command::new("getconf").arg("GNU_LIBC_VERSION").output()?;
    if parse_libc_version(&String::from_utf8_lossy(&host.stdout)) <= Some(LIBC) {
        return Ok(());
    }
    // its parts are of one piece, so all of them or none
    for list in fs::read_dir(root.join("var/lib/dpkg/info"))?.flatten() {
        let name = list.file_name().to_string_lossy().into_owned();
        if !(name.starts_with("libc6:") && name.ends_with(".list")) {
            continue;
        }
        for path in fs::read_to_string(list.path())?
            .lines()
            .filter(|path| path.contains(".so"))
        {
            let (ours, theirs) = (root.join(&path[1..]), Path::new(path));
            if fs::symlink_metadata(&ours).is_ok_and(|ours| ours.is_file()) && theirs.is_file() {
                fs::copy(theirs, ours)?;
            }
        }
    }
    Ok(())
}

/// Of `glibc 2.36`.
fn parse_libc_version(said: &str) -> Option<(u32, u32)> {
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The mirror that this host's own apt uses for the suite; none leaves the choice to debootstrap.
fn mirror() -> Option<String> {
    let output = Command::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(RELEASE) $(COMPONENT) $(REPO_URI)",
            "Created-By: Packages",
        ])
        .output()
        .ok()?;
    let wanted = format!("{SUITE} main ");
    let listed = String::from_utf8_lossy(&output.stdout);
    listed
        .lines()
        .find_map(|line| Some(line.strip_prefix(&wanted)?.to_owned()))
}
