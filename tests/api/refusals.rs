//! kubeconfig files that are refused, and no key in anything that is said about them.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use standins::KubeconfigStyle;
use standins::pki::Identity;

use super::kubeconfigs::{Cluster, base64, check_silent, csr};
use super::scene::with_kubeconfig;

/// What is done to a kubeconfig.
type Edit<'a> = Box<dyn Fn(String) -> String + 'a>;

/// Refused with this exit code, these words, and nothing of the key.
fn check_refused(cluster: &Cluster, path: &Path, identity: &Identity, code: i32, words: &[&str]) {
    cluster.api.clear_requests();
    let output = csr(path);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (code, ""),
        "{}",
        output.stderr
    );
    for word in words {
        assert!(
            output.stderr.contains(word),
            "no {word:?} in\n{}",
            output.stderr
        );
    }
    assert!(output.stderr.contains("hint: "), "{}", output.stderr);
    check_silent(&output, &identity.key_pem);
    let log = cluster.api.requests();
    assert!(log.is_empty(), "asked nevertheless: {log:?}");
}

#[test]
fn a_kubeconfig_that_is_not_a_kubelets_is_refused() {
    let cluster = Cluster::new();
    let identity = cluster.identity();
    let refused = |path: &Path, words: &[&str]| check_refused(&cluster, path, &identity, 69, words);

    let token = cluster.written(&identity, |text| {
        let (head, _) = text.split_once("    client-certificate-data").unwrap();
        format!("{head}    token: abcdef.0123456789abcdef\n")
    });
    refused(&token, &["no client certificate", "kubelet.conf"]);

    let insecure = cluster.written(&identity, |text| {
        let ca = text
            .lines()
            .find(|line| line.contains("certificate-authority-data"))
            .unwrap()
            .to_owned();
        text.replace(&ca, "    insecure-skip-tls-verify: true")
    });
    refused(&insecure, &["insecure-skip-tls-verify"]);

    let plain = cluster.written(&identity, |text| text.replace("https://", "http://"));
    refused(&plain, &["not https"]);

    let admin = cluster
        .api
        .client_identity("kubernetes-admin", &["system:masters"]);
    refused(
        &cluster.write(&admin, KubeconfigStyle::Inline),
        &["\"kubernetes-admin\", not for a node"],
    );

    let elsewhere = cluster.directory.path().join("nowhere/kubelet.conf");
    refused(
        &elsewhere,
        &[
            "no such file",
            "the kubelet's own is /etc/kubernetes/kubelet.conf",
        ],
    );
    refused(cluster.directory.path(), &["not a regular file"]);
}

#[test]
fn a_broken_kubeconfig_is_refused_without_quoting_it() {
    let cluster = Cluster::new();
    let identity = cluster.identity();
    let key = base64(&identity.key_pem);
    let key_line = format!("    client-key-data: {key}");
    let other = cluster.identity();
    let edits: [(&str, Edit); 10] = [
        (
            "cut off within the key",
            Box::new(|text| text[..text.find(&key).unwrap() + 100].to_owned()),
        ),
        (
            "a tab before the key",
            Box::new(|text| text.replace(&key_line, &format!("\t{key_line}"))),
        ),
        (
            "a quote before the key",
            Box::new(|text| text.replace(&key, &format!("\"{key}"))),
        ),
        (
            "a key in a list",
            Box::new(|text| text.replace(&key, &format!("[{key}]"))),
        ),
        (
            "a key as the user",
            Box::new(|text| {
                let (head, _) = text.split_once("  user:\n").unwrap();
                format!("{head}  user: {key}\n")
            }),
        ),
        ("a key as the file", Box::new(|_| key.clone())),
        ("PEM as the file", Box::new(|_| identity.key_pem.clone())),
        (
            "a key as a switch",
            Box::new(|text| {
                text.replace(
                    "    server:",
                    &format!("    insecure-skip-tls-verify: {key}\n    server:"),
                )
            }),
        ),
        (
            "a key that is not base64",
            Box::new(|text| text.replace(&key, &format!("{key}*"))),
        ),
        (
            "another's key",
            Box::new(|text| text.replace(&key, &base64(&other.key_pem))),
        ),
    ];
    for (what, edit) in edits {
        let path = cluster.written(&identity, edit);
        let output = csr(&path);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (69, ""),
            "{what}: {}",
            output.stderr
        );
        check_silent(&output, &identity.key_pem);
        check_silent(&output, &other.key_pem);
    }
    // The key's file holds something else that is secret.
    let path = cluster.write(&identity, KubeconfigStyle::Paths);
    let secret = "correct horse battery staple";
    fs::write(cluster.directory.path().join("client.key"), secret).unwrap();
    let output = csr(&path);
    assert_eq!(output.code, 69, "{}", output.stderr);
    assert!(!output.stderr.contains("horse"), "{}", output.stderr);
}

#[test]
fn a_kubeconfig_that_may_not_be_read_is_77() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let cluster = Cluster::new();
    let identity = cluster.identity();
    let path = cluster.write(&identity, KubeconfigStyle::Inline);
    let mut command = with_kubeconfig(&path, &["csr", "-v"]);
    let Ok(output) = command.uid(65534).gid(65534).output() else {
        eprintln!("skipped: another user cannot run the binary where it is");
        return;
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{stderr}");
    assert!(
        stderr.contains("permission denied") && stderr.contains("sudo"),
        "{stderr}"
    );
}
