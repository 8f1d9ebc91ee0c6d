//! Files that cannot be read, written or locked.

use super::*;

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

#[test]
fn files_that_cannot_be_read_or_written_are_errors() {
    let (directory, path) = scene(SHORT);
    fs::create_dir(directory.path().join("directory")).unwrap();
    let fails = |arguments: &[&str], code, expected: &str| {
        kubelet_tls(directory.path())
            .args(arguments)
            .assert()
            .code(code)
            .stdout_eq("")
            .stderr_eq(expected.to_owned());
    };
    fails(
        &["diff", "none.yaml"],
        74,
        "error: cannot read none.yaml: no such file or directory\nhint: ls -l .\n",
    );
    fails(
        &["apply", "none.yaml"],
        74,
        "error: cannot read none.yaml: no such file or directory\nhint: ls -l .\n",
    );
    fails(
        &["diff", "directory"],
        74,
        "error: cannot read directory: it is a directory, not a regular file; name a file in it\nhint: ls directory\n",
    );
    fs::hard_link(&path, directory.path().join("other.yaml")).unwrap();
    fails(
        &["apply", "config.yaml"],
        74,
        "error: cannot write config.yaml: it has 2 hard links, and replacing the file would break them\nhint: find / -xdev -samefile config.yaml\n",
    );
    fails(
        &["apply", "--dry-run", "config.yaml"],
        74,
        "error: cannot write config.yaml: it has 2 hard links[..]\n...\n",
    );
    let large = directory.path().join("large.yaml");
    fs::write(&large, "#".repeat(1024 * 1024 + 1)).unwrap();
    fails(
        &["diff", "large.yaml"],
        65,
        "error: cannot read large.yaml: larger than 1048576 bytes; a kubelet or kubeadm configuration is far smaller\nhint: ls -l large.yaml\n",
    );
}

/// flock(2) on the directory itself is for anyone who may read it.
#[test]
fn another_program_that_locks_the_directory_delays_no_run() {
    let (directory, path) = scene(SHORT);
    let _lock = flock(&fs::File::open(directory.path()).unwrap());
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), ON);
}

#[test]
fn a_directory_that_another_run_holds_is_75() {
    let (directory, path) = scene(SHORT);
    let lock = hold_lock(directory.path());
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(75)
        .stderr_eq("error: cannot write config.yaml: another kubelet-tls holds the lock in [..]; wait for it to end\nhint: [..]kubelet-tls apply config.yaml\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), SHORT);
    // Looking needs no lock.
    kubelet_tls(directory.path())
        .args(["diff", "config.yaml"])
        .assert()
        .code(1);
    drop(lock);
    kubelet_tls(directory.path())
        .args(["apply", "config.yaml"])
        .assert()
        .code(0);
}

#[test]
fn without_permission_it_is_77() {
    let (directory, path) = scene(SHORT);
    // As root nothing is forbidden: then another user tries.
    let as_nobody = |arguments: &[&str]| {
        use std::os::unix::process::CommandExt as _;
        let binary = directory.path().join("kubelet-tls");
        if !binary.exists() {
            copy_program(env!("CARGO_BIN_EXE_kubelet-tls"), &binary);
        }
        let mut command = std::process::Command::new(binary);
        command.current_dir(directory.path()).args(arguments);
        if is_root() {
            command.uid(65534).gid(65534);
        }
        command.output().unwrap()
    };
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let read_only = as_nobody(&["apply", "config.yaml"]);
    assert_eq!(
        read_only.status.code(),
        Some(77),
        "{}",
        String::from_utf8_lossy(&read_only.stderr)
    );
    assert_eq!(
        String::from_utf8_lossy(&read_only.stderr),
        format!(
            "error: cannot write config.yaml: permission denied\nhint: sudo {} apply config.yaml\n",
            directory.path().join("kubelet-tls").display()
        )
    );
    assert_eq!(as_nobody(&["diff", "config.yaml"]).status.code(), Some(1));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(as_nobody(&["diff", "config.yaml"]).status.code(), Some(77));
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_else(|_| SHORT.into()),
        SHORT
    );
}
