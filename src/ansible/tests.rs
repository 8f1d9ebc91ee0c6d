//! What Ansible may write, and what it reads.

use serde_json::json;

use super::*;
use crate::plan::{Edit, Target};
use crate::report::{
    API_VERSION, ApplyResult, Envelope, ErrorReport, KubeletOutcome, RestartReport, ResultKind,
};
use crate::text::hint::{Hint, Invocation};

fn parse(keys: Value) -> Result<Vec<String>, Problem> {
    let words = parse_as("AnsiballZ_x86_64", keys)?;
    assert_eq!(words[0], "apply");
    Ok(words[1..].to_vec())
}

fn parse_as(name: &str, keys: Value) -> Result<Vec<String>, Problem> {
    let mut file = json!({
        "_ansible_version": "2.19.14", "_ansible_check_mode": false, "_ansible_diff": false, "_ansible_no_log": false,
        "_ansible_verbosity": 0, "_ansible_of_tomorrow": {"any": ["thing"]},
    });
    let own = file.as_object_mut().unwrap();
    own.extend(keys.as_object().unwrap().clone());
    let call = ModuleCall::parse(name, file.to_string().as_bytes())?;
    let words = call.command_line.into_iter().skip(1);
    Ok(words.map(|word| word.into_string().unwrap()).collect())
}

#[test]
fn keys_become_options() {
    for (keys, options) in [
        (json!({}), vec![]),
        (json!({"state": "enabled"}), vec![]),
        (json!({"state": "disabled"}), vec!["--disable"]),
        (
            json!({"state": null, "timeout": null, "file": null}),
            vec![],
        ),
        (json!({"restart": "never"}), vec!["--restart=never"]),
        (json!({"wait": "--help"}), vec!["--wait=--help"]),
        (json!({"timeout": 90}), vec!["--timeout=90s"]),
        (json!({"timeout": "90"}), vec!["--timeout=90s"]),
        (json!({"settle": "1m30s"}), vec!["--settle=1m30s"]),
        (json!({"issue_first": "no"}), vec![]),
        (json!({"issue_first": "Yes"}), vec!["--issue-first"]),
        (json!({"issue_first": 1}), vec!["--issue-first"]),
        (
            json!({"kubeadm_config": ["/a", "/b c"], "kubeconfig": "/k"}),
            vec![
                "--kubeadm-config=/a",
                "--kubeadm-config=/b c",
                "--kubeconfig=/k",
            ],
        ),
        (json!({"file": "/a,b"}), vec!["--", "/a,b"]),
        (json!({"root": "/mnt"}), vec!["--root=/mnt"]),
        (json!({"_ansible_check_mode": true}), vec!["--dry-run"]),
        (json!({"file": []}), vec![]),
    ] {
        assert_eq!(parse(keys.clone()).unwrap(), options, "{keys}");
    }
}

#[test]
fn each_module_runs_one_verb() {
    for (name, keys, words) in [
        ("kubelet_tls", json!({}), vec!["apply"]),
        (
            "AnsiballZ_kubelet_tls_cluster",
            json!({}),
            vec!["cluster", "apply"],
        ),
        (
            "kubelet_tls_cluster",
            json!({"state": "disabled", "kubeconfig": "/k", "_ansible_check_mode": true}),
            vec![
                "cluster",
                "apply",
                "--dry-run",
                "--disable",
                "--kubeconfig=/k",
            ],
        ),
        (
            "kubelet_tls_api_server",
            json!({
                "except": ["worker-9", "--disable"], "timeout": 90, "manifest": "/m.yaml", "_ansible_check_mode": true
            }),
            vec![
                "api-server",
                "apply",
                "--dry-run",
                "--except=worker-9",
                "--except=--disable",
                "--timeout=90s",
                "--manifest=/m.yaml",
            ],
        ),
        (
            "AnsiballZ_aarch64",
            json!({
                "_kubelet_tls_module": "kubelet_tls_approve", "request": ["csr-1", "--all"], "node": "n",
                "max_duration": "1y", "deny": false
            }),
            vec![
                "approve",
                "--max-duration=1y",
                "--node=n",
                "--",
                "csr-1",
                "--all",
            ],
        ),
    ] {
        let mut parsed = parse_as(name, keys.clone()).unwrap();
        let mut words = words;
        // In which order the keys come is the map's business.
        let end = words
            .iter()
            .position(|word| *word == "--")
            .unwrap_or(words.len());
        words[..end].sort_unstable();
        parsed[..end].sort_unstable();
        assert_eq!(parsed, words, "{name} {keys}");
    }
    let problem = parse_as("kubelet_tls_approve", json!({"wait": "csr"})).unwrap_err();
    assert!(
        problem
            .message()
            .contains("wait is not an option; the options are request, ")
    );
    assert_eq!(
        problem.hint,
        Some(Hint::from(
            "ansible-doc kubelet_tls.kubelet_tls.kubelet_tls_approve"
        ))
    );
}

#[test]
fn arguments_that_the_verb_does_not_use_are_named() {
    for (keys, named) in [
        (
            json!({"stat": "enabled"}),
            "stat is not an option; the options are state, restart, ",
        ),
        (json!({"dry_run": true}), "dry_run is not an option"),
        (
            json!({"state": "present"}),
            "state is enabled or disabled, not \"present\"",
        ),
        (
            json!({"state": true}),
            "state is enabled or disabled, not true",
        ),
        (json!({"restart": false}), "restart is a word, not false"),
        (json!({"timeout": 1.5}), "timeout is a duration"),
        (json!({"timeout": -1}), "timeout is a duration"),
        (json!({"settle": true}), "settle is a duration"),
        (
            json!({"issue_first": "maybe"}),
            "issue_first is true or false",
        ),
        (json!({"issue_first": 2}), "issue_first is true or false"),
        (
            json!({"file": "-"}),
            "file is an absolute path on the node, not \"-\"",
        ),
        (json!({"file": "kubeadm.yaml"}), "file is an absolute path"),
        (
            json!({"file": ["/a", 1]}),
            "file is an absolute path on the node, not 1",
        ),
        (json!({"file": "/a\0"}), "file is an absolute path"),
        (
            json!({"kubeconfig": ["/a"]}),
            "kubeconfig is an absolute path",
        ),
        (
            json!({"kubeadm_config": {"a": 1}}),
            "kubeadm_config is an absolute path",
        ),
        (json!({"state": "é".repeat(100)}), "…"),
    ] {
        let problem = parse(keys.clone()).unwrap_err();
        assert_eq!(problem.code, Code::Usage, "{keys}");
        assert!(
            problem.message().contains(named),
            "{keys}: {}",
            problem.message()
        );
    }
}

#[test]
fn a_file_that_ansible_did_not_write_is_not_read_as_arguments() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for bytes in [
        "",
        "{",
        "[]",
        "null",
        "{}",
        "\u{feff}{\"_ansible_version\": \"2\"}",
        r#"{"_ansible_version": 2}"#,
        r#"{"ansible_version": "2"}"#,
        r#"["_ansible_version"]"#,
        r#"{"_ansible_version": "2"} {}"#,
        &deep,
    ] {
        assert!(!is_arguments(bytes.as_bytes()), "{:.40}", bytes);
        let problem = ModuleCall::parse(NAME, bytes.as_bytes()).unwrap_err();
        assert_eq!(problem.code, Code::Input, "{:.40}", bytes);
    }
    assert!(!is_arguments(b"{\"_ansible_version\": \"\xff\"}"));
    assert!(is_arguments(br#"{"_ansible_version": "2.19.14"}"#));
}

fn edits() -> Vec<Edit> {
    vec![Edit {
        target: Target::File("/a".into()),
        before: Some(b"old\n".to_vec()),
        after: Some(b"new\n".to_vec()),
    }]
}

fn answered(result: ApplyResult, call: Option<&ModuleCall>, error: Option<ErrorReport>) -> Value {
    let document = Envelope {
        api_version: API_VERSION,
        kind: ResultKind::ApplyResult,
        result: &result,
        warnings: Vec::new(),
        error,
    };
    answer(serde_json::to_value(document).unwrap(), &edits(), call)
}

fn changed(changed: bool) -> ApplyResult {
    ApplyResult {
        changed,
        ..ApplyResult::default()
    }
}

fn call(keys: &str) -> ModuleCall {
    ModuleCall::parse(
        NAME,
        format!(r#"{{"_ansible_version": "2", "wait": "none" {keys}}}"#).as_bytes(),
    )
    .unwrap()
}

#[test]
fn whole_texts_are_returned_only_with_diff() {
    let told = answered(
        changed(true),
        Some(&call(r#", "_ansible_diff": true"#)),
        None,
    );
    assert_eq!(
        told["diff"],
        json!([{"before_header": "/a", "before": "old\n", "after_header": "/a", "after": "new\n"}])
    );
    assert_eq!(told["invocation"], json!({"module_args": {"wait": "none"}}));
    for keys in ["", r#", "_ansible_diff": true, "_ansible_no_log": true"#] {
        let told = answered(changed(true), Some(&call(keys)), None);
        assert_eq!(told["diff"], json!([]), "{keys}");
        assert!(!told.to_string().contains("old"), "{keys}");
    }
    let secret = answered(
        changed(true),
        Some(&call(r#", "_ansible_no_log": true"#)),
        None,
    );
    assert!(secret.get("invocation").is_none());
}

#[test]
fn secrets_are_masked_in_every_answer() {
    let edit = Edit {
        target: Target::File("/a".into()),
        before: Some(b"token: s3cret\n".to_vec()),
        after: Some(b"token: s3cret\nx: 1\n".to_vec()),
    };
    let call = call(r#", "_ansible_diff": true"#);
    let told = answer(json!({"changed": true}), &[edit], Some(&call));
    assert!(!told.to_string().contains("s3cret"), "{told}");
    assert_eq!(told["diff"][0]["after"], "token: ***\nx: 1\n");
}

#[test]
fn a_restart_counts_as_changed_and_a_failure_keeps_its_message_and_hint() {
    let restart = |performed, dry_run| {
        let restart = RestartReport {
            unit: "kubelet.service".into(),
            performed,
            healthy: None,
            seconds: None,
        };
        ApplyResult {
            dry_run,
            kubelet: Some(KubeletOutcome {
                restart: Some(restart),
                ..KubeletOutcome::default()
            }),
            ..ApplyResult::default()
        }
    };
    assert_eq!(answered(changed(false), None, None)["changed"], false);
    assert_eq!(answered(restart(true, false), None, None)["changed"], true);
    assert_eq!(
        answered(restart(false, true), None, None)["changed"],
        true,
        "in check mode"
    );
    assert_eq!(
        answered(restart(false, false), None, None)["changed"],
        false
    );
    let put_back = restart(true, false);
    let error = ErrorReport::new(
        &Problem::new(Code::Refused, "cannot restart kubelet.service: it died").hint("journalctl"),
        &Invocation::AnsibleTask,
    );
    let told = answered(put_back, None, Some(error));
    assert_eq!(told["changed"], false, "as before");
    assert_eq!(told["failed"], true);
    assert_eq!(told["rc"], 78);
    assert_eq!(
        told["msg"],
        "cannot restart kubelet.service: it died; hint: journalctl"
    );
    assert!(told.get("error").is_none());
}
