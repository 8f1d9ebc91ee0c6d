//! `rollback` on a node of stand-ins.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use standins::{Healthz, Node, Options, Output};

const ENABLED: &str = "serverTLSBootstrap: true\n";

fn node() -> Node {
    Node::new(Options::default())
}

fn run(node: &Node, arguments: &[&str]) -> Output {
    node.run(env!("CARGO_BIN_EXE_kubelet-tls"), arguments)
}

/// A node on which `apply` has made the change; and its config before.
fn applied() -> (Node, String) {
    let node = node();
    let before = node.config();
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    assert_ne!(node.config(), before);
    (node, before)
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&output.stdout).unwrap()
}

/// Turns the receipt's state, as a run that is killed at that point leaves it.
fn set_state(node: &Node, state: &str) {
    let path = node.path("var/lib/kubelet-tls/receipt.json");
    let mut receipt: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    receipt["state"] = state.into();
    fs::write(&path, receipt.to_string()).unwrap();
}

fn state(node: &Node) -> String {
    let bytes = fs::read(node.path("var/lib/kubelet-tls/receipt.json")).unwrap();
    let receipt: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    receipt["state"].as_str().unwrap().to_owned()
}

#[test]
fn rollback_restores_every_byte_and_only_once() {
    let node = node();
    let (before, path) = (node.config(), node.config_path());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let after = node.config();
    let starts = node.kubelet_starts();

    let dry = run(&node, &["rollback", "--dry-run"]);
    assert_eq!(
        (dry.code, node.config(), node.kubelet_starts()),
        (0, after.clone(), starts),
        "{}",
        dry.stderr
    );
    let lines: Vec<&str> = dry.stdout.lines().skip(2).collect();
    assert!(lines.contains(&"-serverTLSBootstrap: true"), "{lines:?}");

    let rollback = run(&node, &["rollback", "--settle", "1s", "-o", "json"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o640
    );
    assert_eq!(node.kubelet_starts(), starts + 1);
    let document = json(&rollback);
    assert_eq!(document["kind"], "RollbackResult");
    assert_eq!(
        (
            &document["changed"],
            &document["rolledBack"],
            &document["dryRun"]
        ),
        (&true.into(), &true.into(), &false.into())
    );
    assert_eq!(document["restart"]["healthy"], true);
    assert_eq!(document["edits"][0]["diff"], dry.stdout);
    assert_eq!(state(&node), "RolledBack");

    let again = run(&node, &["rollback"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
    assert!(
        again.stderr.contains("is rolled back already"),
        "{}",
        again.stderr
    );
    assert_eq!(node.kubelet_starts(), starts + 1);

    // And on again.
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!((apply.code, node.config()), (0, after), "{}", apply.stderr);
}

#[test]
fn without_an_apply_there_is_nothing_to_undo() {
    let node = node();
    let rollback = run(&node, &["rollback", "-o", "json"]);
    assert_eq!(rollback.code, 0, "{}", rollback.stderr);
    assert_eq!(json(&rollback)["changed"], false);
    assert_eq!(
        rollback.stderr,
        "nothing to roll back: no apply has changed this node\n"
    );
}

#[test]
fn a_file_that_was_edited_since_is_left_alone() {
    let (node, _) = applied();
    node.edit_config(|config| format!("# mine\n{config}"));
    let (edited, starts) = (node.config(), node.kubelet_starts());
    let rollback = run(&node, &["rollback"]);
    assert_eq!(
        (rollback.code, node.config(), node.kubelet_starts()),
        (78, edited, starts),
        "{}",
        rollback.stderr
    );
    let stderr = rollback
        .stderr
        .replace(&node.root().display().to_string(), "[ROOT]");
    snapbox::assert_data_eq!(
        stderr,
        snapbox::str![[r#"
error: cannot roll back [ROOT]/var/lib/kubelet/config.yaml: it was edited after the apply of [..] (added "serverTLSBootstrap: true"); to change only that key: kubelet-tls apply --disable
hint: kubelet-tls diff --disable [ROOT]/var/lib/kubelet/config.yaml

"#]]
    );
    assert_eq!(state(&node), "Done");
}

/// The kubelet dies of the old bytes: what was applied stands again.
#[test]
fn a_kubelet_that_dies_of_the_rollback_gets_the_applied_file_back() {
    let mut options = Options {
        config_line: Some(ENABLED.trim().into()),
        ..Options::default()
    };
    options.knobs.die_after_ms_if_bootstrap = None;
    let node = Node::new(options);
    let disable = run(&node, &["apply", "--disable", "--settle", "0s"]);
    assert_eq!(disable.code, 0, "{}", disable.stderr);
    let disabled = node.config();
    node.set_knobs(|knobs| knobs.die_after_ms_if_bootstrap = Some(100));
    let rollback = run(&node, &["rollback", "--settle", "1s", "-o", "json"]);
    assert_eq!(
        (rollback.code, node.config()),
        (78, disabled),
        "{}",
        rollback.stderr
    );
    assert!(node.is_healthy());
    let document = json(&rollback);
    assert_eq!(
        (&document["changed"], &document["rolledBack"]),
        (&false.into(), &false.into())
    );
    assert!(
        document["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("cannot roll back the last apply: "),
        "{document}"
    );
    assert_eq!(state(&node), "Done");
}

/// A kubelet that is down is a reason to roll back, not one against it.
#[test]
fn a_kubelet_that_is_down_is_rolled_back() {
    let (node, before) = applied();
    node.set_knobs(|knobs| knobs.die_after_ms_if_bootstrap = Some(1));
    node.systemctl(&["restart", "kubelet.service"]);
    assert!(node.wait_for(Duration::from_secs(10), |node| !node.is_healthy()));
    let rollback = run(&node, &["rollback", "--settle", "500ms"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert!(node.is_healthy());
}

#[test]
fn an_interrupted_apply_is_seen_and_undone() {
    let (node, before) = applied();
    set_state(&node, "Started");
    let status = run(&node, &["status", "-o", "json"]);
    let warnings = json(&status)["warnings"].to_string();
    assert!(warnings.contains("was interrupted"), "{warnings}");
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert_eq!(state(&node), "RolledBack");
    assert_eq!(
        json(&run(&node, &["status", "-o", "json"]))["warnings"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

/// The kubelet runs with the edit of an interrupted run, and must still stay up for the settle time: it does not.
#[test]
fn a_change_that_no_run_has_seen_settle_is_watched() {
    let (node, before) = applied();
    node.set_knobs(|knobs| knobs.die_after_ms_if_bootstrap = Some(4000));
    assert_eq!(node.systemctl(&["restart", "kubelet.service"]).code, 0);
    assert!(node.wait_for(Duration::from_secs(3), |node| node.is_healthy()));
    set_state(&node, "Started");
    let apply = run(&node, &["apply", "--settle", "7s", "--wait", "none"]);
    assert_eq!(
        (apply.code, node.config()),
        (78, before),
        "{}",
        apply.stderr
    );
}

/// Killed before it undid anything, and after: the next rollback continues from there, and the next apply starts afresh.
#[test]
fn an_interrupted_rollback_is_completed() {
    let (node, before) = applied();
    let after = node.config();
    set_state(&node, "RollingBack");
    let status = run(&node, &["status", "-o", "json"]);
    let warnings = json(&status)["warnings"].to_string();
    assert!(warnings.contains("rollback"), "{warnings}");
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before.clone()),
        "{}",
        rollback.stderr
    );

    // Undone and not restarted.
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    std::thread::sleep(Duration::from_millis(300));
    set_state(&node, "RollingBack");
    node.edit_config(|_| before.clone());
    let starts = node.kubelet_starts();
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before.clone()),
        "{}",
        rollback.stderr
    );
    assert_eq!(
        (node.kubelet_starts(), state(&node)),
        (starts + 1, "RolledBack".into())
    );

    // An apply instead.
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(
        (apply.code, node.config()),
        (0, after.clone()),
        "{}",
        apply.stderr
    );
    set_state(&node, "RollingBack");
    let apply = run(&node, &["apply", "--settle", "0s"]);
    assert_eq!(
        (apply.code, node.config(), state(&node)),
        (0, after, "Done".into()),
        "{}",
        apply.stderr
    );
}

/// Two files: the second is undone before the first; a run that was cut off between them leaves nothing to guess.
#[test]
fn all_files_of_the_last_apply_are_restored() {
    let node = node();
    let kubeadm = node.path("root/kubeadm.yaml");
    fs::create_dir_all(kubeadm.parent().unwrap()).unwrap();
    let text = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n";
    fs::write(&kubeadm, text).unwrap();
    let named = kubeadm.display().to_string();
    let apply: &[&str] = &["apply", "--settle", "0s", "--kubeadm-config", &named];
    let before = node.config();
    let first = run(&node, apply);
    assert_eq!(first.code, 0, "{}", first.stderr);
    let (after, appended) = (node.config(), fs::read_to_string(&kubeadm).unwrap());
    assert!(appended.contains(ENABLED.trim()), "{appended}");

    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(rollback.code, 0, "{}", rollback.stderr);
    assert_eq!(
        (node.config(), fs::read_to_string(&kubeadm).unwrap()),
        (before.clone(), text.into())
    );

    // Cut off between the two edits.
    let second = run(&node, apply);
    assert_eq!(second.code, 0, "{}", second.stderr);
    fs::write(&kubeadm, text).unwrap();
    set_state(&node, "Started");
    let third = run(&node, apply);
    assert_eq!(third.code, 0, "{}", third.stderr);
    assert!(
        third.stderr.contains("interrupted between two edits"),
        "{}",
        third.stderr
    );
    assert_eq!(
        (node.config(), fs::read_to_string(&kubeadm).unwrap()),
        (after, appended)
    );
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!(rollback.code, 0, "{}", rollback.stderr);
    assert_eq!(
        (node.config(), fs::read_to_string(&kubeadm).unwrap()),
        (before, text.into())
    );
}

#[test]
fn without_a_restart_only_the_files_are_restored() {
    let (node, before) = applied();
    node.set_knobs(|knobs| knobs.healthz = Healthz::Error);
    let starts = node.kubelet_starts();
    let rollback = run(&node, &["rollback", "--restart", "never"]);
    assert_eq!(
        (rollback.code, node.config()),
        (0, before),
        "{}",
        rollback.stderr
    );
    assert_eq!(node.kubelet_starts(), starts);
}

/// kubeadm has rewritten the file as it was before: the key is gone, and no outage comes of the restart.
#[test]
fn after_a_rewrite_no_outage_is_warned_of() {
    let (node, before) = applied();
    node.edit_config(|_| before.clone());
    let rollback = run(&node, &["rollback", "--settle", "0s"]);
    assert_eq!((rollback.code, node.config()), (0, before));
    assert!(
        !rollback.stderr.contains("refuses TLS"),
        "{}",
        rollback.stderr
    );
    assert!(
        rollback.stderr.contains("restarting kubelet.service"),
        "{}",
        rollback.stderr
    );
}

/// What is advised follows what the apply was for, and is about the same files.
#[test]
fn advice_keeps_the_root() {
    let node = node();
    let image = node.root().join("image");
    let config = image.join("var/lib/kubelet/config.yaml");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    let off = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
    fs::write(&config, off).unwrap();
    let root = image.display().to_string();
    let apply = run(&node, &["apply", "--root", &root]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let applied = fs::read_to_string(&config).unwrap();

    fs::write(&config, format!("{applied}# mine\n")).unwrap();
    let rollback = run(&node, &["rollback", "--root", &root]);
    assert_eq!(rollback.code, 78, "{}", rollback.stderr);
    let advice = format!("to change only that key: kubelet-tls apply --disable --root {root}\n");
    assert!(rollback.stderr.contains(&advice), "{}", rollback.stderr);

    fs::write(&config, format!("{off}# mine\n")).unwrap();
    let rollback = run(&node, &["rollback", "--root", &root]);
    assert_eq!(rollback.code, 78, "{}", rollback.stderr);
    assert!(
        rollback.stderr.ends_with(
            "; it no longer sets serverTLSBootstrap: true, so nothing is left to undo\n"
        ),
        "{}",
        rollback.stderr
    );
}
