//! `apiServer.extraArgs` of one ClusterConfiguration: the flag in it, set or removed.

use super::{EditedDocument, FLAG, FlagOccurrence, normalized, text};
use crate::edit::Edited;
use crate::edit::kubeadm;
use crate::kubelet::Refusal;
use crate::kubelet::goyaml::lookup;
use crate::kubelet::meta::string;
use crate::yaml::{EntryPlace, Operation, PathStep, Value};

/// How a version of ClusterConfiguration writes extra flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtraArgsShape {
    /// Names and values, up to v1beta3.
    Mapping,
    /// Items with a name and a value, in v1beta4.
    List,
}

impl ExtraArgsShape {
    pub(super) fn of(api_version: &str) -> Option<Self> {
        match api_version.strip_prefix(kubeadm::GROUP)? {
            "/v1beta1" | "/v1beta2" | "/v1beta3" => Some(Self::Mapping),
            "/v1beta4" => Some(Self::List),
            _ => None,
        }
    }

    pub(super) fn arguments<'v>(self, ca: &'v str) -> Value<'v> {
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

const ARGUMENTS: [PathStep<'static>; 2] = [PathStep::Key("apiServer"), PathStep::Key("extraArgs")];

/// Where the flag is written.
pub(super) enum Place {
    /// An item of a list, by its index.
    Item(usize),
    /// A key of a mapping, as it is spelled.
    Key(String),
}

/// The edit of one ClusterConfiguration.
pub(super) struct ExtraArgsEdit<'e, 's> {
    pub(super) document: EditedDocument<'e, 's>,
    pub(super) root: usize,
    pub(super) shape: ExtraArgsShape,
    pub(super) ca: &'e str,
}

impl ExtraArgsEdit<'_, '_> {
    fn arguments(&self) -> Option<usize> {
        let arguments = lookup(self.document.stream, self.root, "apiServer")
            .and_then(|server| lookup(self.document.stream, server, "extraArgs"));
        arguments.map(|arguments| self.document.stream.target(arguments))
    }

    /// Every occurrence of the flag, whatever separates its words.
    pub(super) fn given(&self) -> Result<Vec<FlagOccurrence<Place>>, Refusal> {
        let stream = self.document.stream;
        let Some(arguments) = self.arguments() else {
            return Ok(Vec::new());
        };
        let mut given = Vec::new();
        for (key, value) in stream.entries(arguments) {
            let name = stream.text(stream.target(key));
            if normalized(name) == FLAG {
                given.push(FlagOccurrence {
                    value: text(stream, value)?,
                    position: stream.position(key),
                    place: Place::Key(name.to_owned()),
                });
            }
        }
        for (index, item) in stream.items(arguments).enumerate() {
            let name = lookup(stream, item, "name").and_then(|name| string(stream, name));
            if name.is_none_or(|name| normalized(name) != FLAG) {
                continue;
            }
            let value = lookup(stream, item, "value");
            given.push(FlagOccurrence {
                value: value.map_or(Ok(String::new()), |value| text(stream, value))?,
                position: stream.position(item),
                place: Place::Item(index),
            });
        }
        Ok(given)
    }

    fn path<'g>(given: &'g FlagOccurrence<Place>) -> Vec<PathStep<'g>> {
        let last = match &given.place {
            Place::Key(name) => PathStep::Key(name),
            Place::Item(index) => PathStep::Item(*index),
        };
        ARGUMENTS.into_iter().chain([last]).collect()
    }

    pub(super) fn path_of_value<'g>(&self, given: &'g FlagOccurrence<Place>) -> Vec<PathStep<'g>> {
        let mut path = Self::path(given);
        path.extend((self.shape == ExtraArgsShape::List).then_some(PathStep::Key("value")));
        path
    }

    pub(super) fn enable(&self) -> Result<Edited, Refusal> {
        let has_server = lookup(self.document.stream, self.root, "apiServer").is_some();
        let place = if has_server {
            EntryPlace::Sorted
        } else {
            EntryPlace::After("kind")
        };
        let (last, value) = match self.shape {
            ExtraArgsShape::Mapping => (PathStep::Key(FLAG), Value::Text(self.ca)),
            ExtraArgsShape::List => {
                let named = PathStep::Named {
                    key: "name",
                    is: FLAG,
                };
                (named, item(self.ca))
            }
        };
        let [server, arguments] = ARGUMENTS;
        self.document
            .change(&[server, arguments, last], &Operation::Set(value, place))
    }

    /// Removes the flag, and what would be left without content.
    pub(super) fn disable(&self, given: &FlagOccurrence<Place>) -> Result<Edited, Refusal> {
        let stream = self.document.stream;
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
            return self.document.change(&Self::path(given), &Operation::Remove);
        };
        if !is_only(list) {
            return self.document.change(&Self::path(given), &Operation::Remove);
        }
        if !is_only(node) {
            return self
                .document
                .change(&[server, arguments], &Operation::Remove);
        }
        if self.is_where_enabling_puts_it(key) {
            return self.document.change(&[server], &Operation::Remove);
        }
        if stream.is_flow(node) {
            return self
                .document
                .change(&[server, arguments], &Operation::Remove);
        }
        // as kubeadm writes it
        let empty = Operation::Set(Value::Mapping(Vec::new()), EntryPlace::Sorted);
        self.document.change(&[server], &empty)
    }

    /// An entry that enabling adds is the first one in braces, and in a block the one after `kind`.
    fn is_where_enabling_puts_it(&self, key: usize) -> bool {
        let stream = self.document.stream;
        let mut entries = stream.entries(self.root).map(|(key, _)| key);
        if stream.is_flow(self.root) {
            return entries.next() == Some(key);
        }
        let kind = entries.find(|key| stream.text(*key) == "kind");
        kind.is_some() && entries.next() == Some(key)
    }
}
