//! A stream of documents, and how to walk it.

use super::events::{Document, Events};
use super::{Error, Event, EventKind, Position, Style, limits, parser};

/// A stream that was read whole: its text, its events, its documents.
pub(crate) struct Stream<'s> {
    pub(crate) source: &'s str,
    pub(crate) events: Vec<Event>,
    pub(crate) documents: Vec<Document>,
    decoded: String,
}

impl<'s> Stream<'s> {
    /// Reads a stream, or says where and why not.
    pub(crate) fn parse(bytes: &'s [u8]) -> Result<Stream<'s>, Error> {
        match Stream::read(bytes, usize::MAX)? {
            (_, Some(error)) => Err(error),
            (stream, None) => Ok(stream),
        }
    }

    /// Reads a stream as far as it can be read.
    pub(crate) fn parse_start(bytes: &'s [u8]) -> Result<Stream<'s>, Error> {
        Stream::parse_until(bytes, usize::MAX)
    }

    /// Reads what starts before the byte at `end`, as far as it can be read.
    pub(crate) fn parse_until(bytes: &'s [u8], end: usize) -> Result<Stream<'s>, Error> {
        Stream::read(bytes, end).map(|(stream, _)| stream)
    }

    fn read(bytes: &'s [u8], until: usize) -> Result<(Stream<'s>, Option<Error>), Error> {
        let source = limits::admit(bytes)?;
        let (events, error) = parser::read(source, until);
        let Events {
            events,
            documents,
            decoded,
        } = events;
        let stream = Stream {
            source,
            events,
            documents,
            decoded,
        };
        Ok((stream, error))
    }

    /// The event at an index that came from this stream.
    pub(crate) fn event(&self, index: usize) -> Event {
        self.events.get(index).copied().unwrap_or(Event::NOTHING)
    }

    /// The text of a scalar, decoded; empty for anything else.
    pub(crate) fn text(&self, index: usize) -> &str {
        self.event(index).text(self.source, &self.decoded)
    }

    /// The node an alias stands for, or the node itself.
    pub(crate) fn target(&self, index: usize) -> usize {
        let event = self.event(index);
        if event.kind == EventKind::Alias {
            event.link as usize
        } else {
            index
        }
    }

    /// The index after a node, all it contains left out.
    pub(crate) fn after(&self, index: usize) -> usize {
        let event = self.event(index);
        match event.kind {
            EventKind::Sequence | EventKind::BlockMapping | EventKind::FlowMapping => {
                event.link as usize + 1
            }
            _ => index + 1,
        }
    }

    /// Keys and values of a mapping, as indices of their events; nothing for anything else.
    pub(crate) fn entries(&self, mapping: usize) -> impl Iterator<Item = (usize, usize)> {
        let end = if self.is_mapping(mapping) {
            self.event(mapping).link as usize
        } else {
            0
        };
        let mut key = mapping + 1;
        std::iter::from_fn(move || {
            let value = self.after(key);
            (value < end).then(|| (std::mem::replace(&mut key, self.after(value)), value))
        })
    }

    /// Calls `visit` with each scalar key of a mapping and its value, merges (`<<`) followed where they stand, as goyaml
    /// does (`mapping` and `merge` in its decode.go, 2.2.8 and 2.4.0): of a key that comes twice, the later one counts.
    pub(crate) fn for_each_entry(&self, mapping: usize, visit: &mut dyn FnMut(usize, usize)) {
        for (key, value) in self.entries(self.target(mapping)) {
            let key = self.target(key);
            if !self.is_scalar(key) {
                continue;
            }
            if self.text(key) != "<<" || self.event(key).kind != EventKind::Scalar(Style::Plain) {
                visit(key, value);
                continue;
            }
            let merged = self.target(value);
            // of a list of mappings, the first one counts
            let items: Vec<usize> = if self.event(merged).kind == EventKind::Sequence {
                self.items(merged).collect()
            } else {
                vec![merged]
            };
            for item in items.into_iter().rev() {
                self.for_each_entry(item, visit);
            }
        }
    }

    /// The items of a sequence; nothing for anything else.
    pub(crate) fn items(&self, sequence: usize) -> impl Iterator<Item = usize> {
        let event = self.event(sequence);
        let end = if event.kind == EventKind::Sequence {
            event.link as usize
        } else {
            0
        };
        std::iter::successors(Some(sequence + 1), |item| Some(self.after(*item)))
            .take_while(move |item| *item < end)
    }

    pub(crate) fn is_mapping(&self, index: usize) -> bool {
        matches!(
            self.event(index).kind,
            EventKind::BlockMapping | EventKind::FlowMapping
        )
    }

    /// A mapping in braces or a sequence in brackets.
    pub(crate) fn is_flow(&self, index: usize) -> bool {
        let event = self.event(index);
        match event.kind {
            EventKind::FlowMapping => true,
            EventKind::Sequence => self.source.as_bytes().get(event.start as usize) == Some(&b'['),
            _ => false,
        }
    }

    pub(crate) fn is_scalar(&self, index: usize) -> bool {
        matches!(self.event(index).kind, EventKind::Scalar(_))
    }

    /// A value that is not written at all: nothing, no tag, no anchor.
    pub(crate) fn is_absent(&self, index: usize) -> bool {
        let event = self.event(index);
        event.kind == EventKind::Scalar(Style::Plain)
            && event.outer == event.end
            && event.start == event.end
    }

    /// Where a node starts, its tag and anchor included.
    pub(crate) fn position(&self, index: usize) -> Position {
        Position::of(self.source, self.event(index).outer as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::limits::{MAX_DEPTH, MAX_NODES};

    fn keys(source: &str) -> Vec<String> {
        let stream = Stream::parse(source.as_bytes()).unwrap();
        let root = stream.documents[0].root;
        stream
            .entries(root)
            .map(|(key, value)| {
                format!("{}={}", stream.text(key), stream.text(stream.target(value)))
            })
            .collect()
    }

    #[test]
    fn entries_are_the_keys_and_values_of_one_mapping_only() {
        assert_eq!(
            keys("a: {b: c}\nd: [e]\n? f\ng:\n\"h\\x21\": &x 'i'\nj: *x\n"),
            ["a=", "d=", "f=", "g=", "h!=i", "j=i"]
        );
        assert_eq!(keys("[a, b]"), Vec::<String>::new());
        assert_eq!(keys("{}"), Vec::<String>::new());
    }

    #[test]
    fn a_block_scalar_without_end_of_line_has_none_in_its_value() {
        for (source, value) in [
            ("a: |\n b", "a=b"),
            ("a: |+\n b\n\n", "a=b\n\n"),
            ("a: >-\n b\n", "a=b"),
        ] {
            assert_eq!(keys(source), [value]);
        }
    }

    #[test]
    fn merge_keys_are_followed_at_their_place() {
        let source =
            "- &a {k: 1, l: 1}\n- &b {k: 2, m: 2}\n- {k: 0, <<: [*a, *b], '<<': 3, l: 4}\n";
        let stream = Stream::parse(source.as_bytes()).unwrap();
        let last = stream.items(stream.documents[0].root).last().unwrap();
        let mut found = Vec::new();
        stream.for_each_entry(last, &mut |key, value| {
            found.push(format!("{}{}", stream.text(key), stream.text(value)));
        });
        assert_eq!(found, ["k0", "k2", "m2", "k1", "l1", "<<3", "l4"]);
    }

    #[test]
    fn a_node_starts_at_its_tag_or_anchor() {
        let source = "a: !!str &x b\nc: &y\nd:\n";
        let stream = Stream::parse(source.as_bytes()).unwrap();
        let values: Vec<_> = stream
            .entries(stream.documents[0].root)
            .map(|(_, value)| value)
            .collect();
        assert_eq!(stream.position(values[0]), Position { line: 1, column: 4 });
        assert!(!stream.is_absent(values[1]));
        assert!(stream.is_absent(values[2]));
    }

    #[test]
    fn nested_aliases_do_not_explode() {
        let refused = |source: String| {
            Stream::parse(source.as_bytes())
                .err()
                .map(|error| error.to_string())
        };
        assert!(
            refused(format!(
                "{}{}",
                "[".repeat(MAX_DEPTH),
                "]".repeat(MAX_DEPTH)
            ))
            .is_none()
        );
        assert!(refused("[".repeat(MAX_DEPTH + 1)).is_some());
        assert!(refused("- ".repeat(MAX_DEPTH + 1)).is_some());
        assert!(refused(format!("[{}", ",".repeat(MAX_NODES))).is_some());
        assert!(
            refused(format!("[{}]", "a,".repeat(MAX_NODES)))
                .is_some_and(|reason| reason.contains("values"))
        );
        assert!(
            refused("--- a\n".repeat(100_000)).is_some_and(|reason| reason.contains("documents"))
        );
        assert!(
            refused("&a [*a]".to_owned()).is_some_and(|reason| reason.contains("inside the node"))
        );
        let bomb = format!("- &a {}\n- [{}]\n", "x".repeat(100_000), "*a,".repeat(1000));
        assert!(refused(bomb).is_some_and(|reason| reason.contains("aliases")));
        let tower: String = (1..150)
            .map(|i| format!("- &a{i} [*a{}]\n", i - 1))
            .collect();
        assert!(refused(format!("- &a0 x\n{tower}")).is_some_and(|reason| reason.contains("deep")));
    }
}
