//! No credential in anything that the program says or writes, whatever is wrong with the file it stands in.
//!
//! Every credential here has `mrk0` in it. It is looked for in all output of every verb at every verbosity, as it is and
//! in base64, and in the state directory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test sets its scene and fails by panicking"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use standins::{KubeconfigStyle, Node, Options, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_kubelet-tls");
const MARK: &str = "mrk0";
/// A bootstrap token; its id is not secret.
const TOKEN: &str = "abcdef.mrk0token0secret";
const SECRET: &str = "mrk0-correct-horse-battery";
const PROXY: &str = "http://me:mrk0proxy@127.0.0.1:1";

/// Ways to ask for more words, or for others.
const WAYS: [&[&str]; 6] = [
    &["-q"],
    &[],
    &["-v"],
    &["-v", "-o", "json"],
    &["-v", "-o", "yaml"],
    &["-v", "-o", "name"],
];

/// What an administrator's kubeconfig is read for.
const ADMINISTRATORS: [&[&str]; 5] = [
    &["approve", "--all", "--timeout", "1s"],
    &["approve", "csr-abcde", "--dry-run"],
    &["cluster", "diff"],
    &["cluster", "apply"],
    &["metrics-server", "--check"],
];

const INIT: &str =
    "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\nbootstrapTokens:\n";
/// Its first lines so that the one before them is in the context of the change.
const KUBELET: &str = "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\n";

fn check_silent(said: &str, what: &str) {
    let lower = said.to_lowercase();
    assert!(!lower.contains(MARK), "{what} says it:\n{said}");
    // as base64 has it, wherever in it the mark begins
    for shift in 0..3 {
        let encoded = base64(&format!("{}{MARK}", "x".repeat(shift)));
        let core: String = encoded.chars().skip([0, 2, 3][shift]).take(4).collect();
        assert!(
            core.len() == 4 && !said.contains(&core),
            "{what} says {core}:\n{said}"
        );
    }
}

fn base64(text: &str) -> String {
    let string = k8s_openapi::ByteString(text.as_bytes().to_vec());
    let value = serde_json::to_value(string).unwrap();
    value.as_str().unwrap().to_owned()
}

fn run(command: &mut Command) -> Output {
    let output = Output::of(command.env("RUST_BACKTRACE", "full"));
    check_silent(&output.stdout, &format!("{command:?}, on standard output,"));
    check_silent(&output.stderr, &format!("{command:?}, on standard error,"));
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    output
}

fn tool(directory: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(directory).env_clear();
    command
}

/// Files that are edited, with a credential in the context of the change.
fn accepted() -> Vec<String> {
    let json = format!(
        "{{\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"kind\":\"KubeletConfiguration\",\
         \"staticPodURLHeader\":{{\"Authorization\":[\"{SECRET}\"]}}}}\n"
    );
    vec![
        format!("{INIT}- token: {TOKEN}\n"),
        format!("{INIT}- groups: [a]\n  token: \"{TOKEN}\"\n---\n{KUBELET}"),
        format!(
            "{INIT}- token: {TOKEN}\ncertificateKey: {SECRET}\n---\nserverTLSBootstrap: false\n{KUBELET}"
        ),
        format!("{INIT}- {{token: {TOKEN}, ttl: 1h}}\n# kubeadm join --token {TOKEN}\n"),
        format!("{INIT}- &t {{token: {SECRET}}}\n- *t\n---\n{KUBELET}"),
        format!("{KUBELET}staticPodURLHeader:\n  Authorization:\n  - {SECRET}\n"),
        json,
    ]
}

/// Files that are refused, with a credential where the error is.
fn refused() -> Vec<String> {
    let around = [
        "- token: \"TOKEN\n",
        "- token: 'TOKEN\n",
        "- token: [TOKEN\n",
        "- token: {TOKEN\n",
        "- token: TOKEN: x\n",
        "- token: \"TOKEN\\q\"\n",
        "- token: !!int TOKEN\n",
        "- token: !!bool TOKEN\n",
        "- token: !!null TOKEN\n",
        "- token: !!float TOKEN\n",
        "- token: *TOKEN\n",
        "- token: !TOKEN! x\n",
        "- token: @TOKEN\n",
        "- token: `TOKEN\n",
        "- token: %TOKEN\n%TOKEN\n",
        "- token: |TOKEN\n",
        "- token: TOKEN\n   x: y\n",
        "- token: TOKEN\n\tttl: 1h\n",
        "- token: TOKEN\0\n",
        "- token: TOKEN\u{85}\n",
        "- token: TOKEN\r",
        "- token: TOKEN\n}\n",
        "- token: TOKEN\n<<: TOKEN\n",
        "- token: TOKEN\n--- TOKEN\n",
        "- token: TOKEN\n...\nTOKEN\n",
        "- token: TOKEN\n---\nTOKEN: x\n",
        "- token: TOKEN\nkind: InitConfiguration\n",
    ];
    let secrets = [TOKEN, SECRET];
    let mut files: Vec<String> = around
        .iter()
        .flat_map(|around| {
            secrets.map(|secret| format!("{INIT}{}", around.replace("TOKEN", secret)))
        })
        .collect();
    files.extend(secrets.map(|secret| {
        format!("{{\"apiVersion\":\"kubelet.config.k8s.io/v1beta1\",\"kind\":\"KubeletConfiguration\",\"token\":\"{secret}\",}}")
    }));
    files
}

#[test]
fn only_changed_lines_and_their_context_are_quoted_from_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeadm.yaml");
    let all = accepted().into_iter().map(|text| (text, true));
    for (text, is_accepted) in all.chain(refused().into_iter().map(|text| (text, false))) {
        for way in WAYS {
            for verb in [&["diff"][..], &["apply", "--dry-run"], &["apply"]] {
                fs::write(&path, &text).unwrap();
                let mut command = tool(directory.path());
                let output = run(command.args(verb).args(way).arg("kubeadm.yaml"));
                let ok = if verb == ["diff"] { 1 } else { 0 };
                let expected = if is_accepted { ok } else { 65 };
                assert_eq!(output.code, expected, "{text}\n{}", output.stderr);
            }
            let after = fs::read_to_string(&path).unwrap();
            if is_accepted {
                assert!(
                    after.contains(MARK) && !after.contains("***"),
                    "the mask was written: {after}"
                );
            } else {
                assert_eq!(after, text);
            }
        }
    }
}

#[test]
fn the_mask_hides_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let mut masked = 0;
    for text in accepted() {
        fs::write(directory.path().join("kubeadm.yaml"), text).unwrap();
        let said = run(tool(directory.path()).args(["diff", "kubeadm.yaml"])).stdout;
        assert!(
            said.contains("+serverTLSBootstrap: true") || said.contains("\"serverTLSBootstrap\":")
        );
        masked += usize::from(said.contains("***"));
    }
    assert_eq!(masked, accepted().len() - 1, "one has its token further up");
}

/// Users of a kubeconfig, and ways to break it.
fn kubeconfigs(good: &str) -> Vec<String> {
    let (head, _) = good.split_once("users:").unwrap();
    let key = base64(&format!(
        "-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"
    ));
    let users = [
        format!("token: {SECRET}"),
        format!("token: \"{SECRET}"),
        format!("token: [{SECRET}]"),
        format!("token: !!int {SECRET}"),
        format!("token: {{a: {SECRET}}}"),
        format!("token: \"{SECRET}\\n\""),
        format!("token: \"{SECRET}\u{e9}\""),
        format!("tokenFile: /nowhere/there\n    token: {SECRET}"),
        format!("username: me\n    password: {SECRET}"),
        format!("username: {SECRET}\n    password: [{SECRET}"),
        format!("client-key-data: {SECRET}"),
        format!("client-certificate-data: {key}\n    client-key-data: {key}"),
        format!("client-certificate-data: {key}\n    client-key-data: {key}!"),
        format!("client-key-data: !!binary {SECRET}"),
        format!("client-key-data: [{key}]"),
        format!("client-key-data: {key}\n  client-key-data: {key}"),
        format!("exec: {{apiVersion: v1, command: \"{SECRET}\", args: [{SECRET}], env: {SECRET}}}"),
        format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: \"false\", env: [{{name: A, value: {SECRET}}}]}}"
        ),
        format!(
            "auth-provider: {{name: oidc, config: {{id-token: {SECRET}, refresh-token: {SECRET}}}}}"
        ),
        format!("auth-provider: {SECRET}"),
        SECRET.to_string(),
        format!("? {SECRET}"),
    ];
    let name = good
        .lines()
        .find_map(|line| line.trim().strip_prefix("user: "))
        .unwrap();
    let mut all: Vec<String> = users
        .iter()
        .map(|user| format!("{head}users:\n- name: {name}\n  user:\n    {user}\n"))
        .collect();
    let own = good
        .lines()
        .find(|line| line.trim().starts_with("server:"))
        .unwrap();
    for server in [
        format!("https://me:{SECRET}@127.0.0.1:1"),
        format!("http://me:{SECRET}@127.0.0.1:1"),
        format!("https://me:{SECRET}@[::1"),
        format!("https://127.0.0.1:{SECRET}"),
        format!("https://127.0.0.1:1\n    proxy-url: http://me:{SECRET}@127.0.0.1:1"),
        format!("https://api.invalid:1\n    proxy-url: http://me:{SECRET}@127.0.0.1:1"),
        format!("https://api.invalid:1\n    proxy-url: socks5://me:{SECRET}@127.0.0.1:1"),
        format!("https://api.invalid:1\n    proxy-url: http://me:{SECRET}@[::1"),
        format!("https://api.invalid:1\n    proxy-url: \"http://me:{SECRET} @\""),
    ] {
        all.push(good.replace(own, &format!("    server: {server}")));
    }
    all
}

#[test]
fn no_kubeconfig_is_quoted() {
    let api = standins::ApiServer::start(standins::Config::default());
    let directory = tempfile::tempdir().unwrap();
    let path = api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Inline);
    let good = fs::read_to_string(&path).unwrap();
    for text in kubeconfigs(&good) {
        fs::write(&path, &text).unwrap();
        // what is dialled in vain takes its time
        let (ways, verbs) = if text.contains("127.0.0.1:1\n") || text.contains(".invalid") {
            (&WAYS[3..4], &ADMINISTRATORS[..1])
        } else {
            (&WAYS[..], &ADMINISTRATORS[..])
        };
        for way in ways {
            let mut command = tool(directory.path());
            let output = run(command.args(["csr", "--kubeconfig"]).arg(&path).args(*way));
            assert_ne!(output.code, 0, "{text}");
        }
        for verb in verbs {
            let mut command = tool(directory.path());
            command.env("KUBELET_TLS_STATE_DIR", directory.path());
            let output = run(command
                .args(*verb)
                .args(["-v", "-o", "json", "--kubeconfig"])
                .arg(&path));
            assert_ne!(output.code, 0, "{text}");
        }
    }
    let elsewhere = good.replace(&api.url(), "https://api.invalid:6443");
    assert_ne!(elsewhere, good);
    fs::write(&path, elsewhere).unwrap();
    for proxy in [
        PROXY.to_owned(),
        PROXY.replace("http", "https"),
        PROXY.replace("http", "socks5"),
        PROXY.replace("127.0.0.1:1", "[::1"),
        PROXY.replace("127.0.0.1:1", "127.0.0.1:x"),
        "me:mrk0proxy@127.0.0.1:1".to_owned(),
        "http://me:mrk0 proxy@127.0.0.1:1".to_owned(),
    ] {
        for way in &WAYS[3..4] {
            let mut command = tool(directory.path());
            command.env("HTTPS_PROXY", &proxy);
            let output = run(command.args(["csr", "--kubeconfig"]).arg(&path).args(*way));
            assert_ne!(output.code, 0, "{proxy}");
        }
    }
}

#[test]
fn a_server_that_need_not_be_verified_is_not_asked() {
    let api = standins::ApiServer::start(standins::Config::default());
    let directory = tempfile::tempdir().unwrap();
    let path = api.kubeconfig_for_node("worker-1", directory.path(), KubeconfigStyle::Inline);
    let good = fs::read_to_string(&path).unwrap();
    let own = format!("    server: {}\n", api.url());
    fs::write(
        &path,
        good.replace(&own, &format!("{own}    insecure-skip-tls-verify: true\n")),
    )
    .unwrap();
    let mut command = tool(directory.path());
    let output = run(command.args(["csr", "--kubeconfig"]).arg(&path));
    assert!(
        output.stderr.contains("insecure-skip-tls-verify"),
        "{}",
        output.stderr
    );
    assert_ne!(output.code, 0);
    assert!(api.requests().is_empty());
}

/// Every verb on a node full of credentials, then everything that it wrote.
#[test]
fn no_node_credential_is_printed_or_stored() {
    let node = Node::new(Options::default());
    node.edit_config(|text| {
        text.replace(
            "kind: KubeletConfiguration\n",
            &format!(
                "kind: KubeletConfiguration\nstaticPodURLHeader:\n  Authorization:\n  - {SECRET}\n"
            ),
        )
    });
    let kubeadm = node.path("/root/kubeadm.yaml");
    fs::create_dir_all(kubeadm.parent().unwrap()).unwrap();
    fs::write(&kubeadm, format!("{INIT}- token: {TOKEN}\n")).unwrap();
    for path in [&kubeadm, &node.config_path()] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let file = kubeadm.to_str().unwrap();
    let on_node = |arguments: &[&str]| {
        // whatever the caller's umask
        let mut command = node.command("/bin/sh");
        command
            .args(["-c", "umask 000; exec \"$0\" \"$@\"", BINARY])
            .args(arguments)
            .env("HTTPS_PROXY", PROXY);
        run(&mut command)
    };
    for way in WAYS {
        for verb in [
            &["diff", "--kubeadm-config", file][..],
            &["status"],
            &["csr"],
            &["apply", "--dry-run", "--kubeadm-config", file],
        ] {
            on_node(&[verb, way].concat());
        }
    }
    let applied = on_node(&["apply", "-v", "--settle", "0s", "--kubeadm-config", file]);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    for path in [&kubeadm, &node.config_path()] {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let state = node.path("/var/lib/kubelet-tls");
    assert_eq!(
        fs::metadata(&state).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let mut kept = 0;
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        check_silent(&fs::read_to_string(&path).unwrap(), "the state directory");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        kept += 1;
    }
    assert!(kept > 0, "no receipt");
    for way in WAYS {
        on_node(&[&["apply", "--settle", "0s"], way].concat());
        on_node(&[&["status"], way].concat());
        on_node(&[&["rollback", "--dry-run"], way].concat());
    }
    let undone = on_node(&["rollback", "-v", "--settle", "0s"]);
    assert_eq!(undone.code, 0, "{}", undone.stderr);

    // A key of its own: 0600, and in its file alone.
    let issue_first = ["apply", "--issue-first", "--wait", "csr", "--settle", "0s"];
    let asked = on_node(&issue_first);
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let key = state.join("serving-key.pem");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let key = fs::read_to_string(key).unwrap();
    check_without_key(&asked, &key);
    for way in WAYS {
        for verb in [&issue_first[..], &["status"], &["rollback", "--dry-run"]] {
            check_without_key(&on_node(&[verb, way].concat()), &key);
        }
    }
    let receipt = fs::read_to_string(state.join("receipt.json")).unwrap_or_default();
    assert!(key.lines().all(|line| !receipt.contains(line)), "{receipt}");
}

fn check_without_key(output: &Output, key: &str) {
    assert!(key.contains("PRIVATE KEY"));
    for line in key.lines() {
        assert!(!output.stdout.contains(line), "{}", output.stdout);
        assert!(!output.stderr.contains(line), "{}", output.stderr);
    }
}

#[test]
fn metrics_servers_key_is_in_its_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    for (number, way) in WAYS.iter().enumerate() {
        let out = format!("out-{number}");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "umask 000; exec \"$0\" \"$@\"", BINARY])
            .args(["metrics-server", "--out", &out, "--kubelet-ca"])
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/testdata/captured/1.36/ca.crt"
            ))
            .args(*way)
            .current_dir(directory.path())
            .env_clear();
        let output = run(&mut command);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let path = directory.path().join(&out).join("tls.key");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        check_without_key(&output, &fs::read_to_string(path).unwrap());
    }
}

/// Under strace: no file is ever created with, or given, more rights than the one it replaces.
#[test]
fn a_secret_file_is_at_no_moment_readable_by_others() {
    let strace = Command::new("strace")
        .arg("-V")
        .stdout(Stdio::null())
        .status();
    if !strace.is_ok_and(|status| status.success()) {
        eprintln!("skipped: strace is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    fs::write(&path, KUBELET).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let trace = directory.path().join("trace");
    let output = Output::of(
        Command::new("/bin/sh")
            .args(["-c", "umask 000; exec \"$@\"", "sh", "strace", "-f", "-o"])
            .arg(&trace)
            .args([
                "-e",
                "trace=open,openat,openat2,creat,mkdir,mkdirat,chmod,fchmod,fchmodat",
            ])
            .args([BINARY, "apply"])
            .arg(&path),
    );
    assert_eq!(output.code, 0, "{}", output.stderr);
    let trace = fs::read_to_string(&trace).unwrap();
    let modes: Vec<u32> = trace
        .lines()
        .filter(|line| line.contains("O_CREAT") || line.contains("chmod"))
        .map(|line| {
            let words = line.split([',', ' ', ')', '(']);
            let octal = words.filter(|word| word.len() > 1 && word.starts_with('0'));
            let mode = octal
                .filter_map(|word| u32::from_str_radix(word, 8).ok())
                .next_back();
            mode.unwrap_or_else(|| panic!("no mode: {line}"))
        })
        .collect();
    assert!(modes.len() >= 2, "the write was not seen: {trace}");
    for mode in modes {
        assert_eq!(mode & !0o600, 0, "{trace}");
    }
}
