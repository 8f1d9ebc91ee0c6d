//! The overlay over the official manifest.

use serde_json::{Value, json};

use super::arguments;
use super::base::Base;
use super::files::{Wanted, kept_names, yaml};
use super::{KubeletCa, pod};
use crate::x509::pem;

/// Where the official manifest puts everything, and what it calls its Service.
const OFFICIAL_NAMESPACE: &str = "kube-system";
const OFFICIAL_SERVICE: &str = "metrics-server";

const SECRET: &str = "metrics-server-tls";
const CONFIG_MAP: &str = "metrics-server-kubelet-ca";

/// `kustomization.yaml`
pub(super) fn kustomization(wanted: &Wanted) -> String {
    let namespace = &wanted.names.namespace;
    let base = match &wanted.base {
        Base::Url(url) => url.as_str(),
        Base::File(_) => "base.yaml",
    };
    let mut all = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [base],
        // Its name ends in a hash of its content: a renewed certificate makes a new one, which rolls the Deployment.
        "secretGenerator": [{
            "name": SECRET,
            "namespace": namespace,
            "type": "kubernetes.io/tls",
            "files": [kept_names::CERTIFICATE, kept_names::KEY],
        }],
    });
    if let KubeletCa::Certificates(_) = wanted.kubelet_ca {
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
    patches.extend(moves(wanted));
    all["patches"] = patches.into();
    yaml(
        "metrics-server with both its TLS channels verified. To install: kubectl apply -k the directory of this file.",
        &all,
    )
}

/// What gives other names than the official ones. kustomize's own `namespace` would also move the RoleBinding that lies
/// in kube-system whatever the namespace, because it is about a ConfigMap there.
fn moves(wanted: &Wanted) -> Vec<Value> {
    let names = &wanted.names;
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

/// `apiservice.yaml`. `insecureSkipTLSVerify` is false and not left out: an object in the cluster that another tool made
/// would keep its `true`, and the API server refuses that beside a `caBundle`.
pub(super) fn api_service(wanted: &Wanted, bundle: &str) -> String {
    yaml(
        "The API server verifies metrics-server: caBundle is ca.crt.",
        &json!({
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "caBundle": pem::base64(bundle.as_bytes()),
                "insecureSkipTLSVerify": false,
                "service": {"name": wanted.names.service, "namespace": wanted.names.namespace},
            },
        }),
    )
}

/// `deployment.yaml`
pub(super) fn deployment(wanted: &Wanted) -> String {
    let mut container = json!({
        "name": "metrics-server",
        "securityContext": pod::security_context(),
        "volumeMounts": pod::mounts(&wanted.kubelet_ca),
    });
    match &wanted.base {
        Base::File(base) => {
            container["args"] = arguments::over(&base.arguments, &wanted.kubelet_ca).into();
        }
        // Not read, so replaced: the arguments, and the port that they name, which was another up to v0.6.
        Base::Url(_) => {
            let mut all = arguments::official(&wanted.kubelet_ca);
            all.push(format!("--secure-port={}", arguments::PORT));
            container["args"] = all.into();
            container["ports"] = json!([
                {"$patch": "replace"},
                {"containerPort": arguments::PORT, "name": "https", "protocol": "TCP"},
            ]);
        }
    }
    let mut spec = json!({
        "containers": [container],
        "volumes": pod::volumes(&wanted.kubelet_ca, SECRET, CONFIG_MAP),
    });
    if wanted.kubelet_ca == KubeletCa::ControlPlane {
        let already = match &wanted.base {
            Base::File(base) => base.tolerations.as_slice(),
            Base::Url(_) => &[],
        };
        spec["affinity"] = pod::affinity();
        spec["tolerations"] = pod::tolerations(already);
    }
    yaml(
        "metrics-server verifies the kubelets, and serves the certificate that the API server can verify.",
        &json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "metrics-server", "namespace": OFFICIAL_NAMESPACE},
            "spec": {"template": {"spec": spec}},
        }),
    )
}
