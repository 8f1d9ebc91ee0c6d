//! The manifest that the overlay patches.

use serde::Deserialize as _;
use serde_json::Value;

use super::arguments;
use crate::text::quoted;

/// metrics-server's own release, as kustomize fetches it with git: by the hash of a commit, that of the tag v0.9.0, so that
/// no other content can come.
pub const OFFICIAL_MANIFEST: &str = "https://github.com/kubernetes-sigs/metrics-server//manifests/overlays/release?ref=2a7c4b2c7d46552ff47f4aeaa3a735c582587ecd";
/// The same release as one file.
pub const OFFICIAL_RELEASE: &str =
    "https://github.com/kubernetes-sigs/metrics-server/releases/download/v0.9.0/components.yaml";

/// The versions of an APIService that are patched. The second ended with Kubernetes 1.22; metrics-server has the first
/// from v0.4 on.
pub(super) const API_SERVICE_VERSIONS: [&str; 2] = [
    "apiregistration.k8s.io/v1",
    "apiregistration.k8s.io/v1beta1",
];
/// The only version of a Deployment since Kubernetes 1.16.
pub(super) const DEPLOYMENT_VERSION: &str = "apps/v1";

/// How many hexadecimal digits a git commit's hash has.
const COMMIT_DIGITS: usize = 40;

/// Where the manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// metrics-server's own release, [`OFFICIAL_MANIFEST`].
    Official,
    /// kustomize fetches it from this URL.
    Url(String),
    /// A file, which is copied, because kustomize takes nothing from outside its directory.
    File(BaseManifest),
}

/// What the overlay takes over from a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BaseManifest {
    /// The manifest as it was given, which the overlay copies.
    pub text: String,
    /// The `apiVersion` of its APIService, one of two.
    pub(super) api_service: String,
    /// The arguments of metrics-server.
    pub(super) arguments: Vec<String>,
    /// The Deployment's tolerations, because a patch replaces the list.
    pub(super) tolerations: Vec<Value>,
    /// The Deployment's `strategy`, or null.
    pub(super) strategy: Value,
}

/// Why a manifest cannot be patched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// Its URL is not an https URL.
    #[error("only https URLs are accepted")]
    NotHttps,
    /// Its URL has a character that no URL has.
    #[error("a URL contains no spaces")]
    NotUrl,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is not YAML; the line and column, from 1, where known.
    #[error("{}it is not YAML", position(.0))]
    NotYaml(Option<(usize, usize)>),
    /// It lacks an object of the official manifest.
    #[error("it has no {kind} {name} such as the official manifest has")]
    Missing {
        /// The `kind` that was looked for.
        kind: &'static str,
        /// The `metadata.name` that was looked for.
        name: &'static str,
    },
    /// It has an object of the official manifest twice, which kustomize refuses.
    #[error("it has the {kind} {name} twice")]
    Twice {
        /// The `kind` of the two.
        kind: &'static str,
        /// The `metadata.name` of the two.
        name: &'static str,
    },
    /// An object has an API version that is not patched.
    #[error("its {kind} has the apiVersion {version}; only {known} can be patched")]
    Version {
        /// The `kind` of that object.
        kind: &'static str,
        /// The `apiVersion` in the manifest, sanitized.
        version: String,
        /// The versions that can be patched, in words.
        known: String,
    },
    /// The Deployment's Pod has no container of the official name.
    #[error("its Deployment has no container metrics-server")]
    NoContainer,
    /// The container's command decides about TLS.
    #[error("its command holds flags that decide about TLS; they belong in args")]
    FlagsInCommand,
}

fn position(place: &Option<(usize, usize)>) -> String {
    place.map_or_else(String::new, |(line, column)| format!("{line}:{column}: "))
}

impl Base {
    /// A manifest that kustomize fetches.
    ///
    /// # Errors
    /// [`BaseError::NotHttps`] and [`BaseError::NotUrl`].
    pub fn url(text: &str) -> Result<Self, BaseError> {
        if !text.starts_with("https://") {
            return Err(BaseError::NotHttps);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BaseError::NotUrl);
        }
        if text == OFFICIAL_MANIFEST {
            return Ok(Self::Official);
        }
        Ok(Self::Url(text.to_owned()))
    }

    /// A file's content.
    ///
    /// # Errors
    /// What the official manifest has and the file lacks, or in which version it cannot be patched.
    pub fn file(bytes: &[u8]) -> Result<Self, BaseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| BaseError::NotUtf8)?;
        let objects = objects(text)?;
        find(&objects, "Service", "metrics-server")?;
        find(&objects, "ServiceAccount", "metrics-server")?;
        let api_service = find(&objects, "APIService", "v1beta1.metrics.k8s.io")?;
        let api_service = version(api_service, "APIService", &API_SERVICE_VERSIONS)?;
        let deployment = find(&objects, "Deployment", "metrics-server")?;
        version(deployment, "Deployment", &[DEPLOYMENT_VERSION])?;
        let pod = &deployment["spec"]["template"]["spec"];
        let container = list(&pod["containers"])
            .iter()
            .find(|container| container["name"] == "metrics-server")
            .ok_or(BaseError::NoContainer)?;
        if arguments::decides(&words(&container["command"])) {
            return Err(BaseError::FlagsInCommand);
        }
        Ok(Self::File(BaseManifest {
            api_service: api_service.to_owned(),
            arguments: words(&container["args"]),
            tolerations: list(&pod["tolerations"]).to_vec(),
            strategy: deployment["spec"]["strategy"].clone(),
            text: text.to_owned(),
        }))
    }

    /// Whether what kustomize fetches can be other content later: its URL names no commit by its hash.
    pub fn can_change(&self) -> bool {
        let Self::Url(url) = self else {
            return false;
        };
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let mut refs = query
            .split('&')
            .filter_map(|word| word.strip_prefix("ref="));
        !refs.any(|name| {
            name.len() == COMMIT_DIGITS && name.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// The Kubernetes version, such as `1.22`, that is the first to refuse the manifest.
    pub fn refused_from(&self) -> Option<&'static str> {
        match self {
            Self::File(base) if base.api_service == API_SERVICE_VERSIONS[1] => Some("1.22"),
            _ => None,
        }
    }
}

/// The objects of a YAML stream, those of a List each.
fn objects(text: &str) -> Result<Vec<Value>, BaseError> {
    let mut objects = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let mut object = Value::deserialize(document).map_err(|error| {
            let place = error.location();
            BaseError::NotYaml(place.map(|place| (place.line(), place.column())))
        })?;
        // kustomize takes a List apart too.
        let items = match &mut object {
            Value::Object(fields) if fields.get("kind").is_some_and(|kind| kind == "List") => {
                fields.get_mut("items").map(Value::take)
            }
            _ => None,
        };
        match items {
            Some(Value::Array(items)) => objects.extend(items),
            _ => objects.push(object),
        }
    }
    Ok(objects)
}

fn find<'a>(
    objects: &'a [Value],
    kind: &'static str,
    name: &'static str,
) -> Result<&'a Value, BaseError> {
    let is_it = |object: &&Value| {
        object["kind"] == kind
            && object["metadata"]["name"] == name
            && (kind == "APIService" || object["metadata"]["namespace"] == "kube-system")
    };
    let mut found = objects.iter().filter(is_it);
    let first = found.next().ok_or(BaseError::Missing { kind, name })?;
    match found.next() {
        Some(_) => Err(BaseError::Twice { kind, name }),
        None => Ok(first),
    }
}

/// The `apiVersion` of an object, one of `known`.
fn version<'a>(
    object: &Value,
    kind: &'static str,
    known: &[&'a str],
) -> Result<&'a str, BaseError> {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let found = known.iter().find(|known| **known == version);
    found.copied().ok_or_else(|| BaseError::Version {
        kind,
        version: quoted(version),
        known: known.join(" and "),
    })
}

/// The items of an array; none of what is not one.
pub(super) fn list(value: &Value) -> &[Value] {
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
    fn a_manifest_that_cannot_be_patched_is_refused() {
        for (bad, why) in [
            (&b"\xff"[..], "it is not UTF-8"),
            (b"a: [", "not YAML"),
            (b"", "no Service metrics-server"),
            (b"- 1\n---\nnull\n", "no Service metrics-server"),
        ] {
            let error = Base::file(bad).unwrap_err().to_string();
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
            let error = Base::file(BASE.replace(from, to).as_bytes())
                .unwrap_err()
                .to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn only_https_is_fetched() {
        assert!(Base::url(OFFICIAL_RELEASE).is_ok());
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
