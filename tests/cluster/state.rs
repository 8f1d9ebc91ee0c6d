//! Where the receipt is kept, for root and for others.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use standins::Output;

use super::scene::Scene;

const UNPRIVILEGED: u32 = 65534;

/// The binary as another user, where that is possible.
fn as_nobody(scene: &Scene, arguments: &[&str], variables: &[(&str, &str)]) -> Option<Output> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return None;
    }
    fs::set_permissions(scene.directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let config = scene.directory.path().join("admin.conf");
    fs::set_permissions(config, fs::Permissions::from_mode(0o644)).unwrap();
    let mut command = scene.command(arguments);
    command
        .env_remove("KUBELET_TLS_STATE_DIR")
        .envs(variables.iter().copied())
        .uid(UNPRIVILEGED)
        .gid(UNPRIVILEGED);
    if command
        .output()
        .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
    {
        eprintln!("skipped: another user cannot run the binary where it is");
        return None;
    }
    Some(Output::of(&mut command))
}

#[test]
fn an_administrator_who_is_not_root_has_the_receipt_at_home() {
    let scene = Scene::new();
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    std::os::unix::fs::chown(home, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap_or_default();
    let path = home.to_str().unwrap();
    let Some(output) = as_nobody(&scene, &["cluster", "apply"], &[("HOME", path)]) else {
        return;
    };
    assert_eq!(output.code, 0, "{}", output.stderr);
    let receipt = home.join(".local/state/kubelet-tls/cluster-receipt.json");
    assert_eq!(
        fs::metadata(&receipt).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let directory = receipt.parent().unwrap();
    assert_eq!(
        fs::metadata(directory).unwrap().permissions().mode() & 0o777,
        0o700
    );

    let xdg = home.join("xdg");
    let variables = [("HOME", path), ("XDG_STATE_HOME", xdg.to_str().unwrap())];
    let output = as_nobody(&scene, &["rollback", "--cluster"], &variables).unwrap();
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(
        output
            .stderr
            .contains("xdg/kubelet-tls/cluster-receipt.json"),
        "{}",
        output.stderr
    );
    let output = as_nobody(&scene, &["rollback", "--cluster"], &[("HOME", path)]).unwrap();
    assert_eq!(output.code, 0, "{}", output.stderr);
}

#[test]
fn if_no_receipt_can_be_written_nothing_is_changed() {
    let scene = Scene::new();
    let before = scene.text();
    let Some(output) = as_nobody(&scene, &["cluster", "apply"], &[("HOME", "/proc")]) else {
        return;
    };
    assert!(matches!(output.code, 74 | 77), "{}", output.stderr);
    let output = as_nobody(&scene, &["cluster", "apply"], &[]).unwrap();
    assert_eq!(output.code, 74, "{}", output.stderr);
    assert!(
        output.stderr.contains("hint: export HOME=~"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.text(), before);
    assert_eq!(scene.writes(), 0);
    // Looking needs none.
    let output = as_nobody(&scene, &["cluster", "diff"], &[]).unwrap();
    assert_eq!(output.code, 1, "{}", output.stderr);
}

#[test]
fn one_of_two_concurrent_runs_works_and_the_other_is_75() {
    let scene = Scene::new();
    fs::create_dir(scene.state()).unwrap();
    // Any user who may read the directory may lock it, and that delays no run.
    let open = fs::File::open(scene.state()).unwrap();
    let _other =
        nix::fcntl::Flock::lock(open, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
    let held = fs::File::create(scene.state().join("cluster.lock")).unwrap();
    let lock = nix::fcntl::Flock::lock(held, nix::fcntl::FlockArg::LockExclusiveNonblock).unwrap();
    let output = scene.expect(&["cluster", "apply"], 75);
    assert!(
        output.stderr.contains("another kubelet-tls holds the lock"),
        "{}",
        output.stderr
    );
    assert_eq!(scene.writes(), 0);
    // What writes nothing need not wait.
    scene.expect(&["cluster", "diff"], 1);
    scene.expect(&["cluster", "apply", "--dry-run"], 0);
    drop(lock);
    scene.expect(&["cluster", "apply"], 0);
    assert!(!scene.state().join("cluster.lock").exists());
}
