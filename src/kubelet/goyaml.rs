//! Values as goyaml resolves them, the YAML library of the kubelet and kubeadm: YAML 1.1, with its own word lists.

use std::collections::BTreeMap;

use crate::yaml::{EventKind, Stream, Style, Tag};

/// What goyaml takes for true, false and null (`resolveMapList` in its resolve.go): YAML 1.1's words, in these cases only.
pub(crate) const TRUE_WORDS: &[&str] = &[
    "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON",
];
pub(crate) const FALSE_WORDS: &[&str] = &[
    "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
];
pub(crate) const NULL_WORDS: &[&str] = &["", "~", "null", "Null", "NULL"];

/// What the kubelet makes of a value that should be a boolean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BooleanState {
    True,
    False,
    /// Nothing, so the default.
    Null,
    /// Something else, with which it does not start.
    Wrong,
}

/// A value as goyaml resolves it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum GoValue {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    Mapping(BTreeMap<String, GoValue>),
    Other,
}

/// A value as goyaml reads it into a `bool`: by its text if it is plain, or tagged `!!bool` (`resolve` in its resolve.go).
pub(crate) fn boolean(stream: &Stream<'_>, value: usize) -> BooleanState {
    let value = stream.target(value);
    let event = stream.event(value);
    match (event.kind, event.tag) {
        (EventKind::Scalar(Style::Plain), Tag::None | Tag::Bool | Tag::Null)
        | (EventKind::Scalar(_), Tag::Bool | Tag::Null) => {}
        _ => return BooleanState::Wrong,
    }
    let text = stream.text(value);
    let is_any_of = |words: &[&str]| words.contains(&text);
    match event.tag {
        Tag::None | Tag::Bool if is_any_of(TRUE_WORDS) => BooleanState::True,
        Tag::None | Tag::Bool if is_any_of(FALSE_WORDS) => BooleanState::False,
        Tag::None | Tag::Null if is_any_of(NULL_WORDS) => BooleanState::Null,
        _ => BooleanState::Wrong,
    }
}

/// The value of a key as goyaml finds it: the last one wins.
pub(crate) fn lookup(stream: &Stream<'_>, mapping: usize, key: &str) -> Option<usize> {
    let mut found = None;
    stream.for_each_entry(mapping, &mut |name, value| {
        if stream.text(name) == key {
            found = Some(value);
        }
    });
    found
}

/// A value, and if it is a mapping, the scalars in it.
pub(crate) fn resolve(stream: &Stream<'_>, value: usize) -> GoValue {
    let value = stream.target(value);
    if !stream.is_mapping(value) {
        return scalar(stream, value);
    }
    let mut gates = BTreeMap::new();
    stream.for_each_entry(value, &mut |key, value| {
        gates.insert(
            stream.text(key).to_owned(),
            scalar(stream, stream.target(value)),
        );
    });
    GoValue::Mapping(gates)
}

/// `resolve` in goyaml's resolve.go, for the types that matter here.
fn scalar(stream: &Stream<'_>, value: usize) -> GoValue {
    let event = stream.event(value);
    let text = stream.text(value);
    let EventKind::Scalar(style) = event.kind else {
        return GoValue::Other;
    };
    match boolean(stream, value) {
        BooleanState::True => return GoValue::Bool(true),
        BooleanState::False => return GoValue::Bool(false),
        BooleanState::Null => return GoValue::Null,
        BooleanState::Wrong => {}
    }
    match (style, event.tag) {
        (_, Tag::Str) | (Style::Quoted | Style::Block, Tag::None) => GoValue::Text(text.to_owned()),
        (_, Tag::Int) | (Style::Plain, Tag::None) => match integer(text) {
            Some(number) => GoValue::Int(number),
            None if event.tag == Tag::Int || is_float(text) => GoValue::Other,
            None => GoValue::Text(text.to_owned()),
        },
        _ => GoValue::Other,
    }
}

/// As `strconv.ParseInt` with base 0 does, underscores left out.
fn integer(text: &str) -> Option<i64> {
    let digits: String = text.chars().filter(|digit| *digit != '_').collect();
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some(octal) if octal.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(&format!("{sign}{digits}"), radix).ok()
}

/// `yamlStyleFloat` in goyaml's resolve.go.
fn is_float(text: &str) -> bool {
    let is_number = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let is_word = matches!(
        text.trim_start_matches(['+', '-']),
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    );
    is_word || (is_number && text.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> GoValue {
        let stream = Stream::parse(text.as_bytes()).unwrap();
        scalar(&stream, stream.documents[0].root)
    }

    #[test]
    fn words_are_typed_as_goyaml_types_them() {
        for text in [
            "y",
            "Y",
            "yes",
            "Yes",
            "YES",
            "true",
            "True",
            "TRUE",
            "on",
            "On",
            "ON",
            "!!bool 'on'",
        ] {
            assert_eq!(value(text), GoValue::Bool(true), "{text}");
        }
        for text in [
            "n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF",
        ] {
            assert_eq!(value(text), GoValue::Bool(false), "{text}");
        }
        for text in ["--- ", "~", "null", "Null", "NULL", "!!null null"] {
            assert_eq!(value(text), GoValue::Null, "{text}");
        }
        for text in [
            "tRUE",
            "oN",
            "'yes'",
            "!!str true",
            "\"\"",
            "nULL",
            "a",
            "1a",
            "0x",
            "1-1",
            "|\n true",
        ] {
            assert!(matches!(value(text), GoValue::Text(_)), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_as_strconv_reads_them() {
        for (text, number) in [
            ("1_0", 10),
            ("0x1F", 31),
            ("-0x1", -1),
            ("010", 8),
            ("0o10", 8),
            ("0b11", 3),
            ("+5", 5),
            ("0", 0),
        ] {
            assert_eq!(value(text), GoValue::Int(number), "{text}");
        }
        for text in [
            "1.5",
            "1e3",
            ".inf",
            "99999999999999999999",
            "!!int x",
            "!!float 1",
            "!x 1",
            "[1]",
        ] {
            assert_eq!(value(text), GoValue::Other, "{text}");
        }
    }
}
