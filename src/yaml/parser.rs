//! Bytes to events with byte spans, through granit-parser. Only this file and `spans` know that parser.
//!
//! What its spans mean was read in its source (2.2.0, pinned): they are byte offsets into the string; a node's span
//! leaves out its tag and anchor; an empty plain scalar has the text `~` and an empty span that may lie before the `:`;
//! the end of a block collection is an empty span at the next token. It reads on after nothing: its iterator ends after
//! the first error.

use std::collections::BTreeMap;

use granit_parser::{Event as Parsed, Parser, ScalarStyle, Span, StructureStyle, options};

use super::events::{Document, Event, EventKind, Events, Style, Tag};
use super::limits::{MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES, MAX_WEIGHT};
use super::spans::{class, range, small, syntax_error};
use super::{Error, YamlCause};

/// A node that can be referred to, and what an alias of it amounts to.
#[derive(Clone, Copy)]
struct Anchored {
    event: u32,
    closed: bool,
    weight: usize,
    height: usize,
}

/// A collection that has not ended yet.
struct Open {
    event: u32,
    anchor: usize,
    weight: usize,
    height: usize,
}

struct EventReader<'s> {
    source: &'s str,
    read: Events,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    /// What the document weighs so far, aliases followed.
    weight: usize,
    /// How many collections are open from the outermost one in braces or brackets on.
    flow: usize,
}

/// The events of a stream, up to the first thing in it that is refused, or the first one that starts at or behind `until`.
pub(super) fn read(source: &str, until: usize) -> (Events, Option<Error>) {
    let options = options! {
        emit_anchor_events: true,
        emit_comments: false,
        // as libyaml and goyaml do
        block_scalar_eof_without_line_feed: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut reader = EventReader {
        source,
        read: Events::default(),
        open: Vec::new(),
        anchors: BTreeMap::new(),
        weight: 0,
        flow: 0,
    };
    for next in Parser::new_from_str_with_options(source, options) {
        if next.as_ref().is_ok_and(|(_, span)| range(span).0 >= until) {
            reader.cut();
            break;
        }
        let taken = next
            .map_err(|error| syntax_error(&error))
            .and_then(|(event, span)| reader.take(event, &span));
        if let Err(error) = taken {
            return (reader.read, Some(error));
        }
    }
    (reader.read, None)
}

impl EventReader<'_> {
    fn take(&mut self, event: Parsed<'_>, span: &Span) -> Result<(), Error> {
        match event {
            Parsed::DocumentStart(explicit, version) => {
                if version.is_some_and(|version| (version.major, version.minor) != (1, 1)) {
                    return Err(self.error(span, YamlCause::YamlVersion));
                }
                if self.read.documents.len() == MAX_DOCUMENTS {
                    return Err(self.error(span, YamlCause::Documents));
                }
                let (start, _) = range(span);
                self.read.documents.push(Document {
                    explicit,
                    start,
                    root: self.read.events.len(),
                });
                self.anchors.clear();
                self.weight = 0;
            }
            Parsed::Scalar(value, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Style::Quoted,
                    _ => Style::Block,
                };
                if style == Style::Plain && self.flow > 0 {
                    self.admit_plain(span)?;
                }
                let weight = value.len();
                let kind = EventKind::Scalar(style);
                let event = self.node(kind, anchor, tag.as_deref(), span, weight)?;
                self.read.set_text(self.source, event, &value, style);
                self.close(event, anchor, 1 + weight, 0);
            }
            Parsed::SequenceStart(style, anchor, tag) => {
                self.enter(style);
                self.start(EventKind::Sequence, anchor, tag.as_deref(), span)?;
            }
            Parsed::MappingStart(style, anchor, tag) => {
                self.enter(style);
                let kind = match style {
                    StructureStyle::Flow => EventKind::FlowMapping,
                    StructureStyle::Block => EventKind::BlockMapping,
                };
                self.start(kind, anchor, tag.as_deref(), span)?;
            }
            Parsed::SequenceEnd => self.end(EventKind::SequenceEnd, span),
            Parsed::MappingEnd => self.end(EventKind::MappingEnd, span),
            Parsed::Alias(id) => self.alias(id, span)?,
            Parsed::Anchor(..) => {
                if let Some(node) = self.read.events.last_mut() {
                    node.outer = node.outer.min(small(range(span).0));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What is within braces or brackets is, too.
    fn enter(&mut self, style: StructureStyle) {
        if self.flow > 0 || style == StructureStyle::Flow {
            self.flow += 1;
        }
    }

    /// Within braces and brackets YAML 1.1 ends a key at every `?` and `:` that starts a word (goyaml:
    /// `yaml_parser_fetch_next_token`), and YAML 1.2 only where a space follows.
    fn admit_plain(&self, span: &Span) -> Result<(), Error> {
        let (start, end) = range(span);
        let sign = match self.source.as_bytes().get(start..end) {
            Some([sign @ (b'?' | b':'), ..]) => char::from(*sign),
            _ => return Ok(()),
        };
        Err(self.error(span, YamlCause::Sign(sign)))
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<(), Error> {
        let Some(&target) = self.anchors.get(&id) else {
            return Err(self.error(span, YamlCause::UnknownAnchor));
        };
        if !target.closed {
            return Err(self.error(span, YamlCause::Recursive));
        }
        let Anchored { weight, height, .. } = target;
        if self.open.len() + height > MAX_DEPTH {
            return Err(self.error(span, YamlCause::Depth));
        }
        let event = self.node(EventKind::Alias, 0, None, span, weight)?;
        if let Some(alias) = self.read.events.get_mut(event as usize) {
            alias.link = target.event;
        }
        self.close(event, 0, 1 + weight, height);
        Ok(())
    }

    fn start(
        &mut self,
        kind: EventKind,
        anchor: usize,
        tag: Option<&granit_parser::Tag>,
        span: &Span,
    ) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.error(span, YamlCause::Depth));
        }
        let weight = self.weight;
        let event = self.node(kind, anchor, tag, span, 0)?;
        self.open.push(Open {
            event,
            anchor,
            weight,
            height: 0,
        });
        Ok(())
    }

    /// What is open ends here.
    fn cut(&mut self) {
        let end = small(self.read.events.len());
        for open in self.open.drain(..) {
            if let Some(start) = self.read.events.get_mut(open.event as usize) {
                start.link = end;
            }
        }
    }

    fn end(&mut self, kind: EventKind, span: &Span) {
        self.flow = self.flow.saturating_sub(1);
        let index = small(self.read.events.len());
        self.push(kind, Tag::None, false, span);
        if let Some(open) = self.open.pop() {
            if let Some(start) = self.read.events.get_mut(open.event as usize) {
                start.link = index;
            }
            let weight = self.weight.saturating_sub(open.weight);
            self.close(open.event, open.anchor, weight, open.height + 1);
        }
    }

    /// A node is complete: its parent is at least one higher, and aliases may refer to it.
    fn close(&mut self, event: u32, anchor: usize, weight: usize, height: usize) {
        if let Some(parent) = self.open.last_mut() {
            parent.height = parent.height.max(height);
        }
        if anchor != 0 {
            self.anchors.insert(
                anchor,
                Anchored {
                    event,
                    closed: true,
                    weight,
                    height,
                },
            );
        }
    }

    fn node(
        &mut self,
        kind: EventKind,
        anchor: usize,
        tag: Option<&granit_parser::Tag>,
        span: &Span,
        weight: usize,
    ) -> Result<u32, Error> {
        self.weight = self.weight.saturating_add(1 + weight);
        if self.weight > MAX_WEIGHT {
            return Err(self.error(span, YamlCause::AliasWeight));
        }
        if self.read.events.len() >= MAX_NODES {
            return Err(self.error(span, YamlCause::Nodes));
        }
        let event = small(self.read.events.len());
        self.push(kind, class(tag), anchor != 0, span);
        if anchor != 0 {
            self.anchors.insert(
                anchor,
                Anchored {
                    event,
                    closed: false,
                    weight: 0,
                    height: 0,
                },
            );
        }
        Ok(event)
    }

    fn push(&mut self, kind: EventKind, tag: Tag, anchored: bool, span: &Span) {
        let (start, end) = range(span);
        let tagged = span.tag_span().map_or(start, |tag| range(&tag).0);
        self.read.events.push(Event {
            kind,
            tag,
            anchored,
            decoded: false,
            text: 0,
            text_len: 0,
            outer: small(start.min(tagged)),
            start: small(start),
            end: small(end),
            link: small(self.read.events.len()),
        });
    }

    fn error(&self, span: &Span, cause: YamlCause) -> Error {
        Error::at(self.source, range(span).0, cause)
    }
}
