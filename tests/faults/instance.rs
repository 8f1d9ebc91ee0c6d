//! A control-plane node of stand-ins: the manifest of its API server is edited, and the kubelet restarts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use standins::kube_apiserver::{Behaviour, Readyz};
use standins::{Node, Options};

use super::scene::{End, SOON, Scene};

/// Of an instance: quickly, so that many runs fit into a test.
const START_MS: u64 = 60;

/// A control-plane node whose kubelet serves a certificate of the cluster's CA. Its processes are alone in their process
/// table, since a run reads all of that, and its calls are to be the same each time.
pub fn node(end: End) -> Node {
    let node = Node::secured_control_plane(Options {
        own_processes: true,
        ..Options::default()
    });
    node.behave(&Behaviour {
        start_ms: START_MS,
        readyz: match end {
            End::PutBack => Readyz::Error,
            End::Changed | End::Undone => Readyz::Ok,
        },
        only_verifying: end == End::PutBack,
        ..Behaviour::default()
    });
    node
}

impl Scene {
    /// The ClusterConfiguration of the cluster, which the run changes too.
    pub(super) fn configuration(&self) -> Option<String> {
        let found = self
            .node
            .as_ref()?
            .api()
            .configmap("kube-system", "kubeadm-config");
        Some(found.expect("kubeadm-config").data["ClusterConfiguration"].clone())
    }

    /// Waits until the API server runs as its manifest says and is ready.
    pub(super) fn await_instance(&self) {
        let ready = self
            .node()
            .wait_for(SOON, |node| self.runs_as_it_says(node));
        assert!(ready, "no API server:\n{}", self.node().journal());
    }

    fn runs_as_it_says(&self, node: &Node) -> bool {
        let manifest = fs::read_to_string(node.manifest_path()).expect("a manifest");
        let verifies = manifest.contains("--kubelet-certificate-authority=");
        let process = node.control_plane().process(Path::new("/proc"));
        process.is_some_and(|(_, flag)| flag.is_some() == verifies)
            && node.control_plane().readyz() == Some(200)
    }

    /// Puts the cluster's configuration back, after the manifest.
    pub(super) fn reset_instance(&self) {
        let text = self.before_configuration.clone().expect("a cluster");
        if self.configuration().as_ref() != Some(&text) {
            let data = [("ClusterConfiguration", &*text)];
            let api = self.node().api();
            api.set_configmap("kube-system", "kubeadm-config", &data);
        }
        self.await_instance();
    }

    /// What the kubelet would read beside the manifest.
    pub(super) fn second_manifests(&self) -> Vec<PathBuf> {
        let Some(node) = self.node.as_ref().filter(|_| self.is_control_plane()) else {
            return Vec::new();
        };
        let manifest = node.manifest_path();
        let entries = fs::read_dir(manifest.parent().expect("a directory")).expect("a directory");
        entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                let name = path.file_name().expect("a name").to_string_lossy();
                *path != manifest && !name.starts_with('.')
            })
            .collect()
    }

    /// What is wrong with the API server and the cluster's configuration after the run that follows a fault.
    pub(super) fn ill_instance(&self) -> Option<String> {
        let node = self.node();
        if !node.wait_for(Duration::from_secs(5), |node| self.runs_as_it_says(node)) {
            return Some(format!(
                "the API server is not as its manifest says:\n{}",
                node.journal()
            ));
        }
        let flag = "kubelet-certificate-authority";
        let has_flag = self.configuration().expect("a cluster").contains(flag);
        (has_flag != (self.scenario.end == End::Changed))
            .then(|| format!("kubeadm-config has the flag: {has_flag}"))
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("a node")
    }
}
