//! The command line of a Pod's container, and where the files that it names come from.

use serde_json::Value;

use crate::metrics_server::base::list;
use crate::text::harmless;
use crate::text::names::is_subdomain;

/// The metrics-server of a Pod's spec: its command line, and where its files come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    words: Vec<String>,
    mounts: Value,
    volumes: Value,
}

/// Where a file in the pod comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// The key of a ConfigMap in the pod's namespace.
    ConfigMap(String, String),
    /// The key of a Secret in the pod's namespace.
    Secret(String, String),
    /// A file of the node that the pod runs on.
    Host(String),
}

impl Program {
    pub(super) fn read(pod: &Value) -> Option<Self> {
        let containers = list(&pod["containers"]);
        let container = containers
            .iter()
            .find(|container| container["name"] == "metrics-server")
            .or(containers.first())?;
        let words = ["command", "args"]
            .iter()
            .flat_map(|field| list(&container[*field]))
            .filter_map(|word| word.as_str().map(harmless))
            .collect();
        Some(Self {
            words,
            mounts: container["volumeMounts"].clone(),
            volumes: pod["volumes"].clone(),
        })
    }

    /// Whether it verifies kubelets as `other` does: against the same CA, at the same kind of address.
    pub fn verifies_as(&self, other: &Self) -> bool {
        let flags = [
            "kubelet-certificate-authority",
            "kubelet-preferred-address-types",
        ];
        let source = |program: &Self| {
            let file = program.flag("kubelet-certificate-authority")?;
            program.source(file)
        };
        flags.iter().all(|flag| self.flag(flag) == other.flag(flag))
            && source(self) == source(other)
    }

    /// The value of the flag `name`, the last one given; empty for a flag without a value.
    pub fn flag(&self, name: &str) -> Option<&str> {
        let mut found = None;
        let mut words = self.words.iter().peekable();
        while let Some(word) = words.next() {
            let Some(rest) = word.strip_prefix("--") else {
                continue;
            };
            let (flag, value) = rest
                .split_once('=')
                .map_or((rest, None), |(flag, value)| (flag, Some(value)));
            if flag.replace('_', "-") == name {
                let next = words.peek().filter(|next| !next.starts_with("--"));
                found = Some(value.or(next.map(|next| next.as_str())).unwrap_or_default());
            }
        }
        found
    }

    /// Whether it takes any certificate for a kubelet's.
    pub fn takes_any_kubelet(&self) -> bool {
        // Go's ParseBool; anything else ends metrics-server.
        let is_true = |value: &str| !matches!(value, "0" | "f" | "F" | "false" | "FALSE" | "False");
        [
            "kubelet-insecure-tls",
            "deprecated-kubelet-completely-insecure",
        ]
        .iter()
        .any(|name| self.flag(name).is_some_and(is_true))
    }

    /// Where the file at `path` in the pod comes from.
    pub fn source(&self, path: &str) -> Option<MountSource> {
        let below = |mount: &&Value| {
            let at = mount["mountPath"].as_str()?.trim_end_matches('/');
            let rest = path.strip_prefix(at)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((at.len(), rest))
        };
        let mount = list(&self.mounts)
            .iter()
            .filter(|mount| below(mount).is_some())
            .max_by_key(|mount| below(mount))?;
        let (_, rest) = below(&mount)?;
        let rest = format!("{}{rest}", mount["subPath"].as_str().unwrap_or_default());
        let rest = rest.trim_start_matches('/');
        let volume = list(&self.volumes)
            .iter()
            .find(|volume| volume["name"] == mount["name"])?;
        let key = |items: &Value| {
            let item = list(items).iter().find(|item| item["path"] == rest);
            item.and_then(|item| item["key"].as_str())
                .unwrap_or(rest)
                .to_owned()
        };
        let named = |volume: &Value, field: &str| {
            let name = volume[field].as_str().filter(|name| is_subdomain(name))?;
            Some((name.to_owned(), key(&volume["items"])))
        };
        if let Some((name, key)) = named(&volume["configMap"], "name") {
            return Some(MountSource::ConfigMap(name, key));
        }
        if let Some((name, key)) = named(&volume["secret"], "secretName") {
            return Some(MountSource::Secret(name, key));
        }
        let host = volume["hostPath"]["path"].as_str()?;
        let slash = if rest.is_empty() { "" } else { "/" };
        Some(MountSource::Host(format!("{host}{slash}{rest}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn program(args: &[&str], volume: Value) -> Program {
        let pod = json!({
            "containers": [{"name": "side"}, {"name": "metrics-server", "args": args, "volumeMounts": [
                {"name": "a", "mountPath": "/etc"},
                {"name": "v", "mountPath": "/etc/ca/"},
                {"name": "f", "mountPath": "/etc/one.crt"},
            ]}],
            "volumes": [volume, {"name": "f", "hostPath": {"path": "/etc/kubernetes/pki/ca.crt"}}],
        });
        Program::read(&pod).unwrap()
    }

    #[test]
    fn flags_read_as_pflag_reads_them() {
        let with = |args: &[&str]| program(args, Value::Null);
        assert!(with(&["--kubelet-insecure-tls"]).takes_any_kubelet());
        assert!(with(&["--kubelet_insecure_tls=true"]).takes_any_kubelet());
        assert!(
            !with(&[
                "--kubelet-insecure-tls=true",
                "--kubelet-insecure-tls=false"
            ])
            .takes_any_kubelet()
        );
        assert!(!with(&["--v=2"]).takes_any_kubelet());
        assert_eq!(with(&["--a", "b", "--a=c"]).flag("a"), Some("c"));
        assert_eq!(with(&["--a", "b"]).flag("a"), Some("b"));
        assert_eq!(with(&["--a"]).flag("b"), None);
    }

    #[test]
    fn a_file_is_traced_to_where_it_comes_from() {
        let of = |volume: Value, path: &str| program(&[], volume).source(path);
        assert_eq!(
            of(
                json!({"name": "v", "configMap": {"name": "c"}}),
                "/etc/ca/ca.crt"
            ),
            Some(MountSource::ConfigMap("c".into(), "ca.crt".into()))
        );
        assert_eq!(
            of(
                json!({"name": "v", "secret": {"secretName": "s", "items": [{"key": "k", "path": "ca.crt"}]}}),
                "/etc/ca/ca.crt"
            ),
            Some(MountSource::Secret("s".into(), "k".into()))
        );
        assert_eq!(
            of(Value::Null, "/etc/one.crt"),
            Some(MountSource::Host("/etc/kubernetes/pki/ca.crt".into()))
        );
        assert_eq!(
            of(
                json!({"name": "v", "hostPath": {"path": "/pki"}}),
                "/etc/ca/x/ca.crt"
            ),
            Some(MountSource::Host("/pki/x/ca.crt".into()))
        );
        assert_eq!(
            of(
                json!({"name": "v", "secret": {"secretName": "../x"}}),
                "/etc/ca/ca.crt"
            ),
            None
        );
        assert_eq!(
            of(json!({"name": "v", "emptyDir": {}}), "/etc/ca/ca.crt"),
            None
        );
        assert_eq!(of(Value::Null, "/elsewhere"), None);
    }
}
