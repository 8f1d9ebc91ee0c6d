//! A KubeletConfiguration: which document it is, what it says of `serverTLSBootstrap`, and what speaks against changing that.

use std::collections::BTreeSet;

use super::goyaml::{State, boolean, lookup};
use super::verdict::{Refusal, shown};
use crate::yaml::{Kind, Position, Stream, Tag};

/// The key.
pub(crate) const KEY: &str = "serverTLSBootstrap";
/// Its name in the kubelet's internal type, which drop-ins are merged into.
const INTERNAL_KEY: &str = "ServerTLSBootstrap";
/// The only version of the group that has a KubeletConfiguration, since Kubernetes 1.10.
pub(crate) const API_VERSION: &str = "kubelet.config.k8s.io/v1beta1";
pub(crate) const API_VERSION_LINE: &str = "apiVersion: kubelet.config.k8s.io/v1beta1";
pub(crate) const KIND: &str = "KubeletConfiguration";
pub(crate) const KIND_LINE: &str = "kind: KubeletConfiguration";

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

/// What a document calls itself: the texts of its keys `apiVersion` and `kind`.
#[derive(Debug, Default)]
pub(crate) struct Meta<'s> {
    pub(crate) api_version: Option<&'s str>,
    pub(crate) kind: Option<&'s str>,
}

/// What is found in a KubeletConfiguration.
#[derive(Debug)]
pub(crate) struct Found {
    /// Key and value of `serverTLSBootstrap`.
    pub(crate) entry: Option<(usize, usize)>,
    /// Key and value of `kind`; in a drop-in without one, the first.
    pub(crate) kind: (usize, usize),
}

/// What a document calls itself, as far as that can be seen.
pub(crate) fn meta<'s>(stream: &'s Stream<'_>, root: usize) -> Meta<'s> {
    let mut meta = Meta::default();
    for (key, value) in stream.entries(root) {
        match stream.text(key) {
            "apiVersion" => meta.api_version = string(stream, value),
            "kind" => meta.kind = string(stream, value),
            _ => {}
        }
    }
    meta
}

/// A value that is a text.
pub(crate) fn string<'s>(stream: &'s Stream<'_>, value: usize) -> Option<&'s str> {
    let value = stream.target(value);
    let is_string =
        stream.is_scalar(value) && matches!(stream.event(value).tag, Tag::None | Tag::Str);
    is_string.then(|| stream.text(value))
}

/// The document the kubelet reads: the first, and it must be a KubeletConfiguration.
pub(crate) fn find(stream: &Stream<'_>) -> Result<usize, Refusal> {
    let Some(first) = stream.documents.first() else {
        return Err(Refusal::input(START, "the file is empty", EXPECTED));
    };
    let is_kubelets = |meta: &Meta<'_>| meta.kind == Some(KIND);
    let others: Vec<usize> = stream
        .documents
        .iter()
        .skip(1)
        .map(|document| document.root)
        .collect();
    let other = others
        .into_iter()
        .find(|root| is_kubelets(&meta(stream, *root)));
    let root = first.root;
    match (is_kubelets(&meta(stream, root)), other) {
        (true, None) => check(stream, root).map(|()| 0),
        (true, Some(second)) => Err(Refusal::input(
            Some(stream.position(second)),
            "a second KubeletConfiguration, which the kubelet does not read",
            "keep one of the two",
        )),
        (false, Some(second)) => Err(Refusal::input(
            Some(stream.position(second)),
            "the KubeletConfiguration is not the first document, and the kubelet reads no other",
            "move it to the top, or remove what is above it",
        )),
        (false, None) => check(stream, root).map(|()| 0),
    }
}

/// A drop-in's document: the kubelet asks for a kind, and looks at nothing else of it.
pub(crate) fn find_drop_in(stream: &Stream<'_>) -> Result<usize, Refusal> {
    match stream.documents.as_slice() {
        [] => Err(Refusal::input(START, "the drop-in is empty", EXPECTED)),
        [only] if stream.is_mapping(only.root) => match meta(stream, only.root).kind {
            Some(KIND) | None => Ok(0),
            Some(kind) => Err(Refusal::input(
                Some(stream.position(only.root)),
                format!("this is a {}", shown(kind)),
                EXPECTED,
            )),
        },
        [only] => Err(Refusal::input(
            Some(stream.position(only.root)),
            "this is not a mapping",
            EXPECTED,
        )),
        [_, second, ..] => {
            let reason = "a second document, which the kubelet does not read";
            Err(Refusal::input(
                Some(stream.position(second.root)),
                reason,
                "make it a drop-in of its own",
            ))
        }
    }
}

const START: Option<Position> = Some(Position { line: 1, column: 1 });

const EXPECTED: &str = "a KubeletConfiguration starts with these lines: apiVersion: kubelet.config.k8s.io/v1beta1, kind: KubeletConfiguration";

/// A document is a KubeletConfiguration of the version the kubelet knows.
pub(crate) fn check(stream: &Stream<'_>, root: usize) -> Result<(), Refusal> {
    let position = Some(stream.position(root));
    if !stream.is_mapping(root) {
        let what = if stream.is_absent(root) {
            "an empty document"
        } else {
            "not a mapping of keys to values"
        };
        return Err(Refusal::input(
            position,
            format!("this is {what}, not a KubeletConfiguration"),
            EXPECTED,
        ));
    }
    let has_merge = stream
        .entries(root)
        .any(|(key, _)| stream.text(key) == "<<");
    match meta(stream, root) {
        Meta {
            api_version: Some(API_VERSION),
            kind: Some(KIND),
        } => Ok(()),
        Meta {
            api_version: Some(other),
            kind: Some(KIND),
        } => Err(Refusal::input(
            position,
            format!(
                "apiVersion {} is not one of KubeletConfiguration",
                shown(other)
            ),
            format!("the kubelet reads {API_VERSION} only"),
        )),
        Meta {
            api_version: None,
            kind: Some(KIND),
        } => Err(Refusal::input(
            position,
            "this KubeletConfiguration has no apiVersion",
            EXPECTED,
        )),
        Meta {
            kind: Some("List"), ..
        } => Err(Refusal::input(
            position,
            "this is a List, which the kubelet does not read",
            "take the KubeletConfiguration out of its items, into a file of its own",
        )),
        Meta {
            kind: Some("ConfigMap"),
            ..
        } => Err(Refusal::input(
            position,
            "this is a ConfigMap, not the KubeletConfiguration in it",
            "to change it in the cluster: kubelet-tls cluster apply",
        )),
        Meta {
            kind: Some(kind), ..
        } => Err(Refusal::input(
            position,
            format!("this is a {}, not a KubeletConfiguration", shown(kind)),
            EXPECTED,
        )),
        Meta { kind: None, .. } if has_merge => Err(merge_refusal(stream, root)),
        Meta { kind: None, .. } => Err(Refusal::input(
            position,
            "this document has no kind",
            EXPECTED,
        )),
    }
}

fn merge_refusal(stream: &Stream<'_>, root: usize) -> Refusal {
    let merge = stream
        .entries(root)
        .find(|(key, _)| stream.text(*key) == "<<")
        .map_or(root, |(key, _)| key);
    let reason = "a merge key (<<) at the top level, which may set or override any other key";
    Refusal::input(
        Some(stream.position(merge)),
        reason,
        "write the merged keys out",
    )
}

/// Looks a document through: one plain meaning for each of its keys, and the value of the one wanted.
pub(crate) fn look(stream: &Stream<'_>, root: usize, spelling: Spelling) -> Result<Found, Refusal> {
    let refuse = |key: usize, reason: String, advice: &str| {
        Err(Refusal::input(Some(stream.position(key)), reason, advice))
    };
    if !matches!(stream.event(root).tag, Tag::None | Tag::Map) {
        return refuse(root, "the document has a tag".to_owned(), "remove the tag");
    }
    let mut seen = BTreeSet::new();
    let mut entry: Option<(usize, usize)> = None;
    let mut kind = None;
    for (key, value) in stream.entries(root) {
        let event = stream.event(key);
        let text = stream.text(key);
        match event.kind {
            Kind::Alias => return refuse(key, "an alias as a key".to_owned(), "write the key out"),
            // a collection as a key is another matter: it is never the key wanted
            Kind::Scalar(_) if text == "<<" => return Err(merge_refusal(stream, root)),
            Kind::Scalar(_) if !matches!(event.tag, Tag::None | Tag::Str) => {
                return refuse(key, "a key with a tag".to_owned(), "remove the tag");
            }
            Kind::Scalar(_) => {}
            _ => continue,
        }
        if !seen.insert(text) {
            return refuse(
                key,
                format!("the key {} is here a second time", shown(text)),
                "keep one of the two",
            );
        }
        if spelling.matches(text, KEY) {
            // see Settings::read_with_drop_ins
            if spelling == Spelling::AnyCase && text < INTERNAL_KEY {
                let reason = format!("the kubelet does not read a key that is spelled {text}");
                return refuse(key, reason, "spell it serverTLSBootstrap");
            }
            if entry.is_some() {
                let reason = format!("the key {text} differs from another in case only");
                return refuse(key, reason, "keep one of the two");
            }
            entry = Some((key, value));
        }
        if kind.is_none() || text == "kind" {
            kind = Some((key, value));
        }
    }
    Ok(Found {
        entry,
        kind: kind.unwrap_or((root, root)),
    })
}

/// With the feature gate off, `serverTLSBootstrap: true` ends the kubelet (`ValidateKubeletConfiguration`; still so in
/// 1.37). `AllBeta: false` turns it off too, unless it is named beside it (`setUnsetBetaGates` in component-base).
pub(crate) fn refuse_fatal_gate(stream: &Stream<'_>, root: usize) -> Result<(), Refusal> {
    const GATE: &str = "RotateKubeletServerCertificate";
    let gate = |name: &str| {
        lookup(stream, root, "featureGates").and_then(|gates| lookup(stream, gates, name))
    };
    let (name, value) = match (gate(GATE), gate("AllBeta")) {
        (Some(value), _) => (GATE, value),
        (None, Some(value)) => ("AllBeta", value),
        (None, None) => return Ok(()),
    };
    if boolean(stream, value) != State::False {
        return Ok(());
    }
    let reason = format!(
        "{name} is false here, and with it the kubelet does not start if serverTLSBootstrap is true"
    );
    let advice = format!("remove {name} from featureGates, or set {GATE}: true there");
    Err(Refusal::effect(
        Some(stream.position(value)),
        reason,
        advice,
    ))
}
