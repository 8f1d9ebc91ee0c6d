//! The second opinion: what an independent parser reads, with one top-level key set aside.
//!
//! YAML is read by `yaml_serde`, which is libyaml, of which goyaml is a port; JSON by `serde_json`.

use std::fmt;
use std::ops::Range;

use serde::de::Deserializer;

use super::encode::{Aside, Encode, Scalars};
use super::limits::CORRECT;
use super::{Error, Position};

/// What a file is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Documents of YAML.
    Yaml,
    /// One JSON value.
    Json,
    /// Documents of YAML, one of which, in these bytes, is read as JSON.
    YamlWithJson(Range<usize>),
}

/// What is read of a document; the one that is JSON comes a second time, at the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// The texts of the values of the key set aside, in order.
    pub(crate) values: Vec<String>,
    /// Everything else.
    pub(crate) rest: Vec<u8>,
}

/// Reads a stream, setting aside what `key` has at the top of each document.
pub(crate) fn read(source: &str, format: &Format, key: &str) -> Result<Vec<Content>, Error> {
    match format {
        Format::Yaml => read_yaml(source, key),
        Format::Json => read_json(source, key).map(|content| vec![content]),
        Format::YamlWithJson(range) => {
            let mut contents = read_yaml(source, key)?;
            let piece = source.get(range.clone()).unwrap_or_default();
            let content = read_json(piece, key).map_err(|error| {
                let line = Position::of(source, range.start).line - 1;
                let position = error.position.map(|at| Position {
                    line: at.line + line,
                    ..at
                });
                Error { position, ..error }
            })?;
            contents.push(content);
            Ok(contents)
        }
    }
}

fn read_yaml(source: &str, key: &str) -> Result<Vec<Content>, Error> {
    // libyaml counts a byte order mark as a column, goyaml does not (`yaml_parser_determine_encoding` in its readerc.go)
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let documents = serde_yaml::Deserializer::from_str(source);
    let contents = documents.map(|document| content(document, key, Scalars::Text));
    contents
        .collect::<Result<_, serde_yaml::Error>>()
        .map_err(|error| {
            let position = error.location().map(|at| (at.line(), at.column()));
            refusal(position, &error, "YAML 1.1", CORRECT)
        })
}

fn read_json(source: &str, key: &str) -> Result<Content, Error> {
    let mut json = serde_json::Deserializer::from_str(source);
    let content =
        content(&mut json, key, Scalars::Boolean).and_then(|content| json.end().map(|()| content));
    content.map_err(|error| {
        let position = Some((error.line(), error.column()));
        let advice = "the kubelet and kubeadm read what starts with { as JSON: make it JSON, or put a comment above it";
        refusal(position, &error, "JSON", advice)
    })
}

fn content<'de, D: Deserializer<'de>>(
    document: D,
    key: &str,
    scalars: Scalars,
) -> Result<Content, D::Error> {
    let mut content = Content::default();
    let aside = Some(Aside {
        key,
        scalars,
        values: &mut content.values,
    });
    document.deserialize_any(Encode {
        out: &mut content.rest,
        aside,
    })?;
    Ok(content)
}

fn refusal(
    position: Option<(usize, usize)>,
    error: &dyn fmt::Display,
    language: &str,
    advice: &str,
) -> Error {
    let position = position.map(|(line, column)| Position {
        line: line.max(1),
        column: column.max(1),
    });
    let text = error.to_string();
    let cause = match text.split_once(" at line ") {
        // serde's own words quote the value, which may be a token
        _ if text.contains("invalid value: ") || text.contains("invalid type: ") => {
            "a value that its tag does not fit"
        }
        Some((cause, _)) => cause,
        None => &text,
    };
    Error::new(position, format!("not {language}: {cause}"), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(source: &str) -> Content {
        read(source, &Format::Yaml, "k").unwrap().remove(0)
    }

    #[test]
    fn documents_that_differ_read_differently() {
        let different = [
            "a: 1",
            "a: '1'",
            "a: 1.0",
            "a: [1]",
            "a: {1: }",
            "a: !x 1",
            "a: !y 1",
            "a:",
            "a: ''",
            "a: true",
            "b: 1",
            "a: -1",
            "a: [1, [2]]",
            "a: [[1], 2]",
            "- a",
            "a",
            "",
            "'null'",
        ];
        for (i, one) in different.iter().enumerate() {
            for other in &different[..i] {
                assert_ne!(yaml(one), yaml(other), "{one} {other}");
            }
        }
        assert_eq!(yaml("a: [&x 1, *x]"), yaml("{a: [1, 1]}"));
    }

    #[test]
    fn an_error_does_not_quote_the_file() {
        for source in [
            "a: {\"x\\ty\": !!bool secret}",
            "a: !!int secret",
            "- !!null secret",
        ] {
            let error = read(source, &Format::Yaml, "k").unwrap_err();
            assert_eq!(
                error.reason,
                "not YAML 1.1: a value that its tag does not fit"
            );
        }
    }

    #[test]
    fn one_key_is_set_aside_at_the_top_only() {
        let content = yaml("k: yes\n!!str k: !!bool no\na: {k: 1}\n");
        assert_eq!(content.values, ["yes", "no"]);
        assert_eq!(content.rest, yaml("a: {k: 1}").rest);
        let json = r#"{"a": {"k": "\ud83d\ude00"}, "k": true}"#;
        assert_eq!(read(json, &Format::Json, "k").unwrap()[0].values, ["true"]);
        let text = read(r#"{"k": "true"}"#, &Format::Json, "k").unwrap();
        assert_ne!(text[0].values, ["true"]);
    }

    #[test]
    fn json_is_one_value_and_says_where_it_is_not() {
        let error = read("{} {}", &Format::Json, "k").unwrap_err();
        assert_eq!(error.position, Some(Position { line: 1, column: 4 }));
        let format = Format::YamlWithJson(6..17);
        assert_eq!(
            read("a: b\n\n{\"k\":true}", &format, "k").ok(),
            None,
            "two documents need ---"
        );
        let stream = "a: b\n---\n{\"k\": true}\n---\nc: d\n";
        let contents = read(stream, &Format::YamlWithJson(9..21), "k").unwrap();
        assert_eq!(contents.len(), 4);
        assert_eq!(contents[3].values, ["true"]);
        let error = read("a: b\n---\n{k: true}", &Format::YamlWithJson(9..18), "k").unwrap_err();
        assert_eq!(error.position, Some(Position { line: 3, column: 2 }));
    }
}
