//! The binary as Ansible calls it: one argument, a file; one JSON document, whatever happens.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use serde_json::{Value, json};
use standins::{Node, Options, Output};

/// The module as Ansible copies it to the node, and its answer: the only thing on standard output.
fn module(node: &Node, keys: Value) -> (Value, i32) {
    let file = node.path("/args");
    let mut all = json!({"_ansible_version": "2.19.14", "_ansible_check_mode": false, "_ansible_diff": false});
    all.as_object_mut()
        .unwrap()
        .extend(keys.as_object().unwrap().clone());
    std::fs::write(&file, all.to_string()).unwrap();
    answer(&node.run(program(node), &[file]))
}

fn program(node: &Node) -> PathBuf {
    let program = node.path("/AnsiballZ_kubelet_tls");
    let _ = symlink(env!("CARGO_BIN_EXE_kubelet-tls"), &program);
    program
}

fn answer(output: &Output) -> (Value, i32) {
    assert_eq!(output.stderr, "");
    let mut documents = serde_json::Deserializer::from_str(&output.stdout).into_iter();
    let document = documents.next().unwrap().unwrap();
    assert!(documents.next().is_none(), "{}", output.stdout);
    (document, output.code)
}

#[test]
fn a_task_checks_then_changes_then_finds_nothing_to_do() {
    let node = Node::new(Options::default());
    let before = node.config();
    let diff = node
        .run(env!("CARGO_BIN_EXE_kubelet-tls"), &["diff"])
        .stdout;

    let starts = node.kubelet_starts();
    let keys = json!({"_ansible_check_mode": true, "_ansible_diff": true, "settle": 0});
    let (checked, code) = module(&node, keys);
    assert_eq!((checked["changed"].as_bool(), code), (Some(true), 0));
    assert_eq!(checked["diff"][0]["before"], before);
    assert_eq!(checked["edits"][0]["diff"], diff);
    assert_eq!(checked["csr"], Value::Null);
    assert_eq!(node.config(), before);
    assert_eq!(node.kubelet_starts(), starts);

    let (applied, code) = module(&node, json!({"settle": 0, "_ansible_diff": true}));
    assert_eq!(
        (applied["changed"].as_bool(), code),
        (Some(true), 0),
        "{applied}"
    );
    assert_eq!(applied["diff"], checked["diff"]);
    assert_eq!(applied["diff"][0]["after"], node.config());
    let name = node.api().csrs()[0].metadata.name.clone();
    assert_eq!(applied["csr"]["name"], name);
    assert_eq!(applied["restart"]["healthy"], true);
    assert_eq!(applied["rc"], 0);
    assert!(applied.get("failed").is_none());
    let warning = applied["warnings"][0].as_str().unwrap();
    assert!(warning.contains("refuses TLS"), "{applied}");

    let (again, _) = module(&node, json!({"settle": "0s", "_ansible_diff": true}));
    assert_eq!(again["changed"], false);
    assert_eq!(again["diff"], json!([]));
    assert_eq!(again["csr"]["name"], name);
    assert!(node.api().approve(&name));
    let (issued, _) = module(&node, json!({"wait": "issued", "timeout": 20}));
    assert_eq!(issued["changed"], false, "{issued}");
    assert_eq!(issued["certificate"]["verified"], true);

    let (disabled, _) = module(&node, json!({"state": "disabled", "settle": 0}));
    assert_eq!(disabled["changed"], true, "{disabled}");
    assert!(node.config().contains("serverTLSBootstrap: false"));
}

#[test]
fn every_failure_is_an_answer() {
    let node = Node::new(Options::default());
    let before = node.config();
    for (keys, rc, words) in [
        (json!({"restrat": "never"}), 64, "restrat is not an option"),
        (
            json!({"restart": "sometimes"}),
            64,
            "[possible values: auto, never, always]",
        ),
        (json!({"timeout": "soon"}), 64, "not a duration"),
        (
            json!({"file": "/a", "kubeconfig": "/b"}),
            64,
            "cannot be used with",
        ),
        (json!({"file": "/no/such"}), 74, "no such file"),
        (json!({"kubeconfig": "/no/such"}), 69, "hint: "),
    ] {
        let (told, code) = module(&node, keys.clone());
        assert_eq!(code, 1, "{told}");
        assert_eq!(told["failed"], true, "{told}");
        assert_eq!(told["changed"], false, "{told}");
        assert_eq!(told["rc"], rc, "{told}");
        assert!(told["msg"].as_str().unwrap().contains(words), "{told}");
    }
    for arguments in [vec!["/no/such"], vec![], vec!["diff"], vec!["/dev/zero"]] {
        let (told, code) = answer(&node.run(program(&node), &arguments));
        assert_eq!((told["failed"].as_bool(), code), (Some(true), 1), "{told}");
    }
    assert_eq!(node.config(), before);
}

#[test]
fn a_kubelet_that_dies_of_the_change_fails_the_task_and_has_its_old_file() {
    let node = Node::new(Options::default());
    let before = node.config();
    node.set_knobs(|knobs| knobs.die_after_ms_if_bootstrap = Some(100));
    let (told, code) = module(&node, json!({"settle": 1, "_ansible_diff": true}));
    assert_eq!((told["failed"].as_bool(), code), (Some(true), 1), "{told}");
    assert_eq!(told["rc"], 78, "{told}");
    assert_eq!(told["rolledBack"], true, "{told}");
    assert_eq!(told["changed"], false, "{told}");
    assert!(!told["journal"].as_array().unwrap().is_empty(), "{told}");
    assert_eq!(node.config(), before);
}

#[test]
fn a_task_edits_files_alone() {
    let node = Node::new(Options::default());
    let file = node.path("/kubeadm.yaml");
    let text = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n";
    std::fs::write(&file, text).unwrap();
    let (told, _) = module(&node, json!({"file": [&file], "_ansible_check_mode": true}));
    assert_eq!(told["changed"], true, "{told}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    let (told, _) = module(&node, json!({"file": &file}));
    assert_eq!(told["changed"], true, "{told}");
    let (told, _) = module(&node, json!({"file": &file}));
    assert_eq!(told["changed"], false, "{told}");
}

#[test]
fn the_api_servers_module_is_its_verb() {
    let node = Node::new(Options::default());
    let keys = json!({
        "_kubelet_tls_module": "kubelet_tls_api_server", "manifest": node.path("/none.yaml"), "except": "worker-9"
    });
    let (answer, code) = module(&node, keys);
    assert_eq!(code, 1, "{answer}");
    assert_eq!(answer["kind"], "ApiServerApplyResult", "{answer}");
    assert_eq!(
        (&answer["failed"], &answer["changed"]),
        (&json!(true), &json!(false))
    );
    let message = answer["msg"].as_str().unwrap();
    assert!(message.contains("none.yaml"), "{answer}");
}
