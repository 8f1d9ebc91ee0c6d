//! kubeadm's patch files (`--patches DIR`, `kubeletconfiguration` since Kubernetes 1.25): which ones are about a
//! KubeletConfiguration, and what the edit means in them.
//!
//! A file is called `target[suffix][+type].extension` (`parseFilename` in cmd/kubeadm/app/util/patches); kubeadm sorts the files
//! by their names and applies one after the other.

pub(super) mod json;

use std::path::Path;

use crate::kubelet::config::{self, Spelling};
use crate::kubelet::goyaml::lookup;
use crate::kubelet::meta::{KEY, KIND, meta};
use crate::kubelet::{Bootstrap, Refusal, SecondDocument, Shape};
use crate::yaml::{EventKind, Stream, Style};

/// The name of the patch file that this program writes where none exists.
pub const FILE_NAME: &str = "kubeletconfiguration0+merge.yaml";

/// kubeadm's name of a patched KubeletConfiguration.
const TARGET: &str = "kubeletconfiguration";

/// How kubeadm applies a patch file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// Strategic merge, kubeadm's default.
    Strategic,
    /// A merge patch (RFC 7386).
    Merge,
    /// A list of operations (RFC 6902).
    Json,
}

impl PatchType {
    /// The type of a patch of a KubeletConfiguration that a file of this name is; none if kubeadm does not take the file for
    /// one.
    pub fn of_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(TARGET)?;
        let stem = rest
            .strip_suffix(".yaml")
            .or_else(|| rest.strip_suffix(".json"))?;
        match stem.split_once('+') {
            _ if stem.contains(['.', '\n']) => None,
            None | Some((_, "strategic")) => Some(Self::Strategic),
            Some((_, "merge")) => Some(Self::Merge),
            Some((_, "json")) => Some(Self::Json),
            Some(_) => None,
        }
    }

    /// The same for a name that only ends so, as in `10-kubeletconfiguration0+merge.yaml`: kubeadm does not take such a file,
    /// but its name says what it is meant to be.
    pub(super) fn of_end_of_name(name: &str) -> Option<Self> {
        let start = name.rfind(TARGET)?;
        let head = name.get(..start)?;
        let separated = head.is_empty() || head.ends_with(['-', '_', '.']);
        separated
            .then(|| Self::of_name(name.get(start..)?))
            .flatten()
    }
}

/// A patch file as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchFile {
    /// Its name, without the directory.
    pub name: String,
    /// How kubeadm applies it, by its name.
    pub patch_type: PatchType,
    /// The content of the file, unparsed.
    pub bytes: Vec<u8>,
}

/// The file in which the key is to be set, of patches in kubeadm's order: the last one that sets it, because that one wins;
/// else the last one. None if no patch exists.
pub fn deciding(patches: &[PatchFile]) -> Option<&PatchFile> {
    let sets = patches.iter().rev().find(|patch| patch.sets_the_key());
    sets.or(patches.last())
}

/// The directory of patches in which one of these files is: to be given to `kubeadm --patches`.
pub fn directory<'a>(edited: impl IntoIterator<Item = &'a Path>) -> Option<&'a Path> {
    let mut edited = edited.into_iter();
    let patch = edited.find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(PatchType::of_name).is_some()
    })?;
    patch.parent()
}

impl PatchFile {
    fn sets_the_key(&self) -> bool {
        let Ok(stream) = Stream::parse_start(&self.bytes) else {
            return false;
        };
        let mut roots = stream.documents.iter().map(|document| document.root);
        match self.patch_type {
            PatchType::Json => roots.any(|root| json::operation(&stream, root).is_some()),
            _ => roots.any(|root| lookup(&stream, root, KEY).is_some()),
        }
    }
}

/// Where the edit belongs in a patch.
#[derive(Debug)]
pub(super) enum PatchPlace {
    /// In this value of the only document.
    Root(usize),
    /// The file has comments at most; this is what it should read.
    Fresh(Vec<u8>),
}

pub(super) fn place(
    stream: &Stream<'_>,
    patch_type: PatchType,
    wanted: Bootstrap,
) -> Result<PatchPlace, Refusal> {
    let documents = stream.documents.as_slice();
    if let Some(second) = documents.get(1) {
        let shape = Shape::SecondDocument(SecondDocument::Patch);
        return Err(Refusal::at(stream.position(second.root), shape));
    }
    let root = documents.first().map(|document| document.root);
    let Some(root) = root.filter(|root| !stream.is_absent(*root)) else {
        return Ok(PatchPlace::Fresh(fresh(stream.source, patch_type, wanted)));
    };
    let refuse = |shape: Shape| Err(Refusal::at(stream.position(root), shape));
    match (patch_type, meta(stream, root).kind) {
        (PatchType::Json, _) => Ok(PatchPlace::Root(root)),
        _ if !stream.is_mapping(root) => refuse(Shape::NotMapping),
        (_, None | Some(KIND)) => Ok(PatchPlace::Root(root)),
        (_, Some(kind)) => refuse(Shape::OtherKind(kind.to_owned())),
    }
}

/// The entry after which a new one can be written: `kind`, else the first with a value on one line.
pub(super) fn anchor(stream: &Stream<'_>, root: usize) -> Result<(usize, usize), Refusal> {
    let found = config::look(stream, root, Spelling::Exact)?;
    let is_plain = |value: usize| {
        matches!(
            stream.event(value).kind,
            EventKind::Scalar(Style::Plain | Style::Quoted) | EventKind::Alias
        )
    };
    let first = stream.entries(root).find(|(_, value)| is_plain(*value));
    Ok(if is_plain(found.kind.1) {
        found.kind
    } else {
        first.unwrap_or(found.kind)
    })
}

/// What a file with comments at most reads with the key in it. Without the key a patch changes nothing, so disabling adds
/// nothing.
fn fresh(source: &str, patch_type: PatchType, wanted: Bootstrap) -> Vec<u8> {
    if wanted == Bootstrap::Disabled {
        return source.as_bytes().to_vec();
    }
    let eol = if source.is_empty() || source.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let lines = match patch_type {
        PatchType::Json => json::FRESH.to_owned(),
        PatchType::Strategic | PatchType::Merge => format!("{KEY}: true\n"),
    };
    format!("{source}{eol}{lines}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_kubeadm_reads_them() {
        for (name, is) in [
            ("kubeletconfiguration.yaml", Some(PatchType::Strategic)),
            ("kubeletconfiguration0.json", Some(PatchType::Strategic)),
            (
                "kubeletconfiguration-pool-a+strategic.yaml",
                Some(PatchType::Strategic),
            ),
            (FILE_NAME, Some(PatchType::Merge)),
            ("kubeletconfiguration1+json.json", Some(PatchType::Json)),
            ("kubeletconfiguration+merge.yml", None),
            ("kubeletconfiguration0.x+merge.yaml", None),
            ("kubeletconfiguration0+patch.yaml", None),
            ("kube-apiserver0+merge.yaml", None),
            ("a-kubeletconfiguration.yaml", None),
        ] {
            assert_eq!(PatchType::of_name(name), is, "{name}");
        }
        let end = |name: &str| PatchType::of_end_of_name(name);
        assert_eq!(
            end("10-kubeletconfiguration0+merge.yaml"),
            Some(PatchType::Merge)
        );
        assert_eq!(end("mykubeletconfiguration0+merge.yaml"), None);
    }
}
