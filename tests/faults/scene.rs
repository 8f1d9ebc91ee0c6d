//! What a run is made on: a file by itself, or a node of stand-ins with its systemd and kubelet.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use standins::{Node, Options, Output};

use super::instance;
use super::thread;
use super::trace::{self, Call, Fault};
use support::snapshot::{Content, Snapshot, acl_for_user_1000, set_attribute};

const TOOL: &str = env!("CARGO_BIN_EXE_kubelet-tls");
const KUBEADM: &str = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
/// In seconds. The gate's own patience is a minute, and putting back has the same once more.
const TIMEOUT: u64 = 180;
/// Long enough for the run to look before the approval, too.
const APPROVED_AFTER: Duration = Duration::from_millis(50);
/// The stand-in kubelet is up within 0.1 s.
pub(super) const SOON: Duration = Duration::from_secs(10);

/// One thing that the program does, from the state in which it finds everything to the one in which it must leave it.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub place: Place,
    /// Runs before, which make the state that it starts from.
    pub before: &'static [&'static [&'static str]],
    /// The run itself; the next run is the same again.
    pub run: &'static [&'static str],
    pub end: End,
}

/// Where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A file that is named.
    File,
    /// A node's config.
    Node,
    /// The same, and a kubeadm file beside it.
    NodeAndKubeadm,
    /// A node's config, in a cluster whose API server the run watches: the calls of all its threads meet faults.
    NodeOfCluster,
    /// The same, where requests are approved at once, and the run makes its own before the kubelet would.
    NodeAheadOfItsKubelet,
    /// A control-plane node, whose API server runs from the manifest that is edited.
    ControlPlane,
}

/// How it ends where nothing goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With exit code 0 and the files changed.
    Changed,
    /// With exit code 0 and the files as before the last `apply`.
    Undone,
    /// With exit code 78: the kubelet dies of the change, and the change is rolled back.
    PutBack,
}

/// A file that is edited.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) before: Content,
    /// Known once the run was made undisturbed.
    pub(super) after: Content,
}

/// Where a scenario is played, over and over.
pub struct Scene {
    pub(super) scenario: Scenario,
    pub(super) targets: Vec<Target>,
    pub(super) node: Option<Node>,
    directory: tempfile::TempDir,
    receipts: Vec<(PathBuf, Vec<u8>)>,
    /// The cluster's ClusterConfiguration, where the run changes that too.
    pub(super) before_configuration: Option<String>,
}

impl Scene {
    /// Everything as the run finds it, and known what it makes of it.
    pub fn set(scenario: Scenario) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let node = (scenario.place != Place::File).then(|| {
            if scenario.place == Place::ControlPlane {
                return instance::node(scenario.end);
            }
            let mut options = Options::default();
            options.knobs.standalone =
                matches!(scenario.place, Place::Node | Place::NodeAndKubeadm);
            if scenario.end == End::PutBack {
                options.knobs.die_after_ms_if_bootstrap = Some(30);
            }
            let node = Node::new(options);
            if scenario.place == Place::NodeAheadOfItsKubelet {
                node.api().auto_approve(APPROVED_AFTER);
            }
            node
        });
        let mut paths = vec![match &node {
            Some(node) if scenario.place == Place::ControlPlane => node.manifest_path(),
            Some(node) => node.config_path(),
            None => directory.path().join("config.yaml"),
        }];
        if node.is_none() {
            let config = include_str!("../../testdata/captured/1.36/config.yaml");
            fs::write(&paths[0], config).expect("a config");
        }
        if scenario.place == Place::NodeAndKubeadm {
            paths.push(directory.path().join("kubeadm.yaml"));
            fs::write(&paths[1], KUBEADM).expect("a kubeadm file");
        }
        for path in &paths {
            chown(path, Some(12), Some(34)).expect("chown");
            set_attribute(path, "user.origin", b"written by kubeadm\0\xff");
            set_attribute(path, "system.posix_acl_access", &acl_for_user_1000());
            // A bit that no ACL brings along.
            fs::set_permissions(path, Permissions::from_mode(0o1640)).expect("chmod");
        }
        let mut scene = Self {
            scenario,
            targets: Vec::new(),
            node,
            directory,
            receipts: Vec::new(),
            before_configuration: None,
        };
        for arguments in scenario.before {
            let run = scene.run_tool(arguments, &[]);
            assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
        }
        scene.receipts = scene
            .receipt_path()
            .iter()
            .flat_map(|path| names(path.parent().expect("a directory")))
            .filter(|path| path.extension().is_some_and(|json| json == "json"))
            .map(|path| (path.clone(), fs::read(path).expect("a receipt")))
            .collect();
        if scene.is_control_plane() {
            scene.before_configuration = scene.configuration();
        }
        let content = |path: &PathBuf| Snapshot::of(path).content;
        let mut contents: Vec<Content> = paths.iter().map(content).collect();
        for (path, before) in paths.iter().zip(contents.drain(..)) {
            assert_eq!((before.owner, before.attributes.len()), ((12, 34), 2));
            scene.targets.push(Target {
                path: path.clone(),
                after: before.clone(),
                before,
            });
        }
        let run = scene.run_tool(scenario.run, &[]);
        let wanted = match scenario.end {
            End::Changed | End::Undone => 0,
            End::PutBack => 78,
        };
        assert_eq!(
            run.code, wanted,
            "undisturbed: {}{}",
            run.stdout, run.stderr
        );
        let plane = scene.node.as_ref().filter(|_| scene.is_control_plane());
        let rendered = plane.map(|node| node.control_plane().manifest(node.api(), true));
        for target in &mut scene.targets {
            let text = Snapshot::of(&target.path).content.text;
            assert_eq!(text == target.before.text, scenario.end == End::PutBack);
            // A kubelet that dies of the change runs with it for a while.
            target.after.text = match scenario.end {
                End::Changed | End::Undone => text,
                End::PutBack => fs::read_to_string(&target.path).map_or(text, |text| {
                    let kind = "kind: KubeletConfiguration\n";
                    rendered.clone().unwrap_or_else(|| {
                        text.replacen(kind, &format!("{kind}serverTLSBootstrap: true\n"), 1)
                    })
                }),
            };
            assert_ne!(target.before, target.after);
        }
        scene
    }

    pub(super) fn is_control_plane(&self) -> bool {
        self.scenario.place == Place::ControlPlane
    }

    /// A place for a trace.
    pub fn trace(&self) -> PathBuf {
        self.directory.path().join("trace")
    }

    /// Runs it once with a fault in one call.
    pub fn run_with(&self, call: &Call, fault: Fault) -> Output {
        // A thread that is never born leaves that of the fault before.
        let _ = fs::remove_file(self.trace());
        let strace = fault.strace(call, &self.trace());
        if call.thread.nth == 0 {
            return self.run_tool(self.scenario.run, &strace);
        }
        let argv = [
            thread::STOPPED.map(OsString::from).to_vec(),
            self.tool(self.scenario.run),
        ];
        let patience = Duration::from_secs(TIMEOUT);
        thread::run(
            &mut self.command(&argv.concat()),
            call.thread.nth,
            &strace,
            patience,
        )
    }

    /// Runs it once and says which calls it makes from its first write on.
    pub fn calls(&self) -> Vec<Call> {
        self.reset();
        if self.scenario.place != Place::NodeOfCluster {
            self.run_tool(self.scenario.run, &trace::looking(&self.trace()));
            return trace::window(&self.trace());
        }
        let directory = tempfile::tempdir().expect("a directory");
        let trace = directory.path().join("trace");
        self.run_tool(self.scenario.run, &trace::looking_at_threads(&trace));
        trace::window_of_threads(&trace)
    }

    pub(super) fn run_tool(&self, arguments: &[&str], under: &[OsString]) -> Output {
        let timeout = ["timeout", "-s", "KILL", &TIMEOUT.to_string()].map(OsString::from);
        let argv = [&timeout, under, &self.tool(arguments)].concat();
        Output::of(self.command(&argv).stdin(Stdio::null()))
    }

    fn tool(&self, arguments: &[&str]) -> Vec<OsString> {
        let mut argv = vec![OsString::from(TOOL)];
        argv.extend(arguments.iter().map(OsString::from));
        match self.scenario.place {
            Place::File => argv.push(self.directory.path().join("config.yaml").into()),
            Place::Node | Place::NodeOfCluster | Place::NodeAheadOfItsKubelet => {}
            Place::ControlPlane => {
                let node = self.node.as_ref().expect("a node");
                let admin = node.path("/etc/kubernetes/admin.conf");
                argv.extend(["--kubeconfig".into(), admin.into()]);
                // A rollback knows it from the receipt.
                if arguments.contains(&"apply") {
                    argv.extend(["--manifest".into(), node.manifest_path().into()]);
                }
            }
            Place::NodeAndKubeadm => argv.extend([
                "--kubeadm-config".into(),
                self.directory.path().join("kubeadm.yaml").into(),
            ]),
        }
        argv
    }

    fn command(&self, argv: &[OsString]) -> Command {
        let (program, arguments) = argv.split_first().expect("a program");
        let mut command = match &self.node {
            Some(node) => node.command(program),
            None => Command::new(program),
        };
        command.args(arguments);
        command
    }

    /// Everything as before the run.
    pub fn reset(&self) {
        for target in &self.targets {
            let Target { path, before, .. } = target;
            for leftover in self.leftovers() {
                let _ = fs::remove_file(leftover);
            }
            fs::write(path, &before.text).expect("write");
            chown(path, Some(before.owner.0), Some(before.owner.1)).expect("chown");
            for (name, value) in &before.attributes {
                set_attribute(path, name, value);
            }
            fs::set_permissions(path, Permissions::from_mode(before.mode)).expect("chmod");
            assert_eq!(Snapshot::of(path).content, *before);
        }
        if let (Some(node), Some(receipt)) = (&self.node, self.receipt_path()) {
            let _ = fs::remove_dir_all(receipt.parent().expect("a directory"));
            for (path, bytes) in &self.receipts {
                fs::create_dir_all(receipt.parent().expect("a directory")).expect("mkdir");
                fs::write(path, bytes).expect("write");
                fs::set_permissions(path, Permissions::from_mode(0o600)).expect("chmod");
            }
            if self.is_control_plane() {
                return self.reset_instance();
            }
            for file in self.store() {
                fs::remove_file(file).expect("unlink");
            }
            // A restart that a killed run has asked for may still be under way: this one comes after it.
            node.restart_kubelet();
            for request in node.api().csrs() {
                node.api().delete_csr(&request.metadata.name);
            }
        }
    }

    pub(super) fn receipt_path(&self) -> Option<PathBuf> {
        let node = self.node.as_ref()?;
        let directory = node.path("/var/lib/kubelet-tls");
        Some(directory.join(match self.scenario.place {
            Place::ControlPlane => "api-server-receipt.json",
            _ => "receipt.json",
        }))
    }

    /// The serving certificates in the kubelet's store.
    pub(super) fn store(&self) -> Vec<PathBuf> {
        let serving = |path: &PathBuf| path.to_string_lossy().contains("/pki/kubelet-server-");
        let mut files = self.pki().map_or_else(Vec::new, |pki| names(&pki));
        files.retain(serving);
        files.sort();
        files
    }

    fn pki(&self) -> Option<PathBuf> {
        Some(self.node.as_ref()?.path("/var/lib/kubelet/pki"))
    }

    pub(super) fn leftovers(&self) -> Vec<PathBuf> {
        let ours = |name: &OsStr| name.to_string_lossy().starts_with(".kubelet-tls-");
        let parents = self.targets.iter().map(|target| target.path.parent());
        let directories = parents.map(|parent| parent.expect("a directory").to_owned());
        let mut found: Vec<PathBuf> = directories
            .chain(self.pki())
            .flat_map(|directory| names(&directory))
            .filter(|path| path.file_name().is_some_and(ours))
            .collect();
        if let Some(receipt) = self.receipt_path() {
            let beside = names(receipt.parent().expect("a directory"));
            // A lock file that no run holds keeps no run out.
            let lock = receipt.with_file_name("lock");
            let others = beside.into_iter();
            // That of the cluster's configuration, which an administrator's machine would have.
            let clusters = receipt.with_file_name("kubeadm-config-receipt.json");
            let known = [&receipt, &lock, &clusters];
            found.extend(others.filter(|path| !known.contains(&path)));
        }
        found.extend(self.second_manifests());
        found
    }
}

pub(super) fn mode(path: &Path) -> Option<u32> {
    let metadata = fs::metadata(path).ok()?;
    Some(metadata.permissions().mode() & 0o7777)
}

fn names(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
