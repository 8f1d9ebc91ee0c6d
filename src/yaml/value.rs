//! A value to be written: as lines of a block, within braces, as the events that it must read as, and as what the second
//! parser must read.

use super::encode::Encoder;
use super::{EventKind, Style};

/// A value to be written into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    /// `true` or `false`.
    Bool(bool),
    /// A string, without quotes where every parser takes it for one.
    Text(&'v str),
    /// Keys, plain words, and values.
    Mapping(Vec<(&'v str, Value<'v>)>),
    Sequence(Vec<Value<'v>>),
}

/// An event that a written value must read as. Tags and anchors are never written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected<'v> {
    pub(super) kind: ExpectedKind,
    pub(super) text: &'v str,
}

/// What kind of event is expected. Braces and blocks are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExpectedKind {
    /// A scalar without quotes.
    Plain,
    /// A scalar with or without quotes.
    Scalar,
    Mapping,
    MappingEnd,
    Sequence,
    SequenceEnd,
}

impl ExpectedKind {
    pub(super) fn is(self, kind: EventKind) -> bool {
        match self {
            ExpectedKind::Plain => kind == EventKind::Scalar(Style::Plain),
            ExpectedKind::Scalar => {
                matches!(kind, EventKind::Scalar(Style::Plain | Style::Quoted))
            }
            ExpectedKind::Mapping => {
                matches!(kind, EventKind::BlockMapping | EventKind::FlowMapping)
            }
            ExpectedKind::MappingEnd => kind == EventKind::MappingEnd,
            ExpectedKind::Sequence => kind == EventKind::Sequence,
            ExpectedKind::SequenceEnd => kind == EventKind::SequenceEnd,
        }
    }
}

/// How words are written within braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Flow {
    /// The quote around keys; with one, texts are in double quotes.
    pub(super) quote: Option<char>,
    /// A blank after `:` and `,`.
    pub(super) spaced: bool,
}

impl Flow {
    pub(super) const YAML: Flow = Flow {
        quote: None,
        spaced: true,
    };

    /// As most programs write it.
    pub(super) const JSON: Flow = Flow {
        quote: Some('"'),
        spaced: true,
    };

    fn key(self, key: &str) -> String {
        match self.quote {
            Some(quote) => format!("{quote}{key}{quote}"),
            None => key.to_owned(),
        }
    }

    pub(super) fn space(self) -> &'static str {
        if self.spaced { " " } else { "" }
    }
}

impl<'v> Value<'v> {
    /// A collection without content, or a scalar: it fits on the line of its key.
    pub(super) fn is_short(&self) -> bool {
        match self {
            Value::Bool(_) | Value::Text(_) => true,
            Value::Mapping(entries) => entries.is_empty(),
            Value::Sequence(items) => items.is_empty(),
        }
    }

    /// Within braces or on a line.
    pub(super) fn flow(&self, flow: Flow) -> String {
        match self {
            Value::Bool(truth) => truth.to_string(),
            Value::Text(text) if flow.quote.is_none() && is_plain(text) => (*text).to_owned(),
            Value::Text(text) => quoted(text),
            Value::Mapping(entries) => {
                let entries = entries.iter().map(|(key, value)| value.entry(key, flow));
                let separator = format!(",{}", flow.space());
                format!("{{{}}}", entries.collect::<Vec<_>>().join(&separator))
            }
            Value::Sequence(items) => {
                let items = items.iter().map(|item| item.flow(flow));
                let separator = format!(",{}", flow.space());
                format!("[{}]", items.collect::<Vec<_>>().join(&separator))
            }
        }
    }

    /// `key: value` on one line.
    pub(super) fn entry(&self, key: &str, flow: Flow) -> String {
        format!("{}:{}{}", flow.key(key), flow.space(), self.flow(flow))
    }

    /// The lines of an entry of a block mapping, as kubeadm writes them: sequences are not indented.
    pub(super) fn entry_lines(&self, key: &str, indent: &str) -> Vec<String> {
        if self.is_short() {
            return vec![format!("{indent}{}", self.entry(key, Flow::YAML))];
        }
        let mut lines = vec![format!("{indent}{key}:")];
        lines.extend(self.block_lines(indent));
        lines
    }

    /// The lines below the line of a key with this indentation; none if the value fits on that line.
    pub(super) fn block_lines(&self, indent: &str) -> Vec<String> {
        match self {
            Value::Bool(_) | Value::Text(_) => Vec::new(),
            Value::Mapping(entries) => {
                let deeper = format!("{indent}  ");
                let lines = entries
                    .iter()
                    .flat_map(|(key, value)| value.entry_lines(key, &deeper));
                lines.collect()
            }
            Value::Sequence(items) => {
                let head = format!("{indent}- ");
                items
                    .iter()
                    .flat_map(|item| item.item_lines(&head))
                    .collect()
            }
        }
    }

    /// The lines of an item of a block sequence; `head` is what comes before it on its line.
    pub(super) fn item_lines(&self, head: &str) -> Vec<String> {
        let indent = " ".repeat(head.len());
        match self {
            Value::Mapping(entries) if !entries.is_empty() => {
                let mut lines: Vec<String> = entries
                    .iter()
                    .flat_map(|(key, value)| value.entry_lines(key, &indent))
                    .collect();
                if let Some(first) = lines.first_mut() {
                    first.replace_range(..head.len(), head);
                }
                lines
            }
            _ => vec![format!("{head}{}", self.flow(Flow::YAML))],
        }
    }

    /// The events that it must read as.
    pub(super) fn expect(&self, events: &mut Vec<Expected<'v>>) {
        let mut push = |kind: ExpectedKind, text: &'v str| events.push(Expected { kind, text });
        match self {
            Value::Bool(true) => push(ExpectedKind::Plain, "true"),
            Value::Bool(false) => push(ExpectedKind::Plain, "false"),
            Value::Text(text) => push(ExpectedKind::Scalar, text),
            Value::Mapping(entries) => {
                push(ExpectedKind::Mapping, "");
                for (key, value) in entries {
                    Value::Text(key).expect(events);
                    value.expect(events);
                }
                events.push(Expected {
                    kind: ExpectedKind::MappingEnd,
                    text: "",
                });
            }
            Value::Sequence(items) => {
                push(ExpectedKind::Sequence, "");
                items.iter().for_each(|item| item.expect(events));
                events.push(Expected {
                    kind: ExpectedKind::SequenceEnd,
                    text: "",
                });
            }
        }
    }

    /// What the second parser must read.
    pub(super) fn encode(&self, out: &mut Encoder) {
        match self {
            Value::Bool(truth) => out.boolean(*truth),
            Value::Text(text) => out.text(text),
            Value::Mapping(entries) => {
                out.open_mapping();
                for (key, value) in entries {
                    out.text(key);
                    value.encode(out);
                }
                out.close_mapping();
            }
            Value::Sequence(items) => {
                out.open_sequence();
                items.iter().for_each(|item| item.encode(out));
                out.close_sequence();
            }
        }
    }
}

/// A text that YAML 1.1 and 1.2 take for a string without quotes, in braces too: a path, a flag or a word.
fn is_plain(text: &str) -> bool {
    const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_of_a_word = |byte: u8| byte.is_ascii_alphanumeric() || b"/._=-".contains(&byte);
    let starts_as_one = match text.as_bytes() {
        [b'/', ..] => true,
        [b'-', b'-', letter, ..] => letter.is_ascii_alphabetic(),
        [letter, ..] => letter.is_ascii_alphabetic(),
        [] => false,
    };
    starts_as_one
        && text.bytes().all(is_of_a_word)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str())
}

/// In double quotes, as JSON and YAML alike read it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> Value<'static> {
        let item = |name, value| Value::Mapping(vec![("name", name), ("value", value)]);
        Value::Mapping(vec![(
            "extraArgs",
            Value::Sequence(vec![
                item(Value::Text("a"), Value::Text("/b")),
                item(Value::Text("c"), Value::Text("yes")),
            ]),
        )])
    }

    #[test]
    fn a_nested_value_is_written_as_kubeadm_writes_it() {
        assert_eq!(
            arguments().entry_lines("apiServer", "  ").join("\n"),
            "  apiServer:\n    extraArgs:\n    - name: a\n      value: /b\n    - name: c\n      value: \"yes\""
        );
        let json = Flow {
            quote: Some('"'),
            spaced: false,
        };
        assert_eq!(
            arguments().entry("apiServer", json),
            r#""apiServer":{"extraArgs":[{"name":"a","value":"/b"},{"name":"c","value":"yes"}]}"#
        );
        assert_eq!(Value::Mapping(Vec::new()).entry_lines("a", ""), ["a: {}"]);
    }

    #[test]
    fn a_text_is_plain_only_where_no_parser_takes_it_for_anything_else() {
        for text in ["/etc/kubernetes/pki/ca.crt", "--a-b=/c.d", "word"] {
            assert!(is_plain(text), "{text}");
        }
        for text in [
            "", "yes", "Off", "NULL", "1", "0x1", "1e3", ".inf", "-", "--", "- a", "a: b", "a #",
            "a, b", "é", "~", "a:",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
