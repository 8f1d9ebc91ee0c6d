//! Others who write at the same time, and a server on a bad day.

use std::thread;
use std::time::Duration;

use standins::pace;

use standins::Fault;

use super::scene::{Scene, reads, writes};

/// Changes the ConfigMap when the tool has read it and its first write is on the way.
fn meanwhile(
    scene: &Scene,
    arguments: &[&str],
    change: impl FnOnce(&mut standins::api::ConfigMap) + Send,
) -> standins::Output {
    scene
        .api
        .inject(writes().once(), Fault::Delay(Duration::from_millis(400)));
    thread::scope(|scope| {
        scope.spawn(|| {
            pace::wait_for(Duration::from_secs(20), || scene.writes() > 0);
            scene.change(change);
        });
        scene.run(arguments)
    })
}

#[test]
fn a_conflict_over_something_else_is_retried_from_a_fresh_read() {
    let scene = Scene::new();
    let output = meanwhile(&scene, &["cluster", "apply"], |map| {
        map.data.insert("new".into(), "theirs".into());
    });
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(scene.writes(), 2);
    assert_eq!(
        output.stdout.matches("+serverTLSBootstrap: true").count(),
        1
    );
    let map = scene.configmap();
    assert_eq!(map.data["new"], "theirs");
    assert!(map.data["kubelet"].contains("\nserverTLSBootstrap: true\n"));
}

#[test]
fn a_conflict_over_the_text_shows_what_is_written() {
    let scene = Scene::new();
    let output = meanwhile(&scene, &["cluster", "apply"], |map| {
        let text = map.data["kubelet"].replace(
            "kind: KubeletConfiguration\n",
            "kind: KubeletConfiguration # theirs\n",
        );
        map.data.insert("kubelet".into(), text);
    });
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(
        scene
            .text()
            .contains("kind: KubeletConfiguration # theirs\nserverTLSBootstrap: true\n")
    );
    let (_, last) = output
        .stdout
        .rsplit_once("--- configmap/kube-system/kubelet-config\n")
        .unwrap();
    assert!(
        last.contains(" kind: KubeletConfiguration # theirs\n+serverTLSBootstrap: true\n"),
        "{last}"
    );
    assert_eq!(
        output.stdout.matches("+serverTLSBootstrap: true").count(),
        2
    );
    assert!(
        output
            .stderr
            .contains("was changed by another client; the change is now this one"),
        "{}",
        output.stderr
    );
    let inserted = scene.receipt()["edits"][0]["sha256After"].clone();
    scene.expect(&["rollback", "--cluster"], 0);
    assert!(scene.text().contains("# theirs\n") && !scene.text().contains("serverTLSBootstrap"));
    assert_ne!(inserted, serde_json::Value::Null);

    let scene = Scene::new();
    let scene = &scene;
    let output = meanwhile(scene, &["cluster", "apply", "-o", "json"], |map| {
        let text = map.data["kubelet"].replace("cluster.local", "other.local");
        map.data.insert("kubelet".into(), text);
    });
    let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(document["edits"].as_array().unwrap().len(), 1);
    assert_eq!(document["changed"], true);
}

#[test]
fn another_client_that_made_the_same_change_first_is_no_error() {
    let scene = Scene::new();
    let output = meanwhile(&scene, &["cluster", "apply", "-o", "json"], |map| {
        let text = format!("{}serverTLSBootstrap: true\n", map.data["kubelet"]);
        map.data.insert("kubelet".into(), text);
    });
    assert_eq!(output.code, 0, "{}", output.stderr);
    let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(document["changed"], false);
    assert_eq!(scene.writes(), 1);
    // Theirs is not ours to undo.
    let text = scene.text();
    scene.expect(&["rollback", "--cluster"], 78);
    assert_eq!(scene.text(), text);
}

#[test]
fn a_conflict_after_which_the_text_is_refused_is_reported() {
    let scene = Scene::new();
    let output = meanwhile(&scene, &["cluster", "apply"], |map| {
        map.data.insert("kubelet".into(), "kind: Other\n".into());
    });
    assert_eq!(output.code, 65, "{}", output.stderr);
    assert_eq!(scene.text(), "kind: Other\n");
    assert_eq!(scene.receipt()["state"], "PutBack");
}

#[test]
fn conflicts_without_end_are_75() {
    let scene = Scene::new();
    scene.api.inject(writes(), Fault::Status(409, None));
    let before = scene.text();
    let output = scene.expect(&["cluster", "apply"], 75);
    assert!(
        output
            .stderr
            .contains("another client changed it each of 8 times"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.writes(), 8);
    assert_eq!(scene.text(), before);
    assert_eq!(
        output.stdout.matches("+serverTLSBootstrap: true").count(),
        1
    );
    assert_eq!(scene.receipt()["state"], "PutBack");
}

#[test]
fn a_transient_error_is_retried() {
    for fault in [
        Fault::Status(503, Some(1)),
        Fault::Status(429, None),
        Fault::Close,
        Fault::Reset,
        Fault::HalfHead,
    ] {
        let scene = Scene::new();
        scene.api.inject(writes().once(), fault.clone());
        scene.api.inject(reads().once(), fault);
        let document = scene.document(&["cluster", "apply"], 0);
        assert_eq!(document["changed"], true);
        assert!(scene.text().contains("serverTLSBootstrap: true"));
        assert_eq!(scene.receipt()["state"], "Done");
    }
}

#[test]
fn an_answer_that_is_lost_causes_no_second_change() {
    let scene = Scene::new();
    scene.api.inject(writes().once(), Fault::Lost);
    let document = scene.document(&["cluster", "apply"], 0);
    assert_eq!(document["changed"], true);
    assert_eq!(scene.writes(), 1);
    assert_eq!(scene.receipt()["state"], "Done");
    scene.api.inject(writes().once(), Fault::Lost);
    let document = scene.document(&["rollback", "--cluster"], 0);
    assert_eq!(document["changed"], true);
    assert_eq!(scene.writes(), 2);
    assert!(!scene.text().contains("serverTLSBootstrap"));
    assert_eq!(scene.receipt()["state"], "RolledBack");
}

#[test]
fn the_edit_that_failed_is_in_the_document() {
    let scene = Scene::new();
    for (verb, prepare) in [
        (["cluster", "apply", "-o", "json"], None),
        (
            ["cluster", "rollback", "-o", "json"],
            Some(["cluster", "apply"]),
        ),
    ] {
        if let Some(prepare) = prepare {
            scene.expect(&prepare, 0);
        }
        scene.api.inject(writes(), Fault::Status(403, None));
        let output = scene.expect(&verb, 77);
        let document: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(document["changed"], false, "{document}");
        assert_eq!(document["edits"].as_array().unwrap().len(), 1, "{document}");
        scene.api.clear_faults();
    }
}

#[test]
fn a_configmap_that_is_deleted_after_the_write_leaves_the_receipt_open() {
    let scene = Scene::new();
    scene.api.inject(writes(), Fault::Lost);
    scene.api.inject(reads().skip(2), Fault::Status(404, None));
    // Between the write and the next look at it.
    let output = scene.expect(&["cluster", "apply"], 69);
    assert!(
        output.stderr.contains("it was deleted meanwhile"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.receipt()["state"], "Started");
    // The next run finds the change made, and takes it for this one's.
    scene.api.clear_faults();
    let output = scene.expect(&["cluster", "apply"], 0);
    assert!(output.stderr.contains("unchanged"), "{}", output.stderr);
    assert_eq!(scene.receipt()["state"], "Done");
    scene.expect(&["rollback", "--cluster"], 0);
    assert!(!scene.text().contains("serverTLSBootstrap"));

    let scene = Scene::new();
    scene.api.inject(writes(), Fault::Status(503, None));
    let output = scene.expect(&["cluster", "apply"], 69);
    assert!(
        output
            .stderr
            .contains("whether the change was made is not known\nhint: kubelet-tls cluster diff\n"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.receipt()["state"], "Started");
    scene.api.clear_faults();
    scene.expect(&["rollback", "--cluster"], 0);
    assert_eq!(scene.receipt()["state"], "PutBack");
}

#[test]
fn a_server_that_stores_another_text_is_reported() {
    let scene = Scene::new();
    let other = r#"{"kind":"ConfigMap","metadata":{"name":"kubelet-config","uid":"u","resourceVersion":"9"},"data":{"kubelet":"other"}}"#;
    scene.api.inject(writes(), Fault::Body(other.into()));
    for options in [&["--dry-run"][..], &[]] {
        let output = scene.expect(&[&["cluster", "apply"], options].concat(), 69);
        assert!(
            output
                .stderr
                .contains("stored another text than the one sent"),
            "{}",
            output.stderr
        );
    }
}

#[test]
fn a_dry_run_that_the_server_cannot_validate_does_not_fail() {
    let scene = Scene::new();
    scene.api.inject(writes(), Fault::Status(400, None));
    let document = scene.document(&["cluster", "apply", "--dry-run"], 0);
    let warning = document["warnings"][1].as_str().unwrap();
    assert!(
        warning.starts_with("the API server does not support a dry run of it"),
        "{warning}"
    );
    scene.expect(&["cluster", "apply"], 69);
}
