//! Holds every result document that a test sees against its JSON Schema in `docs/schema/`.
//!
//! The schemas allow further fields, as the contract with scripts does. A test does not: a field that its schema does
//! not name cannot be looked up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use serde_json::{Map, Value};

/// The schemas read so far, by kind.
static READ: Mutex<BTreeMap<String, Value>> = Mutex::new(BTreeMap::new());

/// Checks what a command printed, if it is a result document of kubelet-tls in JSON or YAML.
///
/// # Panics
/// When the document does not match its schema, or has no schema.
pub fn check_output(stdout: &str) {
    let document = if stdout.starts_with('{') {
        serde_json::from_str::<Value>(stdout).ok()
    } else if stdout.starts_with("apiVersion: kubelet-tls/v1\n") {
        serde_yaml::from_str::<Value>(stdout).ok()
    } else {
        None
    };
    if let Some(document) = document.filter(|all| all["apiVersion"] == "kubelet-tls/v1") {
        // Ansible's answer is a document without its error, and with fields of Ansible's own.
        if document.get("rc").is_none() {
            check(&document);
        }
    }
}

/// Checks a result document.
///
/// # Panics
/// When it does not match its schema, or has no schema.
pub fn check(document: &Value) {
    let kind = document["kind"].as_str().unwrap_or_default();
    let schema = schema(kind);
    if let Err(why) = matches(document, &schema, &schema, kind) {
        panic!("{kind} does not match docs/schema/{kind}.json: {why}\n{document:#}");
    }
}

fn schema(kind: &str) -> Value {
    let mut read = READ.lock().unwrap();
    if let Some(schema) = read.get(kind) {
        return schema.clone();
    }
    let directory = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schema"));
    let path = directory.join(format!("{kind}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap();
    read.insert(kind.to_owned(), schema.clone());
    schema
}

/// Whether `value` matches, as far as the keywords go that the generated schemas use.
fn matches(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    let Some(schema) = schema.as_object() else {
        return Ok(());
    };
    for (keyword, wanted) in schema {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => true,
            "$ref" => {
                let pointer = wanted.as_str().unwrap().trim_start_matches('#');
                let target = root.pointer(pointer);
                let target = target.unwrap_or_else(|| panic!("{at}: {wanted} leads nowhere"));
                matches(value, target, root, at)?;
                true
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "type" => is_of_type(value, wanted),
            "minimum" => value.as_f64() >= wanted.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= wanted.as_f64() || !value.is_number(),
            "anyOf" | "oneOf" => {
                let schemas = wanted.as_array().unwrap();
                let all: Vec<_> = schemas
                    .iter()
                    .map(|one| matches(value, one, root, at))
                    .collect();
                if !all.iter().any(Result::is_ok) {
                    let all: Vec<_> = all.into_iter().filter_map(Result::err).collect();
                    return Err(all.join(", or "));
                }
                true
            }
            "required" => {
                let fields = wanted.as_array().unwrap().iter().filter_map(Value::as_str);
                let mut missing =
                    fields.filter(|field| value.is_object() && value.get(field).is_none());
                match missing.next() {
                    Some(field) => return Err(format!("{at}: {field} is missing")),
                    None => true,
                }
            }
            "properties" => match value.as_object() {
                Some(fields) => {
                    has_properties(fields, wanted, root, at)?;
                    true
                }
                None => true,
            },
            "items" => {
                for (number, item) in value.as_array().into_iter().flatten().enumerate() {
                    matches(item, wanted, root, &format!("{at}[{number}]"))?;
                }
                true
            }
            "additionalProperties" => true,
            other => panic!("{at}: the keyword {other} is not known here"),
        };
        if !holds {
            return Err(format!("{at}: {value} is not {keyword} {wanted}"));
        }
    }
    Ok(())
}

fn has_properties(
    fields: &Map<String, Value>,
    schemas: &Value,
    root: &Value,
    at: &str,
) -> Result<(), String> {
    for (field, value) in fields {
        let at = format!("{at}.{field}");
        let schema = schemas
            .get(field)
            .ok_or_else(|| format!("{at} is not in the schema"))?;
        matches(value, schema, root, &at)?;
    }
    Ok(())
}

fn is_of_type(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(types) => types.iter().any(|one| is_of_type(value, one)),
        Value::String(name) => match name.as_str() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("the type {other} is not known"),
        },
        other => panic!("{other} is not a type"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_that_the_schema_does_not_have_is_found() {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"type": ["string", "null"]}},
            "required": ["a"],
            "$defs": {"A": {"enum": ["x", "y"]}}
        });
        for (document, is) in [
            (json!({"a": "x"}), Ok(())),
            (json!({"a": "y", "b": null}), Ok(())),
            (json!({"b": "z"}), Err("D: a is missing")),
            (json!({"a": "x", "c": 1}), Err("D.c is not in the schema")),
            (
                json!({"a": "z"}),
                Err("D.a: \"z\" is not enum [\"x\",\"y\"]"),
            ),
            (
                json!({"a": "x", "b": 1}),
                Err("D.b: 1 is not type [\"string\",\"null\"]"),
            ),
            (json!([]), Err("D: [] is not type \"object\"")),
        ] {
            let seen = matches(&document, &schema, &schema, "D");
            assert_eq!(seen, is.map_err(str::to_owned), "{document}");
        }
    }
}
