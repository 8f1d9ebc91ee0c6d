//! The API's objects, with their fields in the order in which the real API server writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// `metadata` of any object.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// The name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The prefix the name was generated from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generate_name: String,
    /// The namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The version of this state of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// RFC 3339, whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The objects that this one goes with.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owner_references: Vec<Value>,
    /// Who set which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub managed_fields: Vec<ManagedFields>,
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ManagedFields {
    manager: String,
    operation: String,
    api_version: String,
    time: String,
    fields_type: String,
    fields_v1: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    subresource: String,
}

impl ManagedFields {
    pub(crate) fn update(
        manager: &str,
        api_version: &str,
        fields: Value,
        subresource: &str,
    ) -> Self {
        Self {
            manager: manager.into(),
            operation: "Update".into(),
            api_version: api_version.into(),
            time: crate::clock::rfc3339(),
            fields_type: "FieldsV1".into(),
            fields_v1: fields,
            subresource: subresource.into(),
        }
    }

    pub(crate) fn is(&self, manager: &str, subresource: &str) -> bool {
        self.manager == manager && self.subresource == subresource
    }

    pub(crate) fn merge(&mut self, other: Self) {
        crate::api::patch::merge(&mut self.fields_v1, &other.fields_v1);
        self.time = other.time;
    }
}

/// A CertificateSigningRequest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Csr {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is asked for, and by whom.
    pub spec: CsrSpec,
    /// What became of it.
    pub status: CsrStatus,
}

/// `spec` of a CertificateSigningRequest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CsrSpec {
    /// The PEM request, base64 once more.
    pub request: String,
    /// The signer.
    pub signer_name: String,
    /// The lifetime asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_seconds: Option<i32>,
    /// Key usages.
    pub usages: Vec<String>,
    /// The requestor, as the API server knows it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Its UID.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Its groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// More about it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

/// `status` of a CertificateSigningRequest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CsrStatus {
    /// Approved, Denied, Failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The issued chain, PEM, base64 once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// A condition of a CertificateSigningRequest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// `Approved`, `Denied` or `Failed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, always.
    pub status: String,
    /// A word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was last set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<String>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<String>,
}

impl Csr {
    /// Whether it has this condition.
    #[must_use]
    pub fn is(&self, condition: &str) -> bool {
        self.status.conditions.iter().any(|c| c.kind == condition)
    }

    /// `Pending`, `Approved`, `Issued`, `Denied` or `Failed`.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (
            &self.status.certificate,
            self.is("Failed"),
            self.is("Denied"),
            self.is("Approved"),
        ) {
            (Some(_), ..) => "Issued",
            (_, true, ..) => "Failed",
            (_, _, true, _) => "Denied",
            (_, _, _, true) => "Approved",
            _ => "Pending",
        }
    }

    /// The PEM request.
    #[must_use]
    pub fn request_pem(&self) -> Vec<u8> {
        crate::api::from_base64(&self.spec.request).unwrap_or_default()
    }

    /// The issued PEM chain.
    #[must_use]
    pub fn certificate_pem(&self) -> Option<String> {
        let pem = crate::api::from_base64(self.status.certificate.as_ref()?)?;
        String::from_utf8(pem).ok()
    }
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMap {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// Whether its data can never be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
    /// Its data.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// Its data that is not text, base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub binary_data: BTreeMap<String, String>,
}

/// A Node, as far as tests vary one.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its name.
    pub name: String,
    /// `InternalIP`, `Hostname`, … and the address.
    pub addresses: Vec<(String, String)>,
    /// Taints: key and effect.
    pub taints: Vec<(String, String)>,
    /// `status.nodeInfo.kubeletVersion`
    pub kubelet_version: String,
    /// `status.daemonEndpoints.kubeletEndpoint.Port`
    pub kubelet_port: u16,
    /// Labels beside the usual ones, such as `node-role.kubernetes.io/control-plane`.
    pub labels: BTreeMap<String, String>,
    /// `serverTLSBootstrap` of the running kubelet's configz; None: the API server cannot reach it.
    pub server_tls_bootstrap: Option<bool>,
}

impl NodeSpec {
    /// A node with an InternalIP and its own name as its addresses.
    #[must_use]
    pub fn new(name: &str, internal_ip: &str) -> Self {
        Self {
            name: name.into(),
            addresses: vec![
                ("InternalIP".into(), internal_ip.into()),
                ("Hostname".into(), name.into()),
            ],
            taints: vec![],
            kubelet_version: "v1.36.2".into(),
            kubelet_port: 10250,
            labels: BTreeMap::new(),
            server_tls_bootstrap: Some(false),
        }
    }
}
