//! The overlay over the official manifest.

use serde_json::{Value, json};

use super::base::{self, Base, OFFICIAL_MANIFEST};
use super::manifest::{self, CONFIG_MAP, SECRET, hashed, yaml};
use super::spec::{OverlaySpec, file_names};
use super::{KubeletCa, arguments, pod};
use crate::x509::pem;

/// Where the official manifest puts everything, and what it calls its Service.
const OFFICIAL_NAMESPACE: &str = "kube-system";
const OFFICIAL_SERVICE: &str = "metrics-server";

const ROLLING_UPDATE: &str = "RollingUpdate";

/// `kustomization.yaml`
pub(super) fn kustomization(spec: &OverlaySpec) -> String {
    let namespace = &spec.names.namespace;
    let base = match &spec.base {
        Base::Official => OFFICIAL_MANIFEST,
        Base::Url(url) => url.as_str(),
        Base::File(_) => "base.yaml",
    };
    let mut all = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base, "secret.yaml"],
    });
    if let KubeletCa::Certificates(_) = spec.kubelet_ca {
        all["configMapGenerator"] = json!([{
            "name": CONFIG_MAP,
            "namespace": namespace,
            "files": [format!("{}=kubelet-ca.crt", pod::KUBELET_CA_KEY)],
        }]);
    }
    let mut patches = vec![
        json!({"path": "apiservice.yaml"}),
        json!({"path": "deployment.yaml"}),
    ];
    patches.extend(moves(spec));
    all["patches"] = patches.into();
    yaml(
        "metrics-server with both its TLS channels verified. To install: kubectl apply -k the directory of this file.",
        &all,
    )
}

/// What gives other names than the official ones. kustomize's own `namespace` would also move the RoleBinding that lies
/// in kube-system whatever the namespace, because it is about a ConfigMap there.
fn moves(spec: &OverlaySpec) -> Vec<Value> {
    let names = &spec.names;
    let replace = |path: &str, value: &str| json!({"op": "replace", "path": path, "value": value});
    let patch = |target: Value, operations: Vec<Value>| {
        let text = serde_yaml::to_string(&operations).unwrap_or_default();
        json!({"target": target, "options": {"allowNameChange": true}, "patch": text})
    };
    let mut all = Vec::new();
    let mut of_service = Vec::new();
    if names.namespace != OFFICIAL_NAMESPACE {
        of_service.push(replace("/metadata/namespace", &names.namespace));
        for kind in ["Deployment", "ServiceAccount"] {
            all.push(patch(
                json!({"kind": kind, "name": "metrics-server"}),
                vec![replace("/metadata/namespace", &names.namespace)],
            ));
        }
        all.push(patch(
            json!({"kind": "ClusterRoleBinding|RoleBinding"}),
            vec![replace("/subjects/0/namespace", &names.namespace)],
        ));
    }
    if names.service != OFFICIAL_SERVICE {
        of_service.push(replace("/metadata/name", &names.service));
    }
    if !of_service.is_empty() {
        all.push(patch(
            json!({"kind": "Service", "name": OFFICIAL_SERVICE}),
            of_service,
        ));
    }
    all
}

/// The Secret's name and `secret.yaml`. kustomize's own secretGenerator breaks base64 into lines, which the API server
/// takes out again, so that `kubectl apply` would find a difference each time.
pub(super) fn secret(spec: &OverlaySpec, certificate: &str, key: &str) -> (String, String) {
    let name = hashed(SECRET, &[certificate, key]);
    let data = json!({
        file_names::CERTIFICATE: pem::base64(certificate.as_bytes()),
        file_names::KEY: pem::base64(key.as_bytes()),
    });
    let secret = manifest::secret(&name, &spec.names.namespace, "data", data);
    let text = yaml(
        "metrics-server's serving certificate, with its key.",
        &secret,
    );
    (name, text)
}

/// `apiservice.yaml`. The null removes `insecureSkipTLSVerify`. The API server stores no `false` there, so that
/// `kubectl apply` would find a difference each time; and it refuses `true` beside a `caBundle`.
pub(super) fn api_service(spec: &OverlaySpec, bundle: &str) -> String {
    let version = match &spec.base {
        // A patch finds only an object of its own apiVersion.
        Base::File(base) => base.api_service.as_str(),
        Base::Official | Base::Url(_) => base::API_SERVICE_VERSIONS[0],
    };
    yaml(
        "The API server verifies metrics-server: caBundle is ca.crt.",
        &json!({
            "apiVersion": version,
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "caBundle": pem::base64(bundle.as_bytes()),
                "insecureSkipTLSVerify": null,
                "service": {"name": spec.names.service, "namespace": spec.names.namespace},
            },
        }),
    )
}

/// `deployment.yaml`
pub(super) fn deployment(spec: &OverlaySpec, secret: &str) -> String {
    let mut container = json!({
        "name": "metrics-server",
        "securityContext": pod::security_context(),
        "volumeMounts": pod::mounts(&spec.kubelet_ca),
    });
    match &spec.base {
        Base::File(base) => {
            container["args"] = arguments::over(&base.arguments, &spec.kubelet_ca).into();
        }
        // Not read, so replaced: the arguments, and the port that they name, which was another up to v0.6.
        Base::Official | Base::Url(_) => {
            let mut all = arguments::official(&spec.kubelet_ca);
            all.push(format!("--secure-port={}", arguments::PORT));
            container["args"] = all.into();
            container["ports"] = json!([
                {"$patch": "replace"},
                {"containerPort": arguments::PORT, "name": "https", "protocol": "TCP"},
            ]);
        }
    }
    let mut pod_spec = json!({
        "containers": [container],
        "volumes": pod::volumes(&spec.kubelet_ca, secret, CONFIG_MAP),
    });
    if spec.kubelet_ca == KubeletCa::ControlPlane {
        let already = match &spec.base {
            Base::File(base) => base.tolerations.as_slice(),
            Base::Official | Base::Url(_) => &[],
        };
        pod_spec["affinity"] = pod::affinity();
        pod_spec["tolerations"] = pod::tolerations(already);
    }
    let mut deployment_spec = json!({"template": {"spec": pod_spec}});
    if let Some(strategy) = strategy(&spec.base) {
        deployment_spec["strategy"] = strategy;
    }
    yaml(
        "metrics-server verifies the kubelets, and serves the certificate that the API server can verify.",
        &json!({
            "apiVersion": base::DEPLOYMENT_VERSION,
            "kind": "Deployment",
            "metadata": {"name": "metrics-server", "namespace": OFFICIAL_NAMESPACE},
            "spec": deployment_spec,
        }),
    )
}

/// What the manifest's strategy lacks of a whole one, with the API server's default values. `kubectl apply` replaces a
/// strategy as a whole (its patch has `$retainKeys`), and so finds a difference each time where the API server has
/// filled in a part.
fn strategy(base: &Base) -> Option<Value> {
    let given = match base {
        Base::Official => return Some(json!({"type": ROLLING_UPDATE})),
        // It may be Recreate.
        Base::Url(_) => return None,
        Base::File(base) => &base.strategy,
    };
    let is_rolling = given["type"] == ROLLING_UPDATE;
    let (has_type, has_parameters) = (!given["type"].is_null(), given["rollingUpdate"].is_object());
    match (has_type, has_parameters) {
        (false, true) => Some(json!({"type": ROLLING_UPDATE})),
        (true, false) if is_rolling => {
            Some(json!({"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}))
        }
        _ => None,
    }
}
