//! What `diff` prints of a file.

use super::*;

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
