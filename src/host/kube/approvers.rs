//! Signs of an approver in the cluster: Deployments that are known, and CSRs that a program approved.

use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;

use super::{Admin, ApiError, serving_requests};
use crate::csr::KUBELET_SERVING;
use crate::node::approvers::{ApproverSign, is_approver, is_by_program};
use crate::text::brief;
use crate::text::names::shown;

const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

impl Admin {
    /// A Deployment of a known approver that has a Pod that is available.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn approver_deployment(&self, end: Instant) -> Result<Option<ApproverSign>, ApiError> {
        self.first_sign(DEPLOYMENTS, deployment, end)
    }

    /// A kubelet-serving CSR that a program approved. The API server keeps approved ones for an hour.
    ///
    /// # Errors
    /// As [`Admin::get`].
    pub fn approval_by_program(&self, end: Instant) -> Result<Option<ApproverSign>, ApiError> {
        self.first_sign(&serving_requests(), approval, end)
    }

    /// What `sign` says of the first object of a list that is a sign.
    fn first_sign(
        &self,
        path: &str,
        sign: fn(&Value) -> Option<ApproverSign>,
        end: Instant,
    ) -> Result<Option<ApproverSign>, ApiError> {
        let take = |found: &mut Option<ApproverSign>, item: Value| {
            *found = found.take().or_else(|| sign(&item));
        };
        self.list(path, take, end)
    }
}

/// An item that is not a Deployment is not a sign.
fn deployment(item: &Value) -> Option<ApproverSign> {
    let is_available = item["status"]["availableReplicas"].as_u64() > Some(0);
    let mut containers = item["spec"]["template"]["spec"]["containers"]
        .as_array()?
        .iter();
    let approves = containers.any(|container| {
        let list = |key: &str| container[key].as_array().into_iter().flatten();
        let words = list("command").chain(list("args"));
        let words: Vec<&str> = words.filter_map(Value::as_str).collect();
        is_approver(container["image"].as_str().unwrap_or_default(), &words)
    });
    let text = |key: &str| shown(item["metadata"][key].as_str().unwrap_or_default()).into_owned();
    (is_available && approves).then(|| ApproverSign::Deployment(text("namespace"), text("name")))
}

/// An item that is not a CSR of the signer is not a sign.
fn approval(item: &Value) -> Option<ApproverSign> {
    if item["spec"]["signerName"] != KUBELET_SERVING {
        return None;
    }
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    let created = time(&item["metadata"]["creationTimestamp"]);
    let mut conditions = item["status"]["conditions"].as_array()?.iter();
    let approved = conditions.find(|condition| condition["type"] == "Approved")?;
    let reason = approved["reason"].as_str().unwrap_or_default();
    is_by_program(reason, created, time(&approved["lastUpdateTime"]))
        .then(|| ApproverSign::Approval(brief(reason)))
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn an_available_deployment_that_approves_is_a_sign() {
        let of = |image: &str, available: Value| {
            deployment(&json!({
                "metadata": {"namespace": "kube-system", "name": "approver"},
                "spec": {"template": {"spec": {"containers": [
                    {"image": "registry.example/sidecar"},
                    {"image": image, "args": ["approve", "--watch", "--renewals"]},
                ]}}},
                "status": {"availableReplicas": available},
            }))
        };
        let expected = ApproverSign::Deployment("kube-system".into(), "approver".into());
        assert_eq!(of("kubelet-tls:0.1.0", json!(2)), Some(expected));
        assert_eq!(of("kubelet-tls:0.1.0", json!(0)), None);
        assert_eq!(of("kubelet-tls:0.1.0", json!(null)), None);
        assert_eq!(of("kubelet-tls:0.1.0", json!("2")), None);
        assert_eq!(of("nginx", json!(2)), None);
        let odd = deployment(&json!({
            "metadata": {"namespace": "\u{1b}[2J", "name": 1},
            "spec": {"template": {"spec": {"containers": [{"image": "a/kubelet-csr-approver"}]}}},
            "status": {"availableReplicas": 1},
        }));
        assert!(!odd.unwrap().to_string().contains('\u{1b}'));
    }

    #[test]
    fn captured_approvals_are_recognised_as_those_of_a_person() {
        let list: Value = serde_json::from_slice(include_bytes!(
            "../../../testdata/captured/1.36/csrs-after-blind-approval.json"
        ))
        .unwrap();
        for item in list["items"].as_array().unwrap() {
            assert_eq!(approval(item), None, "{item}");
            let mut other = item.clone();
            other["status"]["conditions"][0]["reason"] = "Approved\u{1b}[2J".into();
            let is_serving = item["spec"]["signerName"] == KUBELET_SERVING;
            let found = approval(&other).map(|sign| sign.to_string());
            assert_eq!(found.is_some(), is_serving, "{item}");
            assert!(!found.unwrap_or_default().contains('\u{1b}'));
        }
    }

    #[test]
    fn what_is_not_an_object_of_the_api_is_not_a_sign() {
        for odd in [
            json!(null),
            json!([]),
            json!({"spec": 1, "status": "x"}),
            json!({"status": {"conditions": [1, {"type": "Approved"}]}}),
            json!({"spec": {"signerName": KUBELET_SERVING}, "status": {"conditions": {}}}),
        ] {
            assert_eq!((deployment(&odd), approval(&odd)), (None, None), "{odd}");
        }
    }
}
