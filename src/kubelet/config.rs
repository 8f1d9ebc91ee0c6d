//! A KubeletConfiguration: which document it is, what it says of `serverTLSBootstrap`, and what speaks against changing that.

use std::collections::{BTreeMap, BTreeSet};

use super::cause::{Ambiguity, Effect};
use super::goyaml::{BooleanState, boolean, lookup};
use super::meta::{API_VERSION, KEY, KIND, Meta, meta};
use super::recognise;
use super::shape::{SecondDocument, Shape};
use super::verdict::Refusal;
use crate::yaml::{EventKind, Position, Stream, Tag};

/// Its name in the kubelet's internal type, which drop-ins are merged into.
const INTERNAL_KEY: &str = "ServerTLSBootstrap";

/// How keys are matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// As sigs.k8s.io/json does for the file of `--config`.
    Exact,
    /// As encoding/json does for drop-ins.
    AnyCase,
}

impl Spelling {
    pub(crate) fn matches(self, text: &str, key: &str) -> bool {
        match self {
            Spelling::Exact => text == key,
            Spelling::AnyCase => text.eq_ignore_ascii_case(key),
        }
    }
}

/// What is found in a KubeletConfiguration.
#[derive(Debug)]
pub(crate) struct ConfigEntries {
    /// Key and value of `serverTLSBootstrap`.
    pub(crate) entry: Option<(usize, usize)>,
    /// Key and value of `kind`; in a drop-in without one, the first.
    pub(crate) kind: (usize, usize),
}

/// The document the kubelet reads: the first, and it must be a KubeletConfiguration.
pub(crate) fn find(stream: &Stream<'_>) -> Result<usize, Refusal> {
    let Some(first) = stream.documents.first() else {
        return Err(Refusal::at(START, Shape::EmptyFile));
    };
    let is_kubelets = |root: usize| meta(stream, root).kind == Some(KIND);
    let mut others = stream.documents.iter().skip(1);
    let other = others.find(|document| is_kubelets(document.root));
    match (is_kubelets(first.root), other) {
        (true, Some(second)) => Err(Refusal::at(
            stream.position(second.root),
            Shape::SecondKubelet,
        )),
        (false, Some(second)) => Err(Refusal::at(stream.position(second.root), Shape::NotFirst)),
        (true, None) => check(stream, first.root).map(|()| 0),
        (false, None) => match recognise::recognise(stream) {
            Some((foreign, root)) => Err(Refusal::at(stream.position(root), foreign)),
            None => check(stream, first.root).map(|()| 0),
        },
    }
}

/// A drop-in's document: the kubelet asks for a kind, and looks at nothing else of it.
pub(crate) fn find_drop_in(stream: &Stream<'_>) -> Result<usize, Refusal> {
    let at = |root: usize, shape: Shape| Err(Refusal::at(stream.position(root), shape));
    match stream.documents.as_slice() {
        [] => Err(Refusal::at(START, Shape::EmptyFile)),
        [only] if stream.is_mapping(only.root) => match meta(stream, only.root).kind {
            Some(KIND) | None => Ok(0),
            Some(kind) => at(only.root, Shape::OtherKind(kind.to_owned())),
        },
        [only] => at(only.root, Shape::NotMapping),
        [_, second, ..] => at(second.root, Shape::SecondDocument(SecondDocument::DropIn)),
    }
}

const START: Position = Position { line: 1, column: 1 };

/// A document is a KubeletConfiguration of the version the kubelet knows.
pub(crate) fn check(stream: &Stream<'_>, root: usize) -> Result<(), Refusal> {
    let refuse = |shape: Shape| Err(Refusal::at(stream.position(root), shape));
    if stream.is_absent(root) {
        return refuse(Shape::EmptyDocument);
    }
    if !stream.is_mapping(root) {
        return refuse(Shape::NotMapping);
    }
    let mut keys = stream.entries(root).map(|(key, _)| key);
    let merge = keys.find(|key| stream.text(*key) == "<<");
    let Meta { api_version, kind } = meta(stream, root);
    match (kind, api_version) {
        (Some(KIND), Some(API_VERSION)) => Ok(()),
        (Some(KIND), Some(other)) => refuse(Shape::ApiVersion(other.to_owned())),
        (Some(KIND), None) => refuse(Shape::NoApiVersion),
        (Some("List"), _) if lists_one(stream, root) => refuse(Shape::List),
        (Some(kind), Some(version)) if !is_of_the_kubelet(version) => {
            refuse(Shape::Object(kind.to_owned()))
        }
        (Some(kind), _) => refuse(Shape::OtherKind(kind.to_owned())),
        (None, _) => match merge {
            Some(key) => Err(Refusal::at(stream.position(key), Ambiguity::Merge)),
            None => refuse(Shape::NoKind),
        },
    }
}

/// Whether a `List` has a KubeletConfiguration among its items.
fn lists_one(stream: &Stream<'_>, root: usize) -> bool {
    let items = lookup(stream, root, "items").map(|items| stream.items(items));
    let mut items = items.into_iter().flatten();
    items.any(|item| meta(stream, item).kind == Some(KIND))
}

/// Whether an `apiVersion` is one of the group that KubeletConfiguration is in.
fn is_of_the_kubelet(api_version: &str) -> bool {
    let group = API_VERSION.split('/').next();
    api_version.split('/').next() == group
}

/// A mapping or a sequence as a key, anywhere in a document: YAML allows it, goyaml refuses the whole file ("invalid map
/// key"). Templates that were not rendered look so: `{{ name }}` is a mapping whose key is a mapping.
pub(crate) fn refuse_collection_keys(stream: &Stream<'_>, root: usize) -> Result<(), Refusal> {
    let mut open = vec![root];
    while let Some(collection) = open.pop() {
        for (key, value) in stream.entries(collection) {
            let kind = |node: usize| stream.event(node).kind;
            let cause = match (kind(collection), kind(stream.target(key))) {
                (EventKind::FlowMapping, EventKind::FlowMapping) => Ambiguity::Template,
                (_, EventKind::FlowMapping | EventKind::BlockMapping) => {
                    Ambiguity::CollectionKey("mapping")
                }
                (_, EventKind::Sequence) => Ambiguity::CollectionKey("sequence"),
                _ => {
                    open.push(value);
                    continue;
                }
            };
            return Err(Refusal::at(stream.position(key), cause));
        }
        open.extend(stream.items(collection));
    }
    Ok(())
}

/// Looks a document through: one plain meaning for each of its keys, and the value of the one wanted.
pub(crate) fn look(
    stream: &Stream<'_>,
    root: usize,
    spelling: Spelling,
) -> Result<ConfigEntries, Refusal> {
    let refuse = |key: usize, cause: Ambiguity| Err(Refusal::at(stream.position(key), cause));
    if !matches!(stream.event(root).tag, Tag::None | Tag::Map) {
        return refuse(root, Ambiguity::DocumentTag);
    }
    refuse_collection_keys(stream, root)?;
    let mut seen = BTreeSet::new();
    let mut entry: Option<(usize, usize)> = None;
    let mut kind = None;
    for (key, value) in stream.entries(root) {
        let event = stream.event(key);
        let text = stream.text(key);
        match event.kind {
            EventKind::Alias => return refuse(key, Ambiguity::AliasKey),
            EventKind::Scalar(_) if text == "<<" => return refuse(key, Ambiguity::Merge),
            EventKind::Scalar(_) if !matches!(event.tag, Tag::None | Tag::Str) => {
                return refuse(key, Ambiguity::TaggedKey);
            }
            _ => {}
        }
        if !seen.insert(text) {
            return refuse(key, Ambiguity::SecondTime(text.to_owned()));
        }
        if spelling.matches(text, KEY) {
            // see Settings::read_with_drop_ins
            if spelling == Spelling::AnyCase && text < INTERNAL_KEY {
                return refuse(key, Ambiguity::UnreadSpelling(text.to_owned()));
            }
            if entry.is_some() {
                return refuse(key, Ambiguity::CaseOnly(text.to_owned()));
            }
            entry = Some((key, value));
        }
        if kind.is_none() || text == "kind" {
            kind = Some((key, value));
        }
    }
    Ok(ConfigEntries {
        entry,
        kind: kind.unwrap_or((root, root)),
    })
}

/// The feature gate with which `serverTLSBootstrap: true` is fatal when it is off (`ValidateKubeletConfiguration`; still so
/// in 1.37).
pub(crate) const GATE: &str = "RotateKubeletServerCertificate";
/// Turns [`GATE`] off too, unless that is named beside it (`setUnsetBetaGates` in component-base).
pub(crate) const ALL_BETA: &str = "AllBeta";

/// With the feature gate off, `serverTLSBootstrap: true` ends the kubelet.
pub(crate) fn refuse_fatal_gate(stream: &Stream<'_>, root: usize) -> Result<(), Refusal> {
    let (name, value) = match (gate(stream, root, GATE), gate(stream, root, ALL_BETA)) {
        (Some(value), _) => (GATE, value),
        (None, Some(value)) => (ALL_BETA, value),
        (None, None) => return Ok(()),
    };
    if boolean(stream, value) != BooleanState::False {
        return Ok(());
    }
    Err(Refusal::at(stream.position(value), Effect::GateOff(name)))
}

/// The feature gate that is off among `gates`, with its value, so that the key would keep the kubelet from starting.
pub(crate) fn gate_off(gates: &BTreeMap<String, bool>) -> Option<&'static str> {
    match (gates.get(GATE), gates.get(ALL_BETA)) {
        (Some(false), _) => Some("RotateKubeletServerCertificate=false"),
        (None, Some(false)) => Some("AllBeta=false"),
        _ => None,
    }
}

/// The value of a feature gate in a KubeletConfiguration.
pub(crate) fn gate(stream: &Stream<'_>, root: usize, name: &str) -> Option<usize> {
    lookup(stream, root, "featureGates").and_then(|gates| lookup(stream, gates, name))
}
