//! The text of one or several kubeconfigs: which context, cluster and user are meant, and their fields under an allow-list.
//!
//! Names and fields are those of client-go's `tools/clientcmd/api/v1/types.go`.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::error::KubeconfigError;

/// The fields of a cluster or a user, and how they are treated.
struct FieldRules {
    section: &'static str,
    /// The fields that are used, and `extensions`, which mean nothing to this program and nothing to what the API server
    /// sees.
    allowed: &'static [&'static str],
    /// The fields that would run a program, act as another user or turn verification off.
    refused: &'static [&'static str],
}

const CLUSTER: FieldRules = FieldRules {
    section: "cluster",
    allowed: &[
        "server",
        "tls-server-name",
        "certificate-authority",
        "certificate-authority-data",
        "proxy-url",
        "disable-compression",
        "extensions",
    ],
    refused: &["insecure-skip-tls-verify"],
};

const USER: FieldRules = FieldRules {
    section: "user",
    allowed: &[
        "client-certificate",
        "client-certificate-data",
        "client-key",
        "client-key-data",
        "token",
        "tokenFile",
        // The caller decides whether a plug-in may run.
        "exec",
        "extensions",
    ],
    refused: &[
        "as",
        "as-uid",
        "as-groups",
        "as-user-extra",
        "username",
        "password",
        "auth-provider",
    ],
};

/// A cluster or a user as the file has it, its fields checked against the allow-list.
#[derive(Debug, Default)]
pub(super) struct Section {
    name: &'static str,
    fields: Mapping,
    /// Where its relative paths begin.
    pub(super) directory: PathBuf,
}

/// What a context refers to.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) cluster: Section,
    pub(super) user: Section,
}

/// Finds the cluster and the user of `context`, or of the current context, in the files merged as kubectl merges them: of
/// each name, the first definition counts. Each file is its text and where its relative paths begin.
pub(super) fn choose(
    files: &[(impl AsRef<[u8]>, &Path)],
    context: Option<&str>,
) -> Result<Context, KubeconfigError> {
    let mut roots = Vec::new();
    for (bytes, directory) in files {
        let root: Value = serde_yaml::from_slice(bytes.as_ref()).map_err(|error| {
            let place = error.location().map(|at| (at.line(), at.column()));
            KubeconfigError::NotKubeconfig(place)
        })?;
        match root {
            // kubectl refuses another kind too, and takes a file without one.
            Value::Mapping(root) if text_of(&root, "kind").is_some_and(|kind| kind != "Config") => {
                return Err(KubeconfigError::NotKubeconfig(None));
            }
            Value::Mapping(root) => roots.push((root, *directory)),
            Value::Null => {}
            _ => return Err(KubeconfigError::NotKubeconfig(None)),
        }
    }
    let current = roots
        .iter()
        .find_map(|(root, _)| text_of(root, "current-context"));
    let name = context.or(current.as_deref());
    let name = name.ok_or(KubeconfigError::NoCurrentContext)?;
    let unknown = || match context {
        Some(name) => KubeconfigError::UnknownContext(name.to_owned()),
        None => KubeconfigError::UnknownCurrentContext,
    };
    let (context, _) = entry(&roots, "contexts", "context", name).ok_or_else(unknown)?;
    let cluster = text_of(&context, "cluster").unwrap_or_default();
    let (cluster, at) =
        entry(&roots, "clusters", "cluster", &cluster).ok_or(KubeconfigError::UnknownCluster)?;
    let cluster = Section::new(CLUSTER, cluster, at)?;
    let user = text_of(&context, "user").unwrap_or_default();
    let user = match entry(&roots, "users", "user", &user) {
        Some((user, at)) => Section::new(USER, user, at)?,
        None => Section::default(),
    };
    Ok(Context { cluster, user })
}

/// The definition of `name` in a list of named entries, and the directory of its file.
fn entry(
    roots: &[(Mapping, &Path)],
    list: &str,
    section: &str,
    name: &str,
) -> Option<(Mapping, PathBuf)> {
    roots.iter().find_map(|(root, directory)| {
        let entries = root.get(list)?.as_sequence()?;
        let named = entries
            .iter()
            .filter_map(Value::as_mapping)
            .find(|entry| text_of(entry, "name").as_deref() == Some(name))?;
        // The first file that names it counts, also where it says nothing of it.
        let fields = named.get(section).and_then(Value::as_mapping).cloned();
        Some((fields.unwrap_or_default(), (*directory).to_owned()))
    })
}

/// A text that is not empty.
fn text_of(mapping: &Mapping, key: &str) -> Option<String> {
    let text = mapping.get(key)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether a field says nothing: null, false, an empty text or an empty collection.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(set) => !set,
        Value::String(text) => text.is_empty(),
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(fields) => fields.is_empty(),
        Value::Number(_) | Value::Tagged(_) => false,
    }
}

impl Section {
    fn new(
        rules: FieldRules,
        fields: Mapping,
        directory: PathBuf,
    ) -> Result<Self, KubeconfigError> {
        let section = rules.section;
        for (key, value) in &fields {
            let key = key.as_str().unwrap_or_default();
            match rules.refused.iter().find(|field| **field == key) {
                Some(field) if !is_empty(value) => {
                    return Err(KubeconfigError::Forbidden { section, field });
                }
                None if !rules.allowed.contains(&key) => {
                    return Err(KubeconfigError::UnknownField { section });
                }
                _ => {}
            }
        }
        Ok(Self {
            name: section,
            fields,
            directory,
        })
    }

    /// A text; none where it is absent or empty.
    pub(super) fn text(&self, field: &'static str) -> Result<Option<String>, KubeconfigError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok((!text.is_empty()).then(|| text.clone())),
            Some(_) => Err(KubeconfigError::Type {
                section: self.name,
                field,
                expected: "a string",
            }),
        }
    }

    /// A file that the field names, from where the kubeconfig lies.
    pub(super) fn path(&self, field: &'static str) -> Result<Option<PathBuf>, KubeconfigError> {
        let text = self.text(field)?;
        Ok(text.map(|text| self.directory.join(text)))
    }

    /// Checks that the field is a switch, where it is present.
    pub(super) fn check_flag(&self, field: &'static str) -> Result<(), KubeconfigError> {
        match self.fields.get(field) {
            None | Some(Value::Null | Value::Bool(_)) => Ok(()),
            Some(_) => Err(KubeconfigError::Type {
                section: self.name,
                field,
                expected: "true or false",
            }),
        }
    }

    /// The field as it is; none where it is absent or says nothing.
    pub(super) fn value(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !is_empty(value))
    }
}
