//! `diff` and `apply` on files: no systemd, no API, no root.

mod diff;
mod failures;
mod kinds;
mod streams;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use standins::node::copy_program;

use super::{checked, kubelet_tls};

const REAL: &str = include_str!("../../testdata/captured/1.36/config.yaml");
const SHORT: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nrotateCertificates: true\n";
const ON: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nserverTLSBootstrap: true\nrotateCertificates: true\n";

fn scene(content: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, content).unwrap();
    (directory, path)
}

#[test]
fn apply_edits_the_file_and_keeps_its_mode_and_link() {
    let (directory, path) = scene(SHORT);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = directory.path().join("link.yaml");
    symlink("config.yaml", &link).unwrap();
    kubelet_tls(directory.path())
        .args(["apply", "link.yaml"])
        .assert()
        .code(0)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
--- link.yaml
+++ link.yaml
@@ -1,3 +1,4 @@
 apiVersion: kubelet.config.k8s.io/v1beta1
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 rotateCertificates: true

"#]]);
    assert_eq!(fs::read_to_string(&path).unwrap(), ON);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        2,
        "nothing is left behind"
    );

    kubelet_tls(directory.path())
        .args(["apply", "--disable", "config.yaml"])
        .assert()
        .code(0);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        ON.replace("p: true", "p: false")
    );
}

#[test]
fn a_dry_run_shows_the_same_and_changes_nothing() {
    let (directory, path) = scene(SHORT);
    let dry = kubelet_tls(directory.path())
        .args(["apply", "--dry-run", "config.yaml"])
        .assert()
        .code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), SHORT);
    let wet = kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0);
    assert_eq!(dry.get_output().stdout, wet.get_output().stdout);
    let printed = kubelet_tls(directory.path())
        .args([
            "apply",
            "--dry-run",
            "--disable",
            "config.yaml",
            "-o",
            "json",
        ])
        .assert()
        .code(0)
        .stdout_eq(snapbox::str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "kind": "ApplyResult",
  "changed": true,
  "dryRun": true,
  "edits": [
    {
      "target": "config.yaml",
      "changed": true,
      "diff": "--- config.yaml/n+++ config.yaml/n@@ -1,4 +1,4 @@/n apiVersion: kubelet.config.k8s.io/v1beta1/n kind: KubeletConfiguration/n-serverTLSBootstrap: true/n+serverTLSBootstrap: false/n rotateCertificates: true/n"
    }
  ],
  "warnings": []
}

"#]]);
    checked(printed.get_output());
}

#[test]
fn several_files_are_one_plan() {
    let (directory, path) = scene(SHORT);
    fs::write(directory.path().join("bad.yaml"), "kind: Pod\n").unwrap();
    fs::write(
        directory.path().join("kubeadm.yaml"),
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.2\n",
    )
    .unwrap();
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml", "bad.yaml"])
        .assert()
        .code(65)
        .stdout_eq("")
        .stderr_eq(snapbox::str![[r#"
error: cannot edit bad.yaml:1:1: this is a Pod, not a KubeletConfiguration; a KubeletConfiguration starts with these lines: apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration
hint: ${EDITOR:-vi} +1 bad.yaml

"#]]);
    assert_eq!(fs::read_to_string(&path).unwrap(), SHORT, "all or none");
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml", "bad.yaml", "kubeadm.yaml"])
        .assert()
        .code(65)
        .stdout_eq(snapbox::str![[r#"
--- config.yaml
+++ config.yaml
@@ -1,3 +1,4 @@
 apiVersion: kubelet.config.k8s.io/v1beta1
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 rotateCertificates: true
--- kubeadm.yaml
+++ kubeadm.yaml
@@ -1,3 +1,7 @@
 apiVersion: kubeadm.k8s.io/v1beta4
 kind: ClusterConfiguration
 kubernetesVersion: v1.36.2
+---
+apiVersion: kubelet.config.k8s.io/v1beta1
+kind: KubeletConfiguration
+serverTLSBootstrap: true

"#]]);
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml", "kubeadm.yaml"])
        .assert()
        .code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), ON);
}

#[test]
fn files_under_root_are_edited_without_systemd_or_the_api() {
    let directory = tempfile::tempdir().unwrap();
    let kubelet = directory.path().join("image/var/lib/kubelet");
    fs::create_dir_all(&kubelet).unwrap();
    fs::write(kubelet.join("config.yaml"), SHORT).unwrap();
    kubelet_tls(directory.path())
        .args(["diff", "--root", "image"])
        .assert()
        .code(1)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
--- image/var/lib/kubelet/config.yaml
+++ image/var/lib/kubelet/config.yaml
@@ -1,3 +1,4 @@
 apiVersion: kubelet.config.k8s.io/v1beta1
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 rotateCertificates: true

"#]]);
    let printed = kubelet_tls(directory.path())
        .args(["apply", "--root", "image", "-o", "json"])
        .assert()
        .code(0)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "kind": "ApplyResult",
  "changed": true,
  "dryRun": false,
  "edits": [
    {
      "target": "image/var/lib/kubelet/config.yaml",
      "changed": true,
      "diff": "--- image/var/lib/kubelet/config.yaml/n+++ image/var/lib/kubelet/config.yaml/n@@ -1,3 +1,4 @@/n apiVersion: kubelet.config.k8s.io/v1beta1/n kind: KubeletConfiguration/n+serverTLSBootstrap: true/n rotateCertificates: true/n"
    }
  ],
  "restart": null,
  "csr": null,
  "certificate": null,
  "rolledBack": false,
  "warnings": []
}

"#]]);
    checked(printed.get_output());
    assert_eq!(fs::read_to_string(kubelet.join("config.yaml")).unwrap(), ON);
}

/// Holds the lock that a run of this user takes to edit in `directory`.
pub(crate) fn hold_lock(directory: &Path) -> nix::fcntl::Flock<fs::File> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
    let me = nix::unistd::geteuid();
    let runtime = match std::env::var_os("XDG_RUNTIME_DIR") {
        _ if me.is_root() => "/run".into(),
        Some(named) => named,
        None => format!("/run/user/{me}").into(),
    };
    let runtime = Path::new(&runtime).join("kubelet-tls");
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(&runtime)
        .unwrap();
    let edited = fs::metadata(directory).unwrap();
    let name = format!("{:x}-{:x}.lock", edited.dev(), edited.ino());
    flock(&fs::File::create(runtime.join(name)).unwrap())
}

fn flock(file: &fs::File) -> nix::fcntl::Flock<fs::File> {
    let exclusive = nix::fcntl::FlockArg::LockExclusiveNonblock;
    nix::fcntl::Flock::lock(file.try_clone().unwrap(), exclusive)
        .map_err(|(_, error)| error)
        .unwrap()
}

/// Every file of the corpus through the real binary; `cases.json` says what must come of it.
#[test]
fn the_binary_does_what_each_case_of_the_corpus_says() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus");
    let cases: serde_json::Value =
        serde_json::from_slice(&fs::read(corpus.join("cases.json")).unwrap()).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(cases.len() >= 122);
    for case in cases {
        let name = case["file"].as_str().unwrap();
        let bytes = fs::read(corpus.join(name)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.yaml");
        fs::write(&path, &bytes).unwrap();
        let run = |verb: &str| {
            let output = kubelet_tls(directory.path())
                .args([verb, "config.yaml"])
                .output()
                .unwrap();
            (
                output.status.code().unwrap(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )
        };
        let expected = match name {
            // "(or refuse)", says the case; the kubelet does not load it, and YAML 1.1 and 1.2 differ over its lines.
            "099-nel-ls-ps.yaml" => "refuse",
            // The edit can be made there, and `kubeadm join` would not read it: the verbs refuse it.
            "128-join-with-kubelet.yaml" => "refuse",
            _ => case["expect"].as_str().unwrap(),
        };
        let (code, error) = run("diff");
        let wanted = match expected {
            "noop" => 0,
            "refuse" => 65,
            _ => 1,
        };
        assert_eq!(code, wanted, "{name}: {error}");
        if expected == "refuse" {
            assert!(
                error.contains("error: cannot edit config.yaml"),
                "{name}: {error}"
            );
            assert!(error.contains("hint: "), "{name}: {error}");
            let place = error.split("config.yaml:").nth(1).unwrap_or_default();
            assert!(
                place.starts_with(|digit: char| digit.is_ascii_digit()),
                "{name}: {error}"
            );
            assert_eq!(run("apply").0, 65);
        } else {
            assert_eq!(run("apply").0, 0);
            assert_eq!(run("diff").0, 0, "{name}: applying twice is applying once");
        }
        if matches!(expected, "noop" | "refuse") {
            assert_eq!(fs::read(&path).unwrap(), bytes, "{name}");
        } else {
            assert_ne!(fs::read(&path).unwrap(), bytes, "{name}");
        }
    }
}
