//! The manual.

use super::{checked, kubelet_tls};

#[test]
fn the_help_of_the_program_lists_every_verb() {
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .arg("--help")
        .assert()
        .code(0)
        .stderr_eq("")
        .stdout_eq(snapbox::str![[r#"
Give a kubeadm node's kubelet a CA-signed serving certificate

Sets `serverTLSBootstrap: true` in the file that this node's kubelet reads and changes no other
byte. Restarts the kubelet through systemd and checks that it is healthy, or rolls the change back.
Reports the name of the CSR that the kubelet creates.

Usage: kubelet-tls [OPTIONS] <COMMAND>

Commands:
  diff            Print what `apply` would change
  apply           Make the change, restart the kubelet, check that it is healthy, report the CSR
  status          Print the node's conditions, each with its evidence and what to do about it
  csr             Print the name of this node's newest kubelet-serving CSR
  rollback        Undo the last `apply` exactly, restart the kubelet and check that it is healthy
  approve         On a control plane: check pending CSRs against every rule, approve those that pass
  cluster         Make the same change in the cluster's ConfigMap; show every node's state
  api-server      On a control plane: have the API server verify kubelets
  metrics-server  Write a kustomization that runs metrics-server with both its TLS channels verified
  schema          Print the JSON Schema of a result document
  completions     Print a completion script, for packagers
  man             Print a manual page, for packagers
  help            Print this message or the help of the given subcommand(s)

Options:
  -h, --help
          Print help (see a summary with '-h')

  -V, --version
          Print version

Output:
  -o, --output <FORMAT>
          Output format

          Possible values:
          - text:       for people
          - json:       the result document as JSON, and nothing else on standard output
          - yaml:       the result document as YAML, and nothing else on standard output
          - name:       only names, one per line
          - prometheus: metrics in Prometheus' text format, of `status` and `cluster status`
          
          [default: text]

      --color <WHEN>
          When to use colors

          Possible values:
          - auto:   on a terminal, unless NO_COLOR or CLICOLOR_FORCE is set
          - always: always
          - never:  never
          
          [default: auto]

  -q, --quiet
          Only print warnings and errors

  -v, --verbose
          Print more detail

Examples:
  kubelet-tls diff                          # what would change on this node
  sudo kubelet-tls apply --issue-first      # switch this node without an outage of port 10250
  kubelet-tls approve --all --dry-run       # on a control plane: which pending CSRs are good

Exit codes: 0 done or nothing to do · 1 differences, or no request · 64 usage · 65 refused input ·
69 systemd or API unavailable · 74 read or write failed · 75 out of time · 77 not permitted · 78
refused, or rolled back

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
        "api-server",
        "api-server diff",
        "api-server apply",
        "api-server rollback",
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
        &["apply", "a.yaml", "--wait", "none"],
        &["apply", "a.yaml", "--timeout", "1s"],
        &["apply", "a.yaml", "--settle", "1s"],
        &["apply", "a.yaml", "--issue-first"],
        &["apply", "a.yaml", "--restart", "never"],
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
    "message": "unexpected argument '--nope' found",
    "hint": "kubelet-tls apply --help"
  }
}

"#]]);
    checked(printed.get_output());
}

#[test]
fn the_version_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    kubelet_tls(directory.path())
        .arg("--version")
        .assert()
        .code(0)
        .stdout_eq("kubelet-tls [..]\n");
}
