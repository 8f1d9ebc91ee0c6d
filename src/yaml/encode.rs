//! Any value as bytes, whatever parser it comes from: unambiguous, because every part carries its length. It is smaller
//! than a tree, and only ever compared.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Writes what it visits as bytes.
pub(super) struct Encode<'c> {
    pub(super) out: &'c mut Vec<u8>,
    pub(super) aside: Option<Aside<'c>>,
}

/// A key of the outermost mapping whose values are not written with the rest.
pub(super) struct Aside<'c> {
    pub(super) key: &'c str,
    pub(super) scalars: Scalars,
    pub(super) values: &'c mut Vec<String>,
}

/// How the value of that key is asked for. `yaml_serde` gives the text of any scalar, and must, because goyaml and it
/// disagree about `yes`; `serde_json` does not turn `true` into text.
#[derive(Clone, Copy)]
pub(super) enum Scalars {
    Text,
    Boolean,
}

impl Encode<'_> {
    fn part(&mut self) -> Encode<'_> {
        Encode {
            out: self.out,
            aside: None,
        }
    }

    fn sized<E>(self, kind: u8, content: &[u8]) -> Result<(), E> {
        self.out.push(kind);
        self.out.extend((content.len() as u64).to_le_bytes());
        self.out.extend(content);
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
        self.out.push(b'n');
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.out.push(b'n');
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.out.push(b'[');
        while seq.next_element_seed(self.part())?.is_some() {}
        self.out.push(b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut aside = self.aside.take();
        let mut name = Vec::new();
        if let Some(aside) = &aside {
            Encode {
                out: &mut name,
                aside: None,
            }
            .visit_str(aside.key)?;
        }
        self.out.push(b'{');
        loop {
            let before = self.out.len();
            if map.next_key_seed(self.part())?.is_none() {
                break;
            }
            match &mut aside {
                Some(aside) if self.out.get(before..) == Some(name.as_slice()) => {
                    self.out.truncate(before);
                    aside.values.push(map.next_value_seed(aside.scalars)?);
                }
                _ => map.next_value_seed(self.part())?,
            }
        }
        self.out.push(b'}');
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(mut self, tagged: A) -> Result<(), A::Error> {
        self.out.push(b't');
        let ((), value) = tagged.variant_seed(self.part())?;
        value.newtype_variant_seed(self.part())
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

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        match self {
            Scalars::Text => Ok(value.to_owned()),
            // so that "true" is not taken for true
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
