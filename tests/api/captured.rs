//! What real API servers answered, served again byte for byte.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kubelet_tls::parts::csr::State;
use kubelet_tls::parts::host::{Api, WatchEvent};
use serde_json::{Value, json};
use standins::{ApiServer, Config, Fault, Knobs, KubeconfigStyle, Node, Options, Output, Release};

use support::binary;

use super::scene::{lists, watches, with_kubeconfig};

fn captured(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/captured");
    std::fs::read(path.join(name)).unwrap()
}

/// An API server that answers lists with this file, and a kubeconfig of this node.
struct Served {
    api: ApiServer,
    directory: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl Served {
    fn new(node: &str, list: &str) -> Self {
        kubelet_tls::parts::host::install_provider();
        let api = ApiServer::start(Config::default());
        api.inject(lists(), Fault::Body(captured(list)));
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig = api.kubeconfig_for_node(node, directory.path(), KubeconfigStyle::Kubelet);
        Self {
            api,
            directory,
            kubeconfig,
        }
    }

    fn csr(&self, arguments: &[&str]) -> Output {
        let arguments = [&["csr"], arguments].concat();
        Output::of(&mut with_kubeconfig(&self.kubeconfig, &arguments))
    }

    fn document(&self) -> (i32, Value) {
        let output = self.csr(&["-o", "json"]);
        (output.code, serde_json::from_str(&output.stdout).unwrap())
    }

    fn watch(&self, end: Duration) -> Vec<WatchEvent> {
        let api = Api::open(&self.kubeconfig).unwrap();
        let end = Instant::now() + end;
        let listing = api.requests(end).unwrap();
        api.watch(&listing, end).iter().collect()
    }
}

#[test]
fn the_newest_request_of_every_captured_list_is_found() {
    let own = |name: &str, state: &str| json!({"name": name, "state": state, "dnsNames": ["node36"], "ipAddresses": ["10.77.0.21"]});
    let with = |mut csr: Value, more: Value| {
        let more = more.as_object().unwrap().clone();
        csr.as_object_mut().unwrap().extend(more);
        csr
    };
    let said = "This CSR was approved by kubectl certificate approve.";
    let cases = [
        (
            "1.36/csr-list-pending.json",
            "node36",
            with(
                own("csr-mlf85", "Pending"),
                json!({"created": "2026-11-23T07:16:49Z"}),
            ),
        ),
        (
            "1.36/csr-list-issued.json",
            "node36",
            with(
                own("csr-mlf85", "Issued"),
                json!({"created": "2026-11-23T07:16:49Z", "message": said}),
            ),
        ),
        // Denied, and asked again: the denied one is not the answer.
        (
            "1.36/csr-list-denied-and-retried.json",
            "node36",
            with(
                own("csr-b7vfl", "Pending"),
                json!({"created": "2026-11-23T07:17:02Z"}),
            ),
        ),
        // Of another signer and another requestor there are newer ones.
        (
            "1.19/csrs-pending.json",
            "node1",
            json!({"name": "bad-client-auth", "state": "Pending", "created": "2026-11-23T07:04:43Z"}),
        ),
        (
            "1.19/csrs-after-blind-approval.json",
            "node1",
            json!({"name": "bad-client-auth", "state": "Failed", "created": "2026-11-23T07:04:43Z"}),
        ),
    ];
    for (list, node, expected) in cases {
        let served = Served::new(node, list);
        let name = expected["name"].as_str().unwrap();
        for options in [&[][..], &["-o", "name"]] {
            let output = served.csr(options);
            assert_eq!(
                (output.code, output.stdout),
                (0, format!("{name}\n")),
                "{list}: {}",
                output.stderr
            );
        }
        let (code, document) = served.document();
        assert_eq!(
            (code, &document["kind"]),
            (0, &json!("CsrResult")),
            "{list}"
        );
        assert_eq!(document["node"], node, "{list}");
        let csr = &document["csr"];
        assert_eq!(csr["requestor"], format!("system:node:{node}"), "{list}");
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&csr[field], value, "{list}: {field}");
        }
        assert_eq!(
            csr.get("message").is_some(),
            csr["state"] != "Pending",
            "{list}: absent is absent: {csr}"
        );
    }
}

#[test]
fn older_requests_that_are_pending_too_are_warned_about() {
    let served = Served::new("node1", "1.19/csrs-pending.json");
    let output = served.csr(&[]);
    assert!(
        output
            .stderr
            .contains("do not approve them: bad-cn-other-node, bad-email-san, "),
        "{}",
        output.stderr
    );
}

#[test]
fn a_node_without_a_request_is_exit_1() {
    for (list, node) in [
        ("1.36/csr-list-empty.json", "node36"),
        // Others' names that begin alike, or are the beginning.
        ("1.36/csr-list-pending.json", "node3"),
        ("1.36/csr-list-pending.json", "node367"),
        ("1.36/csr-list-pending.json", "NODE36"),
    ] {
        let served = Served::new(node, list);
        let output = served.csr(&[]);
        assert_eq!(
            (output.code, output.stdout.as_str()),
            (1, ""),
            "{list} {node}"
        );
        let (code, document) = served.document();
        assert_eq!((code, &document["csr"]), (1, &Value::Null), "{list} {node}");
    }
}

#[test]
fn a_captured_watch_of_a_restart_gives_the_new_request() {
    let served = Served::new("node36", "1.36/csr-list-empty.json");
    let watch = captured("1.36/csr-watch-restart-approve.jsonl");
    served.api.inject(watches().once(), Fault::Body(watch));
    let events = served.watch(Duration::from_millis(700));
    let seen: Vec<(&str, State)> = events
        .iter()
        .map(|sight| match sight {
            WatchEvent::Request(request) => (request.name.as_str(), request.state),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("csr-mlf85", State::Pending),
            ("csr-mlf85", State::Approved),
            ("csr-mlf85", State::Issued),
            ("csr-5wmhs", State::Pending),
            ("csr-5wmhs", State::Denied),
            ("csr-b7vfl", State::Pending),
        ]
    );
    let from: Vec<String> = served
        .api
        .requests()
        .into_iter()
        .filter(|request| request.target.contains("watch=true"))
        .map(|request| request.target)
        .collect();
    assert!(from[0].contains("resourceVersion=527"), "{from:?}");
    assert!(from[1].contains("resourceVersion=560"), "{from:?}");
    drop(served.directory);
}

#[test]
fn what_was_in_the_list_is_not_the_answer_of_the_watch() {
    let served = Served::new("node36", "1.36/csr-list-pending.json");
    let watch = captured("1.36/csr-watch-restart-approve.jsonl");
    served.api.inject(watches().once(), Fault::Body(watch));
    let events = served.watch(Duration::from_millis(500));
    let Some(WatchEvent::Request(first)) = events.first() else {
        panic!("{events:?}");
    };
    assert_eq!(first.name, "csr-5wmhs");
}

#[test]
fn an_apply_that_sees_the_real_list_and_the_real_watch() {
    // Its own kubelet makes none, so that the captured ones are all there are.
    let knobs = Knobs {
        never_csr: true,
        ..Knobs::default()
    };
    let node = Node::new(Options {
        name: "node36".into(),
        knobs,
        ..Options::default()
    });
    let watch = captured("1.36/csr-watch-restart-approve.jsonl");
    let first_line = watch.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let api = node.api();
    api.inject(lists(), Fault::Body(captured("1.36/csr-list-empty.json")));
    api.inject(watches().once(), Fault::Body(watch[..first_line].to_vec()));
    let apply = node.run(binary(), &["apply", "--settle", "0s", "-o", "json"]);
    assert_eq!(apply.code, 0, "{}", apply.stderr);
    let document: Value = serde_json::from_str(&apply.stdout).unwrap();
    assert_eq!(
        document["csr"],
        json!({
            "name": "csr-mlf85", "state": "Pending", "created": "2026-11-23T07:16:49Z",
            "requestor": "system:node:node36", "dnsNames": ["node36"], "ipAddresses": ["10.77.0.21"]
        })
    );
}

/// The API server answers a node 403 for the ConfigMap's name that its version does not use.
#[test]
fn the_kubelet_configmap_is_read_by_the_name_of_the_version() {
    for (version, name) in [
        ("v1.19.16", "kubelet-config-1.19"),
        ("v1.36.2", "kubelet-config"),
    ] {
        kubelet_tls::parts::host::install_provider();
        let api = ApiServer::start(Config {
            version: version.into(),
            ..Config::default()
        });
        let directory = tempfile::tempdir().unwrap();
        let kubeconfig =
            api.kubeconfig_for_node("node", directory.path(), KubeconfigStyle::Kubelet);
        let node = Api::open(&kubeconfig).unwrap();
        // The kubelet's version, a newer one than the API server's could be, an older one, and none.
        for minor in [Some(19), Some(36), None] {
            let end = Instant::now() + Duration::from_secs(10);
            let found = node.kubelet_config(minor, end);
            let is_old_name = minor == Some(36) && version == "v1.19.16";
            if is_old_name {
                // A kubelet is never newer than its API server; the name with its version does not exist.
                assert!(found.unwrap_err().is_forbidden());
            } else {
                let (found, text) = found.unwrap();
                assert_eq!(found, name, "{minor:?}");
                assert!(text.contains("kind: KubeletConfiguration"), "{text}");
            }
        }
    }
}

#[test]
fn status_knows_whether_the_cluster_agrees_on_the_oldest_release_and_the_newest() {
    for (release, version) in [(Release::V1_19, "v1.19.16"), (Release::V1_36, "v1.36.2")] {
        let node = Node::new(Options {
            release,
            api: Config {
                version: version.into(),
                ..Config::default()
            },
            ..Options::default()
        });
        let output = node.run(binary(), &["status", "-o", "json"]);
        let document: Value = serde_json::from_str(&output.stdout).unwrap();
        let conditions = document["conditions"].as_array().unwrap();
        let agrees = conditions
            .iter()
            .find(|condition| condition["type"] == "ClusterConfigAgrees")
            .unwrap();
        assert_eq!(
            (&agrees["status"], &agrees["reason"]),
            (&json!("True"), &json!("Agrees")),
            "{version}: {agrees}"
        );
    }
}
