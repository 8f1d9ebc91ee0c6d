//! The commands of the documents: those that can be run without a cluster run, and all of kubelet-tls are checked
//! against its command line.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::Parser as _;
use clap::error::ErrorKind;
use kubelet_tls::parts::Cli;
use standins::{Node, Options, Output};

use super::blocks::{Block, Marker, blocks};
use super::documents;

const BINARY: &str = env!("CARGO_BIN_EXE_kubelet-tls");

/// The CSR of the documents' examples.
const EXAMPLE: &str = "csr-jcdc4";

/// Commands that exit 1 where there is something to do.
const ANSWERS: [&str; 6] = [
    "kubelet-tls diff",
    "kubelet-tls cluster diff",
    "kubelet-tls status",
    "kubelet-tls cluster status",
    "kubelet-tls api-server diff",
    "kubelet-tls api-server status",
];

/// The files that a block marked `run: files` may use.
const FILES: [(&str, &str); 3] = [
    ("config.yaml", "config.yaml"),
    ("kubeadm.yaml", "kubeadm-v1beta4-no.yaml"),
    ("kube-apiserver.yaml", "kube-apiserver-v1beta4-no.yaml"),
];

fn of_language(language: &str) -> Vec<Block> {
    let all = documents()
        .into_iter()
        .flat_map(|document| blocks(&document));
    all.filter(|block| block.language == language).collect()
}

#[test]
fn every_shell_block_runs_or_says_why_it_does_not() {
    let blocks = of_language("sh");
    for block in &blocks {
        match &block.marker {
            Marker::None => panic!("{}: no marker before the block", block.place()),
            Marker::NotRun(reason) => assert!(reason.len() > 10, "{}: {reason:?}", block.place()),
            Marker::Files | Marker::Node | Marker::Applied | Marker::ControlPlane => {}
        }
    }
    let run = blocks
        .iter()
        .filter(|block| !matches!(block.marker, Marker::NotRun(_)));
    assert!(run.count() >= 6, "hardly anything is run");
}

#[test]
fn blocks_about_files_run_in_a_directory() {
    for block in of_language("sh") {
        if block.marker != Marker::Files {
            continue;
        }
        let directory = tempfile::tempdir().unwrap();
        let programs = directory.path().join("bin");
        fs::create_dir(&programs).unwrap();
        std::os::unix::fs::symlink(BINARY, programs.join("kubelet-tls")).unwrap();
        for (name, captured) in FILES {
            let from = Path::new("testdata/captured/1.36").join(captured);
            fs::copy(from, directory.path().join(name)).unwrap();
        }
        for line in block.commands() {
            let mut command = Command::new("sh");
            command
                .env("PATH", with_programs(&programs))
                .env("KUBELET_TLS_STATE_DIR", directory.path().join("state"));
            let command = command.args(["-c", &line]).current_dir(directory.path());
            assert_done(&block, &line, command);
        }
    }
}

#[test]
fn blocks_about_a_node_run_on_stand_ins() {
    for document in documents() {
        let (mut shared, mut control_plane) = (None, None);
        for block in blocks(&document) {
            match block.marker {
                Marker::Node => on_node(&block, shared.get_or_insert_with(node)),
                Marker::Applied => {
                    let node = node();
                    let applied = node.run(BINARY, &["apply", "--settle", "500ms"]);
                    assert_eq!(applied.code, 0, "{applied:?}");
                    on_node(&block, &node);
                }
                Marker::ControlPlane => {
                    on_control_plane(
                        &block,
                        control_plane.get_or_insert_with(secured_control_plane),
                    );
                }
                _ => {}
            }
        }
    }
}

fn node() -> Node {
    let node = Node::new(Options::default());
    std::os::unix::fs::symlink(BINARY, node.path("/bin/kubelet-tls")).unwrap();
    node
}

/// A control-plane node whose kubelet serves a certificate of the cluster's CA.
fn secured_control_plane() -> Node {
    let node = Node::secured_control_plane(Options::default());
    std::os::unix::fs::symlink(BINARY, node.path("/bin/kubelet-tls")).unwrap();
    node
}

/// Runs the block with the options that say where the stand-ins have what a real node has in `/etc/kubernetes`.
fn on_control_plane(block: &Block, node: &Node) {
    let admin = node.path("/etc/kubernetes/admin.conf");
    for line in block.commands() {
        let mut typed = format!("{line} --kubeconfig={}", admin.display());
        let manifest = format!(" --manifest={}", node.manifest_path().display());
        let is_about_the_manifest = !line.starts_with("kubelet-tls api-server rollback");
        if is_about_the_manifest {
            typed.push_str(&manifest);
        }
        if !ANSWERS.iter().any(|answer| line.starts_with(answer)) {
            typed.push_str(" --settle=500ms");
        }
        let mut command = node.command("sh");
        command.args(["-c", &typed]).current_dir(node.root());
        assert_done(block, &line, &mut command);
    }
}

fn on_node(block: &Block, node: &Node) {
    for line in block.commands() {
        // The newest is the one that the example means.
        let named = node.api().csrs_of(node.name());
        let name = named
            .last()
            .map_or("none", |csr| csr.metadata.name.as_str());
        let line = line.replace(EXAMPLE, name);
        let mut command = node.command("sh");
        command.args(["-c", &line]).current_dir(node.root());
        if line.contains("kubelet-tls approve") || line.contains("kubelet-tls cluster") {
            command.env("KUBECONFIG", node.api().admin_kubeconfig(node.root()));
        }
        if line.starts_with("kubelet-tls approve csr-") {
            approved(block, node, name, &mut command);
        } else {
            assert_done(block, &line, &mut command);
        }
    }
}

/// The stand-in's node has a loopback address, which no rule lets pass: that is the one refusal, and the stand-in approves.
fn approved(block: &Block, node: &Node, name: &str, command: &mut Command) {
    let output = Output::of(command.stdin(Stdio::null()));
    let is_refused = output.code == 78 && output.stdout.contains("NameIsUnicast: IP 127.0.0.1");
    assert!(is_refused, "{}: {output:?}", block.place());
    assert!(node.api().approve(name), "{}: {name}", block.place());
}

fn with_programs(directory: &Path) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}", directory.display())
}

fn assert_done(block: &Block, line: &str, command: &mut Command) {
    let output = Output::of(command.stdin(Stdio::null()));
    let is_answer = ANSWERS.iter().any(|answer| line.starts_with(answer));
    let is_done = output.code == 0 || is_answer && output.code == 1;
    assert!(is_done, "{}: {line}: {output:?}", block.place());
}

#[test]
fn every_documented_command_line_is_one_of_the_program() {
    let mut checked = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let shell = blocks(&document)
            .into_iter()
            .filter(|block| block.language == "sh");
        let console = blocks(&document)
            .into_iter()
            .filter(|block| block.language == "console")
            .flat_map(|block| block.lines)
            .filter_map(|line| {
                let typed = line.strip_prefix("# ").or_else(|| line.strip_prefix("$ "));
                typed.map(str::to_owned)
            });
        let lines = shell.flat_map(|block| block.commands()).chain(console);
        let inline = text
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|code| !code.contains('\n'))
            .map(|code| (code.to_owned(), true));
        for (line, is_inline) in lines.map(|line| (line, false)).chain(inline) {
            for words in invocations(&line) {
                checked += 1;
                if let Err(error) = Cli::try_parse_from(&words) {
                    // In a sentence `kubelet-tls approve` names the verb.
                    if is_inline && error.kind() == ErrorKind::MissingRequiredArgument {
                        continue;
                    }
                    let text = error.to_string();
                    let first = text.lines().next().unwrap_or_default();
                    wrong.push(format!("{}: {words:?}: {first}", document.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 80, "only {checked} command lines were found");
}

/// The command lines of kubelet-tls in a line of shell, placeholders replaced by values of their kind.
fn invocations(line: &str) -> Vec<Vec<String>> {
    let cut = line.replace(['"', '\'', '(', ')', '$'], " ");
    let mut found = Vec::new();
    for part in cut.split(['|', '&', ';', '<', '>']) {
        let mut words = part
            .split_whitespace()
            .skip_while(|word| *word != "kubelet-tls");
        let Some(program) = words.next() else {
            continue;
        };
        // `ssh HOST kubelet-tls ...` is one; `dpkg --purge kubelet-tls` is the name of a package.
        let earlier: Vec<&str> = part
            .split_whitespace()
            .take_while(|w| *w != program)
            .collect();
        let is_run = matches!(
            earlier.first(),
            None | Some(&"ssh" | &"sudo" | &"do" | &"kubectl")
        );
        let arguments: Vec<&str> = words.collect();
        let is_whole = arguments
            .iter()
            .all(|word| !word.contains('…') && !word.contains("..."));
        // `--version` and `--help` are errors to the parser.
        let is_help = arguments
            .iter()
            .any(|word| matches!(*word, "--help" | "--version"));
        if is_run
            && is_whole
            && !is_help
            && arguments
                .first()
                .is_some_and(|verb| *verb != "VERB" && !verb.starts_with('-'))
        {
            let values = arguments.iter().map(|word| value(word).to_owned());
            found.push(std::iter::once(program.to_owned()).chain(values).collect());
        }
    }
    found
}

/// A value that a placeholder stands for.
fn value(word: &str) -> &str {
    match word {
        "CIDR" => "10.0.0.0/16",
        "NODE" | "node" => "worker-1",
        "CSR" => EXAMPLE,
        "KIND" => "ApplyResult",
        other => other,
    }
}
