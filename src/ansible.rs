//! Ansible's side of the program: the file of arguments that it hands to a binary module, as a command line of this
//! program, and a result document as the answer that it reads.
//!
//! Ansible copies a binary module to the node as `AnsiballZ_<name>` and runs it with one argument, the path of a JSON
//! object: the user's keys, and its own, which all begin with `_ansible_` (ansible-core, plugins/action/__init__.py,
//! `_execute_module` and `_update_module_args`).

mod answer;
mod argument;
mod modules;

use std::ffi::OsString;

use serde_json::{Map, Value};

use crate::report::{Code, Problem};
use crate::text::hint::Command;

pub use answer::answer;
use argument::of_key;
use modules::MODULES;
pub use modules::NAME;

/// What Ansible puts before the module's name when it copies it to the node.
pub const PREFIX: &str = "AnsiballZ_";
/// Which module is meant where the file's name does not say so: the collection's action plugins set it.
const MODULE: &str = "_kubelet_tls_module";
/// A file of arguments is a kilobyte or two, in bytes.
pub const CAP: u64 = 1024 * 1024;

/// What Ansible asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleCall {
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

impl ModuleCall {
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

#[cfg(test)]
mod tests;
