//! The text of one or several kubeconfigs: which context, cluster and user are meant, and their fields under an allow-list.
//!
//! Names and fields are those of client-go's `tools/clientcmd/api/v1/types.go`.

use std::path::{Path, PathBuf};

use serde_yaml::{Mapping, Value};

use super::error::KubeconfigError;

/// A field of a cluster or a user, and how it is treated.
enum FieldRule {
    Use,
    /// It means nothing to this program, and nothing to what the API server sees.
    Ignore,
    /// It would run a program, act as another user or turn verification off.
    Refuse,
}

const CLUSTER: &[(&str, FieldRule)] = &[
    ("server", FieldRule::Use),
    ("tls-server-name", FieldRule::Use),
    ("certificate-authority", FieldRule::Use),
    ("certificate-authority-data", FieldRule::Use),
    ("proxy-url", FieldRule::Use),
    ("disable-compression", FieldRule::Use),
    ("insecure-skip-tls-verify", FieldRule::Refuse),
    ("extensions", FieldRule::Ignore),
];

const USER: &[(&str, FieldRule)] = &[
    ("client-certificate", FieldRule::Use),
    ("client-certificate-data", FieldRule::Use),
    ("client-key", FieldRule::Use),
    ("client-key-data", FieldRule::Use),
    ("token", FieldRule::Use),
    ("tokenFile", FieldRule::Use),
    // The caller decides whether a plug-in may run.
    ("exec", FieldRule::Use),
    ("as", FieldRule::Refuse),
    ("as-uid", FieldRule::Refuse),
    ("as-groups", FieldRule::Refuse),
    ("as-user-extra", FieldRule::Refuse),
    ("username", FieldRule::Refuse),
    ("password", FieldRule::Refuse),
    ("auth-provider", FieldRule::Refuse),
    ("extensions", FieldRule::Ignore),
];

/// One kubeconfig file's text, and where its relative paths begin.
pub(super) struct KubeconfigFile<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) directory: &'a Path,
}

/// A cluster or a user as the file has it, its fields checked against the allow-list.
#[derive(Debug, Default)]
pub(super) struct Section {
    name: &'static str,
    fields: Mapping,
    directory: PathBuf,
}

/// What a context refers to.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) cluster: Section,
    pub(super) user: Section,
}

/// Finds the cluster and the user of `context`, or of the current context, in the files merged as kubectl merges them: of
/// each name, the first definition counts.
pub(super) fn choose(
    files: &[KubeconfigFile<'_>],
    context: Option<&str>,
) -> Result<Context, KubeconfigError> {
    let mut roots = Vec::new();
    for file in files {
        let root: Value = serde_yaml::from_slice(file.bytes).map_err(|error| {
            let place = error.location().map(|at| (at.line(), at.column()));
            KubeconfigError::NotKubeconfig(place)
        })?;
        match root {
            // kubectl refuses another kind too, and takes a file without one.
            Value::Mapping(root) if text_of(&root, "kind").is_some_and(|kind| kind != "Config") => {
                return Err(KubeconfigError::NotKubeconfig(None));
            }
            Value::Mapping(root) => roots.push((root, file.directory)),
            Value::Null => {}
            _ => return Err(KubeconfigError::NotKubeconfig(None)),
        }
    }
    let current = roots
        .iter()
        .find_map(|(root, _)| text_of(root, "current-context"));
    let name = match (context, &current) {
        (Some(name), _) => name,
        (None, Some(name)) => name,
        (None, None) => return Err(KubeconfigError::NoCurrentContext),
    };
    let unknown = || match context {
        Some(name) => KubeconfigError::UnknownContext(name.to_owned()),
        None => KubeconfigError::UnknownCurrentContext,
    };
    let (context, _) = entry(&roots, "contexts", "context", name).ok_or_else(unknown)?;
    let cluster = text_of(&context, "cluster").unwrap_or_default();
    let (cluster, at) =
        entry(&roots, "clusters", "cluster", &cluster).ok_or(KubeconfigError::UnknownCluster)?;
    let cluster = Section::new("cluster", cluster, at, CLUSTER)?;
    let user = text_of(&context, "user").unwrap_or_default();
    let user = match entry(&roots, "users", "user", &user) {
        Some((user, at)) => Section::new("user", user, at, USER)?,
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
        name: &'static str,
        fields: Mapping,
        directory: PathBuf,
        rules: &'static [(&str, FieldRule)],
    ) -> Result<Self, KubeconfigError> {
        for (key, value) in &fields {
            let rule = rules.iter().find(|(field, _)| key.as_str() == Some(*field));
            match rule {
                Some((_, FieldRule::Use | FieldRule::Ignore)) => {}
                Some((_, FieldRule::Refuse)) if is_empty(value) => {}
                Some((field, FieldRule::Refuse)) => {
                    return Err(KubeconfigError::Forbidden {
                        section: name,
                        field,
                    });
                }
                None => return Err(KubeconfigError::UnknownField { section: name }),
            }
        }
        Ok(Self {
            name,
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

    /// A switch; off where it is absent.
    pub(super) fn flag(&self, field: &'static str) -> Result<bool, KubeconfigError> {
        match self.fields.get(field) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(set)) => Ok(*set),
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

    /// Where its relative paths begin.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}
