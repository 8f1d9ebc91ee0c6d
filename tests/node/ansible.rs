//! The collection under a real Ansible, on machines that have no Python.
//!
//! `SNAPSHOTS=overwrite cargo test --test node ansible` writes the transcripts again after a wanted change.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use standins::kubelet::Knobs;
use standins::{ApiServer, Config};

use super::address::Address;
use super::command::Finished;
use super::worker::{Worker, added_lines, well};
use support::harness;

/// Where `.ci/run` puts it, by version.
const NEWEST: &str = "target/tools/ansible-newest";
const OLDEST: &str = "target/tools/ansible-oldest";
const CLUSTER: &str = "kubelet_tls.kubelet_tls.cluster";
const NAMES: [&str; 3] = ["control-plane-1", "worker-1", "worker-2"];

/// The playbook: looked at, stopped by a node that dies of it, gone on with, and done.
pub fn a_whole_cluster_batch_by_batch() {
    let Some(ansible) = Ansible::installed(NEWEST) else {
        return;
    };
    let fleet = Fleet::start("fleet", &NAMES);
    let play = ansible.of(&fleet);
    play.install_collection();
    let before: Vec<_> = fleet.nodes.iter().map(Worker::config).collect();

    let check = play.run(CLUSTER, &["--check", "--diff"]);
    assert_eq!(check.code, Some(0), "{check}");
    fleet.assert_transcript("check", &check);
    for (node, before) in fleet.nodes.iter().zip(&before) {
        assert_eq!(node.config(), *before, "not even its time");
        assert_eq!((node.starts(), node.requests().len()), (1, 0));
        let diff = node.tool(&["diff"]).run();
        assert!(shown_diffs(&check).contains(&hunks(&diff.stdout)), "{diff}");
    }

    // The second of the first batch dies of it.
    let [first, second, third] = fleet.nodes.as_slice() else {
        panic!("three nodes")
    };
    second.behave_when_changed(Knobs {
        die_after_ms: Some(300),
        ..well()
    });
    let batches = ["-e", r#"{"kubelet_tls_serial": [2, 1]}"#];
    let failed = play.run(CLUSTER, &batches);
    assert_eq!(failed.code, Some(2), "{failed}");
    fleet.assert_transcript("failure", &failed);
    first.handshake().expect("changed before");
    assert_eq!(second.config().content, before[1].content, "rolled back");
    second.await_healthy();
    assert_eq!(third.config(), before[2]);
    assert_eq!((third.starts(), third.requests().len()), (1, 0));

    second.behave_when_changed(well());
    let rest = play.run(CLUSTER, &batches);
    assert_eq!(rest.code, Some(0), "{rest}");
    fleet.assert_transcript("rest", &rest);
    for node in &fleet.nodes {
        node.handshake().expect("its certificate verifies");
    }
    let starts: Vec<_> = fleet.nodes.iter().map(Worker::starts).collect();

    let again = play.run(CLUSTER, &["--diff", "-e", r#"{"kubelet_tls_serial": 3}"#]);
    assert_eq!(again.code, Some(0), "{again}");
    fleet.assert_transcript("again", &again);
    assert!(again.stdout.contains("changed=0") && !again.stdout.contains("changed=1"));
    let now: Vec<_> = fleet.nodes.iter().map(Worker::starts).collect();
    assert_eq!(now, starts);
    assert!(fleet.nodes[0].machine.run(&["python3", "-c", ""]).code != Some(0));
}

/// The module and the action plugin, without what is new in Ansible since.
pub fn the_oldest_ansible_that_runs_here() {
    let Some(ansible) = Ansible::installed(OLDEST) else {
        return;
    };
    let fleet = Fleet::start("oldest", &NAMES[1..2]);
    let play = ansible.of(&fleet);
    play.copy_collection();
    let tasks = json!([{
        "hosts": "all", "gather_facts": false, "tasks": [{
            "name": "Enable", "kubelet_tls.kubelet_tls.kubelet_tls": {"settle": 1},
        }],
    }]);
    let file = fleet.directory.join("play.yml");
    fs::write(&file, tasks.to_string()).expect("a playbook");
    let file = file.to_string_lossy().into_owned();

    let check = play.run(&file, &["--check", "--diff"]);
    assert_eq!(check.code, Some(0), "{check}");
    let node = &fleet.nodes[0];
    let diff = node.tool(&["diff"]).run();
    assert_eq!(diff.code, Some(1), "{diff}");
    assert_eq!(shown_diffs(&check), [hunks(&diff.stdout)], "{check}");
    assert_eq!(node.starts(), 1);

    let run = play.run(&file, &[]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stdout.contains("changed=1"), "{run}");
    assert_eq!((node.starts(), node.requests().len()), (2, 1));
    let again = play.run(&file, &[]);
    assert!(again.stdout.contains("changed=0"), "{again}");

    fs::remove_dir_all(play.collection().join("bin")).expect("the binaries");
    let none = play.run(&file, &[]);
    assert_eq!(none.code, Some(2), "{none}");
    assert!(
        none.stdout
            .contains("kubelet-tls is not built for the machine"),
        "{none}"
    );
}

/// One cluster of several machines.
struct Fleet {
    nodes: Vec<Worker>,
    directory: PathBuf,
    addresses: Vec<Address>,
}

impl Fleet {
    fn start(label: &str, names: &[&str]) -> Self {
        let api = Arc::new(ApiServer::start(Config::default()));
        let addresses: Vec<_> = names.iter().map(|_| Address::new()).collect();
        let join = |(number, name): (usize, &&str)| {
            let label = format!("{label}-{number}");
            let node = Worker::join(&label, Arc::clone(&api), name, addresses[number].text());
            let kubernetes = node.machine.path("/etc/kubernetes");
            if number == 0 {
                api.admin_kubeconfig(&kubernetes);
            }
            node.start_kubelet();
            node
        };
        let nodes: Vec<Worker> = names.iter().enumerate().map(join).collect();
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("ansible-{}-{label}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Self {
            nodes,
            directory,
            addresses,
        }
    }

    fn inventory(&self) -> Value {
        let host = |node: &Worker| {
            let vars = json!({
                "machine_enter": node.machine.command(&[]).command_line(),
                "machine_root": node.machine.root(),
            });
            (node.name().to_owned(), vars)
        };
        let hosts: BTreeMap<String, Value> = self.nodes.iter().map(host).collect();
        let group = |first: &str| {
            let names = hosts.keys().filter(|name| name.starts_with(first));
            json!({"hosts": names.map(|name| (name.clone(), Value::Null)).collect::<BTreeMap<_, _>>()})
        };
        json!({"all": {
            "hosts": hosts,
            "vars": {
                "ansible_connection": "machine",
                // Root already, and no sudo there.
                "ansible_become": false,
                "kubelet_tls_settle": "1s",
            },
            "children": {"kube_control_plane": group("control-plane"), "kube_node": group("worker")},
        }})
    }

    /// Compares with the golden, less what differs from run to run.
    fn assert_transcript(&self, name: &str, finished: &Finished) {
        let mut text = sorted_by_host(&finished.stdout);
        for csr in self.nodes[0].api.csrs() {
            text = text.replace(&csr.metadata.name, "[CSR]");
        }
        text = text.replace(&*self.directory.to_string_lossy(), "[DIR]");
        for (address, node) in self.addresses.iter().zip(&self.nodes) {
            text = text.replace(address.text(), &format!("[IP of {}]", node.name()));
        }
        // How much a dying kubelet has still said is chance.
        while let Some((before, rest)) = text.split_once("\"journal\": [\"") {
            let (_, after) = rest.split_once("\"], ").expect("a list");
            text = format!("{before}\"journal\": [...], {after}");
        }
        let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/node/ansible")
            .join(format!("{name}.txt"));
        let text = steady(&text);
        snapbox::Assert::new()
            .action_env("SNAPSHOTS")
            .eq(text, snapbox::Data::read_from(&golden, None).raw());
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// An Ansible of some version.
struct Ansible {
    bin: PathBuf,
}

impl Ansible {
    /// None where it is not installed and need not be.
    fn installed(directory: &str) -> Option<Self> {
        let bin = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(directory)
            .join("bin");
        if bin.join("ansible-playbook").is_file() {
            return Some(Self { bin });
        }
        let missing = format!("no ansible-core in {directory}; .ci/run installs it");
        assert!(!harness::is_required(), "{missing}");
        eprintln!("skipped: {missing}");
        None
    }

    fn of<'a>(&'a self, fleet: &'a Fleet) -> Play<'a> {
        let inventory = fleet.inventory().to_string();
        fs::write(fleet.directory.join("inventory.json"), inventory).expect("an inventory");
        Play {
            ansible: self,
            fleet,
        }
    }
}

/// An Ansible that manages a fleet.
struct Play<'a> {
    ansible: &'a Ansible,
    fleet: &'a Fleet,
}

impl Play<'_> {
    fn collection(&self) -> PathBuf {
        let collections = self.fleet.directory.join("ansible_collections");
        collections.join("kubelet_tls/kubelet_tls")
    }

    /// The sources, with this binary.
    fn copy_to(&self, directory: &Path) {
        let parent = directory.parent().expect("not the root");
        fs::create_dir_all(parent).expect("directories");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("ansible");
        must(Command::new("cp").arg("-r").arg(sources).arg(directory));
        let bin = directory.join("bin");
        fs::create_dir_all(&bin).expect("a directory");
        // Of a test's binary most is for debuggers, and it is copied for each task.
        must(
            Command::new("strip")
                .arg(env!("CARGO_BIN_EXE_kubelet-tls"))
                .arg("-o")
                .arg(bin.join(std::env::consts::ARCH)),
        );
    }

    fn copy_collection(&self) {
        self.copy_to(&self.collection());
    }

    /// As a user does, from the archive that a release is.
    fn install_collection(&self) {
        let sources = self.fleet.directory.join("sources");
        self.copy_to(&sources);
        let galaxy = |arguments: &[&str]| {
            let mut command = self.command("ansible-galaxy");
            must(command.arg("collection").args(arguments));
        };
        let directory = self.fleet.directory.to_string_lossy();
        galaxy(&[
            "build",
            &sources.to_string_lossy(),
            "--output-path",
            &directory,
        ]);
        let archive = self
            .fleet
            .directory
            .join("kubelet_tls-kubelet_tls-0.1.0.tar.gz");
        galaxy(&[
            "install",
            "--offline",
            "-p",
            &directory,
            &archive.to_string_lossy(),
        ]);
        assert!(
            self.collection()
                .join("plugins/modules/kubelet_tls.py")
                .is_file()
        );
    }

    fn run(&self, playbook: &str, arguments: &[&str]) -> Finished {
        let started = std::time::Instant::now();
        let output = self
            .command("ansible-playbook")
            .args(["-i", "inventory.json", playbook])
            .args(arguments)
            .output()
            .expect("ansible-playbook");
        Finished {
            code: output.status.code(),
            signal: None,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
        }
    }

    fn command(&self, program: &str) -> Command {
        let directory = &self.fleet.directory;
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/ansible");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut command = Command::new(self.ansible.bin.join(program));
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", path)
            .env("HOME", directory)
            .env("LANG", "C.UTF-8")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_FORKS", "3")
            .env("ANSIBLE_COLLECTIONS_PATH", directory)
            // So called up to 2.15.
            .env("ANSIBLE_COLLECTIONS_PATHS", directory)
            .env(
                "ANSIBLE_CONNECTION_PLUGINS",
                plugins.join("connection_plugins"),
            );
        command
    }
}

fn must(command: &mut Command) {
    let output = command.output().expect("a program");
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// Nodes of a batch end in any order.
fn sorted_by_host(transcript: &str) -> String {
    let mut sorted = String::new();
    for task in transcript.split_inclusive("***\n") {
        let mut blocks: Vec<(String, String)> = Vec::new();
        let mut block = String::new();
        for line in task.split_inclusive('\n') {
            block.push_str(line);
            let host = line
                .split_once(": [")
                .filter(|(word, _)| ["ok", "changed", "skipping", "fatal"].contains(word))
                .and_then(|(_, rest)| rest.split_once(']'));
            if let Some((host, _)) = host {
                blocks.push((host.to_owned(), std::mem::take(&mut block)));
            }
        }
        blocks.sort();
        blocks.iter().for_each(|(_, block)| sorted.push_str(block));
        sorted.push_str(&block);
    }
    sorted
}

/// Without ports, times, process ids and paths of this run.
fn steady(transcript: &str) -> String {
    let mut text = String::new();
    for word in transcript.split_inclusive([' ', '\n', '"', ',']) {
        let bare = word.trim_end_matches([' ', '\n', '"', ',', ':', ';', ')']);
        let end = &word[bare.len()..];
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let numeric = digits > 0
            && bare
                .bytes()
                .all(|b| b.is_ascii_digit() || b".:TZ-".contains(&b));
        let changing = numeric
            && (digits == bare.len() && digits >= 4 || bare.contains(':') || bare.contains('.'));
        text.push_str(if changing { "[N]" } else { bare });
        text.push_str(end);
    }
    text
}

/// Each diff of a transcript without its headers.
fn shown_diffs(finished: &Finished) -> Vec<String> {
    let after_headers = finished.stdout.split("--- before: ").skip(1);
    after_headers
        .map(|diff| {
            let end = diff.find("\n\nchanged:").map_or(diff.len(), |end| end + 1);
            hunks(&format!("--- {}", &diff[..end]))
        })
        .collect()
}

/// A diff without its headers.
fn hunks(diff: &str) -> String {
    assert!(!added_lines(diff).is_empty(), "{diff}");
    diff.split_inclusive('\n').skip(2).collect()
}
