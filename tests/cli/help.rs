//! The manual.

use super::{checked, kubelet_tls};

#[test]
fn help_of_the_program() {
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .arg("--help")
        .assert()
        .code(0)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
Give a kubeadm node's kubelet a CA-signed serving certificate

Sets `serverTLSBootstrap: true` where this node's kubelet reads it, changes no other byte, restarts the kubelet through systemd, proves that it came back (or puts everything back), and reports the name of the CertificateSigningRequest that the kubelet made.

Usage: kubelet-tls [OPTIONS] <COMMAND>

Commands:
  diff            Print what `apply` would change
  apply           Make the change, restart the kubelet, prove that it came back, report the CSR
  status          Print the node's conditions, each with its evidence and what to do about it
  csr             Print the name of this node's newest kubelet-serving CSR
  rollback        Undo the last `apply`, byte for byte, with the same gate
  approve         On a control plane: check every rule, then approve; refuse what breaks one
  cluster         Make the same change in the ConfigMap that `kubeadm join` and `kubeadm upgrade` copy
  metrics-server  Write a kustomization that runs metrics-server with both its TLS channels verified
  schema          Print the JSON Schema of a result document
  completions     Print a completion script, for packagers
  man             Print a manual page, for packagers
  help            Print this message or the help of the given subcommand(s)

Options:
  -o, --output <FORMAT>
          How to print the answer; json and yaml print one document on standard output and nothing else there

          Possible values:
          - text: for people
          - json: the result document as JSON
          - yaml: the result document as YAML
          - name: names alone, one a line
          
          [default: text]

      --color <WHEN>
          When to colour

          Possible values:
          - auto:   on a terminal, and as NO_COLOR and CLICOLOR_FORCE say
          - always: always
          - never:  never
          
          [default: auto]

  -q, --quiet
          Say less on standard error

  -v, --verbose
          Say more on standard error

  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Exit codes: 0 done or nothing to do · 1 differences, or no request · 64 usage · 65 refused input · 69 systemd or API unavailable · 74 read or write failed · 75 out of time · 77 not permitted · 78 refused, or put back

"#]]);
}

#[test]
fn help_of_each_verb_has_an_example() {
    let directory = tempfile::tempdir().unwrap();
    for verb in [
        "diff",
        "apply",
        "status",
        "csr",
        "rollback",
        "approve",
        "cluster",
        "cluster diff",
        "cluster apply",
        "metrics-server",
        "completions",
        "man",
    ] {
        let assert = kubelet_tls(directory.path())
            .args(verb.split(' '))
            .arg("--help")
            .assert()
            .code(0)
            .stderr_eq("");
        let text = String::from_utf8_lossy(&assert.get_output().stdout).into_owned();
        assert!(
            text.contains("Examples:\n") && text.contains(&format!("kubelet-tls {verb}")),
            "{text}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_64() {
    let directory = tempfile::tempdir().unwrap();
    let wrong: &[&[&str]] = &[
        &[],
        &["nope"],
        &["diff", "--nope"],
        &["apply", "--wait", "forever"],
        &["apply", "--timeout", "soon"],
        &["apply", "--settle=-1s"],
        &["apply", "-q", "-v"],
        &["diff", "a.yaml", "--kubeadm-config", "b.yaml"],
        &["apply", "a.yaml", "--root", "/"],
        &["apply", "-", "-"],
        &["apply", "-", "-o", "json"],
        &["csr", "surplus"],
        &["approve"],
        &["approve", "--dry-run"],
        &["approve", "--all", "csr-1"],
        &["approve", "--all", "--node", "worker-1"],
        &["approve", "node/worker-1"],
        &["approve", ".."],
        &["approve", "--all", "--max-duration", "soon"],
    ];
    for arguments in wrong {
        let assert = kubelet_tls(directory.path())
            .args(*arguments)
            .stdin("")
            .assert()
            .code(64);
        let error = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
        assert!(error.starts_with("error: "), "{arguments:?}: {error}");
    }
}

#[test]
fn a_wrong_command_line_is_a_document_too_where_one_is_wanted() {
    let directory = tempfile::tempdir().unwrap();
    let printed = kubelet_tls(directory.path())
        .args(["apply", "--nope", "-o", "json"])
        .assert()
        .code(64)
        .stdout_eq(snapbox::str![[r#"
{
  "apiVersion": "kubelet-tls/v1",
  "kind": "ApplyResult",
  "warnings": [],
  "error": {
    "code": 64,
    "message": "unexpected argument '--nope' found"
  }
}

"#]]);
    checked(printed.get_output());
}

#[test]
fn the_version() {
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .arg("--version")
        .assert()
        .code(0)
        .stdout_eq("kubelet-tls [..]\n");
}
