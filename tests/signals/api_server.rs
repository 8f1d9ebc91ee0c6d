//! Signals while a control plane's API server is switched: the manifest and its API server go together, whichever way.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use standins::{Node, Options, Output, pace};

use super::blow::BINARY;

const LONG: Duration = Duration::from_secs(60);

/// When the signal comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// So long after the start: before or after the first write.
    After(u64),
    /// The receipt says that the run has begun to write.
    Receipt,
    /// The manifest has changed.
    Manifest,
    /// The kubelet has restarted the API server.
    Restart,
}

/// Which way the run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Apply,
    Rollback,
}

impl Verb {
    fn begun(self) -> &'static str {
        match self {
            Self::Apply => "Started",
            Self::Rollback => "RollingBack",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Apply => "Done",
            Self::Rollback => "RolledBack",
        }
    }

    fn arguments(self, node: &Node, settle: &str) -> Vec<String> {
        let admin = node.path("/etc/kubernetes/admin.conf");
        let manifest = node.manifest_path();
        let mut arguments = vec!["api-server".into()];
        match self {
            Self::Apply => {
                arguments.extend(["apply".into(), format!("--manifest={}", manifest.display())])
            }
            Self::Rollback => arguments.push("rollback".into()),
        }
        arguments.extend([
            format!("--kubeconfig={}", admin.display()),
            format!("--settle={settle}"),
            "--timeout=20s".into(),
        ]);
        arguments
    }
}

fn receipt(node: &Node) -> String {
    let path = node.path("/var/lib/kubelet-tls/api-server-receipt.json");
    let text = fs::read_to_string(path).unwrap_or_default();
    let receipt: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    receipt["state"].as_str().unwrap_or_default().to_owned()
}

/// The process and whether it has the flag.
fn process(node: &Node) -> Option<(u32, bool)> {
    let (pid, flag) = node.control_plane().process(Path::new("/proc"))?;
    Some((pid, flag.is_some()))
}

/// Runs the verb and sends it the signal; the exit code, or the signal that ended it, and what it said.
fn struck(node: &Node, verb: Verb, signal: Signal, moment: Moment) -> (Result<i32, i32>, String) {
    let (manifest, before) = (fs::read(node.manifest_path()).unwrap(), process(node));
    let mut child = node
        .command(BINARY)
        .args(verb.arguments(node, "500ms"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let come = || match moment {
        Moment::After(_) => true,
        Moment::Receipt => receipt(node) == verb.begun(),
        Moment::Manifest => fs::read(node.manifest_path()).unwrap() != manifest,
        Moment::Restart => process(node).is_some_and(|now| Some(now) != before),
    };
    if let Moment::After(millis) = moment {
        thread::sleep(Duration::from_millis(millis));
    }
    assert!(pace::wait_for(LONG, || come() || child.try_wait().unwrap().is_some()));
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let _ = kill(pid, signal);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let code = output.status.code();
    let ended = code.ok_or_else(|| output.status.signal().unwrap_or_default());
    (ended, said)
}

/// What became of the node; the error is what must not be.
fn judge(
    node: &Node,
    verb: Verb,
    signal: Signal,
    (ended, said): &(Result<i32, i32>, String),
    before: &str,
) -> Result<(), String> {
    let must = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}: {ended:?}: {said}")),
    };
    let names = fs::read_dir(node.manifest_path().parent().unwrap()).unwrap();
    must(names.count() == 1, "a second file beside the manifest")?;
    must(!said.contains("panicked"), "a panic")?;
    let wanted = node
        .control_plane()
        .manifest(node.api(), verb == Verb::Apply);
    let manifest = fs::read_to_string(node.manifest_path()).unwrap();
    match ended {
        Err(ended) => {
            must(*ended == signal as i32, "it died of something else")?;
            must(manifest == before, "it died half-way")?;
        }
        Ok(code) => {
            must(matches!(code, 0 | 75), "the exit code")?;
            must(
                *code == 0 || said.contains("interrupted"),
                "it does not say why",
            )?;
            must(manifest == wanted, "the manifest is not as wanted")?;
            let runs = process(node).is_some_and(|(_, flag)| flag == (verb == Verb::Apply));
            must(runs, "the API server is not as its manifest says")?;
            must(
                node.control_plane().readyz() == Some(200),
                "it is not ready",
            )?;
            must(receipt(node) == verb.done(), "the receipt")?;
        }
    }
    Ok(())
}

fn next_run(node: &Node, verb: Verb) -> Result<(), String> {
    let Output {
        code,
        stdout,
        stderr,
    } = node.run(BINARY, &verb.arguments(node, "100ms"));
    let wanted = node
        .control_plane()
        .manifest(node.api(), verb == Verb::Apply);
    let manifest = fs::read_to_string(node.manifest_path()).unwrap();
    if code == 0 && manifest == wanted && receipt(node) == verb.done() {
        Ok(())
    } else {
        Err(format!("the next run: {code}: {stdout}{stderr}"))
    }
}

#[test]
fn an_api_server_runs_as_its_manifest_says_whenever_a_signal_comes() {
    let cases = [
        (Signal::SIGINT, Moment::After(40)),
        (Signal::SIGTERM, Moment::Receipt),
        (Signal::SIGINT, Moment::Manifest),
        (Signal::SIGHUP, Moment::Manifest),
        (Signal::SIGTERM, Moment::Restart),
        (Signal::SIGINT, Moment::After(500)),
    ];
    let (first, second) = cases.split_at(3);
    let violations: Vec<String> = thread::scope(|scope| {
        let nodes = [first, second].map(|cases| scope.spawn(move || on_a_node(cases)));
        nodes
            .into_iter()
            .flat_map(|node| node.join().unwrap())
            .collect()
    });
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
}

fn on_a_node(cases: &[(Signal, Moment)]) -> Vec<String> {
    let node = Node::secured_control_plane(Options::default());
    let mut violations = Vec::new();
    for (signal, moment) in cases {
        for verb in [Verb::Apply, Verb::Rollback] {
            let before = fs::read_to_string(node.manifest_path()).unwrap();
            let end = struck(&node, verb, *signal, *moment);
            let judged = judge(&node, verb, *signal, &end, &before);
            if let Err(wrong) = judged.and_then(|()| next_run(&node, verb)) {
                violations.push(format!("{verb:?}, {signal}, {moment:?}: {wrong}"));
                return violations;
            }
        }
    }
    violations
}
