//! A result document as the answer that Ansible reads.

use serde_json::{Value, json};

use super::ModuleCall;
use crate::kubelet::secrets::masked;
use crate::plan::Edit;

/// The answer: the result document, and beside it what Ansible itself looks for.
///
/// `edits` are those that were shown; `call` is `None` if its arguments could not be read.
pub fn answer(document: Value, edits: &[Edit], call: Option<&ModuleCall>) -> Value {
    let Value::Object(mut answer) = document else {
        return Value::Null;
    };
    let error = answer.remove("error");
    let is_true = |value: Option<&Value>| value == Some(&Value::Bool(true));
    // A restart without an edit is a change of the node too, in a play's recap; one that waits for the certificate
    // has changed nothing yet.
    let is_dry = is_true(answer.get("dryRun"));
    let restart = answer.get("restart").and_then(Value::as_object);
    let restarts = restart.is_some_and(|restart| is_true(restart.get("performed")) || is_dry);
    let changed = is_true(answer.get("changed")) || (restarts && error.is_none());
    answer.insert("changed".into(), changed.into());
    let shows = call.is_some_and(|call| call.texts);
    let diff: Vec<Value> = edits.iter().filter(|_| shows).map(texts).collect();
    answer.insert("diff".into(), diff.into());
    if let Some(given) = call.and_then(|call| call.given.as_ref()) {
        answer.insert("invocation".into(), json!({ "module_args": given }));
    }
    let field = |name: &str| error.as_ref().and_then(|error| error.get(name));
    answer.insert(
        "rc".into(),
        field("code").cloned().unwrap_or_else(|| 0.into()),
    );
    if error.is_some() {
        let text = |name: &str| field(name).and_then(Value::as_str);
        let hint = text("hint").map_or_else(String::new, |hint| format!("; hint: {hint}"));
        let message = text("message").unwrap_or_default();
        answer.insert("failed".into(), true.into());
        answer.insert("msg".into(), format!("{message}{hint}").into());
    }
    Value::Object(answer)
}

/// Ansible makes a diff of the whole texts itself.
fn texts(edit: &Edit) -> Value {
    let target = edit.target.to_string();
    json!({
        "before_header": target,
        "before": masked(edit.bytes_before()),
        "after_header": target,
        "after": masked(edit.bytes_after()),
    })
}
