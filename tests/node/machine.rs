//! A Debian with its own systemd as process 1, booted in a second or so, gone without a trace when dropped.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::command::{Background, Finished, Invocation};
use super::debian;

const SUPERVISOR: &str = include_str!("machine.sh");
const BOOT_DEADLINE: Duration = Duration::from_secs(60);

pub struct Machine {
    name: String,
    dir: PathBuf,
    /// Process 1 of the machine, as the host numbers it.
    init: u32,
    supervisor: Child,
    /// Held until the process ends: a directory whose lock can be taken belongs to no run.
    _lock: File,
}

impl Machine {
    /// Where machines live while they run, each in a directory named after it.
    pub fn directory() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("node-machines")
    }

    /// Boots a machine of its own for a test; `label` shows up in process lists.
    pub fn boot(label: &str) -> Self {
        let root = debian::root().expect("checked before the first test");
        static BOOTED: AtomicU32 = AtomicU32::new(0);
        let number = BOOTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("kubelet-tls-node-{}-{number}-{label}", std::process::id());
        let dir = Self::directory().join(&name);
        fs::create_dir_all(&dir).expect("a directory for the machine");
        let lock = File::create(dir.join("lock")).expect("a lock file");
        lock.try_lock().expect("two machines of one name");

        // systemd-nspawn says through it which process is the machine's init, and then that it has booted
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let notifications = UnixDatagram::bind_addr(&address).expect("a socket");
        notifications
            .set_read_timeout(Some(Duration::from_millis(200)))
            .expect("a timeout");
        let supervisor = supervise(&["boot", &root.to_string_lossy(), &dir.to_string_lossy()])
            .env("NOTIFY_SOCKET", format!("@{name}"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("sh");

        // from here on the drop cleans up, whatever happens
        let mut machine = Self {
            name,
            dir,
            init: 0,
            supervisor,
            _lock: lock,
        };
        machine.await_boot(&notifications);
        machine
    }

    fn await_boot(&mut self, notifications: &UnixDatagram) {
        let started = Instant::now();
        let mut message = [0; 4096];
        loop {
            if let Ok(length) = notifications.recv(&mut message) {
                let message = String::from_utf8_lossy(&message[..length]);
                if let Some(pid) = message
                    .lines()
                    .find_map(|line| line.strip_prefix("X_NSPAWN_LEADER_PID="))
                {
                    self.init = pid.parse().expect("a process id");
                }
                if self.init != 0 && message.lines().any(|line| line == "READY=1") {
                    return;
                }
            }
            if self.dir.join("exited").exists() || started.elapsed() > BOOT_DEADLINE {
                let console = fs::read_to_string(self.dir.join("console.log")).unwrap_or_default();
                panic!(
                    "{} did not boot within {:?}:\n{console}",
                    self.name,
                    started.elapsed()
                );
            }
        }
    }

    /// What its directory and its control groups are called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The machine's `/`, as the host sees it.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init))
    }

    /// A path of the machine's, as the host sees it. Absolute symlinks on the way would lead out of the machine.
    pub fn path(&self, guest: impl AsRef<Path>) -> PathBuf {
        self.root()
            .join(guest.as_ref().strip_prefix("/").expect("an absolute path"))
    }

    pub fn read(&self, guest: impl AsRef<Path>) -> Vec<u8> {
        let guest = guest.as_ref();
        fs::read(self.path(guest))
            .unwrap_or_else(|error| panic!("read {}: {error}", guest.display()))
    }

    pub fn read_text(&self, guest: impl AsRef<Path>) -> String {
        String::from_utf8(self.read(guest)).expect("UTF-8")
    }

    /// Writes a file with exactly this mode, its directories as needed.
    pub fn write(&self, guest: impl AsRef<Path>, bytes: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(guest);
        fs::create_dir_all(path.parent().expect("a file")).expect("its directory");
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
    }

    pub fn copy_in(&self, host: impl AsRef<Path>, guest: impl AsRef<Path>, mode: u32) {
        let host = host.as_ref();
        let mut bytes = Vec::new();
        let opened = File::open(host).and_then(|mut file| file.read_to_end(&mut bytes));
        opened.unwrap_or_else(|error| panic!("read {}: {error}", host.display()));
        self.write(guest, bytes, mode);
    }

    /// A command to run in the machine, as root, with the environment of a fresh login.
    pub fn command(&self, argv: &[&str]) -> Invocation {
        Invocation::new(self.init, &self.name, argv)
    }

    pub fn run(&self, argv: &[&str]) -> Finished {
        self.command(argv).run()
    }

    pub fn spawn(&self, argv: &[&str]) -> Background {
        self.command(argv).spawn()
    }

    /// Runs what a test takes for granted, and gives its output without the final newline.
    pub fn must(&self, argv: &[&str]) -> String {
        let finished = self.run(argv);
        assert_eq!(finished.code, Some(0), "{argv:?}: {finished}");
        finished.stdout.trim_end_matches('\n').to_owned()
    }

    /// Ends the machine, and does not return before it is gone.
    pub fn shutdown(self) {}
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Removes what an earlier run left behind that was killed together with its supervisors.
pub fn sweep() {
    for entry in fs::read_dir(Machine::directory())
        .into_iter()
        .flatten()
        .flatten()
    {
        let unowned = match File::open(entry.path().join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            // not even a lock: half removed, unless it is just being made
            Err(_) => entry
                .metadata()
                .and_then(|dir| dir.modified())
                .is_ok_and(|made| made.elapsed().is_ok_and(|age| age > BOOT_DEADLINE)),
        };
        if unowned {
            let _ = supervise(&["clear", &entry.path().to_string_lossy()]).status();
        }
    }
}

fn supervise(arguments: &[&str]) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new("sh");
    // a process group of its own: Ctrl-C ends the tests, and the supervisor then ends the machine
    command
        .args(["-c", SUPERVISOR, "machine.sh"])
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0);
    command
}
