//! kubeadm's configuration file: several documents, which ones there are, and what the edit means among them.

use std::ops::Range;

use crate::kubelet::config::{self, KEY, Meta, Spelling};
use crate::kubelet::verdict::shown;
use crate::kubelet::{Bootstrap, Refusal, Warning, goyaml, warnings};
use crate::yaml::{Document, Stream};

/// The API group of kubeadm's own kinds.
pub(crate) const GROUP: &str = "kubeadm.k8s.io";

/// Where in the file the edit belongs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this document, which is there.
    Document(usize),
    /// In a document yet to be appended.
    Append,
    /// Nowhere: the defaults already say so.
    Nowhere,
}

/// A document is of one of kubeadm's own kinds.
pub(crate) fn is_kubeadms(meta: &Meta<'_>) -> bool {
    meta.api_version
        .is_some_and(|version| version.split('/').next() == Some(GROUP))
}

/// Finds the KubeletConfiguration, or where one should be, or says why it would not help.
pub(crate) fn place(
    stream: &Stream<'_>,
    wanted: Bootstrap,
    warnings: &mut Vec<Warning>,
) -> Result<Place, Refusal> {
    refuse_unseen_documents(stream)?;
    let mut kubelets = Vec::new();
    let mut initialises = false;
    let mut join = None;
    let mut found = Vec::new();
    for (number, Document { root, .. }) in stream.documents.iter().enumerate() {
        // a merge or a second key may give a document another kind than it seems to have
        config::look(stream, *root, Spelling::Exact)?;
        let meta = config::meta(stream, *root);
        if meta.kind == Some(config::KIND) {
            kubelets.push((number, *root));
        } else if meta.kind.is_none() && !stream.is_absent(*root) {
            let advice =
                "kubeadm refuses a document without apiVersion and kind: complete or remove it";
            return Err(Refusal::input(
                Some(stream.position(*root)),
                "this document has no kind",
                advice,
            ));
        } else if is_kubeadms(&meta) {
            match meta.kind {
                Some("ClusterConfiguration" | "InitConfiguration") => initialises = true,
                Some("JoinConfiguration") => join = Some(*root),
                _ => {}
            }
            if wanted == Bootstrap::Enabled {
                warn_flag(stream, *root, warnings);
            }
            found.extend(meta.kind.map(shown));
            warn_misplaced(stream, *root, meta.kind.unwrap_or_default(), warnings);
        }
    }
    match kubelets.as_slice() {
        [(number, root)] => {
            config::check(stream, *root)?;
            if let (Some(join), Bootstrap::Enabled) = (join, wanted) {
                let message = "kubeadm join does not read a KubeletConfiguration beside a JoinConfiguration: for nodes that join, set the key in the cluster: kubelet-tls cluster apply";
                warnings.push(Warning::at(stream.position(join), message));
            } else if !initialises {
                let message = "kubeadm init refuses a file without a ClusterConfiguration or an InitConfiguration";
                warnings.push(Warning::at(stream.position(*root), message));
            }
            Ok(Place::Document(*number))
        }
        [_, (_, second), ..] => {
            let reason =
                "a second KubeletConfiguration, and kubeadm refuses a kind that is given twice";
            Err(Refusal::input(
                Some(stream.position(*second)),
                reason,
                "keep one of the two",
            ))
        }
        [] if wanted == Bootstrap::Disabled => Ok(Place::Nowhere),
        [] if initialises => {
            warn_empty(stream, warnings);
            Ok(Place::Append)
        }
        [] => Err(refuse_without_effect(stream, join, &found)),
    }
}

/// The flag beats the file (`kubeletConfigFlagPrecedence`), and kubeadm gives the kubelet of this node its flags from here:
/// a mapping up to v1beta3, a list of names and values in v1beta4.
fn warn_flag(stream: &Stream<'_>, root: usize, warnings: &mut Vec<Warning>) {
    const FLAG: &str = "rotate-server-certificates";
    let path = ["nodeRegistration", "kubeletExtraArgs"];
    let args = path
        .iter()
        .try_fold(root, |mapping, key| goyaml::lookup(stream, mapping, key));
    let Some(args) = args.map(|args| stream.target(args)) else {
        return;
    };
    let listed = stream.items(args).filter(|item| {
        goyaml::lookup(stream, *item, "name").is_some_and(|name| stream.text(name) == FLAG)
    });
    let listed = listed.filter_map(|item| goyaml::lookup(stream, item, "value"));
    let value = goyaml::lookup(stream, args, FLAG).or(listed.last());
    if let Some(value) = value.filter(|value| {
        matches!(
            stream.text(*value),
            "false" | "False" | "FALSE" | "f" | "F" | "0"
        )
    }) {
        let message = format!("the flag {FLAG} is false here, and on this node it beats {KEY}");
        warnings.push(Warning::at(stream.position(value), message));
    }
}

/// Only `kubeadm init` reads a KubeletConfiguration from the file; a node that joins takes the cluster's.
fn refuse_without_effect(stream: &Stream<'_>, join: Option<usize>, found: &[String]) -> Refusal {
    match join {
        Some(join) => Refusal::effect(
            Some(stream.position(join)),
            "kubeadm join does not read a KubeletConfiguration from this file",
            "kubelet-tls cluster apply, for all nodes that join; or give this node the flag, under nodeRegistration.kubeletExtraArgs \
             rotate-server-certificates=true; or, from Kubernetes 1.25, a kubeletconfiguration patch in the directory of patches",
        ),
        None => Refusal::effect(
            stream
                .documents
                .first()
                .map(|document| stream.position(document.root)),
            match found {
                [] => "this file has no document of kubeadm's".to_owned(),
                kinds => format!(
                    "kubeadm reads no KubeletConfiguration beside {}",
                    kinds.join(" and ")
                ),
            },
            "use the file of kubeadm init, with a ClusterConfiguration or an InitConfiguration",
        ),
    }
}

/// kubeadm cuts the file at lines before it parses the pieces, and of each piece it reads the first document. So every
/// document must be a piece of its own: begin after a line of `---` and white space (`YAMLReader.Read` in apimachinery's
/// pkg/util/yaml/decoder.go; its releases disagree about a comment after the dashes).
fn refuse_unseen_documents(stream: &Stream<'_>) -> Result<(), Refusal> {
    let advice = "put --- on a line of its own before each document";
    let unseen = |offset: usize, reason: &str| {
        let position = crate::yaml::Position::of(stream.source, offset);
        Err(Refusal::input(Some(position), reason, advice))
    };
    // an empty one without --- may seem to start at the next one's
    let first = stream.documents.first();
    let first = first
        .filter(|document| document.explicit)
        .map(|document| document.start);
    let mut offset = 0;
    let mut cuts = 0;
    for line in stream.source.split_inclusive('\n') {
        let marked = line.len();
        let line = line.trim_start_matches('\u{feff}');
        offset += marked - line.len();
        if let Some(rest) = line.strip_prefix("---") {
            let is_bare = rest.trim().is_empty();
            if !is_bare
                && (Some(offset) != first
                    || !rest.starts_with([' ', '\t'])
                    || !rest.trim_start().starts_with('#'))
            {
                return unseen(offset, "kubeadm does not see that a document begins here");
            }
            cuts += 1;
        }
        if line.starts_with('%') {
            return unseen(
                offset,
                "kubeadm takes a directive for a document of its own, and refuses it",
            );
        }
        offset += line.len();
    }
    let explicit = stream
        .documents
        .iter()
        .filter(|document| document.explicit)
        .count();
    match stream
        .documents
        .iter()
        .skip(1)
        .find(|document| !document.explicit)
    {
        Some(document) => unseen(
            document.start,
            "kubeadm does not see that a document begins here",
        ),
        None if cuts != explicit => {
            unseen(0, "kubeadm and YAML disagree about where documents begin")
        }
        None => Ok(()),
    }
}

/// The bytes of a document that is read as JSON because its piece of the file starts with `{` (`hasJSONPrefix`, same file).
/// The first piece has its `---` in it, if there is one.
pub(crate) fn json_piece(stream: &Stream<'_>, number: usize) -> Option<Range<usize>> {
    let document = stream.documents.get(number)?;
    let start = match number {
        0 => 0,
        _ => document.start + stream.source.get(document.start..)?.find('\n')? + 1,
    };
    let end = stream
        .documents
        .get(number + 1)
        .map_or(stream.source.len(), |next| next.start);
    let piece = stream.source.get(start..end)?;
    piece.trim_start().starts_with('{').then_some(start..end)
}

fn warn_misplaced(stream: &Stream<'_>, root: usize, kind: &str, warnings: &mut Vec<Warning>) {
    let top = stream
        .entries(root)
        .find(|(key, _)| stream.text(*key) == KEY);
    if let Some((key, _)) = top {
        let message = format!(
            "{KEY} has no effect in {}: it belongs in a KubeletConfiguration",
            shown(kind)
        );
        warnings.push(Warning::at(stream.position(key), message));
    }
    warnings::warn_nested(
        stream,
        root,
        "the top level of a KubeletConfiguration",
        warnings,
    );
}

fn warn_empty(stream: &Stream<'_>, warnings: &mut Vec<Warning>) {
    let last = stream.documents.len().saturating_sub(1);
    for Document { root, .. } in stream.documents.iter().take(last) {
        if stream.is_absent(*root) {
            warnings.push(Warning::at(
                stream.position(*root),
                "an empty document, which kubeadm refuses: remove it",
            ));
        }
    }
}
