//! One run that something happens to, at a moment.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standins::{Knobs, Node, Options, pace};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_kubelet-tls");
/// Longer than any run takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// When it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// So long after the start.
    After(Duration),
    /// The receipt says that it begins.
    Receipt,
    /// The file has changed.
    Config,
    /// systemd has started the kubelet again.
    Restart,
    /// It has said that the kubelet is healthy.
    Healthy,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blow {
    Signal(Signal),
    /// One, and another 30 ms later.
    Two(Signal, Signal),
    /// Ctrl-Z, and `fg` after a while.
    Stopped,
    /// No process reads its standard output any more.
    NoOutput,
    /// Nor its standard error.
    NoOutputNorError,
    /// Its terminal is gone; it leads the session.
    HangUp,
    /// The terminal of its shell is gone, and with it the shell, as when an ssh session is lost.
    LostShell,
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Apply,
    Rollback,
}

impl Verb {
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            // It waits for its request longer than for the kubelet's health.
            Self::Apply => &["apply", "--settle", "300ms", "--timeout", "20s"],
            Self::Rollback => &["rollback", "--settle", "500ms"],
        }
    }

    fn receipt(self) -> (&'static str, &'static str) {
        match self {
            Self::Apply => ("Started", "Done"),
            Self::Rollback => ("RollingBack", "RolledBack"),
        }
    }
}

/// How the run ended.
#[derive(Debug)]
pub(crate) struct End {
    /// None where it was not this process' child.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stderr: String,
}

/// What a run changes.
#[derive(Debug, PartialEq, Clone)]
pub(crate) struct State {
    pub(crate) config: String,
    pub(crate) starts: usize,
    pub(crate) receipt: String,
    pub(crate) leftovers: Vec<String>,
}

pub(crate) fn node() -> Node {
    let knobs = Knobs {
        csr_delay_ms: 700,
        ..Knobs::default()
    };
    Node::new(Options {
        knobs,
        ..Options::default()
    })
}

/// The state in the receipt; empty if no receipt exists.
fn receipt(node: &Node) -> String {
    let bytes = fs::read(node.path("/var/lib/kubelet-tls/receipt.json")).unwrap_or_default();
    let receipt: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    receipt["state"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn state(node: &Node) -> State {
    let directory = node.config_path().parent().unwrap().to_owned();
    let names = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    State {
        config: node.config(),
        starts: node.kubelet_starts(),
        receipt: receipt(node),
        leftovers: names
            .filter(|name| name.starts_with(".kubelet-tls-"))
            .collect(),
    }
}

/// Runs the verb, and lets that happen to it.
pub(crate) fn strike(node: &Node, verb: Verb, blow: Blow, moment: Moment) -> End {
    match blow {
        Blow::HangUp | Blow::LostShell => on_terminal(node, verb, blow, moment),
        _ => on_pipes(node, verb, blow, moment),
    }
}

fn on_pipes(node: &Node, verb: Verb, blow: Blow, moment: Moment) -> End {
    let mut command = node.command(BINARY);
    command.args(verb.arguments()).stdin(Stdio::null());
    // What it says goes into a file: a moment is when it has said something.
    let said = node.path("/said");
    let heard = blow != Blow::NoOutputNorError;
    if heard {
        command.stderr(fs::File::create(&said).unwrap());
    } else {
        command.stderr(Stdio::piped());
        let _ = fs::remove_file(&said);
    }
    let before = state(node);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    await_moment(node, verb, moment, &before, || {
        child.try_wait().unwrap().is_some()
    });
    let send = |signal| kill(pid, signal).unwrap_or_default();
    let alive = child.try_wait().unwrap().is_none();
    match blow {
        _ if !alive => {}
        Blow::Signal(signal) => send(signal),
        Blow::Two(first, second) => {
            send(first);
            thread::sleep(Duration::from_millis(30));
            if child.try_wait().unwrap().is_none() {
                send(second);
            }
        }
        Blow::Stopped => {
            send(Signal::SIGTSTP);
            // The kernel ignores the former where no shell could wake the program.
            send(Signal::SIGSTOP);
            thread::sleep(Duration::from_millis(700));
            send(Signal::SIGCONT);
        }
        _ => {
            child.stdout = None;
            child.stderr = None;
        }
    }
    let out = child.stdout.take().map(drain);
    let err = child.stderr.take().map(drain);
    let status = wait(&mut child);
    for reader in [out, err].into_iter().flatten() {
        reader.join().unwrap();
    }
    let stderr = fs::read_to_string(&said).unwrap_or_default();
    End {
        code: status.code(),
        signal: status.signal(),
        stderr,
    }
}

fn on_terminal(node: &Node, verb: Verb, blow: Blow, moment: Moment) -> End {
    let pty = nix::pty::openpty(None, None).unwrap();
    let words = [&[BINARY], verb.arguments()].concat().join(" ");
    let pid_file = node.path("/pid");
    let _ = fs::remove_file(&pid_file);
    let script = match blow {
        Blow::HangUp => format!("exec {words}"),
        _ => format!(
            "sh -c 'echo $$ >{}; exec {words}'; true",
            pid_file.display()
        ),
    };
    let mut command = node.command("setsid");
    command.args(["--ctty", "sh", "-c", &script]);
    let before = state(node);
    let mut child = with_terminal(&mut command, pty.slave).spawn().unwrap();
    // The command holds the terminal open.
    drop(command);
    let master = fs::File::from(pty.master);
    // What is written to a terminal must be read, or the writer waits.
    let reader = {
        let master = master.try_clone().unwrap();
        nix::fcntl::fcntl(
            &master,
            nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK),
        )
        .unwrap();
        master
    };
    let mut said = Vec::new();
    await_moment(node, verb, moment, &before, || {
        let _ = (&reader).read_to_end(&mut said);
        fs::write(node.path("/said"), &said).unwrap();
        child.try_wait().unwrap().is_some()
    });
    drop((reader, master));
    let status = wait(&mut child);
    let mut end = End {
        code: status.code(),
        signal: status.signal(),
        stderr: String::from_utf8_lossy(&said).into_owned(),
    };
    if blow == Blow::LostShell {
        // No process is left that could learn how the program ended.
        (end.code, end.signal) = (None, None);
        if let Ok(pid) = fs::read_to_string(&pid_file) {
            let began = pace::now();
            while is_alive(pid.trim()) {
                assert!((pace::now() - began) < LONG, "it does not end");
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
    end
}

fn with_terminal(command: &mut Command, slave: OwnedFd) -> &mut Command {
    let again = || slave.try_clone().unwrap();
    command.stdin(again()).stdout(again()).stderr(again())
}

fn is_alive(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn await_moment(
    node: &Node,
    verb: Verb,
    moment: Moment,
    before: &State,
    mut ended: impl FnMut() -> bool,
) {
    let began = Instant::now();
    let come = |node: &Node| match moment {
        Moment::After(pause) => began.elapsed() >= pause,
        Moment::Receipt => receipt(node) == verb.receipt().0,
        Moment::Config => node.config() != before.config,
        Moment::Restart => node.kubelet_starts() > before.starts,
        Moment::Healthy => {
            let said = fs::read_to_string(node.path("/said")).unwrap_or_default();
            said.contains("is healthy")
        }
    };
    while !ended() && !come(node) && began.elapsed() < LONG {
        thread::sleep(Duration::from_millis(1));
    }
}

fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || drop(std::io::copy(&mut pipe, &mut std::io::sink())))
}

fn wait(child: &mut Child) -> std::process::ExitStatus {
    let began = pace::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if (pace::now() - began) > LONG {
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(2));
    }
}
