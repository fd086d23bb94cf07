//! Messages as JSON.

use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq as _, Serializer};

use super::lists::Lists;
use super::shape::{Absent, Form, Member, Own, Shapes};

/// A message to be shown.
pub(super) struct Shown<'a> {
    pub(super) shapes: &'a Shapes,
    pub(super) message: &'a DynamicMessage,
    /// What was taken out of the message before it was decoded.
    pub(super) lists: Option<&'a Lists<'a>>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut map)?;
        map.end()
    }
}

impl<'a> Shown<'a> {
    pub(super) const fn new(shapes: &'a Shapes, message: &'a DynamicMessage) -> Self {
        Self { shapes, message, lists: None }
    }

    fn members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let descriptor = self.message.descriptor();
        let shape = self.shapes.get(&descriptor).ok_or_else(|| M::Error::custom(descriptor.full_name()))?;
        for member in &shape.0 {
            match member {
                Member::Own(own) => self.own(own, map)?,
                Member::Flat(field) => {
                    if let Some(inner) =
                        self.message.get_field(field).as_message().filter(|_| self.message.has_field(field))
                    {
                        Shown::new(self.shapes, inner).members(map)?;
                    }
                }
                Member::Tagged { tag, members } => {
                    for (field, word) in members.iter().filter(|(field, _)| self.message.has_field(field)) {
                        map.serialize_entry(tag, word)?;
                        if let Some(inner) = self.message.get_field(field).as_message() {
                            Shown::new(self.shapes, inner).members(map)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn own<M: SerializeMap>(&self, own: &Own, map: &mut M) -> Result<(), M::Error> {
        if let Some(listed) = self.lists.and_then(|lists| lists.of(&own.field, self.shapes)) {
            return map.serialize_entry(&own.key, &listed);
        }
        if !self.message.has_field(&own.field) {
            match own.absent {
                Absent::Omitted => return Ok(()),
                Absent::Null => return map.serialize_entry(&own.key, &()),
                Absent::Default => {}
            }
        }
        let value = self.message.get_field(&own.field);
        map.serialize_entry(&own.key, &ShownValue { shapes: self.shapes, form: &own.form, value: &value })
    }
}

struct ShownValue<'a> {
    shapes: &'a Shapes,
    form: &'a Form,
    value: &'a Value,
}

impl ShownValue<'_> {
    const fn of<'a>(&'a self, value: &'a Value) -> ShownValue<'a> {
        ShownValue { shapes: self.shapes, form: self.form, value }
    }
}

impl Serialize for ShownValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::U32(value) => serializer.serialize_u32(*value),
            Value::I32(value) => serializer.serialize_i32(*value),
            Value::I64(value) => serializer.serialize_i64(*value),
            Value::U64(value) if matches!(self.form, Form::Amount) => serializer.collect_str(value),
            Value::U64(value) => serializer.serialize_u64(*value),
            Value::F32(value) => serializer.serialize_f32(*value),
            Value::F64(value) => serializer.serialize_f64(*value),
            Value::String(value) => serializer.serialize_str(value),
            Value::Bytes(value) => serializer.serialize_str(&hex::encode(value)),
            Value::EnumNumber(number) => match self.form {
                Form::Word(words) => {
                    // A newer service may say what this program has no word for.
                    let word = words.get(number).or_else(|| words.get(&0)).map_or("unknown", String::as_str);
                    serializer.serialize_str(word)
                }
                _ => serializer.serialize_i32(*number),
            },
            Value::Message(message) => Shown::new(self.shapes, message).serialize(serializer),
            Value::List(values) => {
                let mut list = serializer.serialize_seq(Some(values.len()))?;
                for value in values {
                    list.serialize_element(&self.of(value))?;
                }
                list.end()
            }
            Value::Map(values) => {
                let mut entries: Vec<(String, &Value)> =
                    values.iter().map(|(key, value)| (key_text(key), value)).collect();
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&key, &self.of(value))?;
                }
                map.end()
            }
        }
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}
