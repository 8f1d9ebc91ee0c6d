//! Values for the official chart, and the objects that they refer to.

use serde_json::{Value, json};

use super::arguments;
use super::files::{Wanted, yaml};
use super::mark::sha256;
use super::pair::Pair;
use super::{KubeletCa, pod};
use crate::x509::pem;

/// How much of a hash a name gets, as kustomize gives it: ten characters.
const HASH: usize = 10;

/// What the chart does not make.
pub(super) struct Objects {
    secret: Value,
    config_map: Option<Value>,
}

impl Objects {
    /// Their names end in a hash of their content, so that a new certificate neither reaches the running pod before the
    /// `caBundle` that verifies it, nor is overlooked by the Deployment.
    pub(super) fn of(wanted: &Wanted, pair: &Pair) -> Self {
        let namespace = &wanted.names.namespace;
        let certificate = pair.bundle();
        let secret = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": hashed("metrics-server-tls", &[&certificate, &pair.key]),
                "namespace": namespace,
            },
            "type": "kubernetes.io/tls",
            "stringData": {"tls.crt": certificate, "tls.key": pair.key},
        });
        let config_map = match &wanted.kubelet_ca {
            KubeletCa::Certificates(ders) => {
                let bundle = pem::encode_all(ders);
                Some(json!({
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": hashed("metrics-server-kubelet-ca", &[&bundle]),
                        "namespace": namespace,
                    },
                    "data": {pod::KUBELET_CA_KEY: bundle},
                }))
            }
            KubeletCa::InCluster | KubeletCa::ControlPlane => None,
        };
        Self { secret, config_map }
    }

    /// `manifests.yaml`
    pub(super) fn manifests(&self) -> String {
        let mut text = yaml("What values.yaml refers to; it holds a key.", &self.secret);
        if let Some(config_map) = &self.config_map {
            text.push_str("---\n");
            text.push_str(&yaml("", config_map));
        }
        text
    }
}

fn hashed(name: &str, content: &[&str]) -> String {
    let hash = sha256(content.concat().as_bytes());
    format!("{name}-{}", hash.get(..HASH).unwrap_or_default())
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// `values.yaml`. The chart adds `--secure-port` itself. Its own ways to a certificate (`tls.type`, from 3.13.0) stay
/// off: they take only the current CA into the `caBundle`, and older charts do not know them.
pub(super) fn values(wanted: &Wanted, objects: &Objects, bundle: &str) -> String {
    let config_map = objects.config_map.as_ref().map_or("", name_of);
    let mut all = json!({
        "fullnameOverride": wanted.names.service,
        "containerPort": arguments::PORT,
        "defaultArgs": arguments::official(&wanted.kubelet_ca),
        // Not left out: `helm upgrade --reuse-values` would bring back an old --kubelet-insecure-tls.
        "args": [],
        "apiService": {"create": true, "insecureSkipTLSVerify": false, "caBundle": bundle},
        "tls": {"type": "metrics-server"},
        "securityContext": pod::security_context(),
        "extraVolumes": pod::volumes(&wanted.kubelet_ca, name_of(&objects.secret), config_map),
        "extraVolumeMounts": pod::mounts(&wanted.kubelet_ca),
    });
    if wanted.kubelet_ca == KubeletCa::ControlPlane {
        all["affinity"] = pod::affinity();
        all["tolerations"] = pod::tolerations(&[]);
    }
    yaml(
        &format!(
            "metrics-server with both its TLS channels verified, for the official chart from 3.8.3 on. To install, in the\n\
             directory of this file:\n\
             kubectl apply -f manifests.yaml\n\
             helm upgrade --install {0} metrics-server --repo https://kubernetes-sigs.github.io/metrics-server \\\n  \
             --namespace {1} --values values.yaml",
            wanted.names.service, wanted.names.namespace
        ),
        &all,
    )
}
