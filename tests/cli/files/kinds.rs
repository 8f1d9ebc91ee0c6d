//! Which kinds of files are edited, and what is said of the others.

use super::*;

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
