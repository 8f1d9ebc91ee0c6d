//! What a wait shows at a terminal, and only there.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::thread;

use standins::{Knobs, Node, Options};

/// A node whose kubelet takes its time.
fn node() -> Node {
    Node::new(Options {
        knobs: Knobs {
            start_delay_ms: 800,
            ..Knobs::default()
        },
        ..Options::default()
    })
}

fn command(node: &Node, term: &str, arguments: &[&str]) -> Command {
    let mut command = node.command(env!("CARGO_BIN_EXE_kubelet-tls"));
    command.args(arguments).env("TERM", term);
    command
}

/// What a terminal is sent as standard error, and what a pipe gets as standard output meanwhile.
fn at_a_terminal(mut command: Command) -> (String, String, Option<i32>) {
    let pty = nix::pty::openpty(None, None).unwrap();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(pty.slave)
        .spawn()
        .unwrap();
    // The command holds the terminal open.
    drop(command);
    let mut master = File::from(pty.master);
    let reader = thread::spawn(move || {
        let mut said = Vec::new();
        // The end of a terminal is an error.
        let _ = master.read_to_end(&mut said);
        String::from_utf8(said).unwrap()
    });
    let output = child.wait_with_output().unwrap();
    (
        reader.join().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        output.status.code(),
    )
}

/// What is left on the screen: a carriage return and "erase this line" take a line back.
fn screen(said: &str) -> String {
    let lines: Vec<String> = said
        .split("\r\n")
        .map(|line| {
            let mut shown = String::new();
            for part in line.split("\u{1b}[2K") {
                shown = part.trim_start_matches('\r').to_owned();
            }
            shown
        })
        .collect();
    lines.join("\n")
}

#[test]
fn a_terminal_shows_what_is_waited_for_and_erases_it() {
    let node = node();
    let apply = command(&node, "xterm", &["apply", "--settle", "1s"]);
    let (said, out, code) = at_a_terminal(apply);
    assert_eq!(code, Some(0), "{said}");
    for what in [
        "waiting for kubelet.service to answer: 0s",
        "waiting for kubelet.service to stay healthy for 1 s: ",
    ] {
        assert!(said.contains(what), "{what}: {said:?}");
    }
    let screen = screen(&said);
    assert!(!screen.contains("waiting for"), "{screen:?}\n{said:?}");
    for line in [
        "restarting kubelet.service\n",
        "kubelet.service is healthy: it stayed up and answered for 1 s\n",
    ] {
        assert!(screen.contains(line), "{screen}");
    }
    assert!(
        !out.contains("waiting for") && !out.contains('\u{1b}'),
        "{out:?}"
    );
}

#[test]
fn the_wait_for_the_approval_shows_its_time() {
    let node = node();
    let apply = command(
        &node,
        "xterm",
        &[
            "apply",
            "--settle",
            "0s",
            "--wait",
            "issued",
            "--timeout",
            "3s",
        ],
    );
    let (said, _, code) = at_a_terminal(apply);
    assert_eq!(code, Some(75), "{said}");
    let request = node.api().csrs_of(node.name())[0].metadata.name.clone();
    for time in ["0s", "1s"] {
        let what = format!("waiting for the approval of {request}: {time}");
        assert!(said.contains(&what), "{what}: {said:?}");
    }
    assert!(!screen(&said).contains("waiting for"), "{said:?}");
}

#[test]
fn the_wait_before_the_switch_is_shown_too() {
    let node = node();
    let arguments = ["apply", "--issue-first", "--timeout", "1s"];
    let (said, _, code) = at_a_terminal(command(&node, "xterm", &arguments));
    assert_eq!(code, Some(75), "{said}");
    assert!(
        said.contains("waiting for the approval of csr-"),
        "{said:?}"
    );
    assert!(!screen(&said).contains("waiting for"), "{said:?}");
}

#[test]
fn no_progress_is_shown_without_a_terminal_or_with_quiet() {
    let arguments = ["apply", "--settle", "1s"];
    let quiet = ["apply", "--settle", "1s", "-q"];
    for (term, arguments) in [("dumb", &arguments[..]), ("xterm", &quiet[..])] {
        let (said, ..) = at_a_terminal(command(&node(), term, arguments));
        assert!(
            !said.contains("waiting for") && !said.contains("\u{1b}[2K"),
            "{said:?}"
        );
    }
    let piped = command(&node(), "xterm", &arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8(piped.stderr).unwrap();
    assert!(said.contains("restarting kubelet.service\n"), "{said}");
    assert!(
        !said.contains("waiting for") && !said.contains('\u{1b}'),
        "{said:?}"
    );
}
