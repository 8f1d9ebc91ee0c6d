//! The container that runs kube-apiserver in a static Pod: its flags, the files that it sees, and where kubeadm of its
//! version puts one more flag.

use super::{CA_FILE, FLAG, FlagOccurrence, split, text};
use crate::kubelet::goyaml::lookup;
use crate::kubelet::meta::{meta, string};
use crate::kubelet::{ApiServerCause, Position, Refusal};
use crate::yaml::Stream;

/// The kind of a manifest.
pub(super) const KIND: &str = "Pod";

const PROGRAM: &str = "kube-apiserver";

/// The first minor version of Kubernetes 1 whose kubeadm writes extra flags after its own, in the order in which they are
/// given. Up to the one before it sorts all flags by name. (docs/api-server-facts.md, kubeadm)
const UNSORTED_SINCE: u32 = 32;

/// The list that a word is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WordList {
    Command,
    Args,
}

impl WordList {
    pub(super) fn key(self) -> &'static str {
        match self {
            WordList::Command => "command",
            WordList::Args => "args",
        }
    }
}

/// The items of a list that hold the flag.
pub(super) struct Items {
    pub(super) list: WordList,
    /// The index of the first one.
    pub(super) index: usize,
    /// How many they are: `--flag value` is two.
    pub(super) count: usize,
    /// What the last one reads.
    pub(super) last: String,
}

/// A word of the command line.
pub(super) struct CommandWord {
    pub(super) text: String,
    list: WordList,
    /// Its index in the list.
    index: usize,
    position: Position,
}

/// The container that runs kube-apiserver.
pub(super) struct Container {
    /// Its index among the Pod's containers.
    pub(super) index: usize,
    node: usize,
    root: usize,
    /// The minor version of Kubernetes 1, as the tag of its image says.
    minor: Option<u32>,
    /// The words after the program's name.
    pub(super) words: Vec<CommandWord>,
}

impl Container {
    /// The only container of the Pod that runs kube-apiserver.
    pub(super) fn find(stream: &Stream<'_>) -> Result<Self, Refusal> {
        const START: Position = Position { line: 1, column: 1 };
        let Some(first) = stream.documents.first() else {
            return Err(Refusal::at(START, ApiServerCause::OtherFile));
        };
        if let Some(second) = stream.documents.get(1) {
            let at = stream.position(second.root);
            return Err(Refusal::at(at, ApiServerCause::SecondDocument));
        }
        let root = first.root;
        let at = stream.position(root);
        let meta = meta(stream, root);
        if (meta.api_version, meta.kind) != (Some("v1"), Some(KIND)) {
            return Err(Refusal::at(at, ApiServerCause::OtherFile));
        }
        let containers = lookup(stream, root, "spec")
            .and_then(|spec| lookup(stream, spec, "containers"))
            .map(|containers| stream.target(containers));
        let mut found = None;
        let items = containers.map(|containers| stream.items(containers));
        for (index, node) in items.into_iter().flatten().enumerate() {
            let Some(words) = command_line(stream, node)? else {
                continue;
            };
            if found.is_some() {
                let at = stream.position(node);
                return Err(Refusal::at(at, ApiServerCause::SecondContainer));
            }
            let image = lookup(stream, node, "image").and_then(|image| string(stream, image));
            found = Some(Self {
                minor: image.and_then(minor_version),
                index,
                node,
                root,
                words,
            });
        }
        found.ok_or_else(|| Refusal::at(at, ApiServerCause::NoContainer))
    }

    /// Every occurrence of the flag. A flag without `=` has the next word as its value.
    pub(super) fn given(&self) -> Vec<FlagOccurrence<Items>> {
        let mut given = Vec::new();
        for (number, word) in self.words.iter().enumerate() {
            let Some((name, value)) = split(&word.text) else {
                continue;
            };
            if name != FLAG {
                continue;
            }
            let (value, last, count) = match value {
                Some(value) => (value.to_owned(), word.text.clone(), 1),
                None => (self.text(number + 1), self.text(number + 1), 2),
            };
            given.push(FlagOccurrence {
                value,
                position: word.position,
                place: Items {
                    list: word.list,
                    index: word.index,
                    count,
                    last,
                },
            });
        }
        given
    }

    fn text(&self, number: usize) -> String {
        let word = self.words.get(number);
        word.map(|word| word.text.clone()).unwrap_or_default()
    }

    /// Where kubeadm of this version puts one more flag.
    pub(super) fn place(&self) -> (WordList, usize) {
        let in_args = self.words.iter().any(|word| word.list == WordList::Args);
        let list = if in_args {
            WordList::Args
        } else {
            WordList::Command
        };
        let words = || self.words.iter().filter(|word| word.list == list);
        let mut names = words().filter_map(|word| Some((split(&word.text)?.0, word.index)));
        let is_sorted = match self.minor {
            Some(minor) => minor < UNSORTED_SINCE,
            None => names.clone().is_sorted_by_key(|(name, _)| name),
        };
        let next = names.find(|(name, _)| is_sorted && name.as_str() > FLAG);
        let end = words().next_back().map_or(1, |word| word.index + 1);
        (list, next.map_or(end, |(_, index)| index))
    }

    /// The value of a flag; the last one if it is given more than once.
    fn flag(&self, name: &str) -> Option<String> {
        let mut words = self.words.iter().enumerate().rev();
        words.find_map(|(number, word)| {
            let (flag, value) = split(&word.text)?;
            (flag == name).then(|| value.map_or_else(|| self.text(number + 1), str::to_owned))
        })
    }

    /// The cluster's CA: kubeadm has the API server check client certificates against it too.
    pub(super) fn ca(&self, stream: &Stream<'_>) -> Result<String, Refusal> {
        let at = stream.position(self.node);
        let Some(ca) = self.flag("client-ca-file") else {
            return Err(Refusal::at(at, ApiServerCause::NoClientCa));
        };
        match ca.strip_suffix(CA_FILE) {
            Some(directory) if directory.starts_with('/') && directory.ends_with('/') => Ok(ca),
            _ => Err(Refusal::at(at, ApiServerCause::OtherClientCa(ca))),
        }
    }

    /// Where a file of the container is on the host, if a hostPath volume contains it.
    pub(super) fn on_host(&self, stream: &Stream<'_>, file: &str) -> Result<String, Refusal> {
        let field = |mapping: usize, key: &str| {
            lookup(stream, mapping, key).and_then(|value| string(stream, value))
        };
        let list = |mapping: usize, key: &str| {
            let list = lookup(stream, mapping, key).map(|list| stream.target(list));
            list.map(|list| stream.items(list)).into_iter().flatten()
        };
        // of mounts within mounts the innermost counts
        let mount = list(self.node, "volumeMounts")
            .filter_map(|mount| Some((within(file, field(mount, "mountPath")?)?, mount)))
            .min_by_key(|(rest, _)| rest.len());
        let spec = lookup(stream, self.root, "spec");
        let host = mount
            .filter(|(_, mount)| lookup(stream, *mount, "subPath").is_none())
            .and_then(|(rest, mount)| {
                let name = field(mount, "name")?;
                let volume =
                    list(spec?, "volumes").find(|volume| field(*volume, "name") == Some(name))?;
                let path = field(lookup(stream, volume, "hostPath")?, "path")?;
                Some(format!("{}{rest}", path.trim_end_matches('/')))
            });
        host.ok_or_else(|| {
            let at = stream.position(self.node);
            Refusal::at(at, ApiServerCause::NotMounted(file.to_owned()))
        })
    }
}

/// What of a path lies below a directory, with the slash; nothing if the path is the directory itself.
fn within<'p>(path: &'p str, directory: &str) -> Option<&'p str> {
    let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

/// The words after the program's name, if this container runs kube-apiserver.
fn command_line(stream: &Stream<'_>, node: usize) -> Result<Option<Vec<CommandWord>>, Refusal> {
    let items = |key: &str| {
        let list = lookup(stream, node, key).map(|list| stream.target(list));
        let items = list.map(|list| stream.items(list));
        items.into_iter().flatten().collect::<Vec<_>>()
    };
    let (command, args) = (items("command"), items("args"));
    let image = lookup(stream, node, "image").and_then(|image| string(stream, image));
    let is_image = image.is_some_and(|image| name_of_image(image).starts_with(PROGRAM));
    let program = command.first().or(args.first()).copied();
    let program = program.and_then(|word| string(stream, word));
    let is_program = program.is_some_and(|word| word.rsplit('/').next() == Some(PROGRAM));
    let mentions = |word: &&usize| {
        string(stream, **word).is_some_and(|word| word.split_whitespace().any(ends_in_program))
    };
    let skipped = match program {
        _ if is_program => 1,
        Some(flag) if is_image && command.is_empty() && flag.starts_with('-') => 0,
        Some(other) if is_image || command.iter().chain(&args).any(|word| mentions(&word)) => {
            let cause = ApiServerCause::Wrapper(other.to_owned());
            return Err(Refusal::at(stream.position(node), cause));
        }
        _ => return Ok(None),
    };
    let words = |list: WordList, items: Vec<usize>| {
        let items = items.into_iter().enumerate();
        items.map(move |(index, item)| {
            Ok(CommandWord {
                text: text(stream, item)?,
                list,
                index,
                position: stream.position(item),
            })
        })
    };
    let all = words(WordList::Command, command).chain(words(WordList::Args, args));
    all.skip(skipped).collect::<Result<_, _>>().map(Some)
}

fn ends_in_program(word: &str) -> bool {
    word.rsplit('/').next() == Some(PROGRAM)
}

/// `kube-apiserver` of `registry.k8s.io/kube-apiserver:v1.36.2@sha256:…`.
fn name_of_image(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

/// The minor version of Kubernetes 1 that an image's tag names.
fn minor_version(image: &str) -> Option<u32> {
    let image = image.split('@').next().unwrap_or_default();
    let (_, tag) = image.rsplit('/').next()?.split_once(':')?;
    let minor = tag.strip_prefix("v1.")?.split('.').next()?;
    minor.parse().ok()
}
