//! Values for the official chart, and the objects that they refer to.

use serde_json::{Value, json};

use super::manifest::{CONFIG_MAP, SECRET, hashed, secret, yaml};
use super::pair::Pair;
use super::spec::OverlaySpec;
use super::{KubeletCa, arguments, pod};
use crate::x509::pem;

/// The objects that the values refer to and the chart does not create.
pub(super) struct Objects {
    secret: Value,
    config_map: Option<Value>,
}

impl Objects {
    pub(super) fn of(spec: &OverlaySpec, pair: &Pair) -> Self {
        let namespace = &spec.names.namespace;
        let certificate = pair.bundle();
        let secret = secret(
            &hashed(SECRET, &[&certificate, &pair.key]),
            namespace,
            "stringData",
            json!({"tls.crt": certificate, "tls.key": pair.key}),
        );
        let config_map = match &spec.kubelet_ca {
            KubeletCa::Certificates(ders) => {
                let bundle = pem::encode_all(ders);
                Some(json!({
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "metadata": {
                        "name": hashed(CONFIG_MAP, &[&bundle]),
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
        let mut text = yaml(
            "The Secret that values.yaml refers to. It holds a key.",
            &self.secret,
        );
        if let Some(config_map) = &self.config_map {
            text.push_str("---\n");
            text.push_str(&yaml("", config_map));
        }
        text
    }
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// `values.yaml`. The chart adds `--secure-port` itself. Its own ways to a certificate (`tls.type`, from 3.13.0) stay
/// off: they take only the current CA into the `caBundle`, and older charts do not know them.
pub(super) fn values(spec: &OverlaySpec, objects: &Objects, bundle: &str) -> String {
    let config_map = objects.config_map.as_ref().map_or("", name_of);
    let mut all = json!({
        "fullnameOverride": spec.names.service,
        "containerPort": arguments::PORT,
        "defaultArgs": arguments::official(&spec.kubelet_ca),
        // Not left out: `helm upgrade --reuse-values` would bring back an old --kubelet-insecure-tls.
        "args": [],
        "apiService": {"create": true, "insecureSkipTLSVerify": false, "caBundle": bundle},
        "tls": {"type": "metrics-server"},
        "securityContext": pod::security_context(),
        "extraVolumes": pod::volumes(&spec.kubelet_ca, name_of(&objects.secret), config_map),
        "extraVolumeMounts": pod::mounts(&spec.kubelet_ca),
    });
    if spec.kubelet_ca == KubeletCa::ControlPlane {
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
            spec.names.service, spec.names.namespace
        ),
        &all,
    )
}
