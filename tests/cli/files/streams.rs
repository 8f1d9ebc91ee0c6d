//! Standard input and output in place of a file.

use super::*;

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
