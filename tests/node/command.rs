//! Commands inside a machine: run to the end, or in the background to be watched and signalled.

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use standins::pace;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Generous: nothing in a test takes this long unless it hangs.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Joins the machine's control groups, so that nothing outlives it, then its namespaces.
const ENTER: &str = r#"
    for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        [ ! -e "$hierarchy/$1/commands" ] || echo $$ >"$hierarchy/$1/commands/cgroup.procs"
    done
    shift
    exec "$@"
"#;

pub struct Invocation {
    init: u32,
    machine: String,
    argv: Vec<String>,
    before: Vec<String>,
    input: Vec<u8>,
}

impl Invocation {
    pub(super) fn new(init: u32, machine: &str, argv: &[&str]) -> Self {
        Self {
            init,
            machine: machine.to_owned(),
            argv: argv.iter().map(|&argument| argument.to_owned()).collect(),
            before: Vec::new(),
            input: Vec::new(),
        }
    }

    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = bytes.into();
        self
    }

    /// A command of the host's that runs the whole, `strace` for one: the machine need not have it.
    pub fn under(mut self, argv: &[&str]) -> Self {
        self.before = argv.iter().map(|&argument| argument.to_owned()).collect();
        self
    }

    pub fn run(self) -> Finished {
        self.spawn().wait(TIMEOUT)
    }

    /// The same as a command of the host's.
    pub fn command_line(&self) -> Vec<String> {
        let init = self.init.to_string();
        let path = format!("PATH={PATH}");
        let mut words = vec!["sh", "-c", ENTER, "enter", &self.machine];
        words.extend(self.before.iter().map(String::as_str));
        words.extend(["nsenter", "--target", &init]);
        words.extend([
            "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
        ]);
        words.extend(["env", "-i", &path, "HOME=/root", "LANG=C.UTF-8"]);
        words.extend(self.argv.iter().map(String::as_str));
        words.into_iter().map(str::to_owned).collect()
    }

    pub fn spawn(self) -> Background {
        let command_line = self.command_line();
        let mut child = Command::new(&command_line[0])
            .args(&command_line[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sh");
        let mut stdin = child.stdin.take().expect("piped");
        let input = self.input;
        thread::spawn(move || stdin.write_all(&input));
        Background {
            stdout: Reader::start(child.stdout.take().expect("piped")),
            stderr: Reader::start(child.stderr.take().expect("piped")),
            program: self.argv[0]
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned(),
            started: Instant::now(),
            status: None,
            child,
        }
    }
}

/// What a command did.
pub struct Finished {
    /// None: a signal ended it.
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Finished {
    /// Standard output as the one document that it is with `-o json`.
    pub fn json(&self) -> serde_json::Value {
        standins::schema::check_output(&self.stdout);
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not one JSON document: {error}: {self}"))
    }
}

impl Finished {
    /// Asserts the exit code, and that the document of `-o json` has the same and claims no change.
    pub fn assert_failed_unchanged(&self, code: i32, what: &str) {
        assert_eq!(self.code, Some(code), "{what}: {self}");
        let result = self.json();
        assert_eq!(result["error"]["code"], code, "{what}: {self}");
        assert!(
            result["error"]["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("cannot ")),
            "{what}: {self}"
        );
        // absent where it failed before it knew
        assert_ne!(result["changed"], true, "{what}: {self}");
        assert_ne!(result["restart"]["performed"], true, "{what}: {self}");
    }
}

impl fmt::Display for Finished {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(out, "exit {code}")?,
            (None, signal) => write!(out, "ended by signal {}", signal.unwrap_or_default())?,
        }
        write!(
            out,
            " after {:.1?}\n--- stdout\n{}--- stderr\n{}",
            self.took, self.stdout, self.stderr
        )
    }
}

pub struct Background {
    child: Child,
    program: String,
    started: Instant,
    status: Option<ExitStatus>,
    stdout: Reader,
    stderr: Reader,
}

impl Background {
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    pub fn is_running(&mut self) -> bool {
        self.status = self.status.or_else(|| self.child.try_wait().expect("wait"));
        self.status.is_none()
    }

    /// The command's own process, as the host numbers it: nsenter and its like stand between.
    pub fn pid(&mut self) -> Pid {
        let deadline = pace::now() + Duration::from_secs(10);
        loop {
            let descendants = descendants(self.child.id());
            if let Some(&pid) = descendants
                .iter()
                .find(|&&pid| is_running(pid, &self.program))
            {
                return Pid::from_raw(pid.cast_signed());
            }
            assert!(
                self.is_running() && pace::now() < deadline,
                "{} is not running",
                self.program
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// As `kill` does it: the one process.
    pub fn signal(&mut self, signal: Signal) {
        kill(self.pid(), signal).expect("kill");
    }

    /// As a terminal does it: the command and every process that it runs.
    pub fn signal_all(&mut self, signal: Signal) {
        let pid = self.pid();
        for process in descendants(pid.as_raw().cast_unsigned()) {
            let _ = kill(Pid::from_raw(process.cast_signed()), signal);
        }
        kill(pid, signal).expect("kill");
    }

    /// Polls until `done` says so, and fails the test after `timeout` or when the command has ended.
    pub fn wait_until(&mut self, timeout: Duration, mut done: impl FnMut(&mut Self) -> bool) {
        let deadline = pace::now() + timeout;
        while !done(self) {
            let running = self.is_running();
            assert!(
                running && pace::now() < deadline,
                "waited for something that did not come; running: {running}\n--- stdout\n{}--- stderr\n{}",
                self.stdout(),
                self.stderr()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end, and fails the test if it does not end in time.
    pub fn wait(mut self, timeout: Duration) -> Finished {
        let deadline = self.started.max(Instant::now()) + timeout;
        while self.is_running() {
            if Instant::now() >= deadline {
                self.kill_all();
                panic!(
                    "{} still ran after {timeout:?}\n--- stdout\n{}--- stderr\n{}",
                    self.program,
                    self.stdout(),
                    self.stderr()
                );
            }
            thread::sleep(Duration::from_millis(2));
        }
        let took = self.started.elapsed();
        let status = self.status.expect("not running");
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout: self.stdout.finish(),
            stderr: self.stderr.finish(),
            took,
        }
    }

    fn kill_all(&mut self) {
        for process in descendants(self.child.id()) {
            let _ = kill(Pid::from_raw(process.cast_signed()), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if self.is_running() {
            self.kill_all();
        }
    }
}

/// Collects a pipe, readable before its end.
struct Reader {
    text: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let collected = Arc::clone(&text);
        let thread = thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(length @ 1..) = pipe.read(&mut buffer) {
                collected
                    .lock()
                    .expect("no panic")
                    .extend_from_slice(&buffer[..length]);
            }
        });
        Self {
            text,
            thread: Some(thread),
        }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().expect("no panic")).into_owned()
    }

    /// A process that the command left behind may hold the pipe open: what was said by then must do.
    fn finish(&mut self) -> String {
        let deadline = pace::now() + Duration::from_secs(2);
        if let Some(thread) = self.thread.take() {
            while !thread.is_finished() && pace::now() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
        }
        self.so_far()
    }
}

/// All processes below one, nearest first.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // the command's name, in parentheses, may hold anything
            let parent = stat
                .rsplit_once(')')?
                .1
                .split_whitespace()
                .nth(1)?
                .parse()
                .ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.split_off(1)
}

fn is_running(pid: u32, program: &str) -> bool {
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = command_line
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default();
    String::from_utf8_lossy(first).rsplit('/').next() == Some(program)
}
