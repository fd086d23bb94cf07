//! How each message is shown: worked out once, for the options of a field are slow to read.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind as Type, MessageDescriptor};

use super::options::{Field, Kind, Options};

/// The shapes of all messages, by full name.
pub(super) struct Shapes(BTreeMap<String, Shape>);

/// The members of an object, in the order in which the protocol file has them.
pub(super) struct Shape(pub(super) Vec<Member>);

pub(super) enum Member {
    /// A key of its own.
    Own(Own),
    /// The members of a message in its place.
    Flat(FieldDescriptor),
    /// Whichever member of a oneof is set: its name under a key, and then its own members.
    Tagged { tag: String, members: Vec<(FieldDescriptor, String)> },
}

pub(super) struct Own {
    pub(super) field: FieldDescriptor,
    pub(super) key: String,
    pub(super) form: Form,
    pub(super) absent: Absent,
    pub(super) kind: Kind,
}

/// What stands for a field that has no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Absent {
    /// Its default: such a field always has a value.
    Default,
    Null,
    /// Nothing, not even its key.
    Omitted,
}

/// What a value becomes.
pub(super) enum Form {
    Number,
    /// Decimal text.
    Amount,
    Text,
    Hex,
    Bool,
    Word(BTreeMap<i32, String>),
    Object(MessageDescriptor),
}

impl Shapes {
    pub(super) fn of(options: &Options, pool: &DescriptorPool) -> Result<Self, String> {
        let ours = pool.all_messages().filter(|message| message.package_name().starts_with("vision."));
        let shapes = ours.map(|message| Ok((message.full_name().to_owned(), Shape::of(options, &message)?)));
        Ok(Self(shapes.collect::<Result<_, String>>()?))
    }

    pub(super) fn get(&self, message: &MessageDescriptor) -> Option<&Shape> {
        self.0.get(message.full_name())
    }
}

impl Shape {
    fn of(options: &Options, message: &MessageDescriptor) -> Result<Self, String> {
        let mut members: Vec<Member> = Vec::new();
        // Not by number: a field that came later may stand anywhere.
        let declared = message
            .descriptor_proto()
            .field
            .iter()
            .filter_map(|field| message.get_field(u32::try_from(field.number()).unwrap_or_default()));
        for field in declared {
            let spec = options.field(&field);
            if spec.hidden {
                continue;
            }
            let tag = field.containing_oneof().and_then(|oneof| options.tag(&oneof));
            match tag {
                Some(tag) => {
                    let member = (field, spec.name);
                    match members.last_mut() {
                        Some(Member::Tagged { tag: known, members }) if *known == tag => members.push(member),
                        _ => members.push(Member::Tagged { tag, members: vec![member] }),
                    }
                }
                None if spec.flatten => members.push(Member::Flat(field)),
                None => members.push(Member::Own(Own::of(options, field, spec)?)),
            }
        }
        Ok(Self(members))
    }
}

impl Own {
    fn of(options: &Options, field: FieldDescriptor, spec: Field) -> Result<Self, String> {
        let entry = if field.is_map() {
            field.kind().as_message().map(|entry| entry.map_entry_value_field())
        } else {
            None
        };
        let form = match entry.as_ref().unwrap_or(&field).kind() {
            _ if spec.amount => Form::Amount,
            Type::String => Form::Text,
            Type::Bytes => Form::Hex,
            Type::Bool => Form::Bool,
            Type::Enum(words) => {
                Form::Word(words.values().map(|value| (value.number(), options.word(&value))).collect())
            }
            Type::Message(message) if message.package_name().starts_with("vision.") => Form::Object(message),
            Type::Message(message) => return Err(format!("{} has no shape", message.full_name())),
            _ => Form::Number,
        };
        let absent = match (spec.null_when_absent, spec.omit_when_empty, field.supports_presence()) {
            (true, ..) => Absent::Null,
            (_, true, _) | (.., true) => Absent::Omitted,
            _ => Absent::Default,
        };
        Ok(Self { field, key: spec.name, form, absent, kind: spec.kind })
    }
}
