//! The edit: bytes in, bytes out, or a refusal.

pub(crate) mod kubeadm;

use crate::kubelet::Bootstrap;
use crate::kubelet::config::{self, Found, KEY, Spelling};
use crate::kubelet::goyaml::{self, FALSE_WORDS, NULL_WORDS, State, TRUE_WORDS};
use crate::kubelet::verdict::{Refusal, Warning};
use crate::kubelet::warnings;
use crate::yaml::{self, Claim, Format, Planned, Position, Splice, Stream};
use kubeadm::Place;

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
}

impl FileKind {
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
            |document: &yaml::Document| kubeadm::is_kubeadms(&config::meta(&stream, document.root));
        if stream.documents.iter().any(is_kubeadms) {
            FileKind::Kubeadm
        } else {
            FileKind::Kubelet
        }
    }
}

/// What an edit changed. Lines are counted from 1, in the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: the file already says so.
    None,
    /// The value in this line.
    Replaced {
        /// The line.
        line: usize,
    },
    /// This line is new, or in braces has a new key.
    Inserted {
        /// The line.
        line: usize,
    },
    /// A document is new, which starts in this line.
    Appended {
        /// The line.
        line: usize,
    },
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
}

/// Sets `serverTLSBootstrap` in a file, every other byte kept.
///
/// The result is proved before it is returned: two parsers read it as the file before, but for this one value.
/// `Disabled` never adds anything, because the kubelet's default is `false` (`SetDefaults_KubeletConfiguration`).
pub fn edit(before: &[u8], kind: FileKind, wanted: Bootstrap) -> Result<Edited, Refusal> {
    let stream = Stream::parse(before)?;
    let mut warnings = Vec::new();
    let place = match kind {
        FileKind::Kubeadm => kubeadm::place(&stream, wanted, &mut warnings)?,
        FileKind::Kubelet => Place::Document(config::find(&stream)?),
        FileKind::DropIn => Place::Document(config::find_drop_in(&stream)?),
    };
    let (splice, format, claim) = match place {
        Place::Document(document) => {
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
                warnings::warn_kindless(&stream, root, &mut warnings);
            }
            if wanted == Bootstrap::Enabled {
                config::refuse_fatal_gate(&stream, root)?;
                warnings::warn(&stream, root, spelling, &mut warnings);
            }
            let found = config::look(&stream, root, spelling)?;
            let format = format(&stream, kind, document);
            let key = found.entry.map_or(KEY, |(key, _)| stream.text(key));
            let claim = Claim {
                document,
                key,
                word: wanted.word(),
            };
            match step(&stream, kind, root, &found, wanted)? {
                Step::Set(splice) => (splice, format, claim),
                Step::Keep(values) => {
                    yaml::confirm(&stream, &format, document, key, &values)?;
                    return Ok(unchanged(before, warnings));
                }
            }
        }
        Place::Append => {
            let line = format!("{KEY}: {}", wanted.word());
            let splice = yaml::append(
                &stream,
                &[config::API_VERSION_LINE, config::KIND_LINE, &line],
            )?;
            let document = stream.documents.len() - usize::from(splice.planned == Planned::Filled);
            (
                splice,
                Format::Yaml,
                Claim {
                    document,
                    key: KEY,
                    word: wanted.word(),
                },
            )
        }
        Place::Nowhere => return Ok(unchanged(before, warnings)),
    };
    let after = yaml::prove(&stream, &splice, &format, claim)?;
    Ok(Edited {
        after,
        change: change(&stream, &splice),
        warnings,
    })
}

/// What is to be done with a document that is there.
enum Step {
    Set(Splice),
    /// The key has one of these values, or is not there if there are none; that is wanted.
    Keep(Vec<&'static str>),
}

fn step(
    stream: &Stream<'_>,
    kind: FileKind,
    root: usize,
    found: &Found,
    wanted: Bootstrap,
) -> Result<Step, Refusal> {
    let Some((key, value)) = found.entry else {
        return match (wanted, kind) {
            (Bootstrap::Disabled, _) => Ok(Step::Keep(Vec::new())),
            (Bootstrap::Enabled, FileKind::DropIn) => Err(Refusal::input(
                Some(stream.position(root)),
                format!("this drop-in does not have {KEY}"),
                "set it in the file of the kubelet's --config, or in a drop-in that has it",
            )),
            (Bootstrap::Enabled, _) => Ok(Step::Set(yaml::insert(
                stream,
                root,
                found.kind,
                KEY,
                wanted.word(),
            )?)),
        };
    };
    Ok(match (goyaml::boolean(stream, value), wanted) {
        (State::True, Bootstrap::Enabled) => Step::Keep(TRUE_WORDS.to_vec()),
        (State::False | State::Null, Bootstrap::Disabled) => {
            Step::Keep([FALSE_WORDS, NULL_WORDS].concat())
        }
        _ => Step::Set(yaml::replace(stream, key, value, wanted.word())?),
    })
}

fn unchanged(before: &[u8], warnings: Vec<Warning>) -> Edited {
    Edited {
        after: before.to_vec(),
        change: Change::None,
        warnings,
    }
}

/// What starts with `{` is read as JSON (`hasJSONPrefix` in apimachinery's pkg/util/yaml/decoder.go).
fn format(stream: &Stream<'_>, kind: FileKind, document: usize) -> Format {
    match kind {
        FileKind::Kubeadm => {
            kubeadm::json_piece(stream, document).map_or(Format::Yaml, Format::YamlWithJson)
        }
        _ if stream.source.trim_start().starts_with('{') => Format::Json,
        _ => Format::Yaml,
    }
}

fn change(stream: &Stream<'_>, splice: &Splice) -> Change {
    let line = Position::of(stream.source, splice.at.start).line;
    let skipped = usize::from(splice.text.starts_with(['\r', '\n']));
    match splice.planned {
        Planned::Replaced { .. } => Change::Replaced { line },
        Planned::Inserted { .. } => Change::Inserted {
            line: line + skipped,
        },
        Planned::Appended | Planned::Filled => Change::Appended {
            line: line + skipped,
        },
    }
}
