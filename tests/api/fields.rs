//! Every field of client-go's Config type at every level of a kubeconfig: outside the allow-list none reaches the network
//! or a process.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_yaml::{Mapping, Value};
use standins::{KubeconfigStyle, Output};

use super::kubeconfigs::Cluster;
use super::scene::with_kubeconfig;

/// The fields of Config, Preferences, Cluster, AuthInfo and Context (client-go, tools/clientcmd/api/v1/types.go) and of the
/// ExecConfig and AuthProviderConfig in them, each with a value that shows when it is used: `TRAP` is a directory and
/// `PORT` a port on which nothing answers but every connection is seen.
const FIELDS: &[(&str, &str)] = &[
    ("kind", "Config"),
    ("apiVersion", "v1"),
    (
        "preferences",
        "{colors: true, extensions: [{name: x, extension: {exec: {command: touch, args: [TRAP/pwned]}}}]}",
    ),
    ("colors", "true"),
    (
        "clusters",
        "[{name: trap, cluster: {server: 'https://127.0.0.1:PORT'}}]",
    ),
    (
        "users",
        "[{name: trap, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: touch, args: [TRAP/pwned]}}}]",
    ),
    (
        "contexts",
        "[{name: trap, context: {cluster: trap, user: trap}}]",
    ),
    ("current-context", "trap"),
    (
        "extensions",
        "[{name: x, extension: {as: root, proxy-url: 'http://127.0.0.1:PORT', exec: {command: touch, args: [TRAP/pwned]}}}]",
    ),
    ("server", "'https://127.0.0.1:PORT'"),
    ("tls-server-name", "trap.example"),
    ("insecure-skip-tls-verify", "true"),
    ("certificate-authority", "TRAP/nowhere"),
    ("certificate-authority-data", "dHJhcA=="),
    ("proxy-url", "'http://127.0.0.1:PORT'"),
    ("disable-compression", "true"),
    ("client-certificate", "TRAP/nowhere"),
    ("client-certificate-data", "dHJhcA=="),
    ("client-key", "TRAP/nowhere"),
    ("client-key-data", "dHJhcA=="),
    ("token", "trap-token"),
    ("tokenFile", "TRAP/token"),
    ("as", "trap-user"),
    ("as-uid", "trap-uid"),
    ("as-groups", "[trap-group]"),
    ("as-user-extra", "{scopes: [trap-scope]}"),
    ("username", "trap-name"),
    ("password", "trap-password"),
    (
        "auth-provider",
        "{name: gcp, config: {cmd-path: /usr/bin/touch, cmd-args: TRAP/pwned}}",
    ),
    (
        "exec",
        "{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [TRAP/pwned], env: [{name: A, value: trap}], provideClusterInfo: true, interactiveMode: Never}",
    ),
    ("command", "touch"),
    ("args", "[TRAP/pwned]"),
    ("env", "[{name: LD_PRELOAD, value: TRAP/token}]"),
    ("installHint", "trap-hint"),
    ("provideClusterInfo", "true"),
    ("interactiveMode", "Never"),
    ("cluster", "trap"),
    ("user", "trap"),
    ("namespace", "trap-namespace"),
    ("name", "trap"),
];

/// Where a field is planted: the list, and the key in its first entry; nothing for the file itself.
const LEVELS: [(&str, &str); 8] = [
    ("", ""),
    ("preferences", ""),
    ("clusters", ""),
    ("clusters", "cluster"),
    ("users", ""),
    ("users", "user"),
    ("contexts", ""),
    ("contexts", "context"),
];

/// What the allow-list has, which is used where it belongs. `exec` is not here: it is for users other than root alone.
const ALLOWED: [(&str, &[&str]); 2] = [
    (
        "cluster",
        &[
            "server",
            "tls-server-name",
            "certificate-authority",
            "certificate-authority-data",
            "proxy-url",
            "disable-compression",
        ],
    ),
    (
        "user",
        &[
            "client-certificate",
            "client-certificate-data",
            "client-key",
            "client-key-data",
            "token",
            "tokenFile",
        ],
    ),
];

/// The mapping of a level, created if the file does not have it.
fn level<'a>(root: &'a mut Mapping, (list, key): (&str, &str)) -> &'a mut Mapping {
    if list.is_empty() {
        return root;
    }
    let place = root
        .entry(list.into())
        .or_insert_with(|| Value::Mapping(Mapping::new()));
    let entry = match place {
        Value::Sequence(entries) => &mut entries[0],
        other => other,
    };
    let entry = if key.is_empty() {
        entry
    } else {
        &mut entry[key]
    };
    entry.as_mapping_mut().unwrap()
}

/// The kubeconfig with the field there; none where it has a meaning of its own there.
fn planted(text: &str, at: (&str, &str), field: &str, value: &str) -> Option<String> {
    let mut root: Mapping = serde_yaml::from_str(text).unwrap();
    let fields = level(&mut root, at);
    let allowed = ALLOWED
        .iter()
        .any(|(section, all)| *section == at.1 && all.contains(&field));
    if allowed || fields.contains_key(field) {
        return None;
    }
    fields.insert(field.into(), serde_yaml::from_str(value).unwrap());
    Some(serde_yaml::to_string(&root).unwrap())
}

/// What a run came to: its exit code, and what it asked of the API server.
type Came = (i32, Vec<String>);

fn run(cluster: &Cluster, kubeconfig: &Path, verb: &[&str]) -> (Came, Output) {
    cluster.api.clear_requests();
    let output = Output::of(&mut with_kubeconfig(kubeconfig, verb));
    let requests = cluster.api.requests();
    for request in &requests {
        let said = format!("{} {:?}", request.target, request.headers).to_lowercase();
        for word in ["trap", "impersonate", "authorization"] {
            assert!(!said.contains(word), "{word}: {said}");
        }
    }
    let asked = requests
        .iter()
        .map(|request| format!("{} {}", request.method, request.target))
        .collect();
    ((output.code, asked), output)
}

#[test]
fn no_known_field_at_any_level_reaches_the_network_or_a_process() {
    let cluster = Cluster::new();
    let directory = cluster.directory.path();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let trap = directory.join("trap");
    fs::create_dir(&trap).unwrap();
    fs::write(trap.join("token"), "trap-token").unwrap();
    let node = cluster.write(&cluster.identity(), KubeconfigStyle::Inline);
    let admin = cluster.api.admin_kubeconfig(directory);
    // As another user, an administrator's verb runs plug-ins; that has a test of its own.
    let is_root = nix::unistd::geteuid().is_root();
    let path = directory.join("planted.conf");
    let mut counted = (0, 0);
    for (kubeconfig, verb) in [
        (&node, &["csr"][..]),
        (&admin, &["approve", "--all", "--dry-run"]),
    ] {
        let text = fs::read_to_string(kubeconfig).unwrap();
        let (plain, output) = run(&cluster, kubeconfig, verb);
        assert!(!plain.1.is_empty(), "{}", output.stderr);
        for (field, value) in FIELDS {
            let value = value
                .replace("TRAP", trap.to_str().unwrap())
                .replace("PORT", &port);
            for at in LEVELS {
                let runs_plugin = verb[0] == "approve" && at.1 == "user" && *field == "exec";
                if runs_plugin && !is_root {
                    continue;
                }
                let Some(changed) = planted(&text, at, field, &value) else {
                    continue;
                };
                fs::write(&path, changed).unwrap();
                let (came, output) = run(&cluster, &path, verb);
                let what = format!("{field} in {at:?} for {verb:?}: {}", output.stderr);
                let in_section = matches!(at.1, "cluster" | "user") && *field != "extensions";
                if in_section {
                    assert_eq!(came, (69, Vec::new()), "{what}");
                    counted.0 += 1;
                } else {
                    assert_eq!(came, plain, "{what}");
                    counted.1 += 1;
                }
                assert!(!output.stderr.contains("trap-password"), "{what}");
                assert!(listener.accept().is_err(), "a connection: {what}");
                assert!(!trap.join("pwned").exists(), "a process: {what}");
            }
        }
    }
    eprintln!(
        "kubeconfig fields: {} refused, {} without effect",
        counted.0, counted.1
    );
    assert!(counted.0 > 80 && counted.1 > 300, "{counted:?}");
}
