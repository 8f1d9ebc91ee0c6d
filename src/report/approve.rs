//! One request in the result of `approve`.

use serde::Serialize;

/// What became of a request, of `approve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalReport {
    /// Its name; one that is not a DNS subdomain is between quotation marks, with everything odd escaped.
    pub name: String,
    /// Its requestor's node; absent where the requestor is not a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Whether it is approved now (in a dry run: would be).
    pub approved: bool,
    /// Whether it was denied by this run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub denied: bool,
    /// The rule that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// The value that breaks it; or why the API did not take the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do about a rule that is broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    /// When it was created, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// The names that it asks for, at most 64 of each kind.
    pub names: Vec<String>,
}
