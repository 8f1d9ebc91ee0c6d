//! The second opinion: what an independent parser reads, with the value at one path set aside.
//!
//! YAML is read by `yaml_serde`, which is libyaml, of which goyaml is a port; JSON by `serde_json`.

use std::fmt;
use std::ops::Range;

use serde::de::Deserializer;

use super::encode::{Aside, At, Encode, Encoder, ScalarReading};
use super::{Error, Position, YamlCause};

/// What a file is read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    Yaml,
    Json,
    /// Documents of YAML, one of which, in these bytes, is read as JSON.
    YamlWithJson(Range<usize>),
}

/// What is read of a document; the one that is JSON comes a second time, at the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// What is set aside, in order.
    pub(super) values: Vec<Encoder>,
    pub(super) rest: Encoder,
}

/// Which value of which document is set aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct SetAside<'p> {
    pub(super) document: usize,
    pub(super) path: &'p [At<'p>],
    pub(super) reading: ScalarReading,
}

/// Reads a stream, setting aside one value.
pub(super) fn read(
    source: &str,
    format: &Syntax,
    aside: SetAside<'_>,
) -> Result<Vec<Content>, Error> {
    match format {
        Syntax::Yaml => read_yaml(source, aside),
        Syntax::Json => read_json(source, aside).map(|content| vec![content]),
        Syntax::YamlWithJson(range) => {
            let mut contents = read_yaml(source, aside)?;
            let piece = source.get(range.clone()).unwrap_or_default();
            let content = read_json(piece, aside).map_err(|error| {
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

fn read_yaml(source: &str, aside: SetAside<'_>) -> Result<Vec<Content>, Error> {
    // libyaml counts a byte order mark as a column, goyaml does not (`yaml_parser_determine_encoding` in its readerc.go)
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let documents = serde_yaml::Deserializer::from_str(source).enumerate();
    let contents = documents.map(|(number, document)| {
        let path = if number == aside.document {
            aside.path
        } else {
            &[]
        };
        content(document, path, aside.reading)
    });
    contents
        .collect::<Result<_, serde_yaml::Error>>()
        .map_err(|error| {
            let position = error.location().map(|at| (at.line(), at.column()));
            refusal(position, &error, YamlCause::NotYaml)
        })
}

fn read_json(source: &str, aside: SetAside<'_>) -> Result<Content, Error> {
    let reading = match aside.reading {
        ScalarReading::Text => ScalarReading::Json,
        other => other,
    };
    let mut json = serde_json::Deserializer::from_str(source);
    let content =
        content(&mut json, aside.path, reading).and_then(|content| json.end().map(|()| content));
    content.map_err(|error| {
        let position = Some((error.line(), error.column()));
        refusal(position, &error, YamlCause::NotJson)
    })
}

fn content<'de, D: Deserializer<'de>>(
    document: D,
    path: &[At<'_>],
    reading: ScalarReading,
) -> Result<Content, D::Error> {
    let mut content = Content::default();
    let aside = Some(Aside {
        path,
        reading,
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
    cause: fn(String) -> YamlCause,
) -> Error {
    let position = position.map(|(line, column)| Position {
        line: line.max(1),
        column: column.max(1),
    });
    let text = error.to_string();
    let reason = match text.split_once(" at line ") {
        // serde's own words quote the value, which may be a token
        _ if text.contains("invalid value: ") || text.contains("invalid type: ") => {
            "a value that its tag does not fit"
        }
        Some((cause, _)) => cause,
        None => &text,
    };
    Error {
        position,
        cause: cause(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: SetAside<'static> = SetAside {
        document: 0,
        path: &[At::Key("k")],
        reading: ScalarReading::Text,
    };

    fn texts(texts: &[&str]) -> Vec<Encoder> {
        let encode = |text: &&str| {
            let mut encoder = Encoder::default();
            encoder.text(text);
            encoder
        };
        texts.iter().map(encode).collect()
    }

    fn yaml(source: &str) -> Content {
        read(source, &Syntax::Yaml, K).unwrap().remove(0)
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
            let error = read(source, &Syntax::Yaml, K).unwrap_err();
            assert_eq!(
                error.to_string(),
                "not YAML 1.1: a value that its tag does not fit"
            );
        }
    }

    #[test]
    fn one_key_is_set_aside_at_the_top_only() {
        let content = yaml("k: yes\n!!str k: !!bool no\na: {k: 1}\n");
        assert_eq!(content.values, texts(&["yes", "no"]));
        assert_eq!(content.rest, yaml("a: {k: 1}").rest);
        let json = r#"{"a": {"k": "\ud83d\ude00"}, "k": true}"#;
        assert_eq!(
            read(json, &Syntax::Json, K).unwrap()[0].values,
            texts(&["true"])
        );
        let text = read(r#"{"k": "true"}"#, &Syntax::Json, K).unwrap();
        assert_ne!(text[0].values, texts(&["true"]));
    }

    #[test]
    fn json_is_one_value_and_says_where_it_is_not() {
        let error = read("{} {}", &Syntax::Json, K).unwrap_err();
        assert_eq!(error.position, Some(Position { line: 1, column: 4 }));
        let format = Syntax::YamlWithJson(6..17);
        assert_eq!(
            read("a: b\n\n{\"k\":true}", &format, K).ok(),
            None,
            "two documents need ---"
        );
        let second = SetAside { document: 1, ..K };
        let stream = "a: b\n---\n{\"k\": true}\n---\nc: d\n";
        let contents = read(stream, &Syntax::YamlWithJson(9..21), second).unwrap();
        assert_eq!(contents.len(), 4);
        assert_eq!(contents[3].values, texts(&["true"]));
        let error = read("a: b\n---\n{k: true}", &Syntax::YamlWithJson(9..18), second).unwrap_err();
        assert_eq!(error.position, Some(Position { line: 3, column: 2 }));
    }
}
