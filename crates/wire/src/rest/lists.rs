//! Lists of an answer, decoded item by item as they are shown: decoded at once, small messages take many
//! times their length in memory.

use std::collections::BTreeMap;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as Type, MessageDescriptor};
use serde::ser::{Error as _, Serialize, SerializeSeq as _, Serializer};
use tonic::Status;

use super::broken;
use super::shape::Shapes;
use super::show::Shown;

/// The encoded items of a message's lists of messages, by the number of the field.
#[derive(Default)]
pub(super) struct Lists<'a>(BTreeMap<u32, Vec<&'a [u8]>>);

/// One of them.
pub(super) struct Listed<'a> {
    pub(super) shapes: &'a Shapes,
    items: &'a [&'a [u8]],
    item: MessageDescriptor,
}

fn item_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Type::Message(item) if field.is_list() => Some(item),
        _ => None,
    }
}

impl<'a> Lists<'a> {
    /// Takes the lists of messages out of an encoded message; gives the rest of it, encoded.
    pub(super) fn split(message: &MessageDescriptor, encoded: &'a [u8]) -> Result<(Self, Vec<u8>), Status> {
        let (mut lists, mut rest, mut left) = (Self::default(), Vec::new(), encoded);
        while !left.is_empty() {
            let from = left;
            let (number, wire_type) = decode_key(&mut left).map_err(|error| broken(&error))?;
            let is_list = || message.get_field(number).is_some_and(|field| item_of(&field).is_some());
            if wire_type == WireType::LengthDelimited && is_list() {
                let length = decode_varint(&mut left).map_err(|error| broken(&error))?;
                let split = usize::try_from(length).ok().and_then(|length| left.split_at_checked(length));
                let (item, after) = split.ok_or_else(|| broken(&"an item that is cut off"))?;
                lists.0.entry(number).or_default().push(item);
                left = after;
            } else {
                skip_field(wire_type, number, &mut left, DecodeContext::default())
                    .map_err(|error| broken(&error))?;
                rest.extend_from_slice(&from[..from.len() - left.len()]);
            }
        }
        Ok((lists, rest))
    }

    /// The items of a field, if it has any.
    pub(super) fn of(&'a self, field: &FieldDescriptor, shapes: &'a Shapes) -> Option<Listed<'a>> {
        let items = self.0.get(&field.number())?;
        Some(Listed { shapes, items, item: item_of(field)? })
    }
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.items.len()))?;
        for item in self.items {
            let message = DynamicMessage::decode(self.item.clone(), *item).map_err(S::Error::custom)?;
            list.serialize_element(&Shown::new(self.shapes, &message))?;
        }
        list.end()
    }
}
