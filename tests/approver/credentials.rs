//! Credentials that are replaced while the approver runs, and API servers that accept none.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use standins::pki::{Ca, Identity, Sans};
use standins::{Fault, Matcher};

use support::binary;
use support::harness::is_required;

use super::scene::{Approver, Scene};

const NETWORK: &[&str] = &["--ip-prefix", "10.0.0.0/24"];
const USER: &str = "system:serviceaccount:kubelet-tls:kubelet-tls-approver";

/// Where the files of a credential are, and how they are replaced.
trait Files {
    fn replace(&mut self, token: &str, ca_pem: &str);
}

/// `token` and `ca.crt`, each renamed over the old one if it is another.
struct Renamed(PathBuf);

impl Files for Renamed {
    fn replace(&mut self, token: &str, ca_pem: &str) {
        for (name, text) in [("token", token), ("ca.crt", ca_pem)] {
            let (new, file) = (self.0.join("new"), self.0.join(name));
            if fs::read_to_string(&file).is_ok_and(|old| old == text) {
                continue;
            }
            fs::write(&new, text).unwrap();
            fs::rename(&new, file).unwrap();
        }
    }
}

/// As the kubelet projects a service account into a Pod: both names lead through one symlink to a directory, and the
/// symlink is what is replaced.
struct Projected {
    directory: PathBuf,
    generation: u32,
}

impl Files for Projected {
    fn replace(&mut self, token: &str, ca_pem: &str) {
        let old = format!("..{}", self.generation);
        self.generation += 1;
        let new = format!("..{}", self.generation);
        let whole = self.directory.join(&new);
        fs::create_dir(&whole).unwrap();
        fs::write(whole.join("token"), token).unwrap();
        fs::write(whole.join("ca.crt"), ca_pem).unwrap();
        symlink(&new, self.directory.join("..data_tmp")).unwrap();
        let data = self.directory.join("..data");
        fs::rename(self.directory.join("..data_tmp"), data).unwrap();
        match self.generation {
            1 => {
                for name in ["token", "ca.crt"] {
                    let target = Path::new("..data").join(name);
                    symlink(target, self.directory.join(name)).unwrap();
                }
            }
            _ => fs::remove_dir_all(self.directory.join(old)).unwrap(),
        }
    }
}

/// A scene whose API server takes no client without a token, and knows this one.
fn scene_with_token(token: &str) -> Scene {
    let scene = Scene::new();
    scene.api.require_credentials();
    scene.api.add_token(token, USER, &["system:masters"]);
    scene
}

/// A certificate of the API server, by another CA than the cluster's first one.
fn serving(ca: &Ca) -> Identity {
    let sans = Sans {
        dns: vec!["kubernetes".into()],
        ips: vec!["127.0.0.1".parse().unwrap()],
    };
    ca.server("kube-apiserver", &sans)
}

/// Waits until `request` is approved; what was decided until then.
fn until_approved(approver: &Approver, request: &str) -> Vec<Value> {
    let mut decided = Vec::new();
    loop {
        let line = approver.next();
        let is_it = line["request"] == json!(request) && line["verdict"] == "approved";
        decided.push(line);
        if is_it {
            return decided;
        }
    }
}

/// Lets the token rotate, then the CA with the API server's certificate, and checks that requests before, between and after
/// are each approved once.
fn rotate(scene: &Scene, approver: &Approver, files: &mut dyn Files) {
    let api = &scene.api;
    let mut decided = Vec::new();
    let mut approve = |number| {
        let name = scene.good(number);
        decided.extend(until_approved(approver, &name));
        approver.ready();
        name
    };
    approver.ready();
    let before = approve(1);

    api.add_token("second", USER, &["system:masters"]);
    files.replace("second", api.ca_pem());
    // Both are good for a while, and then the watches continue with the old one.
    api.revoke_token("first");
    let between = approve(2);

    let ca = Ca::new("kubernetes");
    files.replace("second", ca.pem());
    api.present(&serving(&ca));
    api.disconnect_all();
    let after = approve(3);
    // The token once more, which the new CA does not hinder.
    api.add_token("third", USER, &["system:masters"]);
    files.replace("third", ca.pem());
    api.revoke_token("second");
    let last = approve(4);

    approver.silent_for(Duration::from_secs(2));
    for name in [&before, &between, &after, &last] {
        let conditions = &api.csr(name).unwrap().status.conditions;
        assert_eq!(conditions.len(), 1, "{name}");
        let told = decided
            .iter()
            .filter(|line| line["request"] == json!(name) && line["verdict"] == "approved");
        assert_eq!(told.count(), 1, "{name}: {decided:?}");
    }
    assert_eq!(approver.get("/healthz").0, 200);
}

/// A kubeconfig beside the files of `scene`, with a user of these fields.
fn kubeconfig(scene: &Scene, user: &Value) -> PathBuf {
    let kubeconfig = scene.directory.path().join("approver.conf");
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": scene.api.url(), "certificate-authority": "ca.crt"}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    });
    fs::write(&kubeconfig, text.to_string()).unwrap();
    kubeconfig
}

#[test]
fn the_token_file_and_the_ca_of_a_kubeconfig_rotate() {
    let scene = scene_with_token("first");
    let mut files = Renamed(scene.directory.path().to_owned());
    files.replace("first", scene.api.ca_pem());
    let kubeconfig = kubeconfig(&scene, &json!({"tokenFile": "token"}));
    let approver = Approver::start(&kubeconfig, NETWORK);
    rotate(&scene, &approver, &mut files);
    assert_eq!(approver.end(), Some(0));
}

/// The plug-in is run again for each token, as an ordinary user's: none is run for root.
#[test]
fn the_tokens_of_an_exec_plug_in_rotate() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let scene = scene_with_token("first");
    let directory = scene.directory.path();
    let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    open(directory);
    let mut files = Renamed(directory.to_owned());
    files.replace("first", scene.api.ca_pem());
    let script = r#"#!/bin/sh
echo '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
"status": {"token": "'"$(cat token)"'"}}'
"#;
    fs::write(directory.join("plugin"), script).unwrap();
    open(&directory.join("plugin"));
    let exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./plugin",
        "interactiveMode": "Never",
    });
    let kubeconfig = kubeconfig(&scene, &json!({"exec": exec}));
    let copy = directory.join("kubelet-tls");
    standins::node::copy_program(binary(), &copy);
    let mut command = Command::new(copy);
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .current_dir(directory)
        .uid(65534)
        .gid(65534);
    let options = [&["--kubeconfig", kubeconfig.to_str().unwrap()], NETWORK].concat();
    let approver = Approver::spawn(command, &options);
    rotate(&scene, &approver, &mut files);
    assert_eq!(approver.end(), Some(0));
}

/// A program that sees `directory` where a Pod has its service account, in a mount namespace of its own; none where this
/// user may not have one.
fn in_pod(directory: &Path) -> Option<Command> {
    const SCRIPT: &str = r#"set -eu
account=$1; shift
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
mount --bind "$account" /var/run/secrets/kubernetes.io/serviceaccount
exec "$@""#;
    let mut command = Command::new("unshare");
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", SCRIPT, "sh"]);
    command.arg(directory);
    let mut probe = Command::new(command.get_program());
    probe.args(command.get_args()).arg("true");
    let output = probe.output().ok()?;
    if !output.status.success() {
        assert!(!is_required(), "no mount namespace: {output:?}");
        eprintln!("skipped: no mount namespace: {output:?}");
        return None;
    }
    Some(command)
}

#[test]
fn the_service_account_of_a_pod_rotates() {
    let scene = scene_with_token("first");
    let directory = scene.directory.path().join("serviceaccount");
    fs::create_dir(&directory).unwrap();
    let mut files = Projected {
        directory: directory.clone(),
        generation: 0,
    };
    files.replace("first", scene.api.ca_pem());
    let Some(mut command) = in_pod(&directory) else {
        return;
    };
    let address = scene.api.address();
    command
        .arg(binary())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
        .env("KUBERNETES_SERVICE_PORT", address.port().to_string());
    let approver = Approver::spawn(command, NETWORK);
    rotate(&scene, &approver, &mut files);
    assert_eq!(approver.end(), Some(0));
}

/// How often the Nodes were listed.
fn lists(scene: &Scene) -> usize {
    let log = scene.api.requests();
    let lists = log
        .iter()
        .filter(|call| call.target.starts_with("/api/v1/nodes?limit"));
    lists.count()
}

#[test]
fn an_api_server_that_refuses_every_watch_is_not_asked_in_a_loop() {
    let scene = Scene::new();
    // Lists are answered, so that each reading of the credential gets as far as a watch.
    let watches = Matcher::new().watch();
    scene.api.inject(watches, Fault::Status(401, None));
    let approver = scene.start(NETWORK);
    approver.warns("Unauthorized");
    std::thread::sleep(Duration::from_secs(6));
    // At once, and after pauses of one, two and four seconds.
    let asked = lists(&scene);
    assert!((2..=5).contains(&asked), "listed {asked} times");
    scene.api.clear_faults();
    let name = scene.good(1);
    until_approved(&approver, &name);
    approver.ready();
    assert_eq!(approver.end(), Some(0));
}

#[test]
fn an_api_server_that_refuses_the_credential_at_first_is_asked_again() {
    let scene = Scene::new();
    scene.api.inject(Matcher::new(), Fault::Status(401, None));
    let approver = scene.start(NETWORK);
    let name = scene.good(1);
    approver.warns("Unauthorized");
    std::thread::sleep(Duration::from_secs(2));
    scene.api.clear_faults();
    until_approved(&approver, &name);
    approver.ready();
}
