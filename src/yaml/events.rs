//! What is read of a stream: events with byte spans, packed, because there may be many.

use super::spans::small;

/// How a scalar is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes, or not at all.
    Plain,
    /// `'…'` or `"…"`.
    Quoted,
    /// After `|` or `>`.
    Block,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    Scalar(Style),
    Alias,
    Sequence,
    SequenceEnd,
    BlockMapping,
    FlowMapping,
    MappingEnd,
}

/// The tags that mean something to goyaml for the values looked at here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    Str,
    Bool,
    Int,
    Null,
    Map,
    Other,
}

/// One event in 32 bytes, because a hostile file has [`MAX_NODES`](super::limits::MAX_NODES) of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) tag: Tag,
    pub(crate) anchored: bool,
    /// The text lies in the stream's `decoded`, not in its source.
    pub(super) decoded: bool,
    pub(super) text: u32,
    pub(super) text_len: u32,
    /// Where the node starts, tag and anchor included.
    pub(crate) outer: u32,
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The end event of a collection, the target of an alias.
    pub(crate) link: u32,
}

impl Event {
    /// The placeholder for no event.
    pub(super) const NOTHING: Event = Event {
        kind: EventKind::SequenceEnd,
        tag: Tag::None,
        anchored: false,
        decoded: false,
        text: 0,
        text_len: 0,
        outer: 0,
        start: 0,
        end: 0,
        link: 0,
    };

    /// The scalar's text, out of the stream's source or its decoded texts.
    pub(super) fn text<'s>(&self, source: &'s str, decoded: &'s str) -> &'s str {
        let from = if self.decoded { decoded } else { source };
        let start = self.text as usize;
        from.get(start..start + self.text_len as usize)
            .unwrap_or_default()
    }
}

/// A document: where it starts, and its root node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// It has a `---`, at `start`.
    pub(crate) explicit: bool,
    /// The byte where the `---` or the first token is.
    pub(crate) start: usize,
    /// The index of the root's event.
    pub(crate) root: usize,
}

/// Everything read from a stream.
#[derive(Default)]
pub(super) struct Events {
    pub(super) events: Vec<Event>,
    pub(super) documents: Vec<Document>,
    pub(super) decoded: String,
}

impl Events {
    /// Sets the text of a scalar. Most texts are in the source as they are: only the others are stored.
    pub(super) fn set_text(&mut self, source: &str, event: u32, value: &str, style: Style) {
        let Some(event) = self.events.get_mut(event as usize) else {
            return;
        };
        let start = event.start as usize + usize::from(style == Style::Quoted);
        event.text_len = small(value.len());
        if event.start == event.end {
            // granit writes ~ for a missing value
            event.text_len = 0;
        } else if source.get(start..start + value.len()) == Some(value) {
            event.text = small(start);
        } else {
            event.decoded = true;
            event.text = small(self.decoded.len());
            self.decoded.push_str(value);
        }
    }
}
