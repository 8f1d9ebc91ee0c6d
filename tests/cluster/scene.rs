//! A cluster and its administrator.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use standins::api::{ConfigMap, NodeSpec};
use standins::{ApiServer, Config, Matcher, Output};

pub(crate) struct Scene {
    pub(crate) api: ApiServer,
    pub(crate) directory: tempfile::TempDir,
    /// Of the ConfigMap that kubeadm of this version reads.
    pub(crate) name: String,
}

impl Scene {
    /// A cluster of this version with three nodes, none of which has the change.
    pub(crate) fn of(version: &str) -> Self {
        let api = ApiServer::start(Config {
            version: version.into(),
            ..Config::default()
        });
        for (name, ip) in [
            ("control-plane-1", "10.0.0.1"),
            ("worker-1", "10.0.0.7"),
            ("worker-2", "10.0.0.8"),
        ] {
            api.set_node(NodeSpec::new(name, ip));
        }
        let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
        let name = if minor <= 23 {
            format!("kubelet-config-1.{minor}")
        } else {
            "kubelet-config".to_owned()
        };
        let directory = tempfile::tempdir().unwrap();
        api.admin_kubeconfig(directory.path());
        Self {
            api,
            directory,
            name,
        }
    }

    pub(crate) fn new() -> Self {
        Self::of("v1.36.2")
    }

    /// One whose text is this.
    pub(crate) fn with_text(text: &str) -> Self {
        let scene = Self::new();
        scene.change(|map| {
            map.data.insert("kubelet".into(), text.into());
        });
        scene
    }

    /// The binary, with nothing of the caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"));
        command
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBELET_TLS_STATE_DIR", self.state())
            .current_dir("/");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let output = Output::of(&mut self.command(arguments));
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        output
    }

    /// Runs it and checks the exit code.
    pub(crate) fn expect(&self, arguments: &[&str], code: i32) -> Output {
        let output = self.run(arguments);
        assert_eq!(
            output.code, code,
            "{arguments:?}\n{}---\n{}",
            output.stdout, output.stderr
        );
        output
    }

    /// The document of a run.
    pub(crate) fn document(&self, arguments: &[&str], code: i32) -> serde_json::Value {
        let output = self.expect(&[arguments, &["-o", "json"]].concat(), code);
        serde_json::from_str(&output.stdout).unwrap()
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> String {
        let path = self.directory.path().join("admin.conf");
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub(crate) fn receipt(&self) -> serde_json::Value {
        let bytes = fs::read(self.state().join("cluster-receipt.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub(crate) fn configmap(&self) -> ConfigMap {
        self.api.configmap("kube-system", &self.name).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        self.configmap().data["kubelet"].clone()
    }

    /// Changes the ConfigMap as another client would.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ConfigMap)) {
        let mut map = self.configmap();
        change(&mut map);
        self.api.set_configmap_object(map);
    }

    /// Requests that change something, or try to.
    pub(crate) fn writes(&self) -> usize {
        let log = self.api.requests();
        log.iter().filter(|request| request.method != "GET").count()
    }
}

/// The tool's writes.
pub(crate) fn writes() -> Matcher {
    Matcher::new().method("PATCH").path("/configmaps/")
}

/// The tool's reads of the ConfigMap.
pub(crate) fn reads() -> Matcher {
    Matcher::new()
        .method("GET")
        .path("/configmaps/kubelet-config")
}
