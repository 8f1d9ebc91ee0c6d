//! What would make the change pointless or fatal is refused before anything is touched: `diff` and `apply` alike.

use std::os::unix::fs::symlink;

use standins::{Node, Options, Output, Release};

fn run(node: &Node, arguments: &[&str], version: &str) -> Output {
    let mut command = node.command(env!("CARGO_BIN_EXE_kubelet-tls"));
    Output::of(command.args(arguments).env("STANDIN_VERSION", version))
}

/// Both verbs exit 78, say `words`, and leave file and kubelet alone.
fn assert_refused(node: &Node, version: &str, words: &str) {
    let before = (node.config(), node.kubelet_starts());
    for verb in ["diff", "apply"] {
        let output = run(node, &[verb], version);
        assert_eq!(output.code, 78, "{verb}: {}", output.stderr);
        assert!(output.stderr.contains(words), "{verb}: {}", output.stderr);
        assert!(
            output.stderr.contains("\nhint: "),
            "{verb}: {}",
            output.stderr
        );
    }
    assert_eq!((node.config(), node.kubelet_starts()), before);
}

#[test]
fn a_static_certificate_that_would_still_be_served_is_refused() {
    let options = Options {
        config_line: Some("tlsCertFile: /x.crt\ntlsPrivateKeyFile: /x.key".into()),
        ..Options::default()
    };
    let node = Node::new(Options {
        starts: false,
        ..options
    });
    let words = format!("tlsCertFile ({}:", node.config_path().display());
    assert_refused_file(&node, "v1.34.1", &words);
    let output = run(&node, &["diff"], "v1.36.2");
    assert_eq!(
        output.code, 1,
        "from 1.35 on the bootstrapped one wins: {}",
        output.stderr
    );
}

/// As [`assert_refused`], of a kubelet that does not run.
fn assert_refused_file(node: &Node, version: &str, words: &str) {
    let output = run(node, &["diff"], version);
    assert_eq!(output.code, 78, "{}", output.stderr);
    assert!(output.stderr.contains(words), "{}", output.stderr);
}

#[test]
fn a_flag_is_named_with_the_file_that_sets_it() {
    let node = Node::new(Options {
        extra_args: vec!["--rotate_server_certificates=F".into()],
        ..Options::default()
    });
    let words = format!(
        "--rotate-server-certificates=F (KUBELET_EXTRA_ARGS in {}:",
        node.path("/etc/default/kubelet").display()
    );
    assert_refused(&node, "", &words);
}

/// The flag does what the key would: no edit, no restart that would orphan a pending request, no warning of an outage.
#[test]
fn a_flag_that_already_enables_it_leaves_nothing_to_do() {
    for flag in [
        "--rotate-server-certificates",
        "--rotate_server_certificates=1",
    ] {
        let node = Node::new(Options {
            extra_args: vec![flag.into()],
            ..Options::default()
        });
        assert!(node.wait_healthy(std::time::Duration::from_secs(30)));
        let before = (node.config(), node.kubelet_starts());
        let diff = run(&node, &["diff"], "");
        assert_eq!(
            (diff.code, diff.stdout.as_str()),
            (0, ""),
            "{}",
            diff.stderr
        );
        assert!(
            diff.stderr.contains("already enables serverTLSBootstrap"),
            "{}",
            diff.stderr
        );
        let apply = run(&node, &["apply", "--wait", "none"], "");
        assert_eq!(apply.code, 0, "{}", apply.stderr);
        assert!(!apply.stderr.contains("refuses TLS"), "{}", apply.stderr);
        assert_eq!((node.config(), node.kubelet_starts()), before);
    }
}

#[test]
fn a_regular_file_in_place_of_the_stores_symlink_is_refused() {
    let node = Node::new(Options::default());
    let pem = node.path("/var/lib/kubelet/pki/kubelet-server-current.pem");
    std::fs::write(&pem, "x").unwrap();
    assert_refused(&node, "", "kubelet-server-current.pem is not a symlink");
    assert_eq!(
        run(&node, &["apply", "--disable", "--settle", "0s"], "").code,
        0,
        "no matter for the opposite"
    );
    std::fs::rename(&pem, pem.with_extension("old")).unwrap();
    symlink("gone.pem", &pem).unwrap();
    assert_eq!(run(&node, &["diff"], "").code, 1);
}

#[test]
fn a_kubelet_that_would_not_start_again_is_refused() {
    let node = Node::new(Options::default());
    node.edit_config(|config| format!("{config}tlsCertFile: 1\n"));
    let line = node.config().lines().count();
    assert_refused(
        &node,
        "",
        &format!("config.yaml:{line}: the value of tlsCertFile is of the wrong type"),
    );
    let disable = run(&node, &["apply", "--disable", "--restart", "always"], "");
    assert_eq!(
        disable.code, 78,
        "it is lost at its next restart: {}",
        disable.stderr
    );
    assert!(node.is_healthy());
}

#[test]
fn a_kubelet_without_a_kubeconfig_is_refused() {
    let node = Node::new(Options {
        release: Release::V1_19,
        starts: false,
        ..Options::default()
    });
    let unit = node.path("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf");
    let text = std::fs::read_to_string(&unit).unwrap();
    let alone: String = text
        .split_inclusive('\n')
        .filter(|line| !line.contains("KUBELET_KUBECONFIG_ARGS="))
        .collect();
    assert_ne!(alone, text);
    std::fs::write(&unit, alone).unwrap();
    node.systemctl(&["daemon-reload"]);
    assert_refused_file(&node, "", "without --kubeconfig");
}

#[test]
fn what_does_not_prevent_the_change_is_a_warning() {
    let mut options = Options::default();
    options.knobs.never_csr = true;
    let node = Node::new(options);
    let mut spec = standins::api::NodeSpec::new(node.name(), "127.0.0.1");
    spec.kubelet_version = "v1.32.1".into();
    node.api().set_node(spec);
    let sans = standins::pki::Sans::default();
    node.api()
        .add_csr(standins::api::Csr::kubelet_serving("other", &sans));
    node.edit_config(|config| format!("{config}serverTlsBootstrap: true\n"));
    let apply = run(&node, &["apply", "--settle", "0s", "--timeout", "1s"], "");
    assert_eq!(apply.code, 75, "{}", apply.stderr);
    for words in [
        "kubelet v1.32.1 may never create a CSR",
        "no CSR of another node is approved, and 1 pending",
        "serverTlsBootstrap is not serverTLSBootstrap",
    ] {
        assert!(apply.stderr.contains(words), "{words}: {}", apply.stderr);
    }
}

/// A wrapper's command line says nothing of the kubelet's configuration.
#[test]
fn a_unit_whose_main_process_is_not_a_kubelet_is_refused() {
    let node = Node::new(Options {
        starts: false,
        ..Options::default()
    });
    let unit = node.path("/etc/systemd/system/kubelet.service.d/10-kubeadm.conf");
    let text = std::fs::read_to_string(&unit).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let start = lines
        .iter_mut()
        .rfind(|line| line.starts_with("ExecStart=/"))
        .unwrap();
    *start = "ExecStart=/usr/bin/docker logs --follow kubelet";
    std::fs::write(&unit, lines.join("\n")).unwrap();
    node.systemctl(&["daemon-reload"]);
    let config = node.config();
    for verb in ["diff", "status", "apply"] {
        let output = run(&node, &[verb], "");
        assert_eq!(output.code, 78, "{verb}: {}", output.stderr);
        assert!(
            output.stderr.contains(
                "error: cannot tell the kubelet's configuration: the main process of kubelet.service is /usr/bin/docker, not a kubelet"
            ),
            "{verb}: {}",
            output.stderr
        );
    }
    assert_eq!(node.config(), config);
}
