//! A value given as text by a variable or a flag, read as whatever type the field has.

use std::str::FromStr;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::ConfigError;

pub(super) struct Text<'a>(pub(super) &'a str);

impl Text<'_> {
    /// To the letter: no white space, and no sign but a minus.
    fn number<T: FromStr>(&self, expected: &str) -> Result<T, ConfigError> {
        let parsed = if self.0.starts_with('+') { None } else { self.0.parse().ok() };
        parsed.ok_or_else(|| ConfigError::invalid_value(Unexpected::Str(self.0), &expected))
    }

    /// What stands between commas. A blank beside a comma is of no item; an item that is nothing is a
    /// mistake.
    fn items(&self) -> Result<impl Iterator<Item = &str>, ConfigError> {
        let is_empty = self.0.is_empty();
        if !is_empty && self.0.split(',').any(|item| item.trim().is_empty()) {
            return Err(ConfigError::custom("an entry between two commas, or after the last one, is empty"));
        }
        Ok(self.0.split(',').map(str::trim).filter(move |_| !is_empty))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $expected:literal;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
            visitor.$visit(self.number($expected)?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = ConfigError;

    numbers! {
        deserialize_bool visit_bool "true or false";
        deserialize_i8 visit_i8 "a whole number from -128 to 127";
        deserialize_i16 visit_i16 "a whole number from -32768 to 32767";
        deserialize_i32 visit_i32 "a whole number of 32 bits";
        deserialize_i64 visit_i64 "a whole number of 64 bits";
        deserialize_u8 visit_u8 "a whole number from 0 to 255";
        deserialize_u16 visit_u16 "a whole number from 0 to 65535";
        deserialize_u32 visit_u32 "a whole number of 32 bits, not negative";
        deserialize_u64 visit_u64 "a whole number of 64 bits, not negative";
        deserialize_f32 visit_f32 "a number";
        deserialize_f64 visit_f64 "a number";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        visitor.visit_seq(SeqDeserializer::new(self.items()?.map(Text)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let text: StrDeserializer<'_, ConfigError> = self.0.into_deserializer();
        text.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ConfigError> {
        let pairs = self.items()?.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        visitor.visit_map(MapDeserializer::new(pairs.map(|(key, value)| (Text(key), Text(value)))))
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct struct identifier
        ignored_any
    }
}

impl<'de> IntoDeserializer<'de, ConfigError> for Text<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}
