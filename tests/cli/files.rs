//! `diff` and `apply` on files: no systemd, no API, no root.

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

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn diff_shows_the_one_line_and_exits_1() {
    let (directory, path) = scene(REAL);
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml"])
        .assert()
        .code(1)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
--- config.yaml
+++ config.yaml
@@ -27,6 +27,7 @@
 imageMaximumGCAge: 0s
 imageMinimumGCAge: 0s
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 logging:
   flushFrequency: 0
   options:

"#]]);
    assert_eq!(fs::read_to_string(path).unwrap(), REAL);
}

#[test]
fn diff_is_coloured_when_asked() {
    let (directory, _) = scene(SHORT);
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml", "--color", "always"])
        .assert()
        .code(1)
        .stdout_eq(snapbox::str![[r#"
[1m--- config.yaml[0m
[1m+++ config.yaml[0m
[36m@@ -1,3 +1,4 @@[0m
 apiVersion: kubelet.config.k8s.io/v1beta1
 kind: KubeletConfiguration
[32m+serverTLSBootstrap: true[0m
 rotateCertificates: true

"#]]);
    // A pipe gets no colours, nor does NO_COLOR; CLICOLOR_FORCE brings them back.
    let plain = kubelet_tls(directory.path())
        .args(["diff", "config.yaml"])
        .output()
        .unwrap()
        .stdout;
    assert!(!plain.contains(&0x1b));
    let forced = kubelet_tls(directory.path())
        .args(["diff", "config.yaml"])
        .env("CLICOLOR_FORCE", "1");
    assert!(forced.output().unwrap().stdout.contains(&0x1b));
    let never = kubelet_tls(directory.path())
        .args(["diff", "config.yaml", "--color=never"])
        .env("CLICOLOR_FORCE", "1");
    assert!(!never.output().unwrap().stdout.contains(&0x1b));
}

#[test]
fn diff_prints_documents_and_names() {
    let (directory, _) = scene(SHORT);
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml", "-o", "json"])
        .assert()
        .code(1)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "kind": "DiffResult",
  "changed": true,
  "edits": [
    {
      "target": "config.yaml",
      "changed": true,
      "diff": "--- config.yaml/n+++ config.yaml/n@@ -1,3 +1,4 @@/n apiVersion: kubelet.config.k8s.io/v1beta1/n kind: KubeletConfiguration/n+serverTLSBootstrap: true/n rotateCertificates: true/n"
    }
  ],
  "warnings": []
}

"#]]);
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml", "-o", "yaml"])
        .assert()
        .code(1)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
apiVersion: kubelet-tls/v1
kind: DiffResult
changed: true
edits:
- target: config.yaml
  changed: true
  diff: |
    --- config.yaml
    +++ config.yaml
    @@ -1,3 +1,4 @@
     apiVersion: kubelet.config.k8s.io/v1beta1
     kind: KubeletConfiguration
    +serverTLSBootstrap: true
     rotateCertificates: true
warnings: []

"#]]);
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml", "-o", "name"])
        .assert()
        .code(1)
        .stdout_eq("config.yaml\n");
}

#[test]
fn a_file_that_has_the_value_is_exit_0_and_not_written() {
    let (directory, path) = scene(ON);
    let before = fs::metadata(&path).unwrap();
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml"])
        .assert()
        .code(0)
        .stdout_eq("")
        .stderr_eq("");
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0)
        .stdout_eq("")
        .stderr_eq("config.yaml: unchanged: serverTLSBootstrap is already true\n");
    kubelet_tls(directory.path())
        .args(["apply", "-q", "config.yaml"])
        .assert()
        .code(0)
        .stdout_eq("")
        .stderr_eq("");
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (before.ino(), before.mtime_nsec(), before.ctime_nsec()),
        (after.ino(), after.mtime_nsec(), after.ctime_nsec())
    );
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
fn the_result_goes_through_a_pipe() {
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .args(["apply", "-"])
        .stdin(SHORT)
        .assert()
        .code(0)
        .stdout_eq(ON)
        .stderr_eq(snapbox::str![[r#"
--- -
+++ -
@@ -1,3 +1,4 @@
 apiVersion: kubelet.config.k8s.io/v1beta1
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 rotateCertificates: true

"#]]);
    kubelet_tls(directory.path())
        .args(["apply", "-"])
        .stdin(ON)
        .assert()
        .code(0)
        .stdout_eq(ON);
    kubelet_tls(directory.path())
        .args(["apply", "-q", "--dry-run", "-"])
        .stdin(SHORT)
        .assert()
        .code(0)
        .stdout_eq(SHORT)
        .stderr_eq("");
    kubelet_tls(directory.path())
        .args(["diff", "-"])
        .stdin(SHORT)
        .assert()
        .code(1)
        .stdout_eq(snapbox::str![[r#"
--- -
+++ -
@@ -1,3 +1,4 @@
 apiVersion: kubelet.config.k8s.io/v1beta1
 kind: KubeletConfiguration
+serverTLSBootstrap: true
 rotateCertificates: true

"#]]);
    // Nothing that could be taken for a result.
    kubelet_tls(directory.path())
        .args(["apply", "-"])
        .stdin("a: [\n")
        .assert()
        .code(65)
        .stdout_eq("")
        .stderr_eq(snapbox::str![[r#"
error: cannot edit -:1:4: unclosed bracket '['; correct the file there, then run the same command again

"#]]);
}

#[test]
fn an_empty_standard_input_is_told_from_an_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    for (arguments, input) in [
        (&["diff", "-"][..], ""),
        (&["diff", "-"], " \n\n"),
        (&["apply", "-"], ""),
        (&["diff", "--api-server", "-"], ""),
    ] {
        kubelet_tls(directory.path())
            .args(arguments)
            .stdin(input)
            .assert()
            .code(65)
            .stdout_eq("")
            .stderr_eq(snapbox::str![[r#"
error: cannot edit -: standard input is empty; run the command before the pipe alone, to see why it prints nothing
hint: kubelet-tls diff --help

"#]]);
    }
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

#[test]
fn files_that_cannot_be_read_or_written_are_errors() {
    let (directory, path) = scene(SHORT);
    fs::create_dir(directory.path().join("directory")).unwrap();
    let fails = |arguments: &[&str], code, expected: &str| {
        kubelet_tls(directory.path())
            .args(arguments)
            .assert()
            .code(code)
            .stdout_eq("")
            .stderr_eq(expected.to_owned());
    };
    fails(
        &["diff", "none.yaml"],
        74,
        "error: cannot read none.yaml: no such file or directory\nhint: ls -l .\n",
    );
    fails(
        &["apply", "none.yaml"],
        74,
        "error: cannot read none.yaml: no such file or directory\nhint: ls -l .\n",
    );
    fails(
        &["diff", "directory"],
        74,
        "error: cannot read directory: it is a directory, not a regular file; name a file in it\nhint: ls directory\n",
    );
    fs::hard_link(&path, directory.path().join("other.yaml")).unwrap();
    fails(
        &["apply", "config.yaml"],
        74,
        "error: cannot write config.yaml: it has 2 hard links, and replacing the file would break them\nhint: find / -xdev -samefile config.yaml\n",
    );
    fails(
        &["apply", "--dry-run", "config.yaml"],
        74,
        "error: cannot write config.yaml: it has 2 hard links[..]\n...\n",
    );
    let large = directory.path().join("large.yaml");
    fs::write(&large, "#".repeat(1024 * 1024 + 1)).unwrap();
    fails(
        &["diff", "large.yaml"],
        65,
        "error: cannot read large.yaml: larger than 1048576 bytes; a kubelet or kubeadm configuration is far smaller\nhint: ls -l large.yaml\n",
    );
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

/// flock(2) on the directory itself is for anyone who may read it.
#[test]
fn another_program_that_locks_the_directory_delays_no_run() {
    let (directory, path) = scene(SHORT);
    let _lock = flock(&fs::File::open(directory.path()).unwrap());
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), ON);
}

#[test]
fn a_directory_that_another_run_holds_is_75() {
    let (directory, path) = scene(SHORT);
    let lock = hold_lock(directory.path());
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(75)
        .stderr_eq("error: cannot write config.yaml: another kubelet-tls holds the lock in [..]; wait for it to end\nhint: [..]kubelet-tls apply config.yaml\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), SHORT);
    // Looking needs no lock.
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml"])
        .assert()
        .code(1);
    drop(lock);
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0);
}

#[test]
fn without_permission_it_is_77() {
    let (directory, path) = scene(SHORT);
    // As root nothing is forbidden: then another user tries.
    let as_nobody = |arguments: &[&str]| {
        use std::os::unix::process::CommandExt as _;
        let binary = directory.path().join("kubelet-tls");
        if !binary.exists() {
            copy_program(env!("CARGO_BIN_EXE_kubelet-tls"), &binary);
        }
        let mut command = std::process::Command::new(binary);
        command.current_dir(directory.path()).args(arguments);
        if is_root() {
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    };
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let read_only = as_nobody(&["apply", "config.yaml"]);
    assert_eq!(
        read_only.status.code(),
        Some(77),
        "{}",
        String::from_utf8_lossy(&read_only.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&read_only.stderr),
        format!(
            "error: cannot write config.yaml: permission denied\nhint: sudo {} apply config.yaml\n",
            directory.path().join("kubelet-tls").display()
        )
    );
    assert_eq!(as_nobody(&["diff", "config.yaml"]).status.code(), Some(1));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(as_nobody(&["diff", "config.yaml"]).status.code(), Some(77));
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_else(|_| SHORT.into()),
        SHORT
    );
}

#[test]
fn a_closed_standard_output_stops_nothing() {
    let (directory, path) = scene(SHORT);
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_kubelet-tls"))
        .current_dir(directory.path())
        .args(["apply", "config.yaml"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_to_string(path).unwrap(), ON);
}

#[test]
fn a_full_standard_output_is_74_unless_a_change_is_made() {
    let (directory, path) = scene(SHORT);
    let error = "error: cannot write standard output: no storage space\n";
    let warning =
        "warning: cannot write standard output: no storage space; the change is in place\n";
    let off = ON.replace("true\nrotate", "false\nrotate");
    let dry = format!("(dry run) nothing was changed\n{error}");
    for (arguments, code, said, after) in [
        (&["diff", "config.yaml"][..], 74, error, SHORT),
        (&["apply", "--dry-run", "config.yaml"], 74, &dry, SHORT),
        (&["apply", "-o", "json", "config.yaml"], 0, warning, ON),
        // nothing to do any more
        (&["apply", "-q", "-o", "json", "config.yaml"], 74, error, ON),
        (&["apply", "--disable", "config.yaml"], 0, warning, &off),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_kubelet-tls"))
            .current_dir(directory.path())
            .args(arguments)
            .stdout(
                fs::OpenOptions::new()
                    .write(true)
                    .open("/dev/full")
                    .unwrap(),
            )
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), said);
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }
    // There the result itself is lost.
    let lost = std::process::Command::new("sh")
        .args(["-c", "\"$0\" apply - <config.yaml >/dev/full"])
        .arg(env!("CARGO_BIN_EXE_kubelet-tls"))
        .current_dir(directory.path())
        .status();
    assert_eq!(lost.unwrap().code(), Some(74));
}

/// `--patches` writes kubeadm's patch file in the same plan, and `rollback` removes it again.
#[test]
fn a_patch_of_kubeadms_is_part_of_the_plan() {
    let directory = tempfile::tempdir().unwrap();
    let kubelet = directory.path().join("image/var/lib/kubelet");
    let patches = directory.path().join("image/patches");
    fs::create_dir_all(&kubelet).unwrap();
    fs::write(kubelet.join("config.yaml"), SHORT).unwrap();
    let run = |arguments: &[&str]| {
        let command = kubelet_tls(directory.path());
        command.args(arguments).assert()
    };
    let rooted = ["--root", "image", "--patches", "image/patches"];
    let with = |verb: &'static str, more: &[&'static str]| {
        let words = std::iter::once(verb)
            .chain(rooted)
            .chain(more.iter().copied());
        words.collect::<Vec<_>>()
    };
    run(&with("apply", &[])).code(74).stderr_eq(
        "error: cannot read image/patches: no such file or directory\nhint: mkdir -p image/patches\n",
    );
    assert_eq!(
        fs::read_to_string(kubelet.join("config.yaml")).unwrap(),
        SHORT
    );

    fs::create_dir(&patches).unwrap();
    run(&with("diff", &["-o", "name"])).code(1).stdout_eq(
        "image/var/lib/kubelet/config.yaml\nimage/patches/kubeletconfiguration0+merge.yaml\n",
    );
    run(&with("apply", &["--dry-run", "-q"])).code(0);
    assert_eq!(fs::read_dir(&patches).unwrap().count(), 0);
    run(&with("apply", &[])).code(0).stderr_eq(
        "image/patches/kubeletconfiguration0+merge.yaml takes effect where kubeadm is given the directory (Kubernetes 1.25 and later): kubeadm upgrade node --patches image/patches\n",
    ).stdout_eq("...\n--- /dev/null\n+++ image/patches/kubeletconfiguration0+merge.yaml\n@@ -0,0 +1 @@\n+serverTLSBootstrap: true\n");
    let patch = patches.join("kubeletconfiguration0+merge.yaml");
    assert_eq!(
        fs::read_to_string(&patch).unwrap(),
        "serverTLSBootstrap: true\n"
    );
    run(&with("diff", &[])).code(0);

    // The receipt of an image is believed about the kubelet's own files alone.
    run(&["rollback", "--root", "image", "-q"]).code(78);
    assert!(patch.exists());
    let named = "image/patches/kubeletconfiguration0+merge.yaml";
    run(&[
        "rollback",
        "--root",
        "image",
        "-q",
        "--kubeadm-config",
        named,
    ])
    .code(0);
    assert!(!patch.exists());
    assert_eq!(
        fs::read_to_string(kubelet.join("config.yaml")).unwrap(),
        SHORT
    );

    // Of several the last one that has the key decides; without any, the last one gets it.
    fs::write(
        patches.join("kubeletconfiguration.yaml"),
        "serverTLSBootstrap: false\n",
    )
    .unwrap();
    fs::write(
        patches.join("kubeletconfiguration5+strategic.yaml"),
        "maxPods: 5\n",
    )
    .unwrap();
    fs::write(patches.join("kube-apiserver0+merge.yaml"), "spec: {}\n").unwrap();
    run(&with("apply", &["-q"])).code(0);
    assert_eq!(
        fs::read_to_string(patches.join("kubeletconfiguration.yaml")).unwrap(),
        "serverTLSBootstrap: true\n"
    );
    fs::remove_file(patches.join("kubeletconfiguration.yaml")).unwrap();
    run(&with("apply", &["-q"])).code(0);
    assert_eq!(
        fs::read_to_string(patches.join("kubeletconfiguration5+strategic.yaml")).unwrap(),
        "maxPods: 5\nserverTLSBootstrap: true\n"
    );
    assert!(!patch.exists());
    // Without the key a patch says nothing, so disabling adds nothing.
    fs::remove_file(patches.join("kubeletconfiguration5+strategic.yaml")).unwrap();
    run(&with("apply", &["-q", "--disable"])).code(0);
    assert!(!patch.exists());
}

/// The reflex: the file of a kubelet that runs here is edited, and the verb without FILE is named.
#[test]
fn the_file_that_a_kubelet_reads_is_told_apart() {
    let (directory, path) = scene(SHORT);
    let program = directory.path().join("kubelet");
    copy_program("/bin/sh", &program);
    let mut kubelet = std::process::Command::new(&program)
        .args(["-c", "read end", "kubelet"])
        .arg(format!("--config={}", path.display()))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let warning = "warning: config.yaml is the file that this machine's kubelet reads, and only the file is edited: the kubelet is not restarted, and rollback will not know of it; for the whole change: kubelet-tls apply";
    kubelet_tls(directory.path())
        .args(["apply", "--dry-run", "config.yaml"])
        .assert()
        .code(0)
        .stderr_eq(format!("{warning}\n(dry run) nothing was changed\n"));
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml", "--disable"])
        .assert()
        .code(0)
        .stderr_eq(format!(
            "{warning} --disable\nconfig.yaml: unchanged: serverTLSBootstrap is already off\n"
        ));
    drop(kubelet.stdin.take());
    kubelet.wait().unwrap();
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0)
        .stderr_eq("");
}

/// What a new user types first: each answer says what is wrong, and one next step.
#[test]
fn first_attempts_are_answered_in_the_readers_terms() {
    let (directory, _) = scene("kind: KubeletConfiguration\napiVersion: [\n");
    fs::write(
        directory.path().join("program"),
        b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe",
    )
    .unwrap();
    fs::create_dir(directory.path().join("image")).unwrap();
    symlink("circle", directory.path().join("circle")).unwrap();
    symlink("gone", directory.path().join("dangling")).unwrap();
    fs::write(directory.path().join("contexts"), "kind: Config\n").unwrap();
    fs::write(directory.path().join("kubelet"), SHORT).unwrap();
    for (arguments, code, said) in [
        (
            &["diff", "program"][..],
            65,
            "error: cannot edit program:1:1: this is a binary file, not YAML or JSON; name the kubelet's or kubeadm's configuration file\nhint: kubelet-tls diff --help\n",
        ),
        (
            &["diff", "config.yaml"],
            65,
            "error: cannot edit config.yaml:2:13: unclosed bracket '['; correct the file there, then run the same command again\nhint: ${EDITOR:-vi} +2 config.yaml\n",
        ),
        (
            &["apply", "--root", "/nope"],
            74,
            "error: cannot use --root /nope: no such directory\nhint: ls -l /\n",
        ),
        (
            &["diff", "--root", "nope"],
            74,
            "error: cannot use --root nope: no such directory\nhint: ls -l .\n",
        ),
        (
            &["apply", "--root", "image"],
            74,
            "error: cannot read image/var/lib/kubelet/config.yaml: no such file or directory; this image has no kubelet configuration yet: kubeadm writes it when the node joins\nhint: find image -path '*/kubelet/*' -name config.yaml\n",
        ),
        (
            &["rollback", "--root", "image"],
            0,
            "nothing to roll back: no apply has changed this image\n",
        ),
        (
            &["apply", "https://example.com/k.yaml"],
            74,
            "error: cannot read https://example.com/k.yaml: no such file or directory; kubelet-tls reads local files and standard input\nhint: curl -fsSL https://example.com/k.yaml | kubelet-tls diff -\n",
        ),
        (
            &["diff", "/dev/null"],
            74,
            "error: cannot read /dev/null: not a regular file; a pipe or a device is read as standard input\nhint: cat /dev/null | kubelet-tls diff -\n",
        ),
        (
            &["apply", "/dev/null"],
            74,
            "error: cannot read /dev/null: not a regular file; a pipe or a device is read as standard input\nhint: cat /dev/null | kubelet-tls diff -\n",
        ),
        (
            &["diff", "dangling"],
            74,
            "error: cannot read dangling: no such file or directory; it is a symbolic link to a file that does not exist\nhint: ls -l dangling\n",
        ),
        (
            &["diff", "--api-server", "kubelet"],
            65,
            "error: cannot edit kubelet:1:1: this is neither a kube-apiserver manifest nor a ClusterConfiguration; name kubeadm's kube-apiserver.yaml, or the configuration file of kubeadm init\nhint: kubelet-tls diff --help\n",
        ),
        (
            &["diff", "circle"],
            74,
            "error: cannot read circle: too many levels of symbolic links; a symbolic link leads back to itself\nhint: ls -ld circle\n",
        ),
        (
            &["apply", "worker-1"],
            74,
            "error: cannot read worker-1: no such file or directory; to change a node of that name, run kubelet-tls apply on that node\nhint: ls -l .\n",
        ),
        (
            &["diff", "-", "-"],
            64,
            "error: cannot read -: standard input is named twice\nhint: kubelet-tls diff --help\n",
        ),
        (
            &[
                "metrics-server",
                "--dir",
                "new",
                "--base",
                "http://example.com/c.yaml",
            ],
            64,
            "error: cannot use --base http://example.com/c.yaml: only https URLs are accepted; download it, and name the file\nhint: curl -fsSLO http://example.com/c.yaml\n",
        ),
        (
            &["csr", "--kubeconfig", "kubelet"],
            69,
            "error: cannot use kubeconfig kubelet: it is not a kubeconfig; the kubelet's own is /etc/kubernetes/kubelet.conf on a kubeadm node\nhint: kubectl config view --kubeconfig kubelet\n",
        ),
        (
            &["apply", "config.yaml", "--wait", "issued"],
            64,
            "error: the argument '[FILE]...' cannot be used with '--wait <WHAT>'\n\nUsage: kubelet-tls apply <FILE>...\n\nhint: kubelet-tls apply --help\n",
        ),
        (
            &["aprove", "csr-1"],
            64,
            "error: unrecognized subcommand 'aprove'\n\n  tip: some similar subcommands exist: 'api-server', 'approve'\n\nUsage: kubelet-tls [OPTIONS] <COMMAND>\n\nhint: [..]kubelet-tls approve csr-1\n",
        ),
        (
            &["metrics-server", "--dir", "config.yaml"],
            74,
            "error: cannot write config.yaml: not a directory; --dir names a directory that may be written\nhint: ls -l .\n",
        ),
        (
            &["approve", "--all", "--kubeconfig", "none"],
            69,
            "error: cannot use kubeconfig none: no such file or directory; set --kubeconfig or KUBECONFIG to a cluster administrator's kubeconfig\nhint: ls -l .\n",
        ),
        (
            &["cluster", "diff", "--kubeconfig", "program"],
            69,
            "error: cannot use kubeconfig program: it is not a kubeconfig[..]; set --kubeconfig or KUBECONFIG to a cluster administrator's kubeconfig\nhint: kubectl config view --kubeconfig program\n",
        ),
        (
            &[
                "cluster",
                "status",
                "--kubeconfig",
                "contexts",
                "--context",
                "prod",
            ],
            69,
            "error: cannot use kubeconfig contexts: it has no context \"prod\"; choose one of its contexts with --context\nhint: kubectl config get-contexts --kubeconfig contexts\n",
        ),
        (
            &["approve", "csr-x", "--kubeconfig", "kubelet"],
            69,
            "error: cannot use kubeconfig kubelet: it is not a kubeconfig; set --kubeconfig or KUBECONFIG to a cluster administrator's kubeconfig\nhint: kubectl config view --kubeconfig kubelet\n",
        ),
        (
            &["csr", "--kubeconfig", "none"],
            69,
            "error: cannot use kubeconfig none: no such file or directory; the kubelet's own is /etc/kubernetes/kubelet.conf on a kubeadm node\nhint: ls -l .\n",
        ),
        (
            &["get", "csr"],
            64,
            "error: unrecognized subcommand 'get'\n\nUsage: kubelet-tls [OPTIONS] <COMMAND>\n\nhint: [..]kubelet-tls csr\n",
        ),
        (
            &["status", "--root", "image"],
            64,
            "error: unexpected argument '--root' found\n\n  tip: '--root' is an option of diff, apply, rollback\n\nUsage: kubelet-tls status [OPTIONS]\n\nhint: kubelet-tls status --help\n",
        ),
        (
            &["aply"],
            64,
            "error: unrecognized subcommand 'aply'\n\n  tip: a similar subcommand exists: 'apply'\n\nUsage: kubelet-tls [OPTIONS] <COMMAND>\n\nhint: [..]kubelet-tls apply\n",
        ),
        (
            &["apply", "config.yaml", "--yes"],
            64,
            "error: unexpected argument '--yes' found\n\n  tip: kubelet-tls asks no questions\n\nUsage: kubelet-tls apply <FILE>...\n\nhint: [..]kubelet-tls apply config.yaml\n",
        ),
    ] {
        kubelet_tls(directory.path())
            .args(arguments)
            .assert()
            .code(code)
            .stdout_eq("")
            .stderr_eq(said.to_owned());
    }
}

/// A laptop: no kubelet and no systemd, and a kubeconfig or not even that. The hint is something that works there.
#[test]
fn a_machine_without_a_kubelet_gets_a_next_step_that_works_there() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home");
    fs::create_dir_all(home.join(".kube")).unwrap();
    for (config, hint) in [
        (None, "kubelet-tls diff --help"),
        (Some("kind: Config\n"), "kubelet-tls cluster status"),
    ] {
        if let Some(config) = config {
            fs::write(home.join(".kube/config"), config).unwrap();
        }
        for (verb, code) in [("status", 74), ("diff", 74), ("apply", 69)] {
            let said = format!(
                "...\nerror: cannot [..]; run kubelet-tls on a node of the cluster, outside of containers; to edit a file instead, name it: kubelet-tls diff FILE\nhint: {hint}\n"
            );
            kubelet_tls(directory.path())
                .arg(verb)
                .env("HOME", &home)
                .assert()
                .code(code)
                .stdout_eq("")
                .stderr_eq(said);
        }
    }
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
