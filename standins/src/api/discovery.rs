//! Discovery, as much of it as `kubectl get`, `describe` and `certificate approve` need, and "may I?".

use serde_json::{Value, json};

use super::auth::{self, CERTIFICATES, User};
use super::http::{Request, Response};
use super::protobuf;
use super::status::Status;

/// The answer to a discovery path, if it is one.
pub(crate) fn answer(path: &[&str]) -> Option<Response> {
    let body = match path {
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"]}),
        ["apis"] => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [
            group(CERTIFICATES), group("authorization.k8s.io"),
        ]}),
        ["api", "v1"] => resources(
            "v1",
            &[
                resource("nodes", "Node", "", false, &["get", "list"]),
                resource(
                    "configmaps",
                    "ConfigMap",
                    "cm",
                    true,
                    &["get", "list", "patch", "update"],
                ),
            ],
        ),
        ["apis", CERTIFICATES, "v1"] => resources(
            "certificates.k8s.io/v1",
            &[
                resource(
                    "certificatesigningrequests",
                    "CertificateSigningRequest",
                    "csr",
                    false,
                    &["create", "delete", "get", "list", "watch"],
                ),
                resource(
                    "certificatesigningrequests/approval",
                    "CertificateSigningRequest",
                    "",
                    false,
                    &["get", "patch", "update"],
                ),
            ],
        ),
        ["apis", "authorization.k8s.io", "v1"] => resources(
            "authorization.k8s.io/v1",
            &[resource(
                "selfsubjectaccessreviews",
                "SelfSubjectAccessReview",
                "",
                false,
                &["create"],
            )],
        ),
        _ => return None,
    };
    Some(Response::json(body.to_string()))
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(version: &str, all: &[Value]) -> Value {
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": all})
}

fn resource(name: &str, kind: &str, short: &str, namespaced: bool, verbs: &[&str]) -> Value {
    let short: Vec<&str> = Some(short).filter(|s| !s.is_empty()).into_iter().collect();
    let singular = if name.contains('/') {
        String::new()
    } else {
        kind.to_lowercase()
    };
    json!({"name": name, "singularName": singular, "namespaced": namespaced, "kind": kind, "verbs": verbs, "shortNames": short})
}

/// `POST …/selfsubjectaccessreviews`: what `kubectl auth can-i` asks.
pub(crate) fn may_i(user: &User, request: &Request, minor: u32) -> Result<Response, Status> {
    let mut review = protobuf::body(request)?;
    review["kind"] = "SelfSubjectAccessReview".into();
    review["apiVersion"] = "authorization.k8s.io/v1".into();
    let asked = &review["spec"]["resourceAttributes"];
    let text = |field: &str| asked[field].as_str().unwrap_or_default();
    let (verb, name) = (text("verb"), text("name"));
    let plural = match text("subresource") {
        "" => text("resource").to_owned(),
        sub => format!("{}/{sub}", text("resource")),
    };
    let verdict = match (text("group"), text("resource")) {
        (CERTIFICATES, "certificatesigningrequests") => auth::csrs(user, verb, &plural, name),
        ("", "nodes") => auth::nodes(user, verb, name),
        ("", "configmaps") => auth::configmaps(user, verb, text("namespace"), name, minor),
        _ if user.is_admin() => Ok(()),
        _ => Err(Status::unauthorized()),
    };
    review["status"] = json!({"allowed": verdict.is_ok()});
    Ok(Response {
        code: 201,
        ..Response::json(review.to_string())
    })
}
