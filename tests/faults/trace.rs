//! The system calls of a run, as strace writes them down, and the faults that it can put into each.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;

/// One system call of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub thread: Thread,
    pub name: String,
    /// Which of its thread's calls of that name, from 1 on.
    pub nth: u32,
    /// Its arguments and result, for people.
    text: String,
    /// Whether every undisturbed run makes it: how often one looks at systemctl and the kubelet is the machine's mood.
    pub sure: bool,
}

/// One thread of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thread {
    /// As which of those that the main thread starts it was started; 0 is the main thread itself.
    pub nth: usize,
    /// What it is for, as its calls tell; for people.
    pub role: &'static str,
}

impl Thread {
    const MAIN: Self = Self {
        nth: 0,
        role: "main",
    };
}

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The run is killed at its entry: all before it is done, and it is not. At the entry of the next call, it is.
    Kill,
    /// It is not done and fails with this.
    Error(&'static str),
}

/// What a file system answers when it is out of order, full, read-only, interrupted or over quota.
pub const WRITE_ERRORS: [&str; 5] = ["EIO", "ENOSPC", "EROFS", "EINTR", "EDQUOT"];

impl Call {
    /// Whether it changes what is on the disk, or says whether that came to be.
    pub fn writes(&self) -> bool {
        match self.name.as_str() {
            "open" | "openat" => self.text.contains("O_CREAT"),
            // A thread that wakes another.
            "write" if self.text.contains("<anon_inode:[eventfd]>") => false,
            "write" | "pwrite64" | "fsync" | "fdatasync" | "ftruncate" | "fallocate" | "mkdir"
            | "mkdirat" | "rename" | "renameat" | "renameat2" | "unlink" | "unlinkat" | "link"
            | "linkat" | "symlink" | "symlinkat" | "chmod" | "fchmod" | "fchmodat" | "chown"
            | "fchown" | "fchownat" | "setxattr" | "fsetxattr" | "removexattr" | "fremovexattr" => {
                true
            }
            // An error that was put off until then. A pipe has no such error, and an injected one would leave it open for good.
            "close" => self.text.contains("</") && !self.text.contains("</dev/"),
            _ => false,
        }
    }

    /// Whether it writes a file of the node, or a directory's entry for one; not a pipe, and not what ends a look at one.
    pub fn writes_a_file(&self) -> bool {
        let is_other = match self.name.as_str() {
            "write" => self.text.contains("<pipe:"),
            "close" => !self.text.contains(".tmp>"),
            _ => false,
        };
        self.writes() && !is_other
    }

    /// The first change to the node: whatever comes before it leaves no trace.
    fn begins_the_change(&self) -> bool {
        self.writes() && !matches!(self.name.as_str(), "write" | "close")
    }

    /// The id of the thread that it starts.
    fn starts(&self) -> Option<u32> {
        let is_thread = self.name.starts_with("clone") && self.text.contains("CLONE_THREAD");
        let (_, id) = self.text.rsplit_once(" = ").filter(|_| is_thread)?;
        id.parse().ok()
    }

    /// Every fault that it can meet.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + use<> {
        let errors: &[&str] = match self.name.as_str() {
            _ if self.writes() => &WRITE_ERRORS,
            "fcntl" if self.text.contains("F_DUPFD") => &["EMFILE"],
            "open" | "openat" | "read" | "pread64" | "stat" | "fstat" | "lstat" | "statx"
            | "newfstatat" | "statfs" | "fstatfs" | "readlink" | "readlinkat" | "access"
            | "faccessat" | "faccessat2" | "getdents64" | "lseek" | "flock" | "getxattr"
            | "fgetxattr" | "listxattr" | "flistxattr" => &["EIO", "EINTR"],
            "clone" | "clone3" | "vfork" | "fork" => &["EAGAIN"],
            "pipe2" | "socket" | "epoll_create1" | "eventfd2" => &["EMFILE"],
            "connect" => &["EINTR", "ECONNREFUSED"],
            "sendto" | "writev" | "recvfrom" => &["EINTR", "ECONNRESET"],
            "poll" | "ppoll" | "epoll_wait" | "clock_nanosleep" => &["EINTR"],
            // The rest cannot fail so, or only where the machine has no memory left.
            _ => &[],
        };
        std::iter::once(Fault::Kill).chain(errors.iter().copied().map(Fault::Error))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Thread { nth, role } = self.thread;
        match nth {
            0 => write!(out, "{} {}: {}", self.name, self.nth, self.text),
            _ => write!(
                out,
                "thread {nth} ({role}), {} {}: {}",
                self.name, self.nth, self.text
            ),
        }
    }
}

impl Fault {
    /// strace, told to write its trace to `trace` and to inject this into `call`.
    ///
    /// Without `-f`, so into the one thread that it is started on, which is what makes counting calls sound.
    pub fn strace(self, call: &Call, trace: &Path) -> Vec<OsString> {
        let what = match self {
            Self::Kill => "signal=SIGKILL".to_owned(),
            Self::Error(errno) => format!("error={errno}"),
        };
        let Call { name, nth, .. } = call;
        let mut strace = recording(trace);
        strace.extend([
            "-e".into(),
            format!("trace={name}").into(),
            "-e".into(),
            format!("inject={name}:{what}:when={nth}").into(),
        ]);
        strace
    }

    /// Whether it came to pass, by the trace.
    pub fn fired(self, trace: &str) -> bool {
        match self {
            Self::Kill => trace.contains("+++ killed by SIGKILL +++"),
            // An eventfd of its own cannot fail so: a run with one call more or less can reach one nevertheless.
            Self::Error(_) => trace
                .lines()
                .any(|line| line.contains("(INJECTED)") && !line.contains("<anon_inode:[eventfd")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => write!(out, "killed"),
            Self::Error(errno) => write!(out, "{errno}"),
        }
    }
}

/// Whether the fault hit standard output, by the trace.
pub fn lost_the_answer(trace: &str) -> bool {
    let injected = |line: &str| line.starts_with("write(1<") && line.contains("(INJECTED)");
    trace.lines().any(injected)
}

/// strace, told to write its trace to `trace`.
pub fn recording(trace: &Path) -> Vec<OsString> {
    ["strace", "-qq", "-y", "-o"]
        .map(OsString::from)
        .into_iter()
        .chain([trace.into()])
        .collect()
}

/// The same of a run without faults, with the time of each call.
pub fn looking(trace: &Path) -> Vec<OsString> {
    let mut strace = recording(trace);
    strace.push("-ttt".into());
    strace
}

/// The same of all its threads: each has a file of its own, named after `trace` and its id. What the run starts, such as
/// systemctl, is released.
pub fn looking_at_threads(trace: &Path) -> Vec<OsString> {
    let mut strace = looking(trace);
    strace.extend(["-ff", "--detach-on=execve"].map(OsString::from));
    strace
}

/// The calls of a run that was looked at, from its first write to its exit.
pub fn window(trace: &Path) -> Vec<Call> {
    let text = fs::read_to_string(trace).expect("a trace");
    since_the_first_write(calls_of(Thread::MAIN, &text).collect())
}

/// The same of all its threads.
pub fn window_of_threads(trace: &Path) -> Vec<Call> {
    let of_thread = format!("{}.", trace.file_name().expect("a name").to_string_lossy());
    let files = fs::read_dir(trace.parent().expect("a directory")).expect("a directory");
    let traces: BTreeMap<u32, String> = files
        .flatten()
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            let id = name.strip_prefix(&of_thread)?.parse().ok()?;
            Some((id, fs::read_to_string(file.path()).expect("a trace")))
        })
        .collect();
    // What was forked ends with the call with which the run begins.
    let is_main = |text: &&String| {
        let first = calls_of(Thread::MAIN, text).next();
        first.is_some_and(|(_, call)| call.name == "execve")
    };
    let main = traces.values().find(is_main).expect("a main thread");
    let mut calls: Vec<(f64, Call)> = calls_of(Thread::MAIN, main).collect();
    let started: Vec<u32> = calls.iter().filter_map(|(_, call)| call.starts()).collect();
    for (before, id) in started.iter().enumerate() {
        if let Some(text) = traces.get(id) {
            let thread = Thread {
                nth: before + 1,
                role: role_of(text),
            };
            calls.extend(calls_of(thread, text));
        }
    }
    since_the_first_write(calls)
}

fn since_the_first_write(calls: Vec<(f64, Call)>) -> Vec<Call> {
    let first = calls.iter().find(|(_, call)| call.begins_the_change());
    let begin = first.map_or(f64::INFINITY, |(time, _)| *time);
    let window = calls.into_iter().filter(|(time, _)| *time >= begin);
    window.map(|(_, call)| call).collect()
}

fn role_of(text: &str) -> &'static str {
    if text.contains(" epoll_wait(") {
        "API"
    } else if text.contains("<anon_inode:[signalfd]>") {
        "signals"
    } else if text.contains("<pipe:[") {
        "pipe"
    } else {
        "other"
    }
}

fn calls_of(thread: Thread, text: &str) -> impl Iterator<Item = (f64, Call)> {
    let mut count = BTreeMap::new();
    text.lines().filter_map(move |line| {
        let (time, line) = line.split_once(' ')?;
        let (name, text) = line.split_once('(')?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            // a signal, or the end
            return None;
        }
        let nth = count.entry(name.to_owned()).or_insert(0);
        *nth += 1;
        let call = Call {
            thread,
            name: name.to_owned(),
            nth: *nth,
            text: text.to_owned(),
            sure: true,
        };
        Some((time.parse().expect("a time"), call))
    })
}
