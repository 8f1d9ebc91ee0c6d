//! Any value as bytes, whatever parser it comes from: unambiguous, because every part carries its length. It is smaller
//! than a tree, and only ever compared.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// A step of a path that leads to the value set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At<'p> {
    /// The value of this key.
    Key(&'p str),
    /// The item with this index.
    Item(usize),
}

/// Values as bytes, for comparing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Encoder(Vec<u8>);

/// Writes what it visits.
pub(super) struct Encode<'c> {
    pub(super) out: &'c mut Encoder,
    pub(super) aside: Option<Aside<'c>>,
}

/// A value that is not written with the rest.
pub(super) struct Aside<'c> {
    pub(super) path: &'c [At<'c>],
    pub(super) reading: ScalarReading,
    pub(super) values: &'c mut Vec<Encoder>,
}

/// How the value set aside is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScalarReading {
    /// As the text of a scalar: `yaml_serde` gives that of any scalar, and must, because goyaml and it disagree about `yes`.
    Text,
    /// As the text of a scalar of JSON; `serde_json` does not turn `true` into text.
    Json,
    /// As whatever it is.
    Any,
}

impl Encoder {
    fn sized(&mut self, kind: u8, content: &[u8]) {
        self.0.push(kind);
        self.0.extend((content.len() as u64).to_le_bytes());
        self.0.extend(content);
    }

    pub(super) fn boolean(&mut self, value: bool) {
        self.sized(b'b', &[u8::from(value)]);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.sized(b's', text.as_bytes());
    }

    pub(super) fn null(&mut self) {
        self.0.push(b'n');
    }

    pub(super) fn open_mapping(&mut self) {
        self.0.push(b'{');
    }

    pub(super) fn close_mapping(&mut self) {
        self.0.push(b'}');
    }

    pub(super) fn open_sequence(&mut self) {
        self.0.push(b'[');
    }

    pub(super) fn close_sequence(&mut self) {
        self.0.push(b']');
    }
}

impl<'c> Aside<'c> {
    /// The path without its first step, which leads into the value.
    fn within<'s>(&'s mut self, rest: &'s [At<'s>]) -> Aside<'s> {
        Aside {
            path: rest,
            reading: self.reading,
            values: self.values,
        }
    }
}

impl Encode<'_> {
    fn part(&mut self) -> Encode<'_> {
        Encode {
            out: self.out,
            aside: None,
        }
    }

    fn sized<E>(self, kind: u8, content: &[u8]) -> Result<(), E> {
        self.out.sized(kind, content);
        Ok(())
    }
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
        self.sized(b'b', &[u8::from(value)])
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.sized(b'i', &value.to_le_bytes())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.sized(b'u', &value.to_le_bytes())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        self.sized(b'i', &value.to_le_bytes())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        self.sized(b'u', &value.to_le_bytes())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.sized(b'f', &value.to_bits().to_le_bytes())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.sized(b's', value.as_bytes())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.null();
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.out.null();
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        let mut aside = self.aside.take();
        self.out.open_sequence();
        for index in 0.. {
            let next = match &mut aside {
                Some(aside) if aside.path.first() == Some(&At::Item(index)) => {
                    let rest = aside.path.get(1..).unwrap_or_default();
                    if rest.is_empty() {
                        seq.next_element_seed(Taken(aside.within(rest)))?
                    } else {
                        let aside = Some(aside.within(rest));
                        seq.next_element_seed(Encode {
                            out: self.out,
                            aside,
                        })?
                    }
                }
                _ => seq.next_element_seed(self.part())?,
            };
            if next.is_none() {
                break;
            }
        }
        self.out.close_sequence();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut aside = self.aside.take();
        let mut name = Encoder::default();
        if let Some(At::Key(key)) = aside.as_ref().and_then(|aside| aside.path.first()) {
            name.text(key);
        }
        self.out.open_mapping();
        loop {
            let before = self.out.0.len();
            if map.next_key_seed(self.part())?.is_none() {
                break;
            }
            match &mut aside {
                Some(aside)
                    if !name.0.is_empty() && self.out.0.get(before..) == Some(&name.0[..]) =>
                {
                    let rest = aside.path.get(1..).unwrap_or_default();
                    if rest.is_empty() {
                        self.out.0.truncate(before);
                        map.next_value_seed(Taken(aside.within(rest)))?;
                    } else {
                        let aside = Some(aside.within(rest));
                        map.next_value_seed(Encode {
                            out: self.out,
                            aside,
                        })?;
                    }
                }
                _ => map.next_value_seed(self.part())?,
            }
        }
        self.out.close_mapping();
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(mut self, tagged: A) -> Result<(), A::Error> {
        self.out.0.push(b't');
        let ((), value) = tagged.variant_seed(self.part())?;
        value.newtype_variant_seed(self.part())
    }
}

/// Reads the value to set aside.
struct Taken<'c>(Aside<'c>);

impl<'de> DeserializeSeed<'de> for Taken<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        let Aside {
            reading, values, ..
        } = self.0;
        let mut taken = Encoder::default();
        match reading {
            ScalarReading::Text => taken.text(&value.deserialize_str(Scalar { quote: false })?),
            ScalarReading::Json => taken.text(&value.deserialize_any(Scalar { quote: true })?),
            ScalarReading::Any => value.deserialize_any(Encode {
                out: &mut taken,
                aside: None,
            })?,
        }
        values.push(taken);
        Ok(())
    }
}

struct Scalar {
    /// A string is quoted, so that `"true"` is not taken for `true`.
    quote: bool,
}

impl Visitor<'_> for Scalar {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar")
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(if self.quote {
            format!("{value:?}")
        } else {
            value.to_owned()
        })
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
