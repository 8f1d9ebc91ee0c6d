//! `certificates.k8s.io/v1` CertificateSigningRequests: get, list, create and delete.

use serde_json::{Value, json};

use super::auth::{self, CERTIFICATES, User};
use super::http::{Request, Response};
use super::objects::{Condition, Csr, ManagedFields};
use super::status::{Resource, Status};
use super::{Cluster, from_base64, protobuf, random_suffix, random_uid, to_base64};
use crate::clock;
use crate::pki;

/// The API's group and version.
pub(crate) const V1: &str = "certificates.k8s.io/v1";

/// `metadata.name` and `spec.signerName`, the only fields that select.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    name: Option<String>,
    signer: Option<String>,
}

impl Selector {
    pub(crate) fn parse(request: &Request) -> Result<Self, Status> {
        let mut selector = Self::default();
        for term in request
            .param("fieldSelector")
            .unwrap_or("")
            .split(',')
            .filter(|t| !t.is_empty())
        {
            let (field, value) = term
                .split_once("==")
                .or_else(|| term.split_once('='))
                .ok_or_else(|| {
                    Status::bad_request(format!(
                        "invalid selector: '{term}'; can't understand '{term}'"
                    ))
                })?;
            match field {
                "metadata.name" => selector.name = Some(value.into()),
                "spec.signerName" => selector.signer = Some(value.into()),
                other => {
                    return Err(Status::bad_request(format!(
                        "field label not supported: {other}"
                    )));
                }
            }
        }
        Ok(selector)
    }

    pub(crate) fn matches(&self, name: &str, signer: &str) -> bool {
        self.name.as_deref().is_none_or(|n| n == name)
            && self.signer.as_deref().is_none_or(|s| s == signer)
    }

    fn is_empty(&self) -> bool {
        self.name.is_none() && self.signer.is_none()
    }
}

impl Condition {
    pub(crate) fn new(kind: &str, reason: &str, message: &str) -> Self {
        let now = Some(clock::rfc3339());
        Self {
            kind: kind.into(),
            status: "True".into(),
            reason: reason.into(),
            message: message.into(),
            last_update_time: now.clone(),
            last_transition_time: now,
        }
    }
}

impl Csr {
    pub(crate) fn manage(&mut self, manager: &str, fields: Value, subresource: &str) {
        let entry = ManagedFields::update(manager, V1, fields, subresource);
        let all = &mut self.metadata.managed_fields;
        match all.iter_mut().find(|m| m.is(manager, subresource)) {
            Some(mine) => mine.merge(entry),
            None => all.push(entry),
        }
    }
}

pub(crate) fn resource(name: &str) -> Resource<'_> {
    Resource {
        group: CERTIFICATES,
        plural: "certificatesigningrequests",
        name,
    }
}

/// `kubelet` of `kubelet/v1.36.2 (linux/amd64) kubernetes/abcdef0`.
pub(crate) fn manager(request: &Request) -> String {
    let agent = request.header("user-agent").unwrap_or("unknown");
    let named = request.param("fieldManager").filter(|m| !m.is_empty());
    named
        .unwrap_or_else(|| agent.split(['/', ' ']).next().unwrap_or("unknown"))
        .to_owned()
}

impl Cluster {
    pub(crate) fn get_csr(&self, user: &User, name: &str) -> Result<Response, Status> {
        auth::csrs(user, "get", "certificatesigningrequests", name)?;
        let store = self.store.lock().unwrap();
        let stored = store
            .csrs
            .get(name)
            .ok_or_else(|| Status::not_found(resource(name)))?;
        Ok(Response::json(stored.object()))
    }

    pub(crate) fn list_csrs(&self, user: &User, request: &Request) -> Result<Response, Status> {
        auth::csrs(user, "list", "certificatesigningrequests", "")?;
        let selector = Selector::parse(request)?;
        let limit = request
            .param("limit")
            .and_then(|l| l.parse().ok())
            .filter(|l| *l > 0)
            .unwrap_or(usize::MAX);
        let store = self.store.lock().unwrap();
        let (version, start) = match request.param("continue").filter(|c| !c.is_empty()) {
            Some(token) => self.resume(token, store.oldest)?,
            None => (store.version, String::new()),
        };
        let mut matching = store
            .csrs
            .range::<String, _>(start..)
            .map(|(_, stored)| stored)
            .filter(|s| selector.matches(&s.csr.metadata.name, &s.csr.spec.signer_name));
        let items: Vec<&str> = matching
            .by_ref()
            .take(limit)
            .map(super::store::Stored::item)
            .collect();
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if let Some(next) = matching.next() {
            let token =
                json!({"v": "meta.k8s.io/v1", "rv": version, "start": next.csr.metadata.name});
            metadata["continue"] = to_base64(token.to_string().as_bytes()).into();
            // The real server counts only where no selector makes counting dear.
            if selector.is_empty() {
                metadata["remainingItemCount"] = (matching.count() + 1).into();
            }
        }
        Ok(Response::json(list_json(&metadata, &items)))
    }

    pub(crate) fn resume(&self, token: &str, oldest: u64) -> Result<(u64, String), Status> {
        let invalid = || Status::bad_request("continue key is not valid: incorrect encoding");
        let token: Value = from_base64(token)
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(invalid)?;
        let version = token["rv"].as_u64().ok_or_else(invalid)?;
        let start = token["start"].as_str().ok_or_else(invalid)?;
        if version < oldest {
            return Err(Status::continue_expired());
        }
        Ok((version, start.to_owned()))
    }

    pub(crate) fn create_csr(&self, user: &User, request: &Request) -> Result<Response, Status> {
        auth::csrs(user, "create", "certificatesigningrequests", "")?;
        let mut csr = read_csr(request)?;
        let manager = manager(request);
        let generated = csr.metadata.name.is_empty();
        if generated {
            if csr.metadata.generate_name.is_empty() {
                let why = "metadata.name: Required value: name or generateName is required";
                return Err(Status::invalid(
                    "CertificateSigningRequest",
                    resource(""),
                    why,
                ));
            }
            csr.metadata.name = format!("{}{}", csr.metadata.generate_name, random_suffix());
        }
        let name = csr.metadata.name.clone();
        self.admit(user, &csr)?;
        csr.metadata.uid = random_uid();
        csr.metadata.creation_timestamp = Some(clock::rfc3339());
        csr.metadata.managed_fields.clear();
        let fields = if generated {
            json!({"f:metadata": {"f:generateName": {}}})
        } else {
            json!({})
        };
        csr.manage(&manager, fields, "");
        csr.spec.username.clone_from(&user.name);
        csr.spec.groups.clone_from(&user.groups);
        csr.spec.uid.clear();
        csr.spec.extra.clear();
        if let Some(id) = user.credential_id.clone().filter(|_| self.minor() >= 32) {
            csr.spec.extra.insert(
                "authentication.kubernetes.io/credential-id".into(),
                vec![id],
            );
        }
        csr.status = super::objects::CsrStatus::default();
        let mut store = self.store.lock().unwrap();
        if store.csrs.contains_key(&name) {
            return Err(Status::already_exists(resource(&name)));
        }
        let body = store.put(csr).object();
        drop(store);
        self.changed.notify_all();
        self.approve_by_itself(&name);
        Ok(Response {
            code: 201,
            ..Response::json(body)
        })
    }

    /// What validation and NodeRestriction let through.
    fn admit(&self, user: &User, csr: &Csr) -> Result<(), Status> {
        let name = &csr.metadata.name;
        let invalid =
            |why: String| Status::invalid("CertificateSigningRequest", resource(name), &why);
        let parsed = pki::Request::parse(&csr.request_pem())
            .map_err(|why| invalid(format!("spec.request: Invalid value: []byte{{…}}: {why}")))?;
        if csr.spec.usages.is_empty() {
            return Err(invalid(
                "spec.usages: Required value: usages is required".into(),
            ));
        }
        if csr.spec.signer_name.is_empty() {
            return Err(invalid("spec.signerName: Required value".into()));
        }
        let Some(node) = user.node() else {
            return Ok(());
        };
        // From 1.31 NodeRestriction refuses a request for another node.
        let serving = csr.spec.signer_name == super::KUBELET_SERVING;
        if serving && self.minor() >= 31 && parsed.common_name != format!("system:node:{node}") {
            let why = format!("can only create a node CSR with CN=system:node:{node}");
            return Err(Status::refused_by_admission(resource(name), &why));
        }
        Ok(())
    }

    pub(crate) fn delete_csr(&self, user: &User, name: &str) -> Result<Response, Status> {
        auth::csrs(user, "delete", "certificatesigningrequests", name)?;
        let mut store = self.store.lock().unwrap();
        let gone = store
            .remove(name)
            .ok_or_else(|| Status::not_found(resource(name)))?;
        drop(store);
        self.changed.notify_all();
        Ok(Response::json(
            Status::deleted(resource(name), &gone.metadata.uid).json(),
        ))
    }
}

fn list_json(metadata: &Value, items: &[&str]) -> String {
    let items = items.join(",");
    format!(
        r#"{{"kind":"CertificateSigningRequestList","apiVersion":"{V1}","metadata":{metadata},"items":[{items}]}}"#
    )
}

pub(crate) fn read_csr(request: &Request) -> Result<Csr, Status> {
    let value = protobuf::body(request)?;
    let (version, kind) = (value["apiVersion"].as_str(), value["kind"].as_str());
    if version.is_some_and(|v| v != V1) || kind.is_some_and(|k| k != "CertificateSigningRequest") {
        let got = format!("{} {}", version.unwrap_or(""), kind.unwrap_or(""));
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized: {got}"
        )));
    }
    let what = "CertificateSigningRequest in version \"v1\" cannot be handled as a CertificateSigningRequest";
    serde_json::from_value(value).map_err(|e| Status::bad_request(format!("{what}: json: {e}")))
}
