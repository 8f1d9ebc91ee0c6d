//! kubeadm's ClusterConfiguration, in a file of its own or among other documents.

use super::extra_args::{ExtraArgsEdit, ExtraArgsShape};
use super::{CA_FILE, EditedDocument, FLAG, Verification, only};
use crate::edit::Edited;
use crate::edit::kubeadm::{self, json_piece};
use crate::kubelet::config::{self, Spelling};
use crate::kubelet::goyaml::lookup;
use crate::kubelet::meta::{meta, string};
use crate::kubelet::{ApiServerCause, Position, Refusal};
use crate::yaml::{self, Kept, PathStep, Stream, Syntax, Value};

const KIND: &str = "ClusterConfiguration";

/// kubeadm's own default (`DefaultCertificatesDir`).
const CERTIFICATES: &str = "/etc/kubernetes/pki";

/// Sets or removes the flag.
pub(super) fn edit(stream: &Stream<'_>, wanted: Verification) -> Result<Edited, Refusal> {
    let (number, root) = match find(stream)? {
        ConfigurationPlace::Here(number, root) => (number, root),
        ConfigurationPlace::None { .. } if wanted == Verification::Disabled => {
            return Ok(crate::edit::unchanged(stream, Vec::new()));
        }
        ConfigurationPlace::None { api_version } => return append(stream, &api_version),
    };
    let shape = shape(stream, root)?;
    let directory = lookup(stream, root, "certificatesDir")
        .and_then(|directory| string(stream, directory))
        .filter(|directory| !directory.is_empty())
        .unwrap_or(CERTIFICATES);
    let ca = format!("{}/{CA_FILE}", directory.trim_end_matches('/'));
    let edit = ExtraArgsEdit {
        document: EditedDocument {
            stream,
            number,
            format: json_piece(stream, number).map_or(Syntax::Yaml, Syntax::YamlWithJson),
        },
        root,
        shape,
        ca: &ca,
    };
    match (only(edit.given()?, &ca)?, wanted) {
        (None, Verification::Enabled) => edit.enable(),
        (None, Verification::Disabled) => edit.document.keep(&[PathStep::Key(FLAG)], Kept::Missing),
        (Some(given), Verification::Enabled) => edit
            .document
            .keep(&edit.path_of_value(&given), Kept::Text(&ca)),
        (Some(given), Verification::Disabled) => edit.disable(&given),
    }
}

/// The value of the flag, if it is given once.
pub(super) fn kubelet_ca(stream: &Stream<'_>) -> Result<Option<String>, Refusal> {
    let ConfigurationPlace::Here(number, root) = find(stream)? else {
        return Ok(None);
    };
    let edit = ExtraArgsEdit {
        document: EditedDocument {
            stream,
            number,
            format: Syntax::Yaml,
        },
        root,
        shape: shape(stream, root)?,
        ca: "",
    };
    let mut given = edit.given()?;
    if let Some(second) = given.get(1) {
        return Err(Refusal::at(second.position, ApiServerCause::GivenTwice));
    }
    Ok(given.pop().map(|given| given.value))
}

/// How this version of kubeadm writes flags.
fn shape(stream: &Stream<'_>, root: usize) -> Result<ExtraArgsShape, Refusal> {
    let at = stream.position(root);
    let api_version = meta(stream, root).api_version.unwrap_or_default();
    ExtraArgsShape::of(api_version)
        .ok_or_else(|| Refusal::at(at, ApiServerCause::Version(api_version.to_owned())))
}

enum ConfigurationPlace {
    /// The number of the document and its root.
    Here(usize, usize),
    /// Only documents of `kubeadm init` beside which one may be added, of this version.
    None { api_version: String },
}

/// The only ClusterConfiguration of a file.
fn find(stream: &Stream<'_>) -> Result<ConfigurationPlace, Refusal> {
    kubeadm::refuse_unseen_documents(stream)?;
    let mut found = None;
    let mut init = None;
    let mut join = None;
    for (number, document) in stream.documents.iter().enumerate() {
        let root = document.root;
        // a merge or a second key may give a document another kind than it seems to have
        config::look(stream, root, Spelling::Exact)?;
        let meta = meta(stream, root);
        if !kubeadm::is_kubeadms(&meta) {
            // kubeadm refuses it, and what it says of the API server would be missed
            if meta.kind == Some(KIND) {
                let version = meta.api_version.unwrap_or_default().to_owned();
                return Err(Refusal::at(
                    stream.position(root),
                    ApiServerCause::Version(version),
                ));
            }
            continue;
        }
        match meta.kind {
            Some(KIND) if found.is_some() => {
                let at = stream.position(root);
                return Err(Refusal::at(at, ApiServerCause::SecondConfiguration));
            }
            Some(KIND) => found = Some(ConfigurationPlace::Here(number, root)),
            Some("InitConfiguration") => init = meta.api_version.map(str::to_owned),
            Some("JoinConfiguration") => join = Some(root),
            _ => {}
        }
    }
    if let Some(found) = found {
        return Ok(found);
    }
    if let Some(api_version) = init {
        return Ok(ConfigurationPlace::None { api_version });
    }
    let first = stream.documents.first().map(|document| document.root);
    let start = Position { line: 1, column: 1 };
    let at = join.or(first).map_or(start, |root| stream.position(root));
    let cause = match join {
        Some(_) => ApiServerCause::NoConfiguration,
        None => ApiServerCause::OtherFile,
    };
    Err(Refusal::at(at, cause))
}

/// Adds a ClusterConfiguration beside an InitConfiguration: kubeadm takes its defaults for the rest of it, as it does for one
/// that does not exist.
fn append(stream: &Stream<'_>, api_version: &str) -> Result<Edited, Refusal> {
    let last = stream.documents.last().map_or(0, |document| document.root);
    let shape = ExtraArgsShape::of(api_version).ok_or_else(|| {
        let cause = ApiServerCause::Version(api_version.to_owned());
        Refusal::at(stream.position(last), cause)
    })?;
    let ca = format!("{CERTIFICATES}/{CA_FILE}");
    let document = Value::Mapping(vec![
        ("apiVersion", Value::Text(api_version)),
        ("kind", Value::Text(KIND)),
        (
            "apiServer",
            Value::Mapping(vec![("extraArgs", shape.arguments(&ca))]),
        ),
    ]);
    let edited = yaml::append_document(stream, &Syntax::Yaml, &document)?;
    Ok(crate::edit::changed(edited, Vec::new()))
}
