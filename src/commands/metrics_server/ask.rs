//! One object of the API, as JSON.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::kube::{Admin, ApiError};
use crate::node::Explanation;

/// How long each question to the API may take.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a list may take, page by page.
pub(super) const LIST_DEADLINE: Duration = Duration::from_secs(30);

pub(super) fn get(api: &Admin, path: &str) -> Result<Value, ApiError> {
    let bytes = api.get(path, Instant::now() + DEADLINE)?;
    // An answer that is not JSON lacks the fields that are read here.
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// The object of a namespace, such as one of its `secrets`, or why it was not seen.
pub(super) fn seen_in(
    api: &Admin,
    namespace: &str,
    (resource, name): (&str, &str),
) -> Result<Value, Explanation> {
    let path = format!("/api/v1/namespaces/{namespace}/{resource}/{name}");
    seen(api, &path)
}

/// The object, or why it was not seen.
pub(super) fn seen(api: &Admin, path: &str) -> Result<Value, Explanation> {
    get(api, path).map_err(Explanation::of)
}
