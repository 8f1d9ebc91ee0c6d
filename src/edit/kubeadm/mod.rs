//! kubeadm's configuration file: several documents, which ones there are, and what the edit means among them.

mod arguments;
mod pieces;

pub(super) use pieces::{json_piece, refuse_unseen_documents};

use arguments::{Arguments, FLAG};

use crate::kubelet::config::{self, GATE, Spelling};
use crate::kubelet::meta::{KEY, KIND, Meta, meta};
use crate::kubelet::{Bootstrap, Effect, Position, Refusal, Shape, Warning, warnings};
use crate::text::shown;
use crate::yaml::{Document, Stream};

/// The API group of kubeadm's own kinds.
pub(crate) const GROUP: &str = "kubeadm.k8s.io";

/// Where in the file the edit belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KubeadmPlace {
    /// In this document, which is there.
    Document(usize),
    /// In a document yet to be appended.
    Append,
    /// Nowhere: the defaults already say so.
    Nowhere,
    /// Nowhere: a flag in this place already says so.
    Flag(Position),
}

/// Where the edit belongs, and what is to be said about it.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) place: KubeadmPlace,
    pub(super) warnings: Vec<Warning>,
    /// Why kubeadm would not read the edited document, where that is so.
    pub(super) without_effect: Option<Refusal>,
}

/// A document is of one of kubeadm's own kinds.
pub(crate) fn is_kubeadms(meta: &Meta<'_>) -> bool {
    meta.api_version
        .is_some_and(|version| version.split('/').next() == Some(GROUP))
}

/// The documents of a file, sorted by what they are to the edit.
#[derive(Default)]
struct KubeadmDocuments {
    kubelets: Vec<(usize, usize)>,
    /// The roots of ClusterConfiguration and InitConfiguration.
    init: Vec<usize>,
    join: Option<usize>,
    /// The kinds of kubeadm's own documents.
    kinds: Vec<String>,
}

/// Finds the KubeletConfiguration, or where one should be, or says why it would not help.
pub(super) fn place(stream: &Stream<'_>, wanted: Bootstrap) -> Result<Placed, Refusal> {
    refuse_unseen_documents(stream)?;
    let mut warnings = Vec::new();
    let found = find(stream, &mut warnings)?;
    let initialises = !found.init.is_empty();
    let mut without_effect = None;
    let place = match (found.kubelets.as_slice(), found.join) {
        ([_, (_, second), ..], _) => {
            let at = stream.position(*second);
            return Err(Refusal::at(at, Shape::SecondKubeletForKubeadm));
        }
        (kubelets, Some(join)) if !initialises => {
            let document = kubelets.first().copied();
            let (place, refusal) = place_in_join(stream, join, document, wanted, &mut warnings)?;
            without_effect = refusal;
            place
        }
        ([(number, root)], _) => {
            config::check(stream, *root)?;
            if !initialises {
                let message = "kubeadm init refuses a file without a ClusterConfiguration or an InitConfiguration";
                warnings.push(Warning::at(stream.position(*root), message));
            }
            KubeadmPlace::Document(*number)
        }
        ([], _) if wanted == Bootstrap::Disabled => KubeadmPlace::Nowhere,
        ([], _) if initialises => KubeadmPlace::Append,
        ([], _) => return Err(refuse_without_effect(stream, found.kinds)),
    };
    let kubelet = found.kubelets.first().map(|(_, root)| *root);
    for root in &found.init {
        look_at_flags(stream, *root, kubelet, wanted, &mut warnings)?;
    }
    if let (Some(join), true) = (found.join, initialises) {
        let message = "kubeadm join does not read a KubeletConfiguration: for nodes that join, set the key in the cluster: kubelet-tls cluster apply";
        warnings.push(Warning::at(stream.position(join), message));
    }
    pieces::warn_empty(stream, place == KubeadmPlace::Append, &mut warnings);
    Ok(Placed {
        place,
        warnings,
        without_effect,
    })
}

fn find(stream: &Stream<'_>, warnings: &mut Vec<Warning>) -> Result<KubeadmDocuments, Refusal> {
    let mut found = KubeadmDocuments::default();
    for (number, Document { root, .. }) in stream.documents.iter().enumerate() {
        // a merge or a second key may give a document another kind than it seems to have
        config::look(stream, *root, Spelling::Exact)?;
        let meta = meta(stream, *root);
        if meta.kind == Some(KIND) {
            found.kubelets.push((number, *root));
        } else if meta.kind.is_none() && !stream.is_absent(*root) {
            let at = stream.position(*root);
            return Err(Refusal::at(at, Shape::NoKindForKubeadm));
        } else if is_kubeadms(&meta) {
            match meta.kind {
                Some("ClusterConfiguration" | "InitConfiguration") => found.init.push(*root),
                Some("JoinConfiguration") => found.join = Some(*root),
                _ => {}
            }
            found.kinds.extend(meta.kind.map(shown));
            warn_misplaced(stream, *root, meta.kind.unwrap_or_default(), warnings);
        }
    }
    Ok(found)
}

/// Only `kubeadm init` reads a KubeletConfiguration from the file; a node that joins takes the cluster's, and its flags from the
/// JoinConfiguration. The flag is the same field as the key and beats it (`kubeletConfigFlagPrecedence`).
fn place_in_join(
    stream: &Stream<'_>,
    join: usize,
    kubelet: Option<(usize, usize)>,
    wanted: Bootstrap,
    warnings: &mut Vec<Warning>,
) -> Result<(KubeadmPlace, Option<Refusal>), Refusal> {
    let enable = wanted == Bootstrap::Enabled;
    let arguments = Arguments::read(stream, join);
    arguments.warn_unquoted(warnings);
    let flag = arguments.bootstrap();
    if let Some(flag) = flag.as_ref().filter(|flag| flag.value != enable) {
        return Err(Refusal::at(flag.position, Effect::JoinFlag(flag.value)));
    }
    if enable {
        arguments.refuse_fatal_gate(false)?;
    }
    let at = stream.position(join);
    match (flag, kubelet) {
        (Some(flag), _) if enable => Ok((KubeadmPlace::Flag(flag.position), None)),
        (_, Some((number, root))) => {
            config::check(stream, root)?;
            let refusal = enable.then(|| Refusal::at(at, Effect::BesideJoin));
            Ok((KubeadmPlace::Document(number), refusal))
        }
        (_, None) if enable => Err(Refusal::at(at, Effect::Join)),
        (_, None) => Ok((KubeadmPlace::Nowhere, None)),
    }
}

/// kubeadm gives the kubelet of this node its flags from here.
fn look_at_flags(
    stream: &Stream<'_>,
    root: usize,
    kubelet: Option<usize>,
    wanted: Bootstrap,
    warnings: &mut Vec<Warning>,
) -> Result<(), Refusal> {
    let enable = wanted == Bootstrap::Enabled;
    let arguments = Arguments::read(stream, root);
    arguments.warn_unquoted(warnings);
    if enable {
        let named = kubelet.is_some_and(|root| config::gate(stream, root, GATE).is_some());
        arguments.refuse_fatal_gate(named)?;
    }
    if let Some(flag) = arguments.bootstrap().filter(|flag| flag.value != enable) {
        let message = format!(
            "the flag {FLAG} is {} here, and on this node it overrides {KEY}",
            flag.value
        );
        warnings.push(Warning::at(flag.position, message));
    }
    Ok(())
}

fn refuse_without_effect(stream: &Stream<'_>, kinds: Vec<String>) -> Refusal {
    let first = stream.documents.first();
    let effect = if kinds.is_empty() {
        Effect::NoKubeadm
    } else {
        Effect::Beside(kinds)
    };
    Refusal {
        position: first.map(|document| stream.position(document.root)),
        cause: effect.into(),
    }
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
