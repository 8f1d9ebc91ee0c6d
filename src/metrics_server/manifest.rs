//! YAML, and the Secret and the ConfigMap that both formats have.

use serde_json::{Value, json};

use crate::text::sha256;

/// The name of the Secret with the serving certificate, without the hash of its content.
pub(super) const SECRET: &str = "metrics-server-tls";
/// The name of the ConfigMap with the kubelets' CA, without the hash of its content.
pub(super) const CONFIG_MAP: &str = "metrics-server-kubelet-ca";
/// How many hexadecimal digits of a hash end a name, as many as with kustomize.
const HASH: usize = 10;

/// A manifest as YAML below a comment.
pub(super) fn yaml(comment: &str, value: &Value) -> String {
    let mut text: String = comment.lines().map(|line| format!("# {line}\n")).collect();
    // A JSON value always has a YAML form.
    text.push_str(&serde_yaml::to_string(value).unwrap_or_default());
    text
}

/// `name` with the hash of `content`: a new certificate is a new object, which neither reaches the running Pod before the
/// `caBundle` that verifies it, nor is overlooked by the Deployment.
pub(super) fn hashed(name: &str, content: &[&str]) -> String {
    let hash = sha256(content.concat().as_bytes());
    format!("{name}-{}", hash.get(..HASH).unwrap_or_default())
}

/// A Secret of type `kubernetes.io/tls` with this content under `field`.
pub(super) fn secret(name: &str, namespace: &str, field: &str, content: Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/tls",
        field: content,
    })
}
