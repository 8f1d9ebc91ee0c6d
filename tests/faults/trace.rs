//! The system calls of a run, as strace writes them down, and the faults that it can put into each.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;

/// One system call of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub name: String,
    /// Which of the run's calls of that name, from 1 on.
    pub nth: u32,
    /// Its arguments and result, for people.
    text: String,
    /// Whether every undisturbed run makes it: how often one looks at systemctl and the kubelet is the machine's mood.
    pub sure: bool,
}

/// What becomes of a call.
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
            "write" | "pwrite64" | "fsync" | "fdatasync" | "ftruncate" | "fallocate" | "mkdir"
            | "mkdirat" | "rename" | "renameat" | "renameat2" | "unlink" | "unlinkat" | "link"
            | "linkat" | "symlink" | "symlinkat" | "chmod" | "fchmod" | "fchmodat" | "chown"
            | "fchown" | "fchownat" | "setxattr" | "fsetxattr" | "removexattr" | "fremovexattr" => {
                true
            }
            // An error that was put off until then. A pipe has none, and an injected one would leave it open for good.
            "close" => self.text.contains("</") && !self.text.contains("</dev/"),
            _ => false,
        }
    }

    /// The first change to the node: whatever comes before it leaves no trace.
    fn begins_the_change(&self) -> bool {
        self.writes() && !matches!(self.name.as_str(), "write" | "close")
    }

    /// Every fault that it can meet.
    pub fn faults(&self) -> impl Iterator<Item = Fault> + use<> {
        let errors: &[&str] = match self.name.as_str() {
            _ if self.writes() => &WRITE_ERRORS,
            "open" | "openat" | "read" | "pread64" | "stat" | "fstat" | "lstat" | "statx"
            | "newfstatat" | "statfs" | "fstatfs" | "readlink" | "readlinkat" | "access"
            | "faccessat" | "faccessat2" | "getdents64" | "lseek" | "flock" | "getxattr"
            | "fgetxattr" | "listxattr" | "flistxattr" => &["EIO", "EINTR"],
            "clone" | "clone3" | "vfork" | "fork" => &["EAGAIN"],
            "pipe2" | "socket" => &["EMFILE"],
            "connect" | "sendto" | "recvfrom" | "poll" | "ppoll" | "clock_nanosleep" => &["EINTR"],
            // The rest cannot fail so, or only where the machine has no memory left.
            _ => &[],
        };
        std::iter::once(Fault::Kill).chain(errors.iter().copied().map(Fault::Error))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.name, self.nth, self.text)
    }
}

impl Fault {
    /// strace, told to write its trace to `trace` and to inject this into `call`.
    ///
    /// Without `-f`, so into the main thread alone, which is what makes counting calls sound. All that is written, the
    /// main thread writes; the others copy what systemctl says from a pipe.
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
            Self::Error(_) => trace.contains("(INJECTED)"),
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

/// The calls of a recorded run from its first write to its exit.
pub fn window(trace: &Path) -> Vec<Call> {
    let mut count = BTreeMap::new();
    let calls = fs::read_to_string(trace).expect("a trace");
    let all = calls.lines().filter_map(|line| {
        let (name, text) = line.split_once('(')?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) {
            // a signal, or the end
            return None;
        }
        let nth = count.entry(name.to_owned()).or_insert(0);
        *nth += 1;
        Some(Call {
            name: name.to_owned(),
            nth: *nth,
            text: text.to_owned(),
            sure: true,
        })
    });
    all.skip_while(|call| !call.begins_the_change()).collect()
}
