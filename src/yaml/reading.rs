//! The second opinion: what an independent parser reads, with one top-level key set aside.
//!
//! YAML is read by `yaml_serde`, which is libyaml, of which goyaml is a port; JSON by `serde_json`. A document becomes a
//! string of bytes, unambiguous because every part carries its length, rather than a tree: it is only ever compared.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

use super::proof::Format;
use super::{Error, Position};

/// What is read of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) documents: Vec<Content>,
}

/// What is read of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// The texts of the values of the key set aside, in order.
    pub(crate) values: Vec<String>,
    /// Everything else.
    pub(crate) rest: Vec<u8>,
    /// It holds nothing: not a value, not even a key.
    pub(crate) empty: bool,
}

/// Reads a stream, setting aside what `key` has at the top of each document.
pub(crate) fn read(source: &str, format: Format, key: &str) -> Result<Reading, Error> {
    let documents = match format {
        // libyaml counts a byte order mark as a column, goyaml does not (`yaml_parser_determine_encoding` in its readerc.go)
        Format::Yaml => {
            serde_yaml::Deserializer::from_str(source.strip_prefix('\u{feff}').unwrap_or(source))
                .map(|document| document_of(document, key, Scalars::Text))
                .collect::<Result<_, serde_yaml::Error>>()
                .map_err(|error| {
                    refusal(
                        error.location().map(|at| (at.line(), at.column())),
                        &error,
                        "YAML 1.1",
                    )
                })?
        }
        Format::Json => {
            let mut json = serde_json::Deserializer::from_str(source);
            let document = document_of(&mut json, key, Scalars::Boolean)
                .and_then(|document| json.end().map(|()| document))
                .map_err(|error| {
                    let hint = "the kubelet and kubeadm read what starts with { as JSON: make it JSON, or start it with a comment";
                    refusal(Some((error.line(), error.column())), &error, "JSON").hint(hint)
                })?;
            vec![document]
        }
    };
    Ok(Reading { documents })
}

/// The whole stream is read, and the value of `key` in `document` is one of `values`.
pub(crate) fn confirm(
    source: &str,
    format: Format,
    document: usize,
    key: &str,
    values: &[&str],
) -> Result<(), Error> {
    let reading = read(source, format, key)?;
    match reading
        .documents
        .get(document)
        .map(|content| content.values.as_slice())
    {
        Some([value]) if values.contains(&value.as_str()) => Ok(()),
        _ => Err(Error::new(
            None,
            format!("two parsers disagree about the value of {key}"),
        )),
    }
}

fn refusal(position: Option<(usize, usize)>, error: &dyn fmt::Display, language: &str) -> Error {
    let position = position.map(|(line, column)| Position {
        line: line.max(1),
        column: column.max(1),
    });
    let text = error.to_string();
    let text = text
        .split_once(" at line ")
        .map_or(text.as_str(), |(cause, _)| cause);
    Error::new(position, format!("not {language}: {text}"))
}

fn document_of<'de, D: Deserializer<'de>>(
    document: D,
    key: &str,
    scalars: Scalars,
) -> Result<Content, D::Error> {
    let mut content = Content::default();
    document.deserialize_any(Top {
        content: &mut content,
        key,
        scalars,
    })?;
    Ok(content)
}

/// How the value of the key set aside is asked for: `yaml_serde` gives the text of any scalar, and must, because goyaml
/// and it disagree about `yes`; `serde_json` does not turn `true` into text.
#[derive(Clone, Copy)]
enum Scalars {
    Text,
    Boolean,
}

/// The top of a document.
struct Top<'c> {
    content: &'c mut Content,
    key: &'c str,
    scalars: Scalars,
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut wanted = Vec::new();
        text(&mut wanted, b's', self.key.as_bytes());
        let rest = &mut self.content.rest;
        rest.push(b'{');
        loop {
            let before = rest.len();
            if map.next_key_seed(Encode(rest))?.is_none() {
                break;
            }
            if rest.get(before..) == Some(wanted.as_slice()) {
                rest.truncate(before);
                self.content.values.push(map.next_value_seed(self.scalars)?);
            } else {
                map.next_value_seed(Encode(rest))?;
            }
        }
        rest.push(b'}');
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.content.empty = true;
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.content.empty = true;
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_bool(value)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_i64(value)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_u64(value)
    }

    fn visit_i128<E: serde::de::Error>(self, value: i128) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_i128(value)
    }

    fn visit_u128<E: serde::de::Error>(self, value: u128) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_u128(value)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_f64(value)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        Encode(&mut self.content.rest).visit_str(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Encode(&mut self.content.rest).visit_seq(seq)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        Encode(&mut self.content.rest).visit_enum(tagged)
    }
}

impl<'de> DeserializeSeed<'de> for Scalars {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<String, D::Error> {
        match self {
            Scalars::Text => value.deserialize_str(self),
            Scalars::Boolean => value.deserialize_any(self),
        }
    }
}

impl Visitor<'_> for Scalars {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<String, E> {
        match self {
            Scalars::Text => Ok(value.to_owned()),
            Scalars::Boolean => Ok(format!("{value:?}")),
        }
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".to_owned())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }
}

/// Writes what it visits as bytes.
struct Encode<'c>(&'c mut Vec<u8>);

fn text(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text);
}

impl<'de> DeserializeSeed<'de> for Encode<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Encode<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.extend([b'b', u8::from(value)]);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        text(self.0, b'i', &value.to_le_bytes());
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        text(self.0, b'u', &value.to_le_bytes());
        Ok(())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        text(self.0, b'i', &value.to_le_bytes());
        Ok(())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        text(self.0, b'u', &value.to_le_bytes());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        text(self.0, b'f', &value.to_bits().to_le_bytes());
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        text(self.0, b's', value.as_bytes());
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(b'n');
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.0.push(b'n');
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        while seq.next_element_seed(Encode(self.0))?.is_some() {}
        self.0.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        while map.next_key_seed(Encode(self.0))?.is_some() {
            map.next_value_seed(Encode(self.0))?;
        }
        self.0.push(b'}');
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        self.0.push(b't');
        let ((), value) = tagged
            .variant_seed(Encode(self.0))
            .map_err(A::Error::custom)?;
        value.newtype_variant_seed(Encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(source: &str) -> Vec<u8> {
        read(source, Format::Yaml, "k")
            .unwrap()
            .documents
            .remove(0)
            .rest
    }

    #[test]
    fn documents_that_differ_read_differently() {
        let different = [
            "a: 1", "a: '1'", "a: 1.0", "a: [1]", "a: {1: }", "a: !x 1", "a: !y 1", "a:", "a: ''",
            "a: true", "b: 1", "a: -1",
        ];
        for (i, one) in different.iter().enumerate() {
            for other in &different[..i] {
                assert_ne!(rest(one), rest(other), "{one} {other}");
            }
        }
        assert_eq!(rest("a: [&x 1, *x]"), rest("{a: [1, 1]}"));
    }

    #[test]
    fn one_key_is_set_aside_at_the_top_only() {
        let content = read("k: yes\n!!str k: !!bool no\na: {k: 1}\n", Format::Yaml, "k")
            .unwrap()
            .documents
            .remove(0);
        assert_eq!(content.values, ["yes", "no"]);
        assert_eq!(content.rest, rest("a: {k: 1}"));
        let json = read(
            r#"{"a": {"k": "\ud83d\ude00"}, "k": true}"#,
            Format::Json,
            "k",
        )
        .unwrap()
        .documents
        .remove(0);
        assert_eq!(json.values, ["true"]);
        assert!(
            read("{} {}", Format::Json, "k")
                .unwrap_err()
                .reason
                .contains("not JSON")
        );
        assert!(
            read(r#"{"k": "true"}"#, Format::Json, "k")
                .unwrap()
                .documents[0]
                .values
                != ["true"]
        );
    }
}
