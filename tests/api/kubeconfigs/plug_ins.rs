//! Credentials of exec plug-ins.

use super::*;

/// An administrator's kubeconfig whose user is this plug-in, for the program as another user sees it.
fn with_plugin(directory: &Path, admin: &str, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let plugin = directory.join("plugin");
    fs::write(&plugin, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).unwrap();
    let at = admin.find("    client-certificate-data").unwrap();
    let rest = &admin[at..];
    let end = rest
        .match_indices('\n')
        .map(|(end, _)| end + 1)
        .find(|end| !rest[*end..].starts_with("    client-"))
        .unwrap();
    let exec = "    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}\n";
    let path = directory.join("plugin.conf");
    fs::write(&path, format!("{}{exec}{}", &admin[..at], &rest[end..])).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path
}

#[test]
fn exec_plug_ins_run_for_an_ordinary_user_and_never_for_root() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let cluster = Cluster::new();
    let directory = cluster.directory.path();
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    let admin = fs::read_to_string(cluster.api.admin_kubeconfig(directory)).unwrap();
    let copy = directory.join("kubelet-tls");
    standins::node::copy_program(binary(), &copy);
    let printed = |status: &str| {
        format!(
            "touch ran; echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{status}}}'"
        )
    };
    let run = |script: &str, is_root: bool| {
        let path = with_plugin(directory, &admin, script);
        let _ = fs::remove_file(directory.join("ran"));
        cluster.api.clear_requests();
        let mut command = Command::new(&copy);
        command
            .args(["approve", "--all", "--dry-run", "--kubeconfig"])
            .arg(path)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir(directory);
        if !is_root {
            command.uid(65534).gid(65534);
        }
        let output = Output::of(&mut command);
        (output, directory.join("ran").exists())
    };
    let token = printed(r#"{"token":"abcdef"}"#);
    let (output, ran) = run(&token, false);
    assert!(ran, "{}", output.stderr);
    let requests = cluster.api.requests();
    let bearer = requests[0]
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    assert_eq!(
        bearer.map(|(_, value)| value.as_str()),
        Some("Bearer abcdef"),
        "{}",
        output.stderr
    );
    for (script, said) in [
        (
            printed(r#"{"token":"abc","expirationTimestamp":"2020-01-01T00:00:00Z"}"#),
            "printed a credential that has expired",
        ),
        ("exit 3".to_owned(), "failed: exit status: 3"),
        ("echo nothing".to_owned(), "did not print an ExecCredential"),
    ] {
        let (output, _) = run(&script, false);
        assert_eq!(output.code, 69, "{}", output.stderr);
        assert!(output.stderr.contains(said), "{}", output.stderr);
        assert!(cluster.api.requests().is_empty());
    }
    let (output, ran) = run(&token, true);
    assert_eq!((output.code, ran), (69, false), "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("exec credential plugins are not supported as root"),
        "{}",
        output.stderr
    );
    assert!(cluster.api.requests().is_empty());
}
