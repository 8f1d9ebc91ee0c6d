//! The files of a node, and the ports it uses.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use super::{Options, Release};

/// The unit, as it is in the kubelet's package.
const UNIT: &str = "[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/home/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=@ROOT@/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=@RESTART_SEC@

[Install]
WantedBy=multi-user.target
";

/// kubeadm's drop-in, as it is in its package.
const DROP_IN: &str = r#"# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=@ROOT@/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=@ROOT@/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=@ROOT@/var/lib/kubelet/config.yaml"
# This is a file that "kubeadm init" and "kubeadm join" generates at runtime, populating the KUBELET_KUBEADM_ARGS variable dynamically
EnvironmentFile=-@ROOT@/var/lib/kubelet/kubeadm-flags.env
# This is a file that the user can use for overrides of the kubelet args as a last resort. Preferably, the user should use
# the .NodeRegistration.KubeletExtraArgs object in the configuration files instead. KUBELET_EXTRA_ARGS should be sourced from this file.
EnvironmentFile=-@ROOT@/etc/default/kubelet
ExecStart=
ExecStart=@ROOT@/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"#;

pub(super) fn lay_out(
    root: &Path,
    options: &Options,
    (kubelet_port, healthz_port): (u16, u16),
    executable: &Path,
) {
    let at = |text: &str| text.replace("@ROOT@", &root.display().to_string());
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let config = options.release.config();
    let config = config
        .replace(
            "healthzPort: 10248",
            &format!("healthzPort: {healthz_port}"),
        )
        .replace("/etc/kubernetes", &at("@ROOT@/etc/kubernetes"))
        // Where kubeadm, which sorts keys, would have put them.
        .replacen(
            "apiVersion:",
            &format!("address: {}\napiVersion:", options.address),
            1,
        )
        .replacen(
            "rotateCertificates:",
            &format!("port: {kubelet_port}\nrotateCertificates:"),
            1,
        );
    let line = options
        .config_line
        .as_ref()
        .map(|line| format!("{line}\n"))
        .unwrap_or_default();
    write("var/lib/kubelet/config.yaml", &format!("{config}{line}"));
    write(
        "var/lib/kubelet/kubeadm-flags.env",
        options.release.kubeadm_flags(),
    );
    if options.release == Release::V1_36 {
        write(
            "var/lib/kubelet/instance-config.yaml",
            include_str!("../../../testdata/captured/1.36/instance-config.yaml"),
        );
    }
    let extra = [
        vec![at("--cert-dir=@ROOT@/var/lib/kubelet/pki")],
        options.extra_args.clone(),
    ]
    .concat()
    .join(" ");
    write(
        "etc/default/kubelet",
        &format!("KUBELET_EXTRA_ARGS={extra}\n"),
    );
    let unit = UNIT.replace(
        "@RESTART_SEC@",
        &format!("{}ms", options.restart_sec.as_millis()),
    );
    write("etc/systemd/system/kubelet.service", &at(&unit));
    write(
        "etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
        &at(DROP_IN),
    );
    for directory in [
        "bin",
        "run/systemd",
        "etc/kubernetes/pki",
        "etc/systemd/system/multi-user.target.wants",
        "var/lib/kubelet/pki",
    ] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    let wants = root.join("etc/systemd/system/multi-user.target.wants/kubelet.service");
    symlink(root.join("etc/systemd/system/kubelet.service"), wants).unwrap();
    for name in ["kubelet", "kube-apiserver", "systemctl", "journalctl"] {
        symlink(executable, root.join("bin").join(name)).unwrap();
    }
}

/// `target/debug/examples/standin` of a test in `target/debug/deps`.
pub(super) fn standin_executable() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let places: Vec<PathBuf> = test
        .ancestors()
        .skip(1)
        .take(3)
        .map(|dir| dir.join("examples/standin"))
        .collect();
    let found = places.iter().find(|p| p.is_file());
    found
        .unwrap_or_else(|| panic!("the stand-ins are not built: none of {places:?} exists"))
        .clone()
}

/// Copies a program that another process will run, by a process of its own: a child that another test starts meanwhile would
/// inherit this process's open file, and what is open for writing is not executed.
pub fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let copied = Command::new("cp")
        .arg(from.as_ref())
        .arg(to.as_ref())
        .status();
    assert!(copied.unwrap().success());
}

/// A port that is free now, and that no other node of this process gets; below those the kernel hands out, so that it is
/// still free when the kubelet is started again: a connection out from a port keeps others from listening there.
pub fn free_port() -> u16 {
    const RANGE: std::ops::Range<u16> = 10300..32000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begin far from each other.
    let start = u64::from(std::process::id()) * 7919 % u64::from(RANGE.end - RANGE.start);
    loop {
        let step = u64::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let offset = (start + step) % u64::from(RANGE.end - RANGE.start);
        let port = RANGE.start + u16::try_from(offset).unwrap();
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}
