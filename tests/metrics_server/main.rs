//! `metrics-server`: what it writes, rendered by kustomize, verified by OpenSSL and by rustls; and what it sees of one.
//!
//! `SNAPSHOTS=overwrite cargo test --test metrics_server` writes the expected manifests again after a wanted change.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test looks at files itself, and fails by panicking"
)]

mod apply;
mod certificates;
mod check;
mod directory;
mod objects;
mod refusals;
mod rendered;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use standins::Output;

/// A directory with the manifest below and a CA beside the one that is written.
struct Scene {
    work: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let work = tempfile::tempdir().unwrap();
        let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let copy = |from: &str, to: &str| fs::copy(testdata.join(from), work.path().join(to));
        copy("metrics-server/base.yaml", "base.yaml").unwrap();
        copy("captured/1.36/ca.crt", "ca.crt").unwrap();
        Self { work }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    /// `DIR`, which `--out` names.
    fn out(&self) -> PathBuf {
        self.path("out")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubelet-tls"));
        command
            .current_dir(self.work.path())
            .env_remove("KUBECONFIG")
            .env("KUBELET_TLS_STATE_DIR", self.path("state"))
            .arg("metrics-server")
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Output::of(&mut self.command(arguments))
    }

    /// Writes into `out`, which must do.
    fn write(&self, options: &[&str]) -> Output {
        let output = self.run(&[&["--out", "out"], options].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(!output.stdout.contains("PRIVATE KEY") && !output.stderr.contains("PRIVATE KEY"));
        output
    }

    /// What is in `out`, by name.
    fn files(&self) -> BTreeMap<String, Vec<u8>> {
        fs::read_dir(self.out())
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read(entry.path()).unwrap())
            })
            .collect()
    }

    fn names(&self) -> Vec<String> {
        self.files().into_keys().collect()
    }

    fn yaml(&self, name: &str) -> serde_json::Value {
        serde_yaml::from_slice(&fs::read(self.out().join(name)).unwrap()).unwrap()
    }

    /// The CAs that the API server verifies with, in DER.
    fn ca_bundle(&self) -> Vec<Vec<u8>> {
        let bundle = self.yaml("apiservice.yaml")["spec"]["caBundle"].clone();
        let pem: k8s_openapi::ByteString = serde_json::from_value(bundle).unwrap();
        kubelet_tls::parts::metrics_server::certificates(&pem.0).unwrap()
    }
}
