//! Files in odd places, and others at work on them meanwhile. What needs a mount of its own (a full tmpfs, a read-only
//! or a bind mount) or `chattr` is in `tests/node/files.rs`.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use standins::node::copy_program;
use standins::{Node, Options, Output, pace};

const TOOL: &str = env!("CARGO_BIN_EXE_kubelet-tls");
const CONFIG: &str = include_str!("../../testdata/captured/1.36/config.yaml");
const ENABLED: &str = "serverTLSBootstrap: true\n";

fn scene() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.yaml");
    fs::write(&path, CONFIG).expect("a config");
    (directory, path)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn apply(path: &Path) -> Output {
    Output::of(Command::new(TOOL).arg("apply").arg(path))
}

/// Starts it with a second's delay before the `nth` call of that name.
fn apply_held(path: &Path, call: &str, nth: u32) -> Child {
    let held = format!("inject={call}:delay_enter=1000000:when={nth}");
    Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .args(["-e", &held, TOOL, "apply"])
        .arg(path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace")
}

fn ended(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), said)
}

/// Waits for the temporary file, and says where it is.
fn temporary(directory: &Path) -> PathBuf {
    let until = pace::now() + Duration::from_secs(20);
    loop {
        let ours = |name: &String| name.starts_with(".kubelet-tls-");
        if let Some(name) = names(directory).into_iter().find(ours) {
            return directory.join(name);
        }
        assert!(pace::now() < until, "no temporary file");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// As another user: a directory that is not theirs, and one that is, with a file that is not.
pub fn another_users_file() {
    for mode in [0o755, 0o777] {
        let (directory, path) = scene();
        let tool = directory.path().join("kubelet-tls");
        copy_program(TOOL, &tool);
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("chmod");
        let before = names(directory.path());
        let unprivileged = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        let mut command = Command::new("setpriv");
        let run = Output::of(
            command
                .args(unprivileged)
                .arg(&tool)
                .arg("apply")
                .arg(&path),
        );
        assert_eq!(run.code, 77, "{mode:o}: {}", run.stderr);
        assert!(run.stderr.contains("\nhint: sudo "), "{}", run.stderr);
        assert_eq!(fs::read_to_string(&path).expect("the file"), CONFIG);
        assert_eq!(names(directory.path()), before);
    }
}

/// Links and directories with names like those of the temporary file are neither followed nor taken away.
pub fn planted_before() {
    let (directory, path) = scene();
    let victim = directory.path().join("victim");
    fs::write(&victim, "theirs").expect("a file");
    for n in 0..100 {
        let name = format!(".kubelet-tls-AAAAAAAAAA{n:02}.tmp");
        symlink(&victim, directory.path().join(name)).expect("a link");
    }
    let trap = directory.path().join(".kubelet-tls-BBBBBBBBBBBB.tmp");
    fs::create_dir(&trap).expect("a directory");
    let before = names(directory.path());
    let run = apply(&path);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(
        fs::read_to_string(&path)
            .expect("the file")
            .contains(ENABLED)
    );
    assert_eq!(fs::read_to_string(&victim).expect("the file"), "theirs");
    assert_eq!(names(directory.path()), before);
}

/// A link put in the temporary file's place just before the rename: nothing is written through it, and no one is told
/// that the change was made.
pub fn planted_meanwhile() {
    let (directory, path) = scene();
    let victim = directory.path().join("victim");
    fs::write(&victim, "theirs").expect("a file");
    let mode = Permissions::from_mode(0o604);
    fs::set_permissions(&victim, mode).expect("chmod");
    let run = apply_held(&path, "renameat", 1);
    let temporary = temporary(directory.path());
    std::thread::sleep(Duration::from_millis(300));
    fs::remove_file(&temporary).expect("unlink");
    symlink(&victim, &temporary).expect("a link");
    let (code, said) = ended(run);
    assert_eq!(code, Some(75), "{said}");
    assert!(
        said.contains("it changed while this run was at work"),
        "{said}"
    );
    assert_eq!(fs::read_to_string(&victim).expect("the file"), "theirs");
    let mode = fs::metadata(&victim).expect("the file").permissions();
    assert_eq!(mode.mode() & 0o7777, 0o604);
}

/// An editor saves the config between the first look and the last: its text stays, however it was saved.
pub fn swapped_meanwhile() {
    let theirs = format!("{CONFIG}# mine\n");
    for (way, text) in [
        ("rename", &*theirs),
        ("in place", &theirs),
        ("same", CONFIG),
    ] {
        let (directory, path) = scene();
        let run = apply_held(&path, "fsync", 1);
        temporary(directory.path());
        if way == "in place" {
            fs::write(&path, text).expect("write");
        } else {
            let new = directory.path().join("new");
            fs::write(&new, text).expect("write");
            fs::rename(&new, &path).expect("rename");
        }
        let (code, said) = ended(run);
        assert_eq!(code, Some(75), "{way}: {said}");
        assert!(
            said.contains("it changed while this run was at work"),
            "{way}: {said}"
        );
        assert_eq!(fs::read_to_string(&path).expect("the file"), text, "{way}");
        assert_eq!(names(directory.path()), ["config.yaml"], "{way}");
        assert_eq!(apply(&path).code, 0, "{way}");
    }
}

/// A restart that a killed run had asked for comes only while the next run watches: that is not a failure, and no reason to roll back.
pub fn a_restart_that_comes_late() {
    let mut options = Options::default();
    options.knobs.standalone = true;
    let node = Node::new(options);
    let starts = node.kubelet_starts();
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(
                node.wait_for(Duration::from_secs(20), |node| node.kubelet_starts()
                    > starts)
            );
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(node.systemctl(&["restart", "kubelet.service"]).code, 0);
        });
        node.run(TOOL, &["apply", "--wait", "none", "--settle", "1s"])
    });
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(node.config().contains(ENABLED));
    assert_eq!(node.kubelet_starts(), starts + 2);
    assert!(node.is_healthy());
}
