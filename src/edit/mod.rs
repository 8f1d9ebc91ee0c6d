//! The edit: bytes in, bytes out, or a refusal.

pub mod api_server;
pub(crate) mod kubeadm;
pub mod patch;

use crate::kubelet::config::{self, ConfigEntries, Spelling};
use crate::kubelet::goyaml::{self, BooleanState, FALSE_WORDS, NULL_WORDS, TRUE_WORDS};
use crate::kubelet::meta::{self, API_VERSION, KEY, KIND};
use crate::kubelet::{Bootstrap, Refusal, Shape, Warning, recognise, warnings};
pub use crate::yaml::Change;
use crate::yaml::{self, Kept, Operation, Position, Stream, Syntax, Value};
use kubeadm::{KubeadmPlace, Placed};
use patch::PatchType;

/// What reads the file, which decides what its bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// The kubelet, through `--config`: the first document, strictly a KubeletConfiguration.
    Kubelet,
    /// `kubeadm init` or `join`, through `--config`: documents of several kinds.
    Kubeadm,
    /// The kubelet, through `--config-dir`: a merge patch, whose keys are matched without regard to case. A key is
    /// changed there if it is there, never added.
    DropIn,
    /// `kubeadm --patches`: a patch of the KubeletConfiguration.
    Patch(PatchType),
}

impl FileKind {
    /// What reads a file of this name with these bytes: kubeadm as a patch if the name says so and the content does not say
    /// otherwise by an `apiVersion` and a `kind`, else as [`Self::detect`] has it.
    pub fn of(name: &str, bytes: &[u8]) -> FileKind {
        let Some(patch) = PatchType::of_end_of_name(name) else {
            return FileKind::detect(bytes);
        };
        let is_whole = Stream::parse_start(bytes).is_ok_and(|stream| {
            let first = stream.documents.first();
            let meta = first.map(|document| meta::meta(&stream, document.root));
            meta.is_some_and(|meta| meta.kind.is_some() && meta.api_version.is_some())
        });
        if is_whole && patch != PatchType::Json {
            return FileKind::detect(bytes);
        }
        FileKind::Patch(patch)
    }

    /// What reads a file with these bytes: kubeadm if one of its documents is kubeadm's, else the kubelet.
    pub fn detect(bytes: &[u8]) -> FileKind {
        let group = kubeadm::GROUP.as_bytes();
        // most files need not be parsed for this
        if !bytes.windows(group.len()).any(|window| window == group) {
            return FileKind::Kubelet;
        }
        let Ok(stream) = Stream::parse_start(bytes) else {
            return FileKind::Kubelet;
        };
        let is_kubeadms =
            |document: &yaml::Document| kubeadm::is_kubeadms(&meta::meta(&stream, document.root));
        if stream.documents.iter().any(is_kubeadms) {
            FileKind::Kubeadm
        } else {
            FileKind::Kubelet
        }
    }
}

/// The result of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The file's bytes as they should be.
    pub after: Vec<u8>,
    /// What differs from before.
    pub change: Change,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// Where a flag is that already does what is wanted, if that is why nothing changes.
    pub flag: Option<Position>,
    /// Why nothing would read the change, where that is so: a KubeletConfiguration beside a JoinConfiguration. The bytes are as
    /// they would be; `diff` and `apply` refuse them.
    pub without_effect: Option<Refusal>,
}

/// Sets `serverTLSBootstrap` in a file, every other byte kept.
///
/// The result is checked before it is returned: two parsers read it as the old file, except for this one value.
/// `Disabled` never adds anything, because the kubelet's default is `false` (`SetDefaults_KubeletConfiguration`).
pub fn edit(before: &[u8], kind: FileKind, wanted: Bootstrap) -> Result<Edited, Refusal> {
    refuse_binary(before)?;
    let stream = Stream::parse(before).map_err(|error| unreadable(before, error))?;
    match kind {
        FileKind::Kubeadm => edit_kubeadm(&stream, wanted),
        FileKind::Kubelet => edit_document(&stream, kind, config::find(&stream)?, wanted),
        FileKind::DropIn => edit_document(&stream, kind, config::find_drop_in(&stream)?, wanted),
        FileKind::Patch(patch_type) => match patch::place(&stream, patch_type, wanted)? {
            patch::PatchPlace::Fresh(after) => Ok(fresh(before, after)),
            patch::PatchPlace::Root(root) if patch_type == PatchType::Json => {
                config::refuse_collection_keys(&stream, root)?;
                let edited = patch::json::edit(&stream, root, wanted)?;
                Ok(match edited {
                    Some(edited) => changed(edited, Vec::new()),
                    None => unchanged(&stream, Vec::new()),
                })
            }
            patch::PatchPlace::Root(_) => edit_document(&stream, kind, 0, wanted),
        },
    }
}

/// A file that is not YAML: what it is instead, where that can be told.
fn unreadable(bytes: &[u8], error: yaml::Error) -> Refusal {
    let text = str::from_utf8(bytes).ok();
    match (error.position, text) {
        (Some(position), Some(text)) => match recognise::of_text(text, position.line) {
            Some(foreign) => Refusal::at(position, foreign),
            None => error.into(),
        },
        _ => error.into(),
    }
}

/// A program or an image has a NUL byte early on; UTF-16 has too, and is told apart by its mark.
fn refuse_binary(bytes: &[u8]) -> Result<(), Refusal> {
    const ENOUGH: usize = 1024;
    let is_utf16 = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
    let mut start = bytes.iter().take(ENOUGH);
    if is_utf16 || std::str::from_utf8(bytes).is_ok() || !start.any(|byte| *byte == 0) {
        return Ok(());
    }
    let start = Position { line: 1, column: 1 };
    Err(Refusal::at(start, Shape::Binary))
}

fn edit_kubeadm(stream: &Stream<'_>, wanted: Bootstrap) -> Result<Edited, Refusal> {
    let Placed {
        place,
        warnings,
        without_effect,
    } = kubeadm::place(stream, wanted)?;
    let mut edited = match place {
        KubeadmPlace::Document(document) => {
            edit_document(stream, FileKind::Kubeadm, document, wanted)?
        }
        KubeadmPlace::Append => append(stream, wanted)?,
        KubeadmPlace::Nowhere => unchanged(stream, Vec::new()),
        KubeadmPlace::Flag(position) => Edited {
            flag: Some(position),
            ..unchanged(stream, Vec::new())
        },
    };
    edited.warnings.splice(0..0, warnings);
    edited.without_effect = without_effect;
    Ok(edited)
}

/// Sets the key in a document that is there.
fn edit_document(
    stream: &Stream<'_>,
    kind: FileKind,
    document: usize,
    wanted: Bootstrap,
) -> Result<Edited, Refusal> {
    let mut warnings = Vec::new();
    let root = stream
        .documents
        .get(document)
        .map_or(0, |document| document.root);
    let spelling = if kind == FileKind::DropIn {
        Spelling::AnyCase
    } else {
        Spelling::Exact
    };
    if kind == FileKind::DropIn {
        warnings::warn_kindless(stream, root, &mut warnings);
    }
    if wanted == Bootstrap::Enabled {
        config::refuse_fatal_gate(stream, root)?;
        warnings::warn(stream, root, spelling, &mut warnings);
    }
    let found = config::look(stream, root, spelling)?;
    let format = format(stream, kind, document);
    let key = found.entry.map_or(KEY, |(key, _)| stream.text(key));
    match step(stream, kind, root, &found, wanted)? {
        DocumentStep::Set(place) => {
            let truth = Value::Bool(wanted == Bootstrap::Enabled);
            let path = [yaml::PathStep::Key(key)];
            let operation = Operation::Set(truth, place);
            let edited = yaml::edit(stream, &format, document, &path, &operation)?;
            Ok(changed(edited, warnings))
        }
        DocumentStep::Keep(values) => {
            let kept = if values.is_empty() {
                Kept::Missing
            } else {
                Kept::Words(&values)
            };
            yaml::confirm(stream, &format, document, &[yaml::PathStep::Key(key)], kept)?;
            Ok(unchanged(stream, warnings))
        }
    }
}

/// Adds a KubeletConfiguration at the end of kubeadm's file.
fn append(stream: &Stream<'_>, wanted: Bootstrap) -> Result<Edited, Refusal> {
    let document = Value::Mapping(vec![
        ("apiVersion", Value::Text(API_VERSION)),
        ("kind", Value::Text(KIND)),
        (KEY, Value::Bool(wanted == Bootstrap::Enabled)),
    ]);
    let edited = yaml::append_document(stream, &Syntax::Yaml, &document)?;
    Ok(changed(edited, Vec::new()))
}

/// A file that had no content: what it reads now was written here, so nothing of before can be lost in it.
fn fresh(before: &[u8], after: Vec<u8>) -> Edited {
    let change = if before == after.as_slice() {
        Change::None
    } else {
        let lines = after.iter().filter(|byte| **byte == b'\n').count();
        Change::Inserted { line: lines }
    };
    Edited {
        after,
        change,
        warnings: Vec::new(),
        flag: None,
        without_effect: None,
    }
}

/// What is to be done with a document that is there.
enum DocumentStep<'s> {
    /// The value is replaced, or added at this place.
    Set(yaml::EntryPlace<'s>),
    /// The key has one of these values, or is absent if the list is empty, and that is what is wanted.
    Keep(Vec<&'static str>),
}

fn step<'s>(
    stream: &'s Stream<'_>,
    kind: FileKind,
    root: usize,
    found: &ConfigEntries,
    wanted: Bootstrap,
) -> Result<DocumentStep<'s>, Refusal> {
    let place =
        |(key, _): (usize, usize)| DocumentStep::Set(yaml::EntryPlace::After(stream.text(key)));
    let Some((_, value)) = found.entry else {
        return match (wanted, kind) {
            (Bootstrap::Disabled, _) => Ok(DocumentStep::Keep(Vec::new())),
            (Bootstrap::Enabled, FileKind::DropIn) => {
                let at = stream.position(root);
                Err(Refusal::at(at, Shape::DropInLacksKey))
            }
            (Bootstrap::Enabled, FileKind::Patch(_)) => patch::anchor(stream, root).map(place),
            (Bootstrap::Enabled, _) => Ok(place(found.kind)),
        };
    };
    Ok(match (goyaml::boolean(stream, value), wanted) {
        (BooleanState::True, Bootstrap::Enabled) => DocumentStep::Keep(TRUE_WORDS.to_vec()),
        (BooleanState::False | BooleanState::Null, Bootstrap::Disabled) => {
            DocumentStep::Keep([FALSE_WORDS, NULL_WORDS].concat())
        }
        _ => place(found.kind),
    })
}

fn changed(edited: yaml::EditedStream, warnings: Vec<Warning>) -> Edited {
    Edited {
        after: edited.after,
        change: edited.change,
        warnings,
        flag: None,
        without_effect: None,
    }
}

fn unchanged(stream: &Stream<'_>, warnings: Vec<Warning>) -> Edited {
    Edited {
        after: stream.source.as_bytes().to_vec(),
        change: Change::None,
        warnings,
        flag: None,
        without_effect: None,
    }
}

/// What starts with `{` is read as JSON (`hasJSONPrefix` in apimachinery's pkg/util/yaml/decoder.go).
fn format(stream: &Stream<'_>, kind: FileKind, document: usize) -> Syntax {
    match kind {
        FileKind::Kubeadm => {
            kubeadm::json_piece(stream, document).map_or(Syntax::Yaml, Syntax::YamlWithJson)
        }
        _ if stream.source.trim_start().starts_with('{') => Syntax::Json,
        _ => Syntax::Yaml,
    }
}
