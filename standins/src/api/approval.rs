//! The approval subresource: `PUT` and `PATCH` of a CertificateSigningRequest's conditions.

use serde_json::{Value, json};

use super::auth::{self, User};
use super::csr::{manager, read_csr, resource};
use super::http::{Request, Response};
use super::objects::{Condition, Csr};
use super::status::Status;
use super::{Cluster, patch};
use crate::clock;

impl Cluster {
    pub(crate) fn get_approval(&self, user: &User, name: &str) -> Result<Response, Status> {
        auth::csrs(user, "get", "certificatesigningrequests/approval", name)?;
        self.get_csr(user, name)
    }

    /// `PUT` or `PATCH` of `…/approval`: only the conditions change.
    pub(crate) fn update_approval(
        &self,
        user: &User,
        name: &str,
        request: &Request,
    ) -> Result<Response, Status> {
        let verb = request.verb_of_update();
        auth::csrs(user, verb, "certificatesigningrequests/approval", name)?;
        let mut store = self.store.lock().unwrap();
        let current = store
            .csrs
            .get(name)
            .ok_or_else(|| Status::not_found(resource(name)))?
            .csr
            .clone();
        auth::signers(user, &current.spec.signer_name, name)?;
        let wanted = match request.method.as_str() {
            "PUT" => read_csr(request)?,
            _ => patched(&current, request)?,
        };
        let version = &wanted.metadata.resource_version;
        if !version.is_empty() && *version != current.metadata.resource_version {
            return Err(Status::conflict(resource(name)));
        }
        let mut conditions = wanted.status.conditions;
        validate_conditions(name, &current.status.conditions, &conditions)?;
        for condition in &mut conditions {
            let now = clock::rfc3339();
            condition
                .last_update_time
                .get_or_insert_with(|| now.clone());
            condition.last_transition_time.get_or_insert(now);
        }
        let mut csr = current;
        csr.status.conditions = conditions;
        csr.manage(&manager(request), condition_fields(&csr), "approval");
        let body = store.put(csr).object();
        drop(store);
        self.changed.notify_all();
        self.sign_later(name);
        Ok(Response::json(body))
    }

    /// What `kubectl certificate approve` and `deny` do.
    pub(crate) fn decide(&self, name: &str, condition: Condition) -> bool {
        let mut store = self.store.lock().unwrap();
        let Some(stored) = store.csrs.get(name) else {
            return false;
        };
        if stored.csr.is(&condition.kind) {
            return true;
        }
        let mut csr = stored.csr.clone();
        csr.status.conditions.push(condition);
        csr.manage("kubectl", condition_fields(&csr), "approval");
        store.put(csr);
        drop(store);
        self.changed.notify_all();
        self.sign_later(name);
        true
    }
}

fn condition_fields(csr: &Csr) -> Value {
    let mut conditions = json!({".": {}});
    for condition in &csr.status.conditions {
        conditions[format!("k:{{\"type\":\"{}\"}}", condition.kind)] = json!({
            ".": {}, "f:lastTransitionTime": {}, "f:lastUpdateTime": {}, "f:message": {}, "f:reason": {},
            "f:status": {}, "f:type": {},
        });
    }
    json!({"f:status": {"f:conditions": conditions}})
}

fn patched(current: &Csr, request: &Request) -> Result<Csr, Status> {
    let mut value = serde_json::to_value(current).unwrap();
    let change: Value =
        serde_json::from_slice(&request.body).map_err(|e| Status::bad_request(e.to_string()))?;
    match request.header("content-type").unwrap_or("") {
        "application/merge-patch+json" => patch::merge(&mut value, &change),
        "application/strategic-merge-patch+json" => {
            // Conditions are merged by their type, everything else as in a merge patch.
            let mut change = change;
            let mut all = value["status"]["conditions"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if let Some(new) = change["status"]["conditions"].as_array() {
                all.retain(|old| new.iter().all(|n| n["type"] != old["type"]));
                all.extend(new.iter().cloned());
                change["status"]["conditions"] = all.into();
            }
            patch::merge(&mut value, &change);
        }
        other => return Err(Status::unsupported_media_type(other)),
    }
    serde_json::from_value(value).map_err(|e| Status::bad_request(e.to_string()))
}

fn validate_conditions(name: &str, old: &[Condition], new: &[Condition]) -> Result<(), Status> {
    let invalid = |why: &str| {
        Err(Status::invalid(
            "CertificateSigningRequest",
            resource(name),
            why,
        ))
    };
    let has = |all: &[Condition], kind: &str| all.iter().any(|c| c.kind == kind);
    if has(new, "Approved") && has(new, "Denied") {
        return invalid(
            "status.conditions: Invalid value: Approved and Denied conditions are mutually exclusive",
        );
    }
    for kind in ["Approved", "Denied", "Failed"] {
        if has(old, kind) && !has(new, kind) {
            let why = format!(
                "status.conditions: Forbidden: updates may not remove a condition of type {kind:?}"
            );
            return invalid(&why);
        }
    }
    if new.iter().any(|c| c.kind != "Failed" && c.status != "True") {
        return invalid(
            "status.conditions[0].status: Unsupported value: supported values: \"True\"",
        );
    }
    Ok(())
}
