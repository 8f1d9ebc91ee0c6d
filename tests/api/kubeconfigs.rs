//! kubeconfig files of every style, and no key in anything that is said with them.

mod keys;
mod plug_ins;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use standins::api::Csr;
use standins::pki::{Identity, Request, Sans};
use standins::{ApiServer, Config, KubeconfigStyle, Output};

use support::binary;

use super::scene::{Scene, with_kubeconfig};

const STYLES: [KubeconfigStyle; 4] = [
    KubeconfigStyle::Kubelet,
    KubeconfigStyle::Inline,
    KubeconfigStyle::Paths,
    KubeconfigStyle::RelativePaths,
];

pub(crate) struct Cluster {
    pub(crate) api: ApiServer,
    pub(crate) directory: tempfile::TempDir,
    request: String,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let api = ApiServer::start(Config::default());
        let request = api.add_csr(Csr::kubelet_serving("worker-1", &Sans::default()));
        Self {
            api,
            directory: tempfile::tempdir().unwrap(),
            request,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        self.api.node_identity("worker-1")
    }

    pub(crate) fn write(&self, identity: &Identity, style: KubeconfigStyle) -> PathBuf {
        let directory = self.directory.path();
        let path = directory.join("kubelet.conf");
        self.api.write_kubeconfig(&path, directory, identity, style)
    }

    /// A kubeconfig with everything inline, changed by `edit`.
    pub(crate) fn written(
        &self,
        identity: &Identity,
        edit: impl FnOnce(String) -> String,
    ) -> PathBuf {
        let path = self.write(identity, KubeconfigStyle::Inline);
        let text = fs::read_to_string(&path).unwrap();
        let edited = edit(text.clone());
        assert_ne!(edited, text);
        fs::write(&path, edited).unwrap();
        path
    }
}

/// `csr` at its most talkative, as text and as a document.
pub(crate) fn csr(kubeconfig: &Path) -> Output {
    let output = Output::of(&mut with_kubeconfig(kubeconfig, &["csr", "-v"]));
    let json = Output::of(&mut with_kubeconfig(
        kubeconfig,
        &["csr", "-v", "-o", "json"],
    ));
    assert_eq!(output.code, json.code);
    Output {
        stderr: format!("{}{}{}", output.stderr, json.stdout, json.stderr),
        ..output
    }
}

/// Nothing of the key is in what was printed: neither as PEM nor as a kubeconfig has it inline.
pub(crate) fn check_silent(output: &Output, key_pem: &str) {
    let said = format!("{}{}", output.stdout, output.stderr);
    let inline = base64(key_pem);
    let lines = key_pem.lines().filter(|line| !line.starts_with("-----"));
    let pieces = lines.flat_map(pieces).chain(pieces(&inline));
    for piece in pieces {
        assert!(!said.contains(piece), "it says {piece}:\n{said}");
    }
    assert!(!said.contains("PRIVATE KEY"), "{said}");
}

/// Of twelve characters: what is short of that may be there by chance.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let ends = (12..=text.len()).step_by(12);
    ends.map(move |end| &text[end - 12..end])
}

pub(crate) fn base64(text: &str) -> String {
    let string = k8s_openapi::ByteString(text.as_bytes().to_vec());
    serde_json::to_value(string)
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

/// Every field of client-go's Config (tools/clientcmd/api/v1/types.go) that is not a plain credential, where it is set in
/// a cluster, a user or beside them, and what a node's verb and an administrator's do with it: refuse it with these
/// words, or work without it.
#[test]
fn no_other_field_reaches_the_network_or_a_process() {
    let cluster = Cluster::new();
    let identity = cluster.identity();
    let trap = cluster.directory.path().join("pwned");
    let trap = trap.display();
    let user = |field: String| (field, "  user:\n");
    let of_cluster = |field: String| (field, "- cluster:\n");
    let rows = [
        (
            user(format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1, command: touch, args: [{trap}]}}"
            )),
            Some("exec credential plugins are not supported"),
        ),
        (
            user(format!(
                "exec: {{apiVersion: client.authentication.k8s.io/v1beta1, command: /bin/sh, args: [-c, 'touch {trap}'], interactiveMode: Never}}"
            )),
            Some("exec credential plugins are not supported"),
        ),
        (
            user(format!(
                "auth-provider: {{name: gcp, config: {{cmd-path: /usr/bin/touch, cmd-args: {trap}}}}}"
            )),
            Some("auth-provider"),
        ),
        (user("as: system:admin".into()), Some("impersonates")),
        (user("as-uid: '0'".into()), Some("impersonates")),
        (
            user("as-groups: [system:masters]".into()),
            Some("impersonates"),
        ),
        (
            user("as-user-extra: {scopes: [all]}".into()),
            Some("impersonates"),
        ),
        (user("username: admin".into()), Some("username")),
        (user("password: hunter2hunter2".into()), Some("password")),
        (user("next-years-field: x".into()), Some("does not know")),
        (
            user("extensions: [{name: x, extension: {exec: {command: touch}}}]".into()),
            None,
        ),
        (
            of_cluster("insecure-skip-tls-verify: true".into()),
            Some("insecure-skip-tls-verify of its cluster is not supported"),
        ),
        (
            of_cluster("next-years-field: x".into()),
            Some("does not know"),
        ),
        (
            of_cluster("extensions: [{name: x, extension: 1}]".into()),
            None,
        ),
    ];
    for ((field, section), said) in rows {
        let path = cluster.written(&identity, |text| {
            text.replace(section, &format!("{section}    {field}\n"))
        });
        for verb in [&["csr"][..], &["approve", "--all"]] {
            let before = cluster.api.requests().len();
            let output = Output::of(&mut with_kubeconfig(&path, verb));
            let printed = format!("{}{}", output.stdout, output.stderr);
            if let Some(said) = said {
                assert!(printed.contains(said), "{field} {verb:?}: {printed}");
                assert_eq!(cluster.api.requests().len(), before, "{field} {verb:?}");
            }
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }
    for request in cluster.api.requests() {
        let impersonates = request
            .headers
            .iter()
            .any(|(name, _)| name.to_lowercase().starts_with("impersonate"));
        assert!(!impersonates, "{request:?}");
    }
    assert!(!cluster.directory.path().join("pwned").exists());
}

/// The fields of other users and clusters of the same file mean nothing.
#[test]
fn other_contexts_of_the_file_are_not_looked_at() {
    let cluster = Cluster::new();
    let path = cluster.written(&cluster.identity(), |text| {
        text.replace(
            "users:\n",
            "users:\n- name: other\n  user: {exec: {command: touch}, as: root}\n",
        )
    });
    let output = csr(&path);
    assert_eq!(
        (output.code, output.stdout.trim()),
        (0, cluster.request.as_str()),
        "{}",
        output.stderr
    );
}

/// client-go trims the token of a file, which `echo` ends with a newline.
#[test]
fn white_space_around_the_token_of_a_file_is_trimmed() {
    let cluster = Cluster::new();
    let admin = cluster.api.admin_kubeconfig(cluster.directory.path());
    let text = fs::read_to_string(&admin).unwrap();
    let at = text.find("    client-certificate-data").unwrap();
    let path = cluster.directory.path().join("token.conf");
    fs::write(cluster.directory.path().join("tok"), "  abcdef\n").unwrap();
    fs::write(&path, format!("{}    tokenFile: tok\n", &text[..at])).unwrap();
    let before = cluster.api.requests().len();
    let output = Output::of(&mut with_kubeconfig(&path, &["approve", "--all"]));
    // The stand-in knows no such token; the request has arrived, with the trimmed one.
    let request = &cluster.api.requests()[before];
    let bearer = request
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    assert_eq!(
        bearer.map(|(_, value)| value.as_str()),
        Some("Bearer abcdef"),
        "{}",
        output.stderr
    );
    // A file of white space alone holds no credential, and nothing is sent without one.
    fs::write(cluster.directory.path().join("tok"), " \r\n").unwrap();
    let before = cluster.api.requests().len();
    let output = Output::of(&mut with_kubeconfig(&path, &["approve", "--all"]));
    assert_eq!(output.code, 69, "{}", output.stderr);
    let expected = "its user has no client certificate and no token";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    assert_eq!(cluster.api.requests().len(), before);
}

/// As kubectl merges: of each name the first definition counts, relative paths begin at their own file.
#[test]
fn lists_are_merged_and_contexts_chosen() {
    let cluster = Cluster::new();
    let directory = cluster.directory.path();
    let admin = cluster.api.admin_kubeconfig(directory);
    let text = fs::read_to_string(&admin).unwrap();
    let users = text.find("users:").unwrap();
    let contexts = text.find("contexts:").unwrap();
    let (first, second) = if users < contexts {
        (
            format!("{}{}", &text[..users], &text[contexts..]),
            text[users..contexts].to_owned(),
        )
    } else {
        (text[..users].to_owned(), text[users..].to_owned())
    };
    fs::write(directory.join("first"), &first).unwrap();
    fs::write(
        directory.join("second"),
        format!("apiVersion: v1\nkind: Config\n{second}"),
    )
    .unwrap();
    let run = |list: &str, arguments: &[&str]| {
        let mut command = Command::new(binary());
        let list: Vec<String> = list
            .split(':')
            .map(|name| directory.join(name).display().to_string())
            .collect();
        command
            .args(["approve", "--all"])
            .args(arguments)
            .env_clear()
            .env("KUBECONFIG", list.join(":"));
        Output::of(&mut command)
    };
    let merged = run("missing:first:second", &[]);
    assert_ne!(merged.code, 69, "{}", merged.stderr);
    let alone = run("first", &[]);
    assert!(
        alone.stderr.contains("no client certificate and no token"),
        "{}",
        alone.stderr
    );
    // The first file that names a user counts, also where it says nothing of it.
    let document: serde_json::Value = serde_yaml::from_str(&text).unwrap();
    let name = &document["users"][0]["name"];
    fs::write(
        directory.join("empty"),
        format!("users: [{{name: {name}}}]\n"),
    )
    .unwrap();
    let empty = run("empty:first:second", &[]);
    assert!(
        empty.stderr.contains("no client certificate and no token"),
        "{}",
        empty.stderr
    );
    let context = run("first:second", &["--context", "nowhere"]);
    assert_eq!(context.code, 69);
    assert!(
        context.stderr.contains("it has no context \"nowhere\""),
        "{}",
        context.stderr
    );
}
