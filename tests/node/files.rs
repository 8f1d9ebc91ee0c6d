//! Files that cannot be replaced, or not simply: refused before anything happens, or done right.

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::worker::{CONFIG, ENABLED, Worker};

/// Each obstacle is named, before the kubelet is touched.
pub fn a_file_that_cannot_be_replaced_is_refused() {
    let worker = Worker::start("obstacles");
    let machine = &worker.machine;
    let refused = |what: &str, words: &[&str]| {
        let (config, unit) = (worker.config(), worker.unit());
        for arguments in [&["apply", "--dry-run"][..], &["apply", "--settle", "1s"]] {
            let apply = worker.tool(arguments).run();
            assert_eq!(apply.code, Some(74), "{what}: {apply}");
            assert!(
                words.iter().any(|word| apply.stderr.contains(word)),
                "{what}: {apply}"
            );
            assert!(apply.stderr.contains("error: cannot "), "{what}: {apply}");
            assert_eq!(worker.config(), config, "{what}: {apply}");
            assert_eq!(worker.unit(), unit, "{what}: {apply}");
        }
        let apply = worker.tool(&["apply", "-o", "json"]).run();
        apply.assert_failed_unchanged(74, what);
        assert_eq!(worker.config(), config, "{what}: {apply}");
        let diff = worker.tool(&["diff"]).run();
        assert_eq!(diff.code, Some(1), "looking is not writing: {what}: {diff}");
    };

    machine.must(&["chattr", "+i", CONFIG]);
    refused("immutable", &["immutable"]);
    machine.must(&["chattr", "-i", CONFIG]);

    machine.must(&["chattr", "+a", CONFIG]);
    refused("append-only", &["append-only"]);
    machine.must(&["chattr", "-a", CONFIG]);

    machine.must(&["chattr", "+i", "/var/lib/kubelet"]);
    refused("immutable directory", &["immutable"]);
    machine.must(&["chattr", "-i", "/var/lib/kubelet"]);

    machine.must(&["ln", CONFIG, "/var/lib/kubelet/second-name"]);
    refused("hard link", &["hard link"]);
    machine.must(&["rm", "/var/lib/kubelet/second-name"]);

    machine.must(&["cp", "-a", CONFIG, "/root/config.yaml"]);
    machine.must(&["mount", "--bind", "/root/config.yaml", CONFIG]);
    refused("bind mount", &["mount point"]);
    machine.must(&["umount", CONFIG]);

    machine.must(&["mount", "--bind", "/var/lib/kubelet", "/var/lib/kubelet"]);
    machine.must(&["mount", "-o", "remount,bind,ro", "/var/lib/kubelet"]);
    refused("read-only", &["read-only"]);
    machine.must(&["umount", "/var/lib/kubelet"]);

    machine.must(&["cp", "-a", "/var/lib/kubelet", "/root/kubelet"]);
    machine.must(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=256k",
        "tmpfs",
        "/var/lib/kubelet",
    ]);
    machine.must(&["cp", "-a", "/root/kubelet/.", "/var/lib/kubelet"]);
    machine.run(&["sh", "-c", "cat /dev/zero >/var/lib/kubelet/filler"]);
    refused("full", &["no space"]);
    machine.must(&["rm", "/var/lib/kubelet/filler"]);
    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "on a tmpfs with room: {apply}");
}

/// What could not be undone is not done.
pub fn without_room_for_its_receipt_nothing_is_changed() {
    let worker = Worker::start("no-receipt");
    let (config, unit) = (worker.config(), worker.unit());
    let machine = &worker.machine;
    machine.must(&["mkdir", "-p", "/var/lib/kubelet-tls"]);
    machine.must(&[
        "mount",
        "-t",
        "tmpfs",
        "-o",
        "size=16k,mode=0700",
        "tmpfs",
        "/var/lib/kubelet-tls",
    ]);
    machine.run(&["sh", "-c", "cat /dev/zero >/var/lib/kubelet-tls/filler"]);
    let apply = worker.tool(&["apply", "-o", "json"]).run();
    apply.assert_failed_unchanged(74, "no room for the receipt");
    assert_eq!((worker.config(), worker.unit()), (config, unit), "{apply}");
}

/// The file that the link leads to changes, the link stays.
pub fn a_symlink_is_followed_and_kept() {
    let worker = Worker::start("symlink");
    let machine = &worker.machine;
    machine.must(&[
        "sh",
        "-c",
        &format!("mkdir /etc/kubelet && mv {CONFIG} /etc/kubelet/real.yaml"),
    ]);
    // relative, so that it leads to the same file seen from outside
    machine.must(&["ln", "-s", "../../../etc/kubelet/real.yaml", CONFIG]);
    let link = fs::symlink_metadata(machine.path(CONFIG)).expect("the link");

    let apply = worker.tool(&["apply", "--settle", "1s"]).run();
    assert_eq!(apply.code, Some(0), "{apply}");
    let after = fs::symlink_metadata(machine.path(CONFIG)).expect("the link");
    assert!(after.is_symlink() && after.ino() == link.ino(), "{apply}");
    assert!(
        machine
            .read_text("/etc/kubelet/real.yaml")
            .contains(ENABLED)
    );
    assert_eq!(machine.must(&["ls", "-A", "/etc/kubelet"]), "real.yaml");
    worker.assert_no_leftovers();
}

/// Not root: told so, and nothing is tried. What can be read can be looked at.
pub fn another_user_may_only_read() {
    let worker = Worker::start("unprivileged");
    let (config, unit) = (worker.config(), worker.unit());
    let unprivileged = |arguments: &[&str]| {
        let mut argv = vec![
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "kubelet-tls",
        ];
        argv.extend(arguments);
        worker.machine.run(&argv)
    };
    let apply = unprivileged(&["apply"]);
    assert_eq!(apply.code, Some(77), "{apply}");
    assert!(
        apply.stderr.ends_with("\nhint: sudo kubelet-tls apply\n"),
        "{apply}"
    );
    unprivileged(&["apply", "-o", "json"]).assert_failed_unchanged(77, "not root");
    assert_eq!((worker.config(), worker.unit()), (config, unit));
    let diff = unprivileged(&["diff"]);
    assert_eq!(diff.code, Some(1), "{diff}");

    worker.machine.must(&["chmod", "600", CONFIG]);
    let diff = unprivileged(&["diff"]);
    assert_eq!(diff.code, Some(77), "{diff}");
}
