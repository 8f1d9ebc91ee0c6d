//! Who a client is, and what it may do: what RBAC and the node authorizer of a kubeadm cluster allow.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::http::Request;
use super::status::{Resource, Status};

/// The groups that CertificateSigningRequests are in.
pub(crate) const CERTIFICATES: &str = "certificates.k8s.io";

/// One rule of a ClusterRole, as RBAC's `PolicyRule` has it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRule {
    /// Groups; `""` is the core's.
    pub api_groups: Vec<String>,
    /// Plurals, with a subresource behind a slash.
    pub resources: Vec<String>,
    /// Names of objects; all where it is empty.
    #[serde(default)]
    pub resource_names: Vec<String>,
    /// `get`, `list`, …
    pub verbs: Vec<String>,
}

impl PolicyRule {
    /// Whether it allows that. A list or a watch has no name, so a rule with names never allows one.
    fn allows(&self, verb: &str, group: &str, plural: &str, name: &str) -> bool {
        let has = |all: &[String], one: &str| all.iter().any(|each| each == one || each == "*");
        has(&self.verbs, verb)
            && has(&self.api_groups, group)
            && has(&self.resources, plural)
            && (self.resource_names.is_empty() || self.resource_names.iter().any(|n| n == name))
    }
}

/// The client that an instance of kube-apiserver is for the stand-in of etcd, as kubeadm calls it.
pub(crate) const INSTANCE: &str = "kube-apiserver-etcd-client";
/// The header with the name of the user for whom an instance asks.
pub(crate) const REMOTE_USER: &str = "X-Remote-User";
/// The header with one group of that user.
pub(crate) const REMOTE_GROUP: &str = "X-Remote-Group";
/// The header with the id of that user's certificate.
pub(crate) const REMOTE_CREDENTIAL: &str = "X-Remote-Extra-Credential-Id";

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
    /// `X509SHA256=…`
    pub(crate) credential_id: Option<String>,
    /// What RBAC grants it beside what kubeadm's roles do.
    pub(crate) rules: Arc<[PolicyRule]>,
}

impl User {
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            credential_id: None,
            rules: Arc::default(),
        }
    }

    /// The user is the CN, its groups the organisations.
    pub(crate) fn of_certificate(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let subject = parsed.subject();
        let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
        let mut groups: Vec<String> = subject
            .iter_organization()
            .filter_map(|o| Some(o.as_str().ok()?.to_owned()))
            .collect();
        groups.push("system:authenticated".into());
        let hash = digest(&SHA256, certificate);
        let hex: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        Some(Self {
            name,
            groups,
            credential_id: Some(format!("X509SHA256={hex}")),
            rules: Arc::default(),
        })
    }

    /// The user for whom an instance of kube-apiserver asks, by the headers that it adds; None where this is another
    /// client, or it asks for itself.
    pub(crate) fn on_behalf(&self, request: &Request) -> Option<Self> {
        if self.name != INSTANCE {
            return None;
        }
        let groups = request.headers.iter();
        Some(Self {
            name: request.header(REMOTE_USER)?.to_owned(),
            groups: groups
                .filter(|(name, _)| name.eq_ignore_ascii_case(REMOTE_GROUP))
                .map(|(_, group)| group.clone())
                .collect(),
            credential_id: request.header(REMOTE_CREDENTIAL).map(str::to_owned),
            rules: Arc::default(),
        })
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.groups.iter().any(|g| g == "system:masters")
    }

    /// Whether it is an administrator, or RBAC grants it this.
    pub(crate) fn may(&self, verb: &str, group: &str, plural: &str, name: &str) -> bool {
        let mut rules = self.rules.iter();
        self.is_admin() || rules.any(|rule| rule.allows(verb, group, plural, name))
    }

    /// The node's name, if this is a node.
    pub(crate) fn node(&self) -> Option<&str> {
        self.groups.iter().find(|g| *g == "system:nodes")?;
        self.name.strip_prefix("system:node:")
    }

    pub(crate) fn is_anonymous(&self) -> bool {
        self.name == "system:anonymous"
    }
}

/// May this user do that to a CertificateSigningRequest? `plural` may carry a subresource.
pub(crate) fn csrs(user: &User, verb: &str, plural: &str, name: &str) -> Result<(), Status> {
    let reading = matches!(verb, "get" | "list" | "watch" | "create")
        && plural == "certificatesigningrequests";
    let granted = user.may(verb, CERTIFICATES, plural, name);
    if granted || (user.node().is_some() && reading) {
        return Ok(());
    }
    let resource = Resource {
        group: CERTIFICATES,
        plural,
        name,
    };
    Err(Status::forbidden(
        &user.name,
        verb,
        resource,
        "at the cluster scope",
        "",
    ))
}

/// May this user approve or deny requests for this signer? The admission plug-in CertificateApproval asks.
pub(crate) fn signers(user: &User, signer: &str, name: &str) -> Result<(), Status> {
    let domain = signer.split('/').next().unwrap_or_default();
    let mut names = [signer.to_owned(), format!("{domain}/*")].into_iter();
    if names.any(|name| user.may("approve", CERTIFICATES, "signers", &name)) {
        return Ok(());
    }
    let resource = Resource {
        group: CERTIFICATES,
        plural: "certificatesigningrequests",
        name,
    };
    let why = format!("user not permitted to approve requests with signerName {signer:?}");
    Err(Status::refused_by_admission(resource, &why))
}

/// A node may read itself, and no other.
pub(crate) fn nodes(user: &User, verb: &str, name: &str) -> Result<(), Status> {
    if user.may(verb, "", "nodes", name) || (verb == "get" && user.node() == Some(name)) {
        return Ok(());
    }
    let why = match user.node() {
        Some(node) if name.is_empty() => {
            format!("node '{node}' cannot read all nodes, only its own Node object")
        }
        Some(node) if verb == "get" => {
            format!("node '{node}' cannot read '{name}', only its own Node object")
        }
        _ => String::new(),
    };
    let resource = Resource {
        group: "",
        plural: "nodes",
        name,
    };
    Err(Status::forbidden(
        &user.name,
        verb,
        resource,
        "at the cluster scope",
        &why,
    ))
}

/// Nodes may not speak to kubelets through the API server.
pub(crate) fn node_proxy(user: &User, name: &str) -> Result<(), Status> {
    if user.may("get", "", "nodes/proxy", name) {
        return Ok(());
    }
    let resource = Resource {
        group: "",
        plural: "nodes/proxy",
        name,
    };
    Err(Status::forbidden(
        &user.name,
        "get",
        resource,
        "at the cluster scope",
        "",
    ))
}

/// kubeadm lets nodes get the kubelet's ConfigMap, by the name that its minor version uses, and nothing else.
pub(crate) fn configmaps(
    user: &User,
    verb: &str,
    namespace: &str,
    name: &str,
    minor: u32,
) -> Result<(), Status> {
    let kubelets = namespace == "kube-system" && name == kubelet_config(minor);
    let granted = user.may(verb, "", "configmaps", name);
    if granted || (verb == "get" && kubelets && user.node().is_some()) {
        return Ok(());
    }
    let why = match user.node() {
        Some(node) if verb == "get" => {
            format!("no relationship found between node '{node}' and this object")
        }
        Some(_) if name.is_empty() => "No Object name found".to_owned(),
        _ => String::new(),
    };
    let resource = Resource {
        group: "",
        plural: "configmaps",
        name,
    };
    let scope = format!("in the namespace {namespace:?}");
    Err(Status::forbidden(&user.name, verb, resource, &scope, &why))
}

/// The ConfigMap of kubelets as kubeadm of this minor names it.
pub(crate) fn kubelet_config(minor: u32) -> String {
    if minor <= 23 {
        format!("kubelet-config-1.{minor}")
    } else {
        "kubelet-config".to_owned()
    }
}
