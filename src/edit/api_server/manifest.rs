//! The manifest of a kube-apiserver's static Pod: what it says, and the edit of it.

use super::container::{Container, Items, WordList};
use super::{EditedDocument, FLAG, Verification, last_value, only, values};
use crate::edit::Edited;
use crate::kubelet::Refusal;
use crate::yaml::{Kept, Operation, PathStep, Stream, Syntax, Value};

/// What the manifest of a kube-apiserver says, as far as this program needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Every word after the program's name: those of `command`, then those of `args`.
    pub flags: Vec<String>,
    /// The cluster's CA, as the container sees it.
    pub ca_file: String,
    /// The same file on the host.
    pub ca_file_on_host: String,
    /// The value of `--kubelet-certificate-authority`, if it is given once.
    pub kubelet_ca: Option<String>,
}

impl Manifest {
    /// Reads the manifest of a kube-apiserver.
    ///
    /// # Errors
    /// When the bytes are not one, or its container or its CA cannot be told.
    pub fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let stream = Stream::parse(bytes)?;
        let container = Container::find(&stream)?;
        let ca_file = container.ca(&stream)?;
        let flags = container.words.iter().map(|word| word.text.clone());
        let mut given = container.given();
        Ok(Self {
            flags: flags.collect(),
            ca_file_on_host: container.on_host(&stream, &ca_file)?,
            ca_file,
            kubelet_ca: (given.len() == 1)
                .then(|| given.pop().map(|given| given.value))
                .flatten(),
        })
    }

    /// The value of a flag; the last one if it is given more than once.
    pub fn flag(&self, name: &str) -> Option<&str> {
        last_value(&self.flags, name)
    }

    /// Every value of a flag, in the order of the command line.
    pub fn values(&self, name: &str) -> Vec<&str> {
        values(&self.flags, name)
    }
}

/// The words after the program's name.
pub(super) fn flags(stream: &Stream<'_>) -> Result<Vec<String>, Refusal> {
    let words = Container::find(stream)?.words.into_iter();
    Ok(words.map(|word| word.text).collect())
}

/// Sets or removes the flag.
pub(super) fn edit(stream: &Stream<'_>, wanted: Verification) -> Result<Edited, Refusal> {
    let container = Container::find(stream)?;
    let ca = container.ca(stream)?;
    if wanted == Verification::Enabled {
        container.on_host(stream, &ca)?;
    }
    let document = EditedDocument {
        stream,
        number: 0,
        format: match stream.source.trim_start().starts_with('{') {
            true => Syntax::Json,
            false => Syntax::Yaml,
        },
    };
    let path = |list: WordList, index: usize| {
        [
            PathStep::Key("spec"),
            PathStep::Key("containers"),
            PathStep::Item(container.index),
            PathStep::Key(list.key()),
            PathStep::Item(index),
        ]
    };
    let (given, enable) = (
        only(container.given(), &ca)?,
        wanted == Verification::Enabled,
    );
    let Some(given) = given else {
        if !enable {
            return document.keep(&[PathStep::Key(FLAG)], Kept::Missing);
        }
        let line = format!("--{FLAG}={ca}");
        let (list, index) = container.place();
        return document.change(&path(list, index), &Operation::Insert(Value::Text(&line)));
    };
    let Items {
        list,
        index,
        count,
        last,
    } = given.place;
    if enable {
        return document.keep(&path(list, index + count - 1), Kept::Text(&last));
    }
    let edited = document.change(&path(list, index), &Operation::Remove)?;
    if count == 1 {
        return Ok(edited);
    }
    let rest = EditedDocument {
        stream: &Stream::parse(&edited.after)?,
        number: 0,
        format: document.format,
    };
    rest.change(&path(list, index), &Operation::Remove)
}
