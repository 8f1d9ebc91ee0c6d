//! The directory: written once, renewed when due, converging from any state, and touching no file of others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::Scene;

const KUSTOMIZE: [&str; 7] = [
    "apiservice.yaml",
    "ca.crt",
    "deployment.yaml",
    "kustomization.yaml",
    "secret.yaml",
    "tls.crt",
    "tls.key",
];

#[test]
fn a_second_run_changes_nothing() {
    for options in [
        &[][..],
        &["--base", "base.yaml", "--kubelet-ca", "ca.crt"],
        &["--format", "helm", "--keep-ca-key"],
        &[
            "--namespace",
            "monitoring",
            "--service",
            "ms",
            "--control-plane-ca",
        ],
    ] {
        let scene = Scene::new();
        scene.write(options);
        let before = scene.files();
        let again = scene.write(options);
        assert_eq!(scene.files(), before, "{options:?}");
        assert!(
            again
                .stdout
                .lines()
                .all(|line| line.ends_with(" unchanged"))
        );
        let document = scene.write(&[options, &["-o", "json"]].concat());
        let document: serde_json::Value = serde_json::from_str(&document.stdout).unwrap();
        assert_eq!(document["kind"], "MetricsServerResult");
        assert_eq!(document["changed"], false);
        assert_eq!(scene.files(), before);
    }
}

#[test]
fn keys_are_for_their_owner_alone() {
    let scene = Scene::new();
    scene.write(&["--keep-ca-key"]);
    let mode = |name: &str| {
        let metadata = fs::metadata(scene.out().join(name)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("tls.key"), mode("ca.key"), mode("tls.crt")),
        (0o600, 0o600, 0o644)
    );
    assert_eq!(mode("."), 0o755);
    // A key that another user could read is not used again.
    let before = scene.files();
    fs::set_permissions(
        scene.out().join("tls.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    scene.write(&["--keep-ca-key"]);
    assert_eq!(mode("tls.key"), 0o600);
    assert_ne!(scene.files()["tls.key"], before["tls.key"]);
    scene.write(&["--format", "helm"]);
    assert_eq!(mode("manifests.yaml"), 0o600);
}

/// Which files are other ones after a run with `then` than after one with `first`.
fn changed(first: &[&str], then: &[&str]) -> Vec<String> {
    let scene = Scene::new();
    scene.write(first);
    let before = scene.files();
    scene.write(then);
    let after = scene.files();
    let names = before.keys().chain(after.keys());
    let mut names: Vec<String> = names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn what_depends_on_an_option_follows_it_and_nothing_else() {
    assert_eq!(changed(&[], &["--renew-before", "1d"]), [""; 0]);
    assert_eq!(changed(&[], &["--control-plane-ca"]), ["deployment.yaml"]);
    assert_eq!(
        changed(&[], &["--kubelet-ca", "ca.crt"]),
        ["deployment.yaml", "kubelet-ca.crt", "kustomization.yaml"]
    );
    assert_eq!(
        changed(&["--kubelet-ca", "ca.crt"], &[]),
        ["deployment.yaml", "kubelet-ca.crt", "kustomization.yaml"]
    );
    assert_eq!(
        changed(&[], &["--base", "base.yaml"]),
        ["base.yaml", "deployment.yaml", "kustomization.yaml"]
    );
    let certificate = [
        "apiservice.yaml",
        "ca.crt",
        "deployment.yaml",
        "secret.yaml",
        "tls.crt",
        "tls.key",
    ];
    assert_eq!(changed(&[], &["--cluster-domain", "example"]), certificate);
    assert_eq!(changed(&[], &["--duration", "90d"]), certificate);
    assert_eq!(
        changed(&[], &["--keep-ca-key"]),
        [
            "apiservice.yaml",
            "ca.crt",
            "ca.key",
            "deployment.yaml",
            "secret.yaml",
            "tls.crt",
            "tls.key"
        ]
    );
    assert_eq!(changed(&["--keep-ca-key"], &[]), ["ca.key"]);
    assert_eq!(
        changed(&["--keep-ca-key"], &["--keep-ca-key", "--duration", "90d"]),
        ["deployment.yaml", "secret.yaml", "tls.crt", "tls.key"]
    );
    let everything = [
        "apiservice.yaml",
        "ca.crt",
        "deployment.yaml",
        "kustomization.yaml",
        "secret.yaml",
        "tls.crt",
        "tls.key",
    ];
    assert_eq!(changed(&[], &["--service", "ms"]), everything);
    assert_eq!(changed(&[], &["--namespace", "monitoring"]), everything);
    assert_eq!(
        changed(&[], &["--format", "helm"]),
        [
            "apiservice.yaml",
            "deployment.yaml",
            "kustomization.yaml",
            "manifests.yaml",
            "secret.yaml",
            "values.yaml"
        ]
    );
}

#[test]
fn the_bundle_keeps_the_ca_before_and_no_older_one() {
    let scene = Scene::new();
    scene.write(&[]);
    let first = scene.ca_bundle();
    scene.write(&["--duration", "90d"]);
    let second = scene.ca_bundle();
    scene.write(&["--duration", "91d"]);
    let third = scene.ca_bundle();
    assert_eq!((first.len(), second.len(), third.len()), (1, 2, 2));
    assert_eq!((&second[1], &third[1]), (&first[0], &second[0]));
}

#[test]
fn a_directory_left_by_two_interrupted_runs_is_completed() {
    let states = || {
        let scene = Scene::new();
        scene.write(&[]);
        let old = scene.files();
        scene.write(&["--duration", "90d"]);
        (scene, old)
    };
    // Killed after each of the files, in any order of them; the index does not exist then.
    for number in 0..1_u32 << KUSTOMIZE.len() {
        let (scene, old) = states();
        for (index, name) in KUSTOMIZE.iter().enumerate() {
            if number >> index & 1 == 1 {
                fs::write(scene.out().join(name), &old[*name]).unwrap();
            }
        }
        let _ = fs::remove_file(scene.out().join("kustomization.yaml"));
        scene.write(&["--duration", "90d"]);
        let whole = scene.files();
        assert_eq!(scene.names(), KUSTOMIZE);
        super::certificates::verifies(&scene, "metrics-server.kube-system.svc");
        scene.write(&["--duration", "90d"]);
        assert_eq!(scene.files(), whole);
    }
}

#[test]
fn lost_and_damaged_files_are_recreated() {
    for name in KUSTOMIZE {
        let scene = Scene::new();
        scene.write(&[]);
        fs::remove_file(scene.out().join(name)).unwrap();
        fs::write(scene.out().join(".kubelet-tls-abcdefABCDE1.tmp"), "torn").unwrap();
        scene.write(&[]);
        assert_eq!(scene.names(), KUSTOMIZE, "{name}");
        super::certificates::verifies(&scene, "metrics-server.kube-system.svc");
    }
    for name in ["tls.crt", "tls.key", "ca.crt"] {
        let scene = Scene::new();
        scene.write(&[]);
        let path = scene.out().join(name);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() * 2 / 3]).unwrap();
        scene.write(&[]);
        super::certificates::verifies(&scene, "metrics-server.kube-system.svc");
    }
}

#[test]
fn files_that_kubelet_tls_did_not_write_are_never_touched() {
    for name in KUSTOMIZE
        .iter()
        .chain(&["base.yaml", "values.yaml", "ca.key"])
    {
        let scene = Scene::new();
        fs::create_dir(scene.out()).unwrap();
        fs::write(scene.out().join(name), "# mine\n").unwrap();
        let output = scene.run(&["--out", "out"]);
        assert_eq!(output.code, 65, "{name}: {}", output.stderr);
        assert!(
            output.stderr.contains(&format!(
                "error: cannot write out/{name}: it exists, and kubelet-tls did not write it; name an empty directory, or move it away\nhint: mv out/{name} out/{name}.old\n"
            )),
            "{}",
            output.stderr
        );
        assert_eq!(scene.names(), [*name]);
        assert_eq!(scene.files()[*name], b"# mine\n");
    }
}

#[test]
fn an_edited_manifest_is_not_lost_and_other_files_are_left_alone() {
    let scene = Scene::new();
    scene.write(&[]);
    fs::write(scene.out().join("README"), "mine").unwrap();
    scene.write(&["--service", "ms"]);
    assert_eq!(scene.files()["README"], b"mine");
    let path = scene.out().join("kustomization.yaml");
    let edited = fs::read_to_string(&path).unwrap() + "namePrefix: x\n";
    fs::write(&path, &edited).unwrap();
    let before = scene.files();
    let output = scene.run(&["--out", "out"]);
    assert_eq!(output.code, 65);
    assert!(
        output
            .stderr
            .contains("out/kustomization.yaml: it was edited after kubelet-tls wrote it")
    );
    assert_eq!(scene.files(), before);
}

#[test]
fn no_link_is_followed_and_no_directory_replaced() {
    let scene = Scene::new();
    fs::create_dir(scene.out()).unwrap();
    fs::write(scene.path("elsewhere"), "theirs").unwrap();
    std::os::unix::fs::symlink(scene.path("elsewhere"), scene.out().join("tls.key")).unwrap();
    assert_eq!(scene.run(&["--out", "out"]).code, 65);
    fs::remove_file(scene.out().join("tls.key")).unwrap();
    fs::create_dir(scene.out().join("tls.key")).unwrap();
    assert_eq!(scene.run(&["--out", "out"]).code, 65);
    assert_eq!(fs::read(scene.path("elsewhere")).unwrap(), b"theirs");
}

/// A copy of a directory brings another party's CA; so does a state directory without the record.
#[test]
fn a_ca_that_was_not_created_here_is_not_trusted() {
    let other = Scene::new();
    other.write(&["--keep-ca-key"]);
    let foreign = other.ca_bundle();
    let scene = Scene::new();
    fs::create_dir(scene.out()).unwrap();
    for (name, content) in other.files() {
        let path = scene.out().join(&name);
        fs::write(&path, content).unwrap();
        let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let output = scene.write(&["--keep-ca-key"]);
    assert!(!scene.ca_bundle().contains(&foreign[0]));
    assert_eq!(scene.ca_bundle().len(), 1);
    assert!(
        output
            .stderr
            .contains("the caBundle does not hold the CA that was in out before"),
        "{}",
        output.stderr
    );
    let files = other.files();
    for name in ["tls.key", "ca.key", "ca.crt", "tls.crt"] {
        assert_ne!(scene.files()[name], files[name], "{name}");
    }
}

#[test]
fn the_printed_install_command_runs_in_a_shell() {
    let scene = Scene::new();
    let output = scene.run(&["--dir", "a b;c"]);
    assert!(
        output
            .stderr
            .contains("to install: kubectl apply -k 'a b;c'\n"),
        "{}",
        output.stderr
    );
}
