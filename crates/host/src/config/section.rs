//! Reads a struct from file, variables and flags. serde knows the names of the struct's fields, so
//! unknown keys are found whatever the struct itself says about them.

use std::collections::{BTreeMap, btree_map};

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::text::Text;
use super::{ConfigError, PREFIX, Settings};

pub(super) fn read<T: DeserializeOwned>(settings: &Settings, name: &str) -> Result<T, ConfigError> {
    T::deserialize(Section { settings, name }).map_err(|error| match error {
        ConfigError::Message(why) => {
            ConfigError::Section { place: settings.file.display().to_string(), section: name.to_owned(), why }
        }
        placed => placed,
    })
}

struct Section<'a> {
    settings: &'a Settings,
    name: &'a str,
}

/// A value and where it was found.
struct Setting {
    place: String,
    value: Value,
}

enum Value {
    File(toml::Value),
    Text(String),
}

impl Section<'_> {
    /// The values by key; the later source wins.
    fn values(&self, fields: &[&str]) -> Result<BTreeMap<String, Setting>, ConfigError> {
        let Self { settings, name: section } = self;
        let mut found = Vec::new();
        let file = settings.file.display().to_string();
        match settings.table.get(*section) {
            None => {}
            Some(toml::Value::Table(table)) => {
                for (key, value) in table {
                    found.push((key.clone(), file.clone(), Value::File(value.clone())));
                }
            }
            Some(_) => return Err(ConfigError::custom("it is a value, not a section")),
        }
        let prefix = format!("{PREFIX}{}_", section.to_ascii_uppercase());
        for (name, value) in &settings.variables {
            if let Some(key) = name.strip_prefix(&prefix) {
                found.push((key.to_ascii_lowercase(), name.clone(), Value::Text(value.clone())));
            }
        }
        for ((of, key), flag) in &settings.flags {
            if of == section {
                found.push((key.clone(), flag.name.clone(), Value::Text(flag.value.clone())));
            }
        }
        let mut values = BTreeMap::new();
        for (key, place, value) in found {
            if !fields.contains(&key.as_str()) {
                let (section, known) = ((*section).to_owned(), fields.join(", "));
                return Err(ConfigError::UnknownKey { place, section, key, known });
            }
            values.insert(key, Setting { place, value });
        }
        Ok(values)
    }
}

impl<'de> Deserializer<'de> for Section<'_> {
    type Error = ConfigError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ConfigError> {
        let values = self.values(fields)?.into_iter();
        visitor.visit_map(Values { section: self.name, values, current: None })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ConfigError> {
        Err(ConfigError::custom("a section is read into a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Values<'a> {
    section: &'a str,
    values: btree_map::IntoIter<String, Setting>,
    current: Option<(String, Setting)>,
}

impl<'de> MapAccess<'de> for Values<'_> {
    type Error = ConfigError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ConfigError> {
        self.current = self.values.next();
        let Some((key, _)) = &self.current else { return Ok(None) };
        let key: StringDeserializer<ConfigError> = key.clone().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ConfigError> {
        let Some((key, setting)) = self.current.take() else {
            return Err(ConfigError::custom("a value without a key"));
        };
        let read = match setting.value {
            Value::File(value) => seed.deserialize(value).map_err(|error| error.message().to_owned()),
            Value::Text(text) => seed.deserialize(Text(&text)).map_err(|error| error.to_string()),
        };
        read.map_err(|why| ConfigError::Value {
            place: setting.place,
            section: self.section.to_owned(),
            key,
            why: why.trim().to_owned(),
        })
    }
}
