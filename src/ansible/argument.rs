//! One key of a module's user as words of the command line.

use std::ffi::OsString;

use serde_json::Value;

use super::modules::KeyKind;

/// A value that its key does not take.
#[derive(Debug, thiserror::Error)]
#[error("{key} is {wanted}, not {value}")]
pub(super) struct WrongArgument {
    key: String,
    wanted: &'static str,
    value: String,
}

/// Adds what one key means.
pub(super) fn of_key(
    key: &str,
    kind: KeyKind,
    value: &Value,
    options: &mut Vec<OsString>,
    names: &mut Vec<OsString>,
) -> Result<(), WrongArgument> {
    let option = format!("--{}", key.replace('_', "-"));
    let with = |value: &str| OsString::from(format!("{option}={value}"));
    let not = |wanted, value: &Value| WrongArgument {
        key: key.to_owned(),
        wanted,
        value: shown(value),
    };
    let wrong = |wanted| not(wanted, value);
    match kind {
        KeyKind::State => match value.as_str() {
            Some("enabled") => {}
            Some("disabled") => options.push("--disable".into()),
            _ => return Err(wrong("enabled or disabled")),
        },
        KeyKind::Word => {
            let word = value.as_str().ok_or_else(|| wrong("a word"));
            options.push(with(word?));
        }
        KeyKind::Duration => {
            let wrong = || wrong("a duration such as 90s or 2m, or a number of seconds");
            options.push(with(&duration(value).ok_or_else(wrong)?));
        }
        KeyKind::Switch => {
            let value = boolean(value).ok_or_else(|| wrong("true or false"));
            options.extend(value?.then(|| option.into()));
        }
        KeyKind::Path => options.push(with(path(value).ok_or_else(|| wrong(PATH))?)),
        KeyKind::Words | KeyKind::Names | KeyKind::Paths | KeyKind::Files => {
            let one = std::slice::from_ref(value);
            for value in value.as_array().map_or(one, Vec::as_slice) {
                let (text, wanted) = match kind {
                    KeyKind::Words | KeyKind::Names => (value.as_str(), "a name"),
                    _ => (path(value), PATH),
                };
                let text = text.ok_or_else(|| not(wanted, value))?;
                match kind {
                    KeyKind::Names | KeyKind::Files => names.push(text.into()),
                    _ => options.push(with(text)),
                }
            }
        }
    }
    Ok(())
}

/// Where the module is run is Ansible's business, so a path that depends on it means nothing to the user.
const PATH: &str = "an absolute path on the node";

fn path(value: &Value) -> Option<&str> {
    let path = value.as_str()?;
    (path.starts_with('/') && !path.contains('\0')).then_some(path)
}

/// Seconds come as a number, or, out of a template, as its digits.
fn duration(value: &Value) -> Option<String> {
    match value {
        Value::Number(seconds) => seconds.as_u64().map(|seconds| format!("{seconds}s")),
        Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
            Some(format!("{text}s"))
        }
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// As ansible.module_utils.parsing.convert_bool reads it.
fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(word) => match word.to_lowercase().as_str() {
            "yes" | "on" | "1" | "true" | "t" | "y" => Some(true),
            "no" | "off" | "0" | "false" | "f" | "n" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// A value in a message: not all of what may be much.
fn shown(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
