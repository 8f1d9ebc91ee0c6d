//! An API server that keeps objects, for `kubectl apply`: plain HTTP, no user, and the default values that a real one fills in.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// API group and version, plural, kind, and whether its objects are in a namespace.
const KINDS: [(&str, &str, &str, bool); 9] = [
    ("v1", "configmaps", "ConfigMap", true),
    ("v1", "secrets", "Secret", true),
    ("v1", "serviceaccounts", "ServiceAccount", true),
    ("v1", "services", "Service", true),
    ("apps/v1", "deployments", "Deployment", true),
    (
        "rbac.authorization.k8s.io/v1",
        "clusterroles",
        "ClusterRole",
        false,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        "RoleBinding",
        true,
    ),
    (
        "apiregistration.k8s.io/v1",
        "apiservices",
        "APIService",
        false,
    ),
];

pub(crate) struct Objects {
    /// What kubectl's `--server` takes.
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By path.
    objects: BTreeMap<String, Value>,
    /// Method and path of every request that changes something.
    writes: Vec<String>,
    /// The kubectl that computes what a strategic merge patch comes to.
    kubectl: PathBuf,
}

impl Objects {
    pub(crate) fn start(kubectl: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State {
            kubectl: kubectl.to_owned(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        // It ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { url, state }
    }

    /// What was changed since this was last asked.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().writes)
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.state.lock().unwrap().objects[path].clone()
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return;
    };
    let (mut length, mut is_strategic) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        is_strategic |= header == "content-type: application/strategic-merge-patch+json";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let path = target.split('?').next().unwrap_or_default();
    let (code, answer) = state
        .lock()
        .unwrap()
        .answer(method, path, &body, is_strategic);
    let answer = answer.to_string();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {code} It\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
    .unwrap();
}

impl State {
    fn answer(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        is_strategic: bool,
    ) -> (u16, Value) {
        let missing = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "not found"});
        if method == "GET" {
            let found = discovery(path).or_else(|| self.objects.get(path).cloned());
            return found.map_or((404, missing), |found| (200, found));
        }
        self.writes.push(format!("{method} {path}"));
        let sent: Value = serde_json::from_slice(body).unwrap();
        if method == "POST" {
            let path = format!("{path}/{}", sent["metadata"]["name"].as_str().unwrap());
            return (201, self.store(path, sent));
        }
        assert_eq!(method, "PATCH");
        let Some(before) = self.objects.get(path) else {
            return (404, missing);
        };
        let after = match is_strategic {
            true => self.strategic(before, &sent),
            false => {
                let mut after = before.clone();
                merge(&mut after, &sent);
                after
            }
        };
        (200, self.store(path.to_owned(), after))
    }

    fn store(&mut self, path: String, mut object: Value) -> Value {
        set_defaults(&mut object);
        object["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001".into();
        object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
        object["metadata"]["resourceVersion"] = self.writes.len().to_string().into();
        self.objects.insert(path, object.clone());
        object
    }

    /// The patch as kubectl's own library applies it, which is the API server's.
    fn strategic(&self, before: &Value, patch: &Value) -> Value {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("before.json");
        fs::write(&file, before.to_string()).unwrap();
        let output = Command::new(&self.kubectl)
            .args([
                "patch",
                "--local",
                "--type",
                "strategic",
                "--output",
                "json",
                "--filename",
            ])
            .arg(&file)
            .arg("--patch")
            .arg(patch.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn discovery(path: &str) -> Option<Value> {
    let list = |version: &str| {
        let kinds = KINDS.iter().filter(|(of, ..)| *of == version);
        let resources: Vec<_> = kinds
            .map(|(_, plural, kind, namespaced)| {
                json!({"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["create", "get", "patch"]})
            })
            .collect();
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources})
    };
    match path.trim_matches('/') {
        "version" => Some(json!({"major": "1", "minor": "32", "gitVersion": "v1.32.0"})),
        "api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        "apis" => {
            let mut versions: Vec<_> = KINDS.iter().map(|(version, ..)| *version).collect();
            versions.dedup();
            let groups: Vec<_> = versions
                .iter()
                .filter_map(|version| Some((version, version.strip_suffix("/v1")?)))
                .map(|(version, name)| {
                    let version = json!({"groupVersion": version, "version": "v1"});
                    json!({"name": name, "versions": [version], "preferredVersion": version})
                })
                .collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        "api/v1" => Some(list("v1")),
        path => {
            let version = path.strip_prefix("apis/")?;
            KINDS
                .iter()
                .any(|(of, ..)| *of == version)
                .then(|| list(version))
        }
    }
}

/// A merge patch (RFC 7386).
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in patch {
        match value {
            Value::Null => drop(into.as_object_mut().unwrap().remove(key)),
            value => merge(&mut into[key.as_str()], value),
        }
    }
}

/// Adds what is missing of `defaults`, at every depth.
fn fill(into: &mut Value, defaults: Value) {
    match (into, defaults) {
        (Value::Object(into), Value::Object(defaults)) => {
            for (key, value) in defaults {
                fill(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into @ Value::Null, defaults) => *into = defaults,
        _ => {}
    }
}

fn each(list: &mut Value, change: impl FnMut(&mut Value)) {
    list.as_array_mut().into_iter().flatten().for_each(change);
}

/// What the API server fills in and leaves out (pkg/apis/{apps,core}/v1/defaults.go, and `omitempty` of each type).
fn set_defaults(object: &mut Value) {
    let kind = object["kind"].as_str().unwrap().to_owned();
    match kind.as_str() {
        "Deployment" => deployment(&mut object["spec"]),
        "Service" => {
            fill(
                &mut object["spec"],
                json!({"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "type": "ClusterIP"}),
            );
            each(&mut object["spec"]["ports"], |port| {
                fill(port, json!({"protocol": "TCP"}))
            });
        }
        // []byte: read as base64 whatever its line breaks, and written without any.
        "Secret" => {
            for value in object["data"].as_object_mut().unwrap().values_mut() {
                *value = value.as_str().unwrap().replace('\n', "").into();
            }
        }
        "APIService" => {
            let spec = &mut object["spec"];
            fill(spec, json!({"service": {"port": 443}}));
            if spec["insecureSkipTLSVerify"] != true {
                spec.as_object_mut()
                    .unwrap()
                    .remove("insecureSkipTLSVerify");
            }
            if let Some(bundle) = spec["caBundle"].as_str() {
                spec["caBundle"] = bundle.replace('\n', "").into();
            }
        }
        _ => {}
    }
}

fn deployment(spec: &mut Value) {
    let strategy = &mut spec["strategy"];
    fill(strategy, json!({"type": "RollingUpdate"}));
    if strategy["type"] == "RollingUpdate" {
        fill(
            strategy,
            json!({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
        );
    }
    fill(
        spec,
        json!({"progressDeadlineSeconds": 600, "replicas": 1, "revisionHistoryLimit": 10, "template": {"metadata": {"creationTimestamp": null}}}),
    );
    let pod = &mut spec["template"]["spec"];
    let account = pod["serviceAccountName"].clone();
    fill(
        pod,
        json!({"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {}, "serviceAccount": account, "terminationGracePeriodSeconds": 30}),
    );
    each(&mut pod["containers"], |container| {
        fill(
            container,
            json!({"imagePullPolicy": "IfNotPresent", "resources": {}, "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"}),
        );
        each(&mut container["ports"], |port| {
            fill(port, json!({"protocol": "TCP"}))
        });
        for probe in ["livenessProbe", "readinessProbe"] {
            if container[probe].is_object() {
                fill(
                    &mut container[probe],
                    json!({"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}),
                );
            }
        }
    });
    each(&mut pod["volumes"], |volume| {
        for kind in ["configMap", "secret"] {
            if volume[kind].is_object() {
                fill(&mut volume[kind], json!({"defaultMode": 420}));
            }
        }
        if volume["hostPath"].is_object() {
            fill(&mut volume["hostPath"], json!({"type": ""}));
        }
    });
}
