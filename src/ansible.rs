//! Ansible's side of the program: the file of arguments that it hands to a binary module, as a command line of this
//! program, and a result document as the answer that it reads.
//!
//! Ansible copies a binary module to the node as `AnsiballZ_<name>` and runs it with one argument, the path of a JSON
//! object: the user's keys, and its own, which all begin with `_ansible_` (ansible-core, plugins/action/__init__.py,
//! `_execute_module` and `_update_module_args`).

use std::ffi::OsString;

use serde_json::{Map, Value, json};

use crate::kubelet::secrets::masked;
use crate::plan::Edit;
use crate::report::{Code, Problem};
use crate::text::hint::Command;

/// What Ansible puts before the module's name when it copies it to the node.
pub const PREFIX: &str = "AnsiballZ_";
/// What every module's name begins with where the binary itself lies in a `library/`.
pub const NAME: &str = "kubelet_tls";
/// Which module is meant where the file's name does not say so: the collection's action plugins set it.
const MODULE: &str = "_kubelet_tls_module";
/// A file of arguments is a kilobyte or two, in bytes.
pub const CAP: u64 = 1024 * 1024;

/// How a key of the user's becomes options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `enabled`, or `disabled` for `--disable`.
    State,
    /// A word; which ones there are is the option's business.
    Word,
    /// An option's values: a list, or one.
    Words,
    /// What follows the options: a list, or one.
    Names,
    /// A duration as the option takes it, or a number of seconds.
    Duration,
    /// A switch, as Ansible writes booleans.
    Switch,
    /// The value of an option.
    Path,
    /// A list of them, or one.
    Paths,
    /// The paths that follow the options: a list, or one.
    Files,
}

/// A module: a verb, and its user's keys. An option is named as its key, with `-` for `_`.
#[derive(Debug)]
struct Module {
    name: &'static str,
    verb: &'static [&'static str],
    keys: &'static [(&'static str, Kind)],
}

/// The modules; a file of any other name is the first.
const MODULES: [Module; 4] = [
    Module {
        name: NAME,
        verb: &["apply"],
        keys: &[
            ("state", Kind::State),
            ("restart", Kind::Word),
            ("wait", Kind::Word),
            ("timeout", Kind::Duration),
            ("settle", Kind::Duration),
            ("issue_first", Kind::Switch),
            ("kubeadm_config", Kind::Paths),
            ("kubeconfig", Kind::Path),
            ("root", Kind::Path),
            ("file", Kind::Files),
        ],
    },
    Module {
        name: "kubelet_tls_approve",
        verb: &["approve"],
        keys: &[
            ("request", Kind::Names),
            ("node", Kind::Words),
            ("deny", Kind::Switch),
            ("max_duration", Kind::Duration),
            ("timeout", Kind::Duration),
            ("kubeconfig", Kind::Path),
        ],
    },
    Module {
        name: "kubelet_tls_cluster",
        verb: &["cluster", "apply"],
        keys: &[("state", Kind::State), ("kubeconfig", Kind::Path)],
    },
    Module {
        name: "kubelet_tls_api_server",
        verb: &["api-server", "apply"],
        keys: &[
            ("state", Kind::State),
            ("except", Kind::Words),
            ("timeout", Kind::Duration),
            ("settle", Kind::Duration),
            ("manifest", Kind::Path),
            ("kubeconfig", Kind::Path),
        ],
    },
];

/// What Ansible asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The same as a command line, the program's own name first.
    pub command_line: Vec<OsString>,
    /// Whether the whole texts are to be shown before and after.
    texts: bool,
    /// The user's keys as they came; none where they must not be repeated.
    given: Option<Map<String, Value>>,
}

/// Whether these bytes are a file of arguments as Ansible writes it.
pub fn is_arguments(bytes: &[u8]) -> bool {
    matches!(serde_json::from_slice(bytes), Ok(Value::Object(keys)) if has_version(&keys))
}

fn has_version(keys: &Map<String, Value>) -> bool {
    keys.get("_ansible_version").is_some_and(Value::is_string)
}

impl Call {
    /// Reads a file of arguments; `name` is that of the module's own file.
    ///
    /// # Errors
    /// [`Code::Input`] when it is not such a file; [`Code::Usage`] naming the key that does not exist or has an invalid value.
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Self, Problem> {
        let keys = match serde_json::from_slice(bytes) {
            Ok(Value::Object(keys)) if has_version(&keys) => keys,
            Ok(_) => {
                return Err(not_arguments(
                    "not a JSON object with the string _ansible_version",
                ));
            }
            Err(error) => return Err(not_arguments(&error.to_string())),
        };
        let (own, given): (Map<_, _>, Map<_, _>) = keys
            .into_iter()
            .partition(|(key, _)| key.starts_with("_ansible_") || key == MODULE);
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        let name = own.get(MODULE).and_then(Value::as_str).unwrap_or(name);
        let [first, ..] = &MODULES;
        let module = MODULES.iter().find(|module| module.name == name);
        let module = module.unwrap_or(first);
        let is_set = |key: &str| {
            own.get(key)
                .is_some_and(|value| *value == Value::Bool(true))
        };
        let mut options = vec![OsString::from("kubelet-tls")];
        options.extend(module.verb.iter().map(OsString::from));
        if is_set("_ansible_check_mode") {
            options.push("--dry-run".into());
        }
        let mut names = Vec::new();
        for (key, value) in &given {
            let Some((_, kind)) = module.keys.iter().find(|(known, _)| known == key) else {
                let known: Vec<&str> = module.keys.iter().map(|(key, _)| *key).collect();
                let known = known.join(", ");
                return Err(usage(
                    module.name,
                    &format!("{key} is not an option; the options are {known}"),
                ));
            };
            // As if it were missing: templates write null for "as by default".
            if !value.is_null() {
                of_key(key, *kind, value, &mut options, &mut names)
                    .map_err(|why| usage(module.name, &why.to_string()))?;
            }
        }
        if !names.is_empty() {
            options.push("--".into());
            options.append(&mut names);
        }
        let secret = is_set("_ansible_no_log");
        Ok(Self {
            command_line: options,
            texts: is_set("_ansible_diff") && !secret,
            given: (!secret).then_some(given),
        })
    }
}

fn not_arguments(why: &str) -> Problem {
    Problem::new(
        Code::Input,
        format!("cannot read the module's arguments: {why}"),
    )
}

fn usage(module: &str, why: &str) -> Problem {
    Problem::new(
        Code::Usage,
        format!("cannot use the module's arguments: {why}"),
    )
    .hint(Command::new("ansible-doc").arg(format!("kubelet_tls.kubelet_tls.{module}")))
}

/// A value that its key does not take.
#[derive(Debug, thiserror::Error)]
#[error("{key} is {wanted}, not {value}")]
struct WrongArgument {
    key: String,
    wanted: &'static str,
    value: String,
}

/// Adds what one key means.
fn of_key(
    key: &str,
    kind: Kind,
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
        Kind::State => match value.as_str() {
            Some("enabled") => {}
            Some("disabled") => options.push("--disable".into()),
            _ => return Err(wrong("enabled or disabled")),
        },
        Kind::Word => {
            let word = value.as_str().ok_or_else(|| wrong("a word"));
            options.push(with(word?));
        }
        Kind::Duration => {
            let wrong = || wrong("a duration such as 90s or 2m, or a number of seconds");
            options.push(with(&duration(value).ok_or_else(wrong)?));
        }
        Kind::Switch => {
            let value = boolean(value).ok_or_else(|| wrong("true or false"));
            options.extend(value?.then(|| option.into()));
        }
        Kind::Path => options.push(with(path(value).ok_or_else(|| wrong(PATH))?)),
        Kind::Words | Kind::Names | Kind::Paths | Kind::Files => {
            let one = std::slice::from_ref(value);
            for value in value.as_array().map_or(one, Vec::as_slice) {
                let (text, wanted) = match kind {
                    Kind::Words | Kind::Names => (value.as_str(), "a name"),
                    _ => (path(value), PATH),
                };
                let text = text.ok_or_else(|| not(wanted, value))?;
                match kind {
                    Kind::Names | Kind::Files => names.push(text.into()),
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

/// The answer: the result document, and beside it what Ansible itself looks for.
///
/// `edits` are those that were shown; `call` is `None` if its arguments could not be read.
pub fn answer(document: Value, edits: &[Edit], call: Option<&Call>) -> Value {
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

#[cfg(test)]
mod tests;
