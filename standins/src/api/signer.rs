//! The controller manager's signer: approved requests get their certificate, or the condition `Failed`.

use std::time::Duration;

use super::objects::{Condition, Csr};
use super::{Cluster, to_base64};
use crate::pki::{Request, YEAR};

/// The signer of kubelets' serving certificates.
pub const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";

impl Cluster {
    /// Signs this request, if it is one to sign.
    pub(crate) fn sign(&self, name: &str) {
        let mut store = self.store.lock().unwrap();
        let Some(stored) = store.csrs.get(name) else {
            return;
        };
        if stored.csr.state() != "Approved" || stored.csr.is("Denied") {
            return;
        }
        let mut csr = stored.csr.clone();
        let fields = match self.certificate_for(&csr) {
            Ok(certificate) => {
                csr.status.certificate = Some(to_base64(certificate.as_bytes()));
                serde_json::json!({"f:status": {"f:certificate": {}}})
            }
            Err(why) => {
                csr.status.conditions.push(Condition::new(
                    "Failed",
                    "SignerValidationFailure",
                    &why,
                ));
                serde_json::json!({"f:status": {"f:conditions": {"k:{\"type\":\"Failed\"}": {}}}})
            }
        };
        csr.manage("kube-controller-manager", fields, "status");
        store.put(csr);
        drop(store);
        self.changed.notify_all();
    }

    fn certificate_for(&self, csr: &Csr) -> Result<String, String> {
        let request = Request::parse(&csr.request_pem())?;
        if csr.spec.signer_name == KUBELET_SERVING {
            self.validate_kubelet_serving(&request, &csr.spec.usages)?;
        }
        let asked = csr
            .spec
            .expiration_seconds
            .and_then(|s| u64::try_from(s).ok())
            .map(Duration::from_secs);
        let lifetime = asked.unwrap_or(YEAR).clamp(Duration::from_secs(600), YEAR);
        self.ca.sign(&request, &csr.spec.usages, lifetime)
    }

    /// `ValidateKubeletServingCSR`, in its order and words.
    fn validate_kubelet_serving(&self, request: &Request, usages: &[String]) -> Result<(), String> {
        if request.organizations != ["system:nodes"] {
            return Err("subject organization is not system:nodes".into());
        }
        if request.sans.dns.is_empty() && request.sans.ips.is_empty() {
            return Err("DNS or IP subjectAltName is required".into());
        }
        if !request.emails.is_empty() {
            return Err("Email subjectAltNames are not allowed".into());
        }
        if !request.uris.is_empty() {
            return Err("URI subjectAltNames are not allowed".into());
        }
        let mut sorted: Vec<&str> = usages.iter().map(String::as_str).collect();
        sorted.sort_unstable();
        let three = sorted == ["digital signature", "key encipherment", "server auth"];
        let two = sorted == ["digital signature", "server auth"];
        // Without key encipherment, as newer kubelets ask: accepted from 1.25.
        let fits = three || (two && self.minor() >= 25);
        if !fits {
            return Err(
                "usages did not match [digital signature key encipherment server auth]".into(),
            );
        }
        if !request.common_name.starts_with("system:node:") {
            return Err("subject common name does not begin with system:node:".into());
        }
        Ok(())
    }
}
