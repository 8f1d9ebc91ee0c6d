//! A control-plane node as `kubeadm init` leaves it: a worker whose kubelet also runs an instance of the API server as a
//! static Pod.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use standins::api::NodeSpec;
use standins::kube_apiserver::Behaviour;
use standins::node::{ControlPlane, MANIFEST, NodeFile, Release};
use standins::{ApiServer, Config, pace};

use super::command::Invocation;
use super::worker::{CONFIG, ENABLED, Worker};
use support::snapshot::Snapshot;

const SOON: Duration = Duration::from_secs(20);
const ROLE: &str = "node-role.kubernetes.io/control-plane";

pub struct ControlPlaneNode {
    pub worker: Worker,
    pub instance: ControlPlane,
}

/// The instance's process and the value of its flag.
type Process = (u32, Option<String>);

impl ControlPlaneNode {
    /// The only control-plane node of a cluster, its kubelet secured.
    pub fn start(label: &str) -> Self {
        let api = Arc::new(ApiServer::start(Config::default()));
        api.auto_approve(Duration::ZERO);
        Self::join(label, api, "control-plane-1", "127.0.0.2", Kubelet::Secured)
    }

    /// A control-plane node of this cluster.
    pub fn join(
        label: &str,
        api: Arc<ApiServer>,
        name: &str,
        address: &str,
        kubelet: Kubelet,
    ) -> Self {
        let instance = ControlPlane::new(&api, Release::V1_36, address, "");
        let worker = Worker::join(label, api, name, address);
        worker.api.set_node(NodeSpec {
            kubelet_port: worker.port(),
            labels: [(ROLE.to_owned(), String::new())].into(),
            server_tls_bootstrap: Some(kubelet == Kubelet::Secured),
            ..NodeSpec::new(name, address)
        });
        let machine = &worker.machine;
        symlink("kubelet", machine.path("/usr/bin/kube-apiserver")).expect("a link");
        if kubelet == Kubelet::Secured {
            let config = machine.read_text(CONFIG);
            machine.write(CONFIG, format!("{config}{ENABLED}\n"), 0o644);
        }
        for file in instance.files(&worker.api) {
            machine.write(&file.path, &file.text, file.mode);
        }
        let node = Self { worker, instance };
        node.worker.start_kubelet();
        node.await_instance(0);
        if kubelet == Kubelet::Secured {
            node.worker.await_handshake(SOON);
        }
        node
    }

    /// How the instance behaves from its next start on.
    pub fn behave(&self, behaviour: &Behaviour) {
        let NodeFile { path, text, mode } = ControlPlane::behaviour(behaviour);
        self.worker.machine.write(path, text, mode);
    }

    pub fn tool(&self, arguments: &[&str]) -> Invocation {
        self.worker.tool(arguments)
    }

    /// The manifest as kubeadm renders it, with the flag or without.
    pub fn rendered(&self, verifies: bool) -> String {
        self.instance.manifest(&self.worker.api, verifies)
    }

    pub fn manifest(&self) -> String {
        self.worker.machine.read_text(MANIFEST)
    }

    /// Everything about the manifest and its directory.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(&self.worker.machine.path(MANIFEST))
    }

    /// The ClusterConfiguration that kubeadm keeps for the next upgrade.
    pub fn cluster_configuration(&self) -> String {
        let found = self.worker.api.configmap("kube-system", "kubeadm-config");
        found.expect("kubeadm-config").data["ClusterConfiguration"].clone()
    }

    /// Replaces the manifest by a rename from a file that the kubelet does not read.
    pub fn replace(&self, text: &str) {
        let path = self.worker.machine.path(MANIFEST);
        let new = path.with_file_name(".new");
        fs::write(&new, text).expect("a file");
        fs::rename(&new, &path).expect("rename");
    }

    pub fn process(&self) -> Option<Process> {
        self.instance.process(&self.worker.machine.path("/proc"))
    }

    /// Whether the instance's process verifies kubelets; false where none runs.
    pub fn verifies(&self) -> bool {
        self.process().is_some_and(|(_, flag)| flag.is_some())
    }

    /// Waits for an instance that is ready in another process than `before`.
    pub fn await_instance(&self, before: u32) {
        let is_there = pace::wait_for(SOON, || {
            self.process().is_some_and(|(pid, _)| pid != before)
                && self.instance.readyz() == Some(200)
        });
        assert!(is_there, "no API server:\n{}", self.worker.journal());
    }

    /// No file that the kubelet would read lies beside the manifest, and none of ours.
    pub fn assert_alone(&self) {
        let directory = "/etc/kubernetes/manifests";
        let names = self.worker.machine.must(&["ls", "-A", directory]);
        assert_eq!(names, "kube-apiserver.yaml");
    }
}

/// Whether a node's kubelet serves a certificate of the cluster's CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kubelet {
    Secured,
    SelfSigned,
}
