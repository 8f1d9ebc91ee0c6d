//! The first document of a YAML stream as JSON, the way the kubelet gets there: goyaml, then `YAMLToJSON`.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

/// goyaml stops at documents that are mostly aliases.
const MAX_NODES: usize = 200_000;

/// The document, and the strict reader's complaints about it: duplicate keys.
pub(crate) fn first_document(text: &str) -> Result<(Value, Vec<String>), String> {
    if let Some(bad) = text.chars().find(|c| !is_printable(*c)) {
        return Err(format!(
            "yaml: control characters are not allowed: {:#x}",
            u32::from(bad)
        ));
    }
    // Line breaks in YAML 1.1, which goyaml reads, and ordinary characters in 1.2, which this parser reads.
    let text = text
        .strip_prefix('\u{feff}')
        .unwrap_or(text)
        .replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n");
    let mut composer = Composer {
        parser: Parser::new_from_str(&text),
        anchors: HashMap::new(),
        nodes: 0,
        duplicates: vec![],
    };
    loop {
        match composer.next()? {
            Event::DocumentStart(..) => break,
            Event::StreamEnd => return Ok((Value::Null, vec![])),
            _ => {}
        }
    }
    let event = composer.next()?;
    let value = composer.value(event)?;
    // goyaml reads on to the end of the document, so an error there counts.
    composer.next()?;
    Ok((value, composer.duplicates))
}

struct Composer<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    anchors: HashMap<usize, (Value, usize)>,
    nodes: usize,
    duplicates: Vec<String>,
}

/// A key, or the wish to merge.
enum Key {
    Name(String),
    Merge,
}

impl<'a> Composer<'a> {
    fn next(&mut self) -> Result<Event<'a>, String> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok((event, _))) => return Ok(event),
                Some(Err(error)) => return Err(format!("yaml: {error}")),
                None => return Ok(Event::StreamEnd),
            }
        }
    }

    fn value(&mut self, event: Event<'a>) -> Result<Value, String> {
        let before = self.nodes;
        self.count(1)?;
        let (value, anchor) = match event {
            Event::Alias(id) => {
                let (value, size) = self
                    .anchors
                    .get(&id)
                    .cloned()
                    .ok_or("yaml: anchor contains itself")?;
                self.count(size)?;
                (value, 0)
            }
            Event::Scalar(text, style, anchor, tag) => {
                (scalar(&text, style, tag.as_deref())?, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence()?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping()?, anchor),
            other => return Err(format!("yaml: unexpected {other:?}")),
        };
        if anchor > 0 {
            self.anchors
                .insert(anchor, (value.clone(), self.nodes - before));
        }
        Ok(value)
    }

    fn sequence(&mut self) -> Result<Value, String> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                Event::SequenceEnd => return Ok(Value::Array(items)),
                event => items.push(self.value(event)?),
            }
        }
    }

    fn mapping(&mut self) -> Result<Value, String> {
        let mut map = Map::new();
        let mut seen = Vec::new();
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Object(map));
            }
            let key = self.key(event)?;
            let next = self.next()?;
            let value = self.value(next)?;
            match key {
                // In the order of the file: a merge beats keys before it.
                Key::Merge => merge(&mut map, value)?,
                Key::Name(name) => {
                    if seen.contains(&name) {
                        self.duplicates
                            .push(format!("key {name:?} already set in map"));
                    }
                    seen.push(name.clone());
                    map.insert(name, value);
                }
            }
        }
    }

    fn key(&mut self, event: Event<'a>) -> Result<Key, String> {
        if let Event::Scalar(text, ScalarStyle::Plain, _, None) = &event
            && text == "<<"
        {
            return Ok(Key::Merge);
        }
        match self.value(event)? {
            Value::String(name) => Ok(Key::Name(name)),
            Value::Bool(b) => Ok(Key::Name(b.to_string())),
            Value::Number(n) => Ok(Key::Name(n.to_string())),
            other => Err(format!("unsupported map key of type: {other}")),
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), String> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            Err("yaml: document contains excessive aliasing".into())
        } else {
            Ok(())
        }
    }
}

fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(other) => map.extend(other),
        Value::Array(all) => {
            // The first of a list wins.
            for other in all.into_iter().rev() {
                let Value::Object(other) = other else {
                    return Err(NOT_A_MAP.into());
                };
                map.extend(other);
            }
        }
        _ => return Err(NOT_A_MAP.into()),
    }
    Ok(())
}

const NOT_A_MAP: &str = "yaml: map merge requires map or sequence of maps as the value";

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Value, String> {
    let plain = style == ScalarStyle::Plain;
    match tag.map(|t| (t.core_suffix(), t)) {
        None if plain => resolve(text),
        None => Ok(text.into()),
        Some((Some("str"), _)) => Ok(text.into()),
        Some((Some(kind), _)) => {
            let value = resolve(text)?;
            let fits = match kind {
                "bool" => value.is_boolean(),
                "int" => value.is_i64() || value.is_u64(),
                "float" => value.is_number(),
                "null" => value.is_null(),
                _ => false,
            };
            if fits {
                Ok(value)
            } else {
                Err(format!("yaml: cannot decode {text:?} as a !!{kind}"))
            }
        }
        Some((None, tag)) if tag.suffix().ends_with("binary") => {
            let bytes = crate::api::from_base64(text)
                .ok_or("yaml: !!binary value contains invalid base64 data")?;
            Ok(String::from_utf8_lossy(&bytes).into_owned().into())
        }
        Some((None, _)) => Ok(text.into()),
    }
}

/// YAML 1.1's idea of a plain scalar, as goyaml has it.
fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return Ok(true.into());
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Ok(false.into());
        }
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF"
        | "-.inf" | "-.Inf" | "-.INF" => return Err(format!("json: unsupported value: {text}")),
        _ => {}
    }
    let digits = text.replace('_', "");
    let (sign, unsigned) = match digits.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, digits.strip_prefix('+').unwrap_or(&digits)),
    };
    let radix = |prefix: &str, radix| {
        unsigned
            .strip_prefix(prefix)
            .and_then(|d| i64::from_str_radix(d, radix).ok())
    };
    let octal = (unsigned.len() > 1).then(|| radix("0", 8)).flatten();
    let number = radix("0x", 16)
        .or(radix("0b", 2))
        .or(radix("0o", 8))
        .or(octal);
    if let Some(number) = number.or_else(|| {
        unsigned
            .parse()
            .ok()
            .filter(|_| starts_with_digit(unsigned))
    }) {
        return Ok((sign * number).into());
    }
    if is_float(unsigned)
        && let Ok(float) = digits.parse::<f64>()
    {
        // Go writes a whole float without a point, so that an integer field takes it.
        let whole = float.fract() == 0.0 && float.abs() < 1e15;
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        return Ok(if whole {
            (float as i64).into()
        } else {
            float.into()
        });
    }
    Ok(text.into())
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            exponent.strip_prefix(['-', '+']).unwrap_or(exponent),
        ),
        None => (text, "0"),
    };
    let is_number = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    is_number(whole)
        && is_number(fraction)
        && is_number(exponent)
        && !exponent.is_empty()
        && !(whole.is_empty() && fraction.is_empty())
}

fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
