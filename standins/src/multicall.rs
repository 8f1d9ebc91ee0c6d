//! One executable for all of them: which one it is depends on the name it is called with, or on its first argument.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::NodeSpec;
use crate::{ApiServer, Config, KubeconfigStyle, Node, Options, kube_apiserver, kubelet, systemd};

/// Runs `args`, the first of which is the executable's own name, and returns the exit code.
#[must_use]
pub fn multicall(args: &[String]) -> i32 {
    let base = args
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let (name, rest) = match base {
        "kubelet" | "kube-apiserver" | "systemctl" | "journalctl" => (base, &args[1..]),
        _ => match args.get(1) {
            Some(name) => (name.as_str(), &args[2..]),
            None => return usage(),
        },
    };
    match name {
        "kubelet" => kubelet::kubelet_main(rest),
        "kube-apiserver" => kube_apiserver::kube_apiserver_main(rest),
        "systemctl" => systemd::systemctl_main(rest),
        "journalctl" => systemd::journalctl_main(rest),
        "systemd" => match rest {
            [dir] => systemd::systemd_main(Path::new(dir), false),
            [dir, flag] if flag == "--while-stdin" => systemd::systemd_main(Path::new(dir), true),
            _ => usage(),
        },
        "apiserver" => apiserver(rest),
        "node" => node(rest),
        _ => usage(),
    }
}

fn usage() -> i32 {
    eprintln!(
        "standin kubelet|kube-apiserver|systemctl|journalctl ARGS...
standin systemd DIR [--while-stdin]
standin apiserver --dir DIR [--port PORT] [--version V] [--node NAME[=IP]]... [--auto-approve MILLISECONDS]
standin node [--name NAME] [--auto-approve MILLISECONDS]"
    );
    64
}

/// `--name value` or `--name=value`, of one name all values.
fn values(args: &[String], name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.strip_prefix(name) {
            Some("") => found.extend(args.next().cloned()),
            Some(rest) => found.extend(rest.strip_prefix('=').map(str::to_owned)),
            None => {}
        }
    }
    found
}

fn auto_approve(api: &ApiServer, args: &[String]) {
    let delay = values(args, "--auto-approve")
        .pop()
        .and_then(|ms| ms.parse().ok());
    api.auto_approve(delay.map(Duration::from_millis));
}

/// Writes `ca.crt`, `admin.conf` and a directory with a `kubelet.conf` per node, prints its URL, and serves until
/// standard input ends or it is killed.
fn apiserver(args: &[String]) -> i32 {
    let Some(dir) = values(args, "--dir").pop().map(PathBuf::from) else {
        return usage();
    };
    let mut config = Config::default();
    if let Some(port) = values(args, "--port").pop().and_then(|p| p.parse().ok()) {
        config.port = port;
    }
    if let Some(version) = values(args, "--version").pop() {
        config.version = version;
    }
    let api = ApiServer::start(config);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("ca.crt"), api.ca_pem()).unwrap();
    api.admin_kubeconfig(&dir);
    for node in values(args, "--node") {
        let (name, ip) = node.split_once('=').unwrap_or((&node, "127.0.0.1"));
        api.set_node(NodeSpec::new(name, ip));
        api.kubeconfig_for_node(name, &dir.join(name), KubeconfigStyle::Kubelet);
    }
    auto_approve(&api, args);
    println!("{}", api.url());
    until_stdin_ends();
    0
}

/// A whole node; prints the shell's assignments to use it with, and is there until standard input ends.
fn node(args: &[String]) -> i32 {
    let executable = std::env::current_exe().unwrap();
    let mut options = Options {
        executable: Some(executable),
        ..Options::default()
    };
    if let Some(name) = values(args, "--name").pop() {
        options.name = name;
    }
    let node = Node::new(options);
    auto_approve(node.api(), args);
    let admin = node.api().admin_kubeconfig(&node.path("/etc/kubernetes"));
    println!("export NODE_ROOT={}", node.root().display());
    println!("export {}={}", systemd::DIR_VARIABLE, node.root().display());
    println!("export PATH={}:$PATH", node.path("/bin").display());
    println!("export KUBECONFIG={}", admin.display());
    println!(
        "export KUBELET_PORT={} HEALTHZ_PORT={}",
        node.kubelet_port(),
        node.healthz_port()
    );
    until_stdin_ends();
    0
}

fn until_stdin_ends() {
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
