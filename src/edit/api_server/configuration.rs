//! `apiServer.extraArgs` of kubeadm's ClusterConfiguration, in a file of its own or among other documents.

use super::{CA_FILE, FLAG, Given, Spot, Verification, changed, kept, normalized, only, text};
use crate::edit::Edited;
use crate::edit::kubeadm::{self, json_piece};
use crate::kubelet::config::{self, Spelling};
use crate::kubelet::goyaml::lookup;
use crate::kubelet::meta::{meta, string};
use crate::kubelet::{ApiServerCause, Position, Refusal};
use crate::yaml::{self, Format, Kept, Operation, Place, Step, Stream, Value};

const KIND: &str = "ClusterConfiguration";

/// kubeadm's own default (`DefaultCertificatesDir`).
const CERTIFICATES: &str = "/etc/kubernetes/pki";

/// How a version of ClusterConfiguration writes extra flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Names and values, up to v1beta3.
    Mapping,
    /// Items with a name and a value, in v1beta4.
    List,
}

impl Shape {
    fn of(api_version: &str) -> Option<Self> {
        match api_version.strip_prefix(kubeadm::GROUP)? {
            "/v1beta1" | "/v1beta2" | "/v1beta3" => Some(Self::Mapping),
            "/v1beta4" => Some(Self::List),
            _ => None,
        }
    }

    fn arguments<'v>(self, ca: &'v str) -> Value<'v> {
        match self {
            Self::Mapping => Value::Mapping(vec![(FLAG, Value::Text(ca))]),
            Self::List => Value::Sequence(vec![item(ca)]),
        }
    }
}

fn item(ca: &str) -> Value<'_> {
    Value::Mapping(vec![
        ("name", Value::Text(FLAG)),
        ("value", Value::Text(ca)),
    ])
}

const ARGUMENTS: [Step<'static>; 2] = [Step::Key("apiServer"), Step::Key("extraArgs")];

/// Sets or removes the flag.
pub(super) fn edit(stream: &Stream<'_>, wanted: Verification) -> Result<Edited, Refusal> {
    let (document, root) = match find(stream)? {
        Found::Here(document, root) => (document, root),
        Found::None { .. } if wanted == Verification::Disabled => {
            return Ok(crate::edit::unchanged(stream, Vec::new()));
        }
        Found::None { api_version } => return append(stream, &api_version),
    };
    let shape = shape(stream, root)?;
    let directory = lookup(stream, root, "certificatesDir")
        .and_then(|directory| string(stream, directory))
        .filter(|directory| !directory.is_empty())
        .unwrap_or(CERTIFICATES);
    let ca = format!("{}/{CA_FILE}", directory.trim_end_matches('/'));
    let edit = Edit {
        stream,
        document,
        root,
        format: json_piece(stream, document).map_or(Format::Yaml, Format::YamlWithJson),
        shape,
        ca: &ca,
    };
    match (only(edit.given()?, &ca)?, wanted) {
        (None, Verification::Enabled) => edit.enable(),
        (None, Verification::Disabled) => edit.keep(&[Step::Key(FLAG)], Kept::Missing),
        (Some(given), Verification::Enabled) => {
            edit.keep(&edit.path_of_value(&given), Kept::Text(&ca))
        }
        (Some(given), Verification::Disabled) => edit.disable(&given),
    }
}

/// The value of the flag, if it is given once.
pub(super) fn kubelet_ca(stream: &Stream<'_>) -> Result<Option<String>, Refusal> {
    let Found::Here(document, root) = find(stream)? else {
        return Ok(None);
    };
    let edit = Edit {
        stream,
        document,
        root,
        format: Format::Yaml,
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
fn shape(stream: &Stream<'_>, root: usize) -> Result<Shape, Refusal> {
    let at = stream.position(root);
    let api_version = meta(stream, root).api_version.unwrap_or_default();
    Shape::of(api_version)
        .ok_or_else(|| Refusal::at(at, ApiServerCause::Version(api_version.to_owned())))
}

enum Found {
    /// The number of the document and its root.
    Here(usize, usize),
    /// Only documents of `kubeadm init` beside which one may be added, of this version.
    None { api_version: String },
}

/// The only ClusterConfiguration of a file.
fn find(stream: &Stream<'_>) -> Result<Found, Refusal> {
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
            Some(KIND) => found = Some(Found::Here(number, root)),
            Some("InitConfiguration") => init = meta.api_version.map(str::to_owned),
            Some("JoinConfiguration") => join = Some(root),
            _ => {}
        }
    }
    let first = stream.documents.first().map(|document| document.root);
    match (found, init, join, first) {
        (Some(found), ..) => Ok(found),
        (None, Some(api_version), ..) => Ok(Found::None { api_version }),
        (None, None, Some(root), _) | (None, None, None, Some(root)) => Err(Refusal::at(
            stream.position(root),
            if join.is_some() {
                ApiServerCause::NoConfiguration
            } else {
                ApiServerCause::OtherFile
            },
        )),
        (None, None, None, None) => {
            let start = Position { line: 1, column: 1 };
            Err(Refusal::at(start, ApiServerCause::OtherFile))
        }
    }
}

/// Adds a ClusterConfiguration beside an InitConfiguration: kubeadm takes its defaults for the rest of it, as it does for one
/// that does not exist.
fn append(stream: &Stream<'_>, api_version: &str) -> Result<Edited, Refusal> {
    let last = stream.documents.last().map_or(0, |document| document.root);
    let shape = Shape::of(api_version).ok_or_else(|| {
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
    let edited = yaml::append_document(stream, &Format::Yaml, &document)?;
    Ok(crate::edit::changed(edited, Vec::new()))
}

/// The edit of one ClusterConfiguration.
struct Edit<'e, 's> {
    stream: &'e Stream<'s>,
    document: usize,
    root: usize,
    format: Format,
    shape: Shape,
    ca: &'e str,
}

impl Edit<'_, '_> {
    fn arguments(&self) -> Option<usize> {
        let arguments = lookup(self.stream, self.root, "apiServer")
            .and_then(|server| lookup(self.stream, server, "extraArgs"));
        arguments.map(|arguments| self.stream.target(arguments))
    }

    /// Every occurrence of the flag, whatever separates its words.
    fn given(&self) -> Result<Vec<Given>, Refusal> {
        let stream = self.stream;
        let Some(arguments) = self.arguments() else {
            return Ok(Vec::new());
        };
        let mut given = Vec::new();
        for (key, value) in stream.entries(arguments) {
            let name = stream.text(stream.target(key));
            if normalized(name) == FLAG {
                given.push(Given {
                    value: text(stream, value)?,
                    position: stream.position(key),
                    place: Spot::Key(name.to_owned()),
                });
            }
        }
        for (index, item) in stream.items(arguments).enumerate() {
            let name = lookup(stream, item, "name").and_then(|name| string(stream, name));
            if name.is_none_or(|name| normalized(name) != FLAG) {
                continue;
            }
            let value = lookup(stream, item, "value");
            given.push(Given {
                value: value.map_or(Ok(String::new()), |value| text(stream, value))?,
                position: stream.position(item),
                place: Spot::Items {
                    first: index,
                    count: 1,
                },
            });
        }
        Ok(given)
    }

    fn keep(&self, path: &[Step<'_>], value: Kept<'_>) -> Result<Edited, Refusal> {
        kept(self.stream, &self.format, self.document, path, value)
    }

    fn change(&self, path: &[Step<'_>], operation: &Operation<'_>) -> Result<Edited, Refusal> {
        changed(self.stream, &self.format, self.document, path, operation)
    }

    fn path<'g>(given: &'g Given) -> Vec<Step<'g>> {
        let last = match &given.place {
            Spot::Key(name) => Step::Key(name),
            Spot::Items { first, .. } => Step::Item(*first),
        };
        ARGUMENTS.into_iter().chain([last]).collect()
    }

    fn path_of_value<'g>(&self, given: &'g Given) -> Vec<Step<'g>> {
        let mut path = Self::path(given);
        path.extend((self.shape == Shape::List).then_some(Step::Key("value")));
        path
    }

    fn enable(&self) -> Result<Edited, Refusal> {
        let has_server = lookup(self.stream, self.root, "apiServer").is_some();
        let place = if has_server {
            Place::Sorted
        } else {
            Place::After("kind")
        };
        let (last, value) = match self.shape {
            Shape::Mapping => (Step::Key(FLAG), Value::Text(self.ca)),
            Shape::List => {
                let named = Step::Named {
                    key: "name",
                    is: FLAG,
                };
                (named, item(self.ca))
            }
        };
        let [server, arguments] = ARGUMENTS;
        self.change(&[server, arguments, last], &Operation::Set(value, place))
    }

    /// Removes the flag, and what would be left without content.
    fn disable(&self, given: &Given) -> Result<Edited, Refusal> {
        let stream = self.stream;
        let is_only = |collection: usize| {
            let first = collection + 1;
            let end = stream.event(collection).link as usize;
            let after = if stream.is_mapping(collection) {
                stream.after(stream.after(first))
            } else {
                stream.after(first)
            };
            after == end
        };
        let [server, arguments] = ARGUMENTS;
        let entry = stream
            .entries(self.root)
            .find(|(key, _)| stream.text(*key) == "apiServer");
        let Some(((key, node), list)) = entry.zip(self.arguments()) else {
            return self.change(&Self::path(given), &Operation::Remove);
        };
        if !is_only(list) {
            return self.change(&Self::path(given), &Operation::Remove);
        }
        if !is_only(node) {
            return self.change(&[server, arguments], &Operation::Remove);
        }
        if self.is_where_enabling_puts_it(key) {
            return self.change(&[server], &Operation::Remove);
        }
        if stream.is_flow(node) {
            return self.change(&[server, arguments], &Operation::Remove);
        }
        // as kubeadm writes it
        let empty = Operation::Set(Value::Mapping(Vec::new()), Place::Sorted);
        self.change(&[server], &empty)
    }

    /// An entry that enabling adds is the first one in braces, and in a block the one after `kind`.
    fn is_where_enabling_puts_it(&self, key: usize) -> bool {
        let stream = self.stream;
        let mut entries = stream.entries(self.root).map(|(key, _)| key);
        if stream.is_flow(self.root) {
            return entries.next() == Some(key);
        }
        let kind = entries.find(|key| stream.text(*key) == "kind");
        kind.is_some() && entries.next() == Some(key)
    }
}
