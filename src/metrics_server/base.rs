//! The manifest that the overlay lies over.

use serde::Deserialize as _;
use serde_json::Value;

use super::arguments;

/// metrics-server's own release.
pub const OFFICIAL_MANIFEST: &str =
    "https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.9.0/components.yaml";

/// Where the manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// kustomize fetches it.
    Url(String),
    /// A file, which is copied, because kustomize takes nothing from outside its directory.
    File(OfBase),
}

/// What the overlay takes over from a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OfBase {
    /// The manifest itself.
    pub text: String,
    /// The arguments of metrics-server.
    pub arguments: Vec<String>,
    /// The Deployment's tolerations, because a patch replaces the list.
    pub tolerations: Vec<Value>,
}

impl Base {
    /// A URL.
    ///
    /// # Errors
    /// When it is not one that can be trusted.
    pub fn url(text: &str) -> Result<Self, String> {
        if !text.starts_with("https://") {
            return Err("only https is trusted with what runs in kube-system".into());
        }
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self::Url(text.to_owned()))
        } else {
            Err("a URL has no blanks".into())
        }
    }

    /// A file's content.
    ///
    /// # Errors
    /// What the official manifest has and it lacks.
    pub fn file(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
        let mut documents = Vec::new();
        for document in serde_yaml::Deserializer::from_str(text) {
            let value = Value::deserialize(document).map_err(|error| {
                let place = error.location().map_or_else(String::new, |place| {
                    format!("{}:{}: ", place.line(), place.column())
                });
                format!("{place}it is not YAML")
            })?;
            documents.push(value);
        }
        let find = |kind: &str, name: &str| {
            documents
                .iter()
                .find(|object| {
                    object["kind"] == kind
                        && object["metadata"]["name"] == name
                        && (kind == "APIService"
                            || object["metadata"]["namespace"] == "kube-system")
                })
                .ok_or_else(|| format!("it has no {kind} {name} such as the official manifest has"))
        };
        find("Service", "metrics-server")?;
        find("ServiceAccount", "metrics-server")?;
        find("APIService", "v1beta1.metrics.k8s.io")?;
        let pod = &find("Deployment", "metrics-server")?["spec"]["template"]["spec"];
        let container = list(&pod["containers"])
            .iter()
            .find(|container| container["name"] == "metrics-server")
            .ok_or("its Deployment has no container metrics-server")?;
        if arguments::decides(&words(&container["command"])) {
            return Err(
                "its command holds flags that decide about TLS; they belong into args".into(),
            );
        }
        Ok(Self::File(OfBase {
            arguments: words(&container["args"]),
            tolerations: list(&pod["tolerations"]).to_vec(),
            text: text.to_owned(),
        }))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn words(value: &Value) -> Vec<String> {
    list(value)
        .iter()
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = include_str!("../../testdata/metrics-server/base.yaml");

    #[test]
    fn the_manifest_is_read() {
        let Base::File(base) = Base::file(BASE.as_bytes()).unwrap() else {
            panic!();
        };
        assert_eq!(base.arguments[0], "--cert-dir=/tmp");
        assert!(
            base.arguments
                .contains(&"--kubelet-insecure-tls".to_owned())
        );
        assert_eq!(base.tolerations.len(), 1);
    }

    #[test]
    fn what_is_no_manifest_of_metrics_server_is_refused() {
        for (bad, why) in [
            (&b"\xff"[..], "it is not UTF-8"),
            (b"a: [", "not YAML"),
            (b"", "no Service metrics-server"),
            (b"- 1\n---\nnull\n", "no Service metrics-server"),
        ] {
            let error = Base::file(bad).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        for (from, to, why) in [
            (
                "v1beta1.metrics.k8s.io",
                "v1beta2.metrics.k8s.io",
                "no APIService",
            ),
            (
                "name: metrics-server\n        image",
                "name: other\n        image",
                "no container metrics-server",
            ),
            (
                "        args:\n",
                "        command: [/metrics-server, --kubelet-insecure-tls]\n        args:\n",
                "its command holds",
            ),
            (
                "namespace: kube-system",
                "namespace: default",
                "no Service metrics-server",
            ),
        ] {
            assert!(BASE.contains(from), "{from}");
            let error = Base::file(BASE.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_https_is_fetched() {
        assert!(Base::url(OFFICIAL_MANIFEST).is_ok());
        for bad in [
            "http://a/b",
            "https://a/b c",
            "file:///a",
            "https://a/\u{e9}",
        ] {
            assert!(Base::url(bad).is_err(), "{bad}");
        }
    }
}
