//! Bad input: refused before anything is written.

use std::fs;
use std::os::unix::process::CommandExt as _;

use standins::node::copy_program;

use super::Scene;

#[test]
fn a_wrong_command_line_is_64() {
    for options in [
        &["--namespace", "a/b"][..],
        &["--namespace", "Kube-system"],
        &["--namespace", ""],
        &["--service", "a.b"],
        &["--service", "1a"],
        &["--cluster-domain", "cluster..local"],
        &["--duration", "-1d"],
        &["--duration", "0"],
        &["--duration", "500ms", "--renew-before", "0"],
        &["--duration", "9999999y"],
        &["--duration", "30d"],
        &["--duration", "1d", "--renew-before", "1d"],
        &["--renew-before", "soon"],
        &["--kubelet-ca", "ca.crt", "--control-plane-ca"],
        &["--format", "yaml"],
        &["--format", "helm", "--base", "base.yaml"],
        &["--base", "http://example.com/components.yaml"],
        &["--check"],
        &["--kubeconfig", "x"],
    ] {
        let scene = Scene::new();
        let output = scene.run(&[&["--out", "out"], options].concat());
        assert_eq!(output.code, 64, "{options:?} {}", output.stderr);
        assert!(output.stderr.starts_with("error: "), "{}", output.stderr);
        assert!(!scene.out().exists(), "{options:?}");
    }
    for options in [
        &[][..],
        &["--check", "--namespace", "monitoring"],
        &["--check", "--keep-ca-key"],
        &["--kubeconfig", "x"],
    ] {
        assert_eq!(Scene::new().run(options).code, 64, "{options:?}");
    }
}

#[test]
fn a_refused_input_is_65() {
    let scene = Scene::new();
    let leaf = include_str!("../../testdata/captured/1.36/kubelet-server-current.crt.pem");
    let ca = fs::read_to_string(scene.path("ca.crt")).unwrap();
    let key = "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n";
    let put = |name: &str, text: &str| fs::write(scene.path(name), text).unwrap();
    put("leaf.crt", leaf);
    put("both.pem", &format!("{ca}{key}"));
    put("empty", "");
    put("configmap.yaml", "kind: ConfigMap\n");
    let base = fs::read_to_string(scene.path("base.yaml")).unwrap();
    fs::write(scene.path("twice.yaml"), format!("{base}---\n{base}")).unwrap();
    for (option, file, words) in [
        (
            "--kubelet-ca",
            "leaf.crt",
            "its certificate 1 is not a CA's",
        ),
        ("--kubelet-ca", "both.pem", "it holds a private key"),
        ("--kubelet-ca", "empty", "it holds no PEM certificate"),
        (
            "--base",
            "configmap.yaml",
            "it has no Service metrics-server",
        ),
        ("--base", "empty", "it has no Service metrics-server"),
        (
            "--base",
            "twice.yaml",
            "it has the Service metrics-server twice",
        ),
    ] {
        let output = scene.run(&["--out", "out", option, file, "-o", "json"]);
        assert_eq!(output.code, 65, "{}", output.stderr);
        assert!(
            output
                .stderr
                .contains(&format!("error: cannot use {file}: {words}")),
            "{}",
            output.stderr
        );
        assert!(output.stderr.contains("\nhint: ") && !output.stderr.contains("MIGH"));
        let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(
            (&document["error"]["code"], &document["changed"]),
            (&65.into(), &false.into())
        );
        assert!(!scene.out().exists());
    }
    for option in ["--kubelet-ca", "--base"] {
        assert_eq!(scene.run(&["--out", "out", option, "none"]).code, 74);
        assert_eq!(scene.run(&["--out", "out", option, "."]).code, 74);
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error() {
    let scene = Scene::new();
    for out in ["base.yaml", "base.yaml/below"] {
        let output = scene.run(&["--out", out]);
        assert_eq!(output.code, 74, "{}", output.stderr);
        assert!(
            output
                .stderr
                .contains(&format!("error: cannot write {out}: ")),
            "{}",
            output.stderr
        );
        assert!(
            output
                .stderr
                .contains("; --dir names a directory that may be written\n"),
            "{}",
            output.stderr
        );
    }
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Root may write everywhere, so another user tries.
    fs::create_dir(scene.out()).unwrap();
    let binary = scene.path("kubelet-tls");
    copy_program(env!("CARGO_BIN_EXE_kubelet-tls"), &binary);
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(scene.work.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let output = std::process::Command::new(&binary)
        .args(["metrics-server", "--out"])
        .arg(scene.out())
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert!(fs::read_dir(scene.out()).unwrap().next().is_none());
}
